"""Models on the host: the in-memory ``Model`` and the file formats it is read from, told apart by content."""

from __future__ import annotations

from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf_file import MetadataValue, load_gguf, metadata, save_gguf
from kgpt_build.models.gguf_scan import MAGIC
from kgpt_build.models.microgpt_json import load_json
from kgpt_build.models.model import FloatArray, Hyperparameters, Model, tensor_shapes
from kgpt_build.models.tokenizer import CharTokenizer

__all__ = [
    "DEFAULT_MODEL",
    "CharTokenizer",
    "FloatArray",
    "Hyperparameters",
    "MetadataValue",
    "Model",
    "load",
    "metadata",
    "save_gguf",
    "tensor_shapes",
]

DEFAULT_MODEL = Path(__file__).parent.parent / "data" / "default.gguf"


def load(path: Path | None = None) -> Model:
    """The model in ``path`` (GGUF or JSON, by content), or the default model. Raises KgptError naming the file."""
    path = DEFAULT_MODEL if path is None else path
    try:
        return _load(path)
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


def _load(path: Path) -> Model:
    if path.is_dir():
        raise KgptError("is a directory, not a model", "give a .gguf or .json file")
    with path.open("rb") as file:
        magic = file.read(len(MAGIC))
    if not magic:
        raise KgptError("the file is empty", "give a .gguf or .json file")
    if magic == MAGIC:
        return load_gguf(path)
    if magic.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in (b"", b"{", b"["):
        return load_json(path)
    raise KgptError(
        f"neither a GGUF file nor JSON: it begins with {magic!r}",
        "give a .gguf file, or a .json of microgpt's state_dict",
    )
