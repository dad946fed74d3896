"""Models on the host: reading them from files, whose format is detected by content."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.file_hash import cached_sha256
from kgpt_build.models.catalog import DEFAULT_MODEL, resolve
from kgpt_build.models.gguf.file import MetadataValue, load_gguf, metadata, save_gguf
from kgpt_build.models.gguf.model import GgufModel, LmSizes, load_gguf_model, mapped
from kgpt_build.models.gguf.scan import MAGIC, scan
from kgpt_build.models.microgpt_json import load_json
from kgpt_build.models.model import FloatArray, Hyperparameters, Model, tensor_shapes
from kgpt_build.models.no_model import NO_MODEL, NoModel
from kgpt_build.models.tokenizer import CharTokenizer
from kgpt_build.words import shown_bytes

__all__ = [
    "DEFAULT_MODEL",
    "NO_MODEL",
    "CharTokenizer",
    "FloatArray",
    "GgufModel",
    "Hyperparameters",
    "LmSizes",
    "MetadataValue",
    "Model",
    "NoModel",
    "cached_sha256",
    "load",
    "load_gguf_model",
    "load_lm",
    "load_microgpt",
    "metadata",
    "resolve",
    "save_gguf",
    "tensor_shapes",
]


def load(path: Path | None = None) -> Model | GgufModel:
    """The model in ``path`` (GGUF or JSON, by content), or the default model. Raises KgptError naming the file.

    A microgpt is read completely, a language model only up to the end of its header.
    """
    path = DEFAULT_MODEL if path is None else path
    with _named(path):
        return _load(path)


def load_microgpt(path: Path | None = None) -> Model:
    """Like load, for uses that only a microgpt has. Raises KgptError for a language model."""
    model = load(path)
    if not isinstance(model, Model):
        raise KgptError(f"{path}: the architecture {model.arch!r} is not supported here", "supported: microgpt")
    return model


def load_lm(path: Path) -> GgufModel:
    """Like load, for the engine for language models, which also runs a microgpt of a GGUF file. Raises KgptError."""
    with _named(path):
        return load_gguf_model(path)


def _load(path: Path) -> Model | GgufModel:
    if path.is_dir():
        raise KgptError("is a directory, not a model", "give a .gguf or .json file")
    with path.open("rb") as file:
        magic = file.read(len(MAGIC))
    if not magic:
        raise KgptError("the file is empty", "give a .gguf or .json file")
    if magic == MAGIC:
        return _load_gguf(path)
    if magic.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in (b"", b"{", b"["):
        return load_json(path)
    raise KgptError(
        f"neither a GGUF file nor JSON: it begins with {shown_bytes(magic)}",
        "give a .gguf file, or a .json of microgpt's state_dict",
    )


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Add the file's name to the messages of errors."""
    try:
        yield
    except KgptError as error:
        raise KgptError(f"{path}: {error.message}", error.hint) from error
    except FileNotFoundError:
        raise KgptError(
            f"{path}: no such file", "check the path, or leave the model out to use the default one"
        ) from None
    except OSError as error:
        raise KgptError(
            f"{path}: cannot be read: {error.strerror or error}", "check the path and its permissions"
        ) from None


def _load_gguf(path: Path) -> Model | GgufModel:
    with mapped(path) as data:
        header = scan(data)
    return load_gguf(path) if header.architecture == "microgpt" else load_gguf_model(path, header)
