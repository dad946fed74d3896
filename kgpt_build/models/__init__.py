"""Models on the host: reading them from files, whose format is detected by content."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kgpt_build import paths
from kgpt_build.errors import KgptError
from kgpt_build.file_hash import cached_sha256
from kgpt_build.models.catalog import DEFAULT_MODEL, resolve
from kgpt_build.models.gguf.file import MetadataValue, load_gguf, metadata, save_gguf
from kgpt_build.models.gguf.model import GgufModel, LmSizes, load_gguf_model, mapped
from kgpt_build.models.gguf.scan import MAGIC, scan
from kgpt_build.models.gguf.shards import stem_of
from kgpt_build.models.importing import ImportOptions, as_gguf, importer_of, is_importable
from kgpt_build.models.microgpt_json import load_json
from kgpt_build.models.model import FloatArray, Hyperparameters, Model, tensor_shapes
from kgpt_build.models.no_model import NO_MODEL, NoModel
from kgpt_build.models.tokenizer import CharTokenizer
from kgpt_build.words import shown_bytes

_FORMATS = "give a .gguf file, or one of the other sources in docs/models.md"
_ELF_MAGIC = b"\x7fELF"
_PIECE = 1 << 24

__all__ = [
    "DEFAULT_MODEL",
    "NO_MODEL",
    "CharTokenizer",
    "FloatArray",
    "GgufModel",
    "Hyperparameters",
    "ImportOptions",
    "LmSizes",
    "MetadataValue",
    "Model",
    "NoModel",
    "cached_sha256",
    "import_model",
    "imported",
    "is_gguf",
    "load",
    "load_gguf_model",
    "load_lm",
    "load_microgpt",
    "metadata",
    "resolve",
    "save_gguf",
    "stem_of",
    "tensor_shapes",
]


def load(path: Path | None = None) -> Model | GgufModel:
    """The model in ``path`` (by content), or the default model. Raises KgptError naming the file.

    GGUF, JSON, or a format that ``models.importing`` knows, which is imported into the cache. A microgpt is read
    completely, a language model only up to the end of its header.
    """
    path = DEFAULT_MODEL if path is None else path
    with _named(path):
        return _load(_gguf_of(path))


def load_microgpt(path: Path | None = None) -> Model:
    """Like load, for uses that only a microgpt has. Raises KgptError for a language model."""
    model = load(path)
    if not isinstance(model, Model):
        raise KgptError(f"{path}: the architecture {model.arch!r} is not supported here", "supported: microgpt")
    return model


def load_lm(path: Path) -> GgufModel:
    """Like load, for the engine for language models, which also runs a microgpt of a GGUF file. Raises KgptError."""
    with _named(path):
        return load_gguf_model(_gguf_of(path))


def imported(path: Path, stage: Callable[[str], None]) -> Path:
    """``path``; if it is of another format than GGUF and JSON, it is imported into the cache, which ``stage`` is told.

    Raises KgptError naming the path.
    """
    if is_importable(path):
        with _named(path):
            as_gguf(path, stage=stage)
    return path


def import_model(source: Path, path: Path, options: ImportOptions, stage: Callable[[str], None]) -> None:
    """Write the model in ``source``, of another format than GGUF, to the GGUF file ``path``. Raises KgptError.

    The written file is one that kgpt accepts; otherwise nothing is written.
    """
    if not source.exists():
        raise KgptError(f"{source}: no such file or folder", "check the path")
    with _named(source):
        if importer_of(source) is None and _is_json(source):
            model = load_json(source)
            save_gguf(dataclasses.replace(model, name=options.name or model.name), path)
            return
        checked = as_gguf(source, options, stage)
        _load(checked)
        _require_other_file(path, source, options)
    paths.write_pieces_atomically(path, _pieces(checked))


def _require_other_file(path: Path, source: Path, options: ImportOptions) -> None:
    """Raise KgptError if ``path`` is one of the files of ``source``."""
    importer = importer_of(source)
    files = importer.files(source, options) if importer and path.exists() else ()
    if any(path.samefile(file) for file in files):
        raise KgptError(f"{path} is a file of this model, which would be overwritten", "choose another file with -o")


def _gguf_of(path: Path) -> Path:
    """The file to read: ``path``, or what it was imported into."""
    return path if importer_of(path) is None else as_gguf(path)


def is_gguf(path: Path) -> bool:
    """Does ``path`` begin as a GGUF file does? Other models are read from files that do not."""
    if path.is_dir():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _is_json(path: Path) -> bool:
    if path.is_dir():
        return False
    with path.open("rb") as file:
        beginning = file.read(16)
    return bool(beginning) and beginning.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in (b"", b"{", b"[")


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def _load(path: Path) -> Model | GgufModel:
    if path.is_dir():
        raise KgptError("is a directory that holds no model of a known format", _FORMATS)
    with path.open("rb") as file:
        magic = file.read(len(MAGIC))
    if not magic:
        raise KgptError("the file is empty", _FORMATS)
    if magic == MAGIC:
        return _load_gguf(path)
    if magic == _ELF_MAGIC:
        raise KgptError("it is a kernel or a program, not a model", "give the model that it was built of")
    if _is_json(path):
        return load_json(path)
    raise KgptError(
        f"neither a GGUF file nor JSON, nor of another known format: it begins with {shown_bytes(magic)}", _FORMATS
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
    # A kernel for microgpts makes documents. A microgpt of a running text runs on the engine for language models.
    documents = header.architecture == "microgpt" and header.fields.get("tokenizer.ggml.add_bos_token") is not False
    return load_gguf(path) if documents else load_gguf_model(path, header)
