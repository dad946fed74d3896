"""Models in other formats than GGUF: each becomes a Checkpoint, and a GGUF file in the cache.

An importer is a module with the functions of ``Importer``. ``IMPORTERS`` lists them; each is imported when a source may
be its own.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Protocol, cast

from kgpt_build import paths
from kgpt_build.errors import KgptError
from kgpt_build.file_hash import cached_sha256
from kgpt_build.models.checkpoint import Checkpoint
from kgpt_build.models.gguf.scan import MAGIC
from kgpt_build.models.gguf.write import write_gguf
from kgpt_build.models.importing.options import ImportOptions
from kgpt_build.words import shown_bytes

__all__ = ["ImportOptions", "as_gguf", "importer_of", "is_importable", "read_checkpoint"]

BEGINNING = 64
"""Bytes of a file that importers see to recognise it."""

_MOST_BYTES, _MOST = 16 << 30, 64  # of imported models in the cache


class Importer(Protocol):
    """The functions of a module that imports a format. None of the messages of their KgptErrors names ``source``."""

    FORMAT: str
    """The name of the format, for people."""

    def recognises(self, source: Path, beginning: bytes) -> bool:
        """Is ``source`` of this format? A folder has no ``beginning``; of a file it is the first BEGINNING bytes."""

    def files(self, source: Path, options: ImportOptions) -> Sequence[Path]:
        """All files that read() reads; their hashes are the key of the cache. Raises KgptError for a missing one."""

    def read(self, source: Path, options: ImportOptions) -> Checkpoint:
        """Check ``source`` and describe its tensors, which are read later. Raises KgptError, OSError."""


IMPORTERS: tuple[str, ...] = (
    "kgpt_build.models.pytorch",
    "kgpt_build.models.gguf.shards",
    "kgpt_build.models.llama2c",
    "kgpt_build.models.hf",
)
"""Modules of importers, in the order in which they are asked."""


def importer_of(source: Path) -> Importer | None:
    """The importer of ``source``, a file or folder; None for GGUF, JSON and what is unknown. Raises OSError."""
    beginning = b""
    if not source.is_dir():
        with source.open("rb") as file:
            beginning = file.read(BEGINNING)
    modules = (cast(Importer, importlib.import_module(name)) for name in IMPORTERS)
    return next((module for module in modules if module.recognises(source, beginning)), None)


def is_importable(source: Path) -> bool:
    """Does an importer know ``source``? False for a path that does not exist or cannot be read."""
    with suppress(OSError):
        return importer_of(source) is not None
    return False


def read_checkpoint(source: Path, options: ImportOptions | None = None) -> Checkpoint:
    """The model in ``source``, a file or folder of a known format. Raises KgptError (without the path), OSError."""
    return _require_importer(source).read(source, options or ImportOptions())


def as_gguf(source: Path, options: ImportOptions | None = None, stage: Callable[[str], None] = lambda _: None) -> Path:
    """The GGUF file in the cache that ``source`` was imported into; it is imported if it is not there.

    ``stage`` is told when that begins. Raises KgptError (without the path), OSError.
    """
    options = options or ImportOptions()
    importer = _require_importer(source)
    folder = paths.make_cache_dir("imported")
    path = folder / f"{_key(importer, source, options)}.gguf"
    if path.is_file():
        path.touch()  # the least recently used are removed
        return path
    stage(f"importing {source} ({importer.FORMAT})")
    write_gguf(importer.read(source, options), path)
    paths.prune(list(folder.glob("*.gguf")), most=_MOST, most_bytes=_MOST_BYTES)
    return path


def _require_importer(source: Path) -> Importer:
    if (importer := importer_of(source)) is not None:
        return importer
    hint = "docs/models.md lists what can be imported"
    if source.is_dir():
        raise KgptError("is a directory that holds no model of a known format", hint)
    with source.open("rb") as file:
        beginning = file.read(BEGINNING)
    if not beginning:
        raise KgptError("the file is empty", hint)
    if beginning.startswith(MAGIC):
        raise KgptError("it is a GGUF file already", "commands such as kgpt build take it as it is")
    raise KgptError(f"it is of no known format: it begins with {shown_bytes(beginning[:8])}", hint)


def _key(importer: Importer, source: Path, options: ImportOptions) -> str:
    """A hash of everything that decides the bytes of the GGUF file: sources, options, and the code that imports."""
    digest = hashlib.sha256()
    for file in importer.files(source, options):
        digest.update(f"{file.name} {cached_sha256(file)}\n".encode())
    digest.update(repr((source.name, importer.FORMAT, astuple(options))).encode())
    for code in sorted(Path(__file__).parent.parent.rglob("*.py"), key=os.fspath):
        digest.update(code.read_bytes())
    return digest.hexdigest()[:32]
