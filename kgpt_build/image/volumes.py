"""Read-only file systems of an image: what both readers give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from kgpt_build.errors import KgptError

CHUNK = 1 << 20
DAMAGED = "the image is damaged, or was not made by kgpt image"


@dataclass(frozen=True)
class Extent:
    """Bytes of the image that belong to a file."""

    offset: int
    size: int


@dataclass(frozen=True)
class File:
    """A file: its path from the root, its size in bytes, and where it lies."""

    path: str
    size: int
    extents: tuple[Extent, ...]


Files = Mapping[str, File]
"""Path from the root ("/kgpt/lm.elf") -> file."""


def chunks(image: BinaryIO, file: File) -> Iterator[bytes]:
    """The bytes of ``file``. Raises KgptError if the image ends before it does."""
    left = file.size
    for extent in file.extents:
        image.seek(extent.offset)
        within = min(extent.size, left)
        left -= within
        while within:
            data = image.read(min(CHUNK, within))
            if not data:
                raise KgptError(f"{file.path} goes on behind the end of the image", DAMAGED)
            within -= len(data)
            yield data
    if left:
        raise KgptError(f"{file.path} is shorter than its size", DAMAGED)


def content(image: BinaryIO, file: File) -> bytes:
    """All of a small file."""
    return b"".join(chunks(image, file))


def read_at(image: BinaryIO, offset: int, size: int) -> bytes:
    """``size`` bytes. Raises KgptError if there are fewer."""
    image.seek(offset)
    data = image.read(size)
    if len(data) < size:
        raise KgptError(f"the image ends at byte {offset + len(data):,}, within a structure", DAMAGED)
    return data
