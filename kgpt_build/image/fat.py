"""A FAT16 or FAT32 file system, written in one go: the same files give the same bytes.

mtools would stamp each folder with the present time. Layout as in Microsoft's "FAT File System Specification" 1.03:
boot sector, FATs, folders, then each file in one run of clusters.
"""

from __future__ import annotations

import calendar
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from kgpt_build.errors import KgptError

SECTOR = 512
MAX_FILE = (1 << 32) - 1
_LEAST_FAT32 = 65525 + 16  # clusters: with fewer it is FAT16; and some systems count not quite right
_LEAST_FAT16 = 4085 + 16
_ROOT_ENTRIES = 512  # of FAT16
_LFN_CHARS = 13
_FOLDER, _ARCHIVE, _VOLUME, _LONG = 0x10, 0x20, 0x08, 0x0F
_CHUNK = 1 << 20
_END_MARK = {16: 0xFFFF, 32: 0x0FFFFFFF}
_SHORT_CHARS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-~!#$%&'()@^`{}")


@dataclass(frozen=True)
class Volume:
    """What the file system is called: ``label`` of at most 11 characters, ``serial`` of 32 bits.

    ``epoch`` is the time of all files, in seconds since 1970; ``start`` the sector of the disk where it begins.
    """

    label: str
    serial: int
    epoch: int
    start: int = 0


@dataclass(eq=False)
class _Node:
    """A file, or a folder of some."""

    name: str
    source: Path | bytes | None = None
    children: dict[str, _Node] = field(default_factory=dict)
    size: int = 0
    cluster: int = 0
    parent: _Node | None = None

    @property
    def is_folder(self) -> bool:
        return self.source is None


@dataclass(frozen=True)
class Geometry:
    """Sizes in sectors; ``bits`` is 16 or 32."""

    bits: int
    reserved: int
    fat: int
    root: int
    cluster: int
    clusters: int

    @property
    def data(self) -> int:
        """The sector where cluster 2 begins."""
        return self.reserved + 2 * self.fat + self.root

    @property
    def total(self) -> int:
        """All of it."""
        return self.data + self.clusters * self.cluster


def plan(files: Mapping[str, Path | bytes], *, bits: int, room: int = 0) -> Geometry:
    """The file system that holds ``files`` (path from the root -> bytes, or a file) and ``room`` bytes more.

    Raises KgptError for a file that is too large.
    """
    root = _tree(files)
    cluster = 1 if bits == 16 or _bytes_of(root) + room < (260 << 20) else 8
    return _geometry(root, bits, cluster, room)


def write(out: BinaryIO, files: Mapping[str, Path | bytes], volume: Volume, geometry: Geometry) -> None:
    """Write it to ``out`` where that stands, with zeros up to its end. Raises OSError."""
    root = _tree(files)
    order = list(_in_order(root, geometry))
    table = _table(order, geometry)
    base = out.tell()
    out.write(_reserved(volume, geometry, _clusters_used(order, geometry)))
    for _ in range(2):
        out.write(table)
    if geometry.root:
        out.write(_folder(root, volume, geometry).ljust(geometry.root * SECTOR, b"\0"))
    for node in order:
        _write_node(out, node, volume, geometry)
    end = base + geometry.total * SECTOR
    if out.tell() < end:
        out.seek(end - 1)
        out.write(b"\0")


def _tree(files: Mapping[str, Path | bytes]) -> _Node:
    root = _Node("")
    for path in sorted(files):
        *folders, name = path.strip("/").split("/")
        at = root
        for folder in folders:
            at = at.children.setdefault(folder, _Node(folder, parent=at))
        source = files[path]
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size > MAX_FILE:
            raise KgptError(f"{path} has {size:,} bytes, and FAT holds files below 4 GiB", "make an iso, or use less")
        at.children[name] = _Node(name, source, size=size, parent=at)
    return root


def _walk(node: _Node) -> Iterator[_Node]:
    """All below ``node``: folders before what is in them."""
    for child in node.children.values():
        yield child
        yield from _walk(child)


