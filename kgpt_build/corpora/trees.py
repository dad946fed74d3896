"""Finds the files of a corpus in folders, in a fixed order."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from kgpt_build.corpora.collect import File
from kgpt_build.errors import KgptError
from kgpt_build.sizes import MIB

MOST_BYTES = 256 * MIB
"""A larger file is skipped: it is read into memory."""
HIDDEN = "hidden"


def files_of(paths: Iterable[Path], suffixes: frozenset[str] = frozenset()) -> Iterator[File]:
    """The files of ``paths`` in the order given, those of a folder sorted part by part.

    In a folder, links, hidden entries and special files are skipped, and files of another suffix are not read. A file
    that two paths reach is taken once. Raises KgptError for a path that does not exist.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if not path.exists():
            raise KgptError(f"{path}: no such file or folder", "check the path")
        if path.is_dir():
            for found in _walk(path):
                if suffixes and isinstance(found, Path) and found.suffix.lower() not in suffixes:
                    yield File(str(found))  # collect counts it
                else:
                    yield found if isinstance(found, File) else _read(found, seen)
        else:
            yield _read(path, seen)


def _walk(folder: Path) -> Iterator[Path | File]:
    """The regular files below ``folder``, and as File what is not read. It keeps a stack, because trees may be deep."""
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        if path != folder and (reason := _not_followed(path)):
            yield File(str(path), skipped=reason)
        elif path.is_dir():
            try:
                waiting += sorted(path.iterdir(), key=os.fsencode, reverse=True)
            except OSError as error:
                yield File(str(path), skipped=_reason(error))
        else:
            yield path


def _not_followed(path: Path) -> str:
    """Why an entry of a folder is not read, or ""."""
    if path.name.startswith("."):
        return HIDDEN
    if path.is_symlink():
        return "link"
    return "" if path.is_file() or path.is_dir() else "neither a file nor a folder"


def _read(path: Path, seen: set[tuple[int, int]]) -> File:
    try:
        with path.open("rb") as file:
            of = os.fstat(file.fileno())
            identity = of.st_dev, of.st_ino
            if identity in seen:
                return File(str(path), skipped="here already")
            seen.add(identity)
            if stat.S_ISREG(of.st_mode) and of.st_size > MOST_BYTES:
                return File(str(path), skipped=f"larger than {MOST_BYTES // MIB} MB")
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        return File(str(path), skipped=_reason(error))
    return File(str(path), data) if len(data) <= MOST_BYTES else File(str(path), skipped="too large")


def _reason(error: OSError) -> str:
    return f"cannot be read ({error.strerror or error})"
