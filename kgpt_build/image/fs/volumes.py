"""The interface of file systems that are read, and the folder of files that becomes one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from kgpt_build.errors import KgptError

CHUNK = 1 << 20
DAMAGED = "the image is damaged, or was not made by kgpt image"


@dataclass(frozen=True)
class Slice:
    """A part of a file, for file systems that cannot hold the whole."""

    path: Path
    offset: int
    size: int


Source = Path | bytes | Slice
"""The content of a file for an image: a file, bytes, or a part of a file."""


class Volume(Protocol):
    """A file system to read from."""

    @property
    def label(self) -> str:
        """The label of the file system."""

    @property
    def files(self) -> Mapping[str, int]:
        """Path of each file ("/kgpt/lm.elf") -> size in bytes."""

    def stream(self, path: str) -> Iterator[bytes]:
        """The readable part of a file, which may be shorter than its size. Raises KgptError."""


def chunks(volume: Volume, path: str) -> Iterator[bytes]:
    """The bytes of a file in pieces. Raises KgptError if the image ends within the file."""
    left = volume.files[path]
    for data in volume.stream(path):
        left -= len(data)
        yield data
    if left:
        raise KgptError(f"{path} is cut off: {left:,} of its bytes cannot be read", DAMAGED)


def content(volume: Volume, path: str) -> bytes:
    """The content of a small file."""
    return b"".join(chunks(volume, path))


def read_at(image: BinaryIO, offset: int, size: int) -> bytes:
    """Read ``size`` bytes at an offset. Raises KgptError if there are fewer."""
    image.seek(offset)
    data = image.read(size)
    if len(data) < size:
        raise KgptError(f"the image ends at byte {offset + len(data):,}, within a structure", DAMAGED)
    return data


def lay_out(files: Mapping[str, Source], tree: Path) -> None:
    """Lay out ``files`` (path from the root -> content) below ``tree``; files become links, slices are left out."""
    for path, source in files.items():
        place = tree / path.strip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, Slice):
            continue
        if isinstance(source, bytes):
            place.write_bytes(source)
        else:
            place.symlink_to(source.absolute())


def whole_files(files: Mapping[str, Source]) -> dict[str, Path | bytes]:
    """The files that are no slices."""
    return {path: source for path, source in files.items() if not isinstance(source, Slice)}


def pieces_of(source: Source) -> Iterator[bytes]:
    """The bytes of a file for an image. Raises OSError."""
    if isinstance(source, bytes):
        yield source
        return
    part = source if isinstance(source, Slice) else Slice(source, 0, source.stat().st_size)
    left = part.size
    with part.path.open("rb") as file:
        file.seek(part.offset)
        while left and (data := file.read(min(CHUNK, left))):
            left -= len(data)
            yield data


def size_of(source: Source) -> int:
    """The size in bytes of a file for an image."""
    if isinstance(source, Slice):
        return source.size
    return len(source) if isinstance(source, bytes) else source.stat().st_size
