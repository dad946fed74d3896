"""What goes into a kernel for a model: the model itself, or the blob of a language model."""

from __future__ import annotations

from kgpt_build.errors import KgptError, UsageError
from kgpt_build.headers import LmBlob
from kgpt_build.models import GgufModel, Model, NoModel

_TRAIN_HINT = "leave out --train and --corpus: they are for microgpt"


def content_of(model: Model | GgufModel | NoModel, chat_template: str | None, *, train: bool = False) -> Model | LmBlob:
    """``model`` for a kernel that chats by ``chat_template`` (None: its own), and that can train if ``train``.

    Raises UsageError for what the model cannot do, KgptError for a template that cannot be used.
    """
    if isinstance(model, GgufModel):
        if train:
            raise UsageError(f"{model.name}, a {model.arch}, cannot be trained", _TRAIN_HINT)
        try:
            return LmBlob(model, model.chat_blob(chat_template))
        except KgptError as error:
            raise KgptError(f"{model.path}: {error.message}", error.hint) from error
    if chat_template is not None:
        what = "a kernel without a model" if isinstance(model, NoModel) else f"{model.name}, a {model.arch},"
        raise UsageError(f"{what} has no chat template", "--chat-template is for language models in GGUF files")
    if isinstance(model, Model):
        return model
    if train:
        raise UsageError("a kernel without a model cannot be trained", _TRAIN_HINT)
    return LmBlob(model)
