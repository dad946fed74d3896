"""Reads FAT12, FAT16 and FAT32 with long names (Microsoft's "FAT File System Specification" 1.03)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from kgpt_build.errors import KgptError
from kgpt_build.image.volumes import DAMAGED, Extent, File, read_at

_LONG, _FOLDER, _VOLUME = 0x0F, 0x10, 0x08
_LOWER_BASE, _LOWER_ENDING = 0x08, 0x10  # how Windows NT and mtools save the long name of "grub.cfg"
_MOST_FOLDERS = 10_000


@dataclass(frozen=True)
class Fat:
    """A file system that begins at byte ``start`` of the image; places are bytes of the image, ``cluster`` is bytes."""

    start: int
    bits: int
    cluster: int
    data: int
    root: Extent | int
    links: tuple[int, ...]
    label: str

    def extents(self, cluster: int) -> tuple[Extent, ...]:
        """Where the chain that begins with ``cluster`` lies. Raises KgptError for one without an end."""
        chain = []
        while 2 <= cluster < len(self.links):
            chain.append(cluster)
            if len(chain) > len(self.links):
                raise KgptError("a chain of clusters has no end", DAMAGED)
            cluster = self.links[cluster]
        breaks = [0, *(i + 1 for i, (a, b) in enumerate(pairwise(chain)) if b != a + 1), len(chain)]
        return tuple(
            Extent(self.data + (chain[begin] - 2) * self.cluster, (end - begin) * self.cluster)
            for begin, end in pairwise(breaks)
            if begin < end
        )


def open_fat(image: BinaryIO, start: int) -> Fat:
    """The file system at byte ``start``. Raises KgptError if there is none."""
    boot = read_at(image, start, 512)
    size, per_cluster, reserved, fats, entries = struct.unpack_from("<HBHBH", boot, 11)
    if boot[510:] != b"\x55\xaa" or size not in (512, 1024, 2048, 4096) or not per_cluster or not fats:
        raise KgptError(f"there is no FAT file system at byte {start:,}", DAMAGED)
    total = struct.unpack_from("<H", boot, 19)[0] or struct.unpack_from("<I", boot, 32)[0]
    small = struct.unpack_from("<H", boot, 22)[0]
    sectors = small or struct.unpack_from("<I", boot, 36)[0]
    root_sectors = -(-entries * 32 // size)
    data = reserved + fats * sectors + root_sectors
    clusters = (total - data) // per_cluster
    bits = 12 if clusters < 4085 else 16 if clusters < 65525 else 32
    root: Extent | int = struct.unpack_from("<I", boot, 44)[0]
    if bits != 32:
        root = Extent(start + (data - root_sectors) * size, root_sectors * size)
    table = read_at(image, start + reserved * size, sectors * size)
    label = boot[71 if bits == 32 else 43 :][:11].decode("ascii", "replace").rstrip()
    links = _links(table, bits)[: clusters + 2]
    return Fat(start, bits, per_cluster * size, start + data * size, root, links, label)


def files(image: BinaryIO, fat: Fat) -> dict[str, File]:
    """All files. Raises KgptError for a damaged file system."""
    root = (fat.root,) if isinstance(fat.root, Extent) else fat.extents(fat.root)
    return {file.path: file for file in _walk(image, fat, root)}


def _links(table: bytes, bits: int) -> tuple[int, ...]:
    if bits == 12:
        triples = (table[i : i + 3] for i in range(0, len(table) - 2, 3))
        pairs = ((a | (b & 15) << 8, b >> 4 | c << 4) for a, b, c in triples)
        return tuple(link for pair in pairs for link in pair)
    width = bits // 8
    numbers = struct.unpack(f"<{len(table) // width}{'I' if bits == 32 else 'H'}", table)
    return tuple(number & 0x0FFFFFFF for number in numbers)


def _walk(image: BinaryIO, fat: Fat, root: tuple[Extent, ...]) -> Iterator[File]:
    folders = [("", root)]
    for count, (path, extents) in enumerate(folders):
        if count > _MOST_FOLDERS:
            raise KgptError("the folders of the partition have no end", DAMAGED)
        data = b"".join(read_at(image, extent.offset, extent.size) for extent in extents)
        for name, kind, cluster, size in _entries(data):
            place = f"{path}/{name}"
            if kind & _FOLDER:
                folders.append((place, fat.extents(cluster)))
            else:
                yield File(place, size, fat.extents(cluster))


def _entries(data: bytes) -> Iterator[tuple[str, int, int, int]]:
    """Name, attributes, first cluster and size of what is in a folder."""
    long = b""
    for at in range(0, len(data), 32):
        entry = data[at : at + 32]
        if entry[0] == 0:
            return
        kind = entry[11]
        if entry[0] == 0xE5:
            long = b""
        elif kind == _LONG:
            long = entry[1:11] + entry[14:26] + entry[28:32] + long
        else:
            name = _name(entry, long)
            long = b""
            if not kind & _VOLUME and name not in (".", ".."):
                high, low, size = struct.unpack_from("<H4xHI", entry, 20)
                yield name, kind, high << 16 | low, size


def _name(entry: bytes, long: bytes) -> str:
    if long:
        return long.decode("utf-16-le", "replace").partition("\0")[0]
    base, ending = entry[:8].decode("ascii", "replace").rstrip(), entry[8:11].decode("ascii", "replace").rstrip()
    base = base.lower() if entry[12] & _LOWER_BASE else base
    ending = ending.lower() if entry[12] & _LOWER_ENDING else ending
    return f"{base}.{ending}" if ending else base
