"""The content of a kernel's model section: a microgpt, or the blob of a language model."""

from __future__ import annotations

from kgpt_build.errors import KgptError, UsageError
from kgpt_build.headers import LmBlob
from kgpt_build.models import GgufModel, Model, NoModel

_TRAIN_HINT = "leave out --train and --corpus: they are for microgpt"


def content_of(model: Model | GgufModel | NoModel, chat_template: str | None, *, train: bool = False) -> Model | LmBlob:
    """The content for ``model``, with ``chat_template`` (None: the model's own); ``train``: the kernel can train.

    Raises UsageError for a wish that the model cannot fulfil, KgptError for a template that cannot be used.
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
