"""Reads ISO 9660 with Rock Ridge names (ECMA-119; IEEE P1282), and the El Torito boot catalog in it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from kgpt_build.errors import KgptError
from kgpt_build.image.volumes import DAMAGED, Extent, File, read_at

SECTOR = 2048
_DESCRIPTORS = 16
_MOST_DESCRIPTORS = 32
_MOST_FOLDERS = 10_000
_FOLDER, _MORE = 0x02, 0x80
EFI, BIOS = 0xEF, 0x00


@dataclass(frozen=True)
class BootEntry:
    """Of the boot catalog: the ``platform`` it is for (BIOS, EFI), and the byte where what is loaded begins."""

    platform: int
    offset: int
    size: int


@dataclass(frozen=True)
class _Record:
    name: str
    extent: Extent
    flags: int


def is_iso(image: BinaryIO) -> bool:
    """Is there a file system of this kind?"""
    image.seek(_DESCRIPTORS * SECTOR + 1)
    return image.read(5) == b"CD001"


def volume_id(image: BinaryIO) -> str:
    """The name of the volume. Raises KgptError."""
    return _primary(image)[40:72].decode("ascii", "replace").rstrip()


def files(image: BinaryIO) -> dict[str, File]:
    """All files. Raises KgptError for a damaged file system."""
    root = _primary(image)[156:190]
    return {file.path: file for file in _walk(image, _record(root).extent)}


def boot_entries(image: BinaryIO) -> list[BootEntry]:
    """What firmware would boot of the disc. Raises KgptError for a damaged catalog."""
    catalog = next(
        (data[71:75] for data in _descriptors(image) if data[0] == 0 and data[7:30] == b"EL TORITO SPECIFICATION"), None
    )
    if catalog is None:
        return []
    data = read_at(image, int.from_bytes(catalog, "little") * SECTOR, SECTOR)
    if data[0] != 1 or data[30:32] != b"\x55\xaa" or sum(struct.unpack("<16H", data[:32])) & 0xFFFF:
        raise KgptError("the check sum of its boot catalog is wrong", DAMAGED)
    found, platform = [], data[1]
    for at in range(32, SECTOR, 32):
        kind = data[at]
        if kind in (0x90, 0x91):  # a header: what follows is for another platform
            platform = data[at + 1]
        elif kind == 0x88:
            count, sector = struct.unpack_from("<HI", data, at + 6)
            found.append(BootEntry(platform, sector * SECTOR, count * 512))
    return found


def _descriptors(image: BinaryIO) -> Iterator[bytes]:
    for i in range(_MOST_DESCRIPTORS):
        data = read_at(image, (_DESCRIPTORS + i) * SECTOR, SECTOR)
        if data[1:6] != b"CD001":
            raise KgptError("a volume descriptor of the disc is missing", DAMAGED)
        if data[0] == 0xFF:
            return
        yield data


def _primary(image: BinaryIO) -> bytes:
    for data in _descriptors(image):
        if data[0] == 1:
            return data
    raise KgptError("the disc has no primary volume descriptor", DAMAGED)


def _walk(image: BinaryIO, root: Extent) -> Iterator[File]:
    folders = [("", root)]
    for count, (path, extent) in enumerate(folders):
        if count > _MOST_FOLDERS:
            raise KgptError("the folders of the disc have no end", DAMAGED)
        before: list[Extent] = []
        for record in _records(image, extent):
            place = f"{path}/{record.name}"
            if record.flags & _FOLDER:
                folders.append((place, record.extent))
                continue
            before.append(record.extent)
            if not record.flags & _MORE:
                yield File(place, sum(part.size for part in before), tuple(before))
                before = []


def _records(image: BinaryIO, folder: Extent) -> Iterator[_Record]:
    data = read_at(image, folder.offset, folder.size)
    at = 0
    while at < len(data):
        length = data[at]
        if length == 0:  # the rest of a sector: none goes over its end
            at = (at // SECTOR + 1) * SECTOR
            continue
        if length < 34 or at + length > len(data):
            raise KgptError("a folder of the disc is damaged", DAMAGED)
        if data[at + 33 : at + 34] not in (b"\0", b"\1") or data[at + 32] != 1:  # . and ..
            yield _record(data[at : at + length])
        at += length


def _record(data: bytes) -> _Record:
    sector, size = struct.unpack_from("<I4xI", data, 2)
    length = data[32]
    plain = data[33 : 33 + length].decode("ascii", "replace").partition(";")[0]
    name = _rock_ridge_name(data[33 + length + (1 - length % 2) :])
    return _Record(name or plain, Extent(sector * SECTOR, size), data[25])


def _rock_ridge_name(fields: bytes) -> str:
    """The name in the system use area; empty without one."""
    at, name = 0, b""
    while at + 4 <= len(fields) and fields[at + 2] >= 4:
        length = fields[at + 2]
        if fields[at : at + 2] == b"NM" and not fields[at + 4] & 0x06:
            name += fields[at + 5 : at + length]
        at += length
    return name.decode("utf-8", "replace")