def _bytes_of(root: _Node) -> int:
    return sum(node.size for node in _walk(root))


def _clusters_of(node: _Node, cluster: int) -> int:
    size = _folder_bytes(node) if node.is_folder else node.size
    return -(-size // (cluster * SECTOR))


def _folder_bytes(node: _Node) -> int:
    entries = 2 if node.parent else 1  # . and .., or the label
    return 32 * (entries + sum(1 + _long_entries(child.name) for child in node.children.values()))


def _geometry(root: _Node, bits: int, cluster: int, room: int) -> Geometry:
    nodes = [*_walk(root), *([root] if bits == 32 else [])]
    clusters = sum(_clusters_of(node, cluster) for node in nodes) + -(-room // (cluster * SECTOR))
    clusters = max(clusters, _LEAST_FAT32 if bits == 32 else _LEAST_FAT16)
    if bits == 16 and clusters >= 65525:
        raise KgptError("the files are too large for FAT16", "this is a defect of kgpt")
    fat = -(-(clusters + 2) * (bits // 8) // SECTOR)
    reserved, fixed = (32, 0) if bits == 32 else (1, _ROOT_ENTRIES * 32 // SECTOR)
    return Geometry(bits, reserved, fat, fixed, cluster, clusters)


def _in_order(root: _Node, geometry: Geometry) -> Iterator[_Node]:
    """What lies in clusters, one behind the other, each with its first cluster."""
    at = 2
    for node in [*([root] if geometry.bits == 32 else []), *_walk(root)]:
        n = _clusters_of(node, geometry.cluster)
        node.cluster = at if n else 0
        at += n
        yield node


def _clusters_used(order: Sequence[_Node], geometry: Geometry) -> int:
    return sum(_clusters_of(node, geometry.cluster) for node in order)


def _table(order: Sequence[_Node], geometry: Geometry) -> bytes:
    end = _END_MARK[geometry.bits]
    links = [end & ~0xFF | 0xF8, end]
    for node in order:
        n = _clusters_of(node, geometry.cluster)
        links += [*range(node.cluster + 1, node.cluster + n), end] if n else []
    return struct.pack(f"<{len(links)}{'I' if geometry.bits == 32 else 'H'}", *links).ljust(
        geometry.fat * SECTOR, b"\0"
    )


def _reserved(volume: Volume, geometry: Geometry, used: int) -> bytes:
    """The boot sector; of FAT32 also what is free, and a copy of both."""
    small = geometry.bits == 16
    start = struct.pack(
        "<3s8sHBHBHHBHHHII",
        b"\xeb\x3c\x90" if small else b"\xeb\x58\x90",
        b"MSWIN4.1",  # which some BIOSes and cameras look for
        *(SECTOR, geometry.cluster, geometry.reserved, 2, _ROOT_ENTRIES if small else 0),
        *(geometry.total if geometry.total < 1 << 16 and small else 0, 0xF8, geometry.fat if small else 0),
        *(63, 255, volume.start, 0 if geometry.total < 1 << 16 and small else geometry.total),
    )
    if not small:
        start += struct.pack("<IHHIHH12x", geometry.fat, 0, 0, 2, 1, 6)
    start += struct.pack(
        "<BBBI11s8s", 0x80, 0, 0x29, volume.serial, _label(volume), b"FAT16   " if small else b"FAT32   "
    )
    sector = start.ljust(510, b"\0") + b"\x55\xaa"
    if small:
        return sector
    info = struct.pack("<4s480x4sII12x4s", b"RRaA", b"rrAa", geometry.clusters - used, 2 + used, b"\0\0\x55\xaa")
    both = sector + info + bytes(510) + b"\x55\xaa"
    return (both.ljust(6 * SECTOR, b"\0") + both).ljust(geometry.reserved * SECTOR, b"\0")


def _label(volume: Volume) -> bytes:
    return volume.label.upper().encode("ascii")[:11].ljust(11)


def _write_node(out: BinaryIO, node: _Node, volume: Volume, geometry: Geometry) -> None:
    padded = _clusters_of(node, geometry.cluster) * geometry.cluster * SECTOR
    if node.is_folder:
        out.write(_folder(node, volume, geometry).ljust(padded, b"\0"))
        return
    written = 0
    if isinstance(node.source, bytes):
        written = out.write(node.source)
    elif node.source is not None:
        with node.source.open("rb") as file:
            while chunk := file.read(_CHUNK):
                written += out.write(chunk)
    if written != node.size:
        raise KgptError(f"{node.name} has changed while it was read", "try again when nothing writes it")
    out.write(bytes(padded - written))


def _folder(node: _Node, volume: Volume, geometry: Geometry) -> bytes:
    """The entries of a folder."""
    if node.parent is None:
        data = _entry(_label(volume), _VOLUME, 0, 0, volume.epoch)
    else:
        above = node.parent.cluster if node.parent.parent else 0
        data = _entry(b".".ljust(11), _FOLDER, node.cluster, 0, volume.epoch)
        data += _entry(b"..".ljust(11), _FOLDER, above, 0, volume.epoch)
    taken: set[bytes] = set()
    for child in node.children.values():
        short = _short_name(child.name, taken)
        data += _long_name(child.name, short)
        kind = _FOLDER if child.is_folder else _ARCHIVE
        data += _entry(short, kind, child.cluster, child.size, volume.epoch)
    return data


def _entry(name: bytes, kind: int, cluster: int, size: int, epoch: int) -> bytes:
    day, moment = _fat_time(epoch)
    return struct.pack(
        "<11sBBBHHHHHHHI", name, kind, 0, 0, moment, day, day, cluster >> 16, moment, day, cluster & 0xFFFF, size
    )


def _fat_time(epoch: int) -> tuple[int, int]:
    """Date and time as FAT has them, from 1980 on."""
    now = time.gmtime(max(epoch, calendar.timegm((1980, 1, 1, 0, 0, 0))))
    return (
        now.tm_year - 1980
    ) << 9 | now.tm_mon << 5 | now.tm_mday, now.tm_hour << 11 | now.tm_min << 5 | now.tm_sec // 2


def _is_short(name: str) -> bool:
    base, _, ending = name.partition(".")
    return 1 <= len(base) <= 8 and len(ending) <= 3 and _SHORT_CHARS.issuperset(base + ending)


def _short_name(name: str, taken: set[bytes]) -> bytes:
    """The 11 bytes that old systems see."""
    base, _, ending = name.upper().rpartition(".") if "." in name else (name.upper(), "", "")
    base, ending = ("".join(char for char in part if char in _SHORT_CHARS) for part in (base, ending))
    number = 0
    while True:
        tail = f"~{number}" if number or not _is_short(name) else ""
        number += 1
        short = (base[: 8 - len(tail)] + tail).ljust(8).encode() + ending[:3].ljust(3).encode()
        if short not in taken and (tail != "~0"):
            taken.add(short)
            return short


def _long_entries(name: str) -> int:
    return 0 if _is_short(name) else -(-len(name.encode("utf-16-le")) // 2 // _LFN_CHARS)


def _long_name(name: str, short: bytes) -> bytes:
    """The entries that hold the whole name, the last part first."""
    count = _long_entries(name)
    sum_of_short = 0
    for byte in short:
        sum_of_short = ((sum_of_short & 1) << 7 | sum_of_short >> 1) + byte & 0xFF
    text = name.encode("utf-16-le")
    if len(text) < count * _LFN_CHARS * 2:
        text = (text + b"\0\0").ljust(count * _LFN_CHARS * 2, b"\xff")
    entries = []
    for i in range(count):
        part = text[i * 26 : i * 26 + 26]
        number = i + 1 | (0x40 if i + 1 == count else 0)
        entries.append(
            struct.pack("<B10sBBB12sH4s", number, part[:10], _LONG, 0, sum_of_short, part[10:22], 0, part[22:26])
        )
    return b"".join(reversed(entries))
