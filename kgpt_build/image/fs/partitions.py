"""Reads partition tables: MBR, and GPT (UEFI Specification 2.10, chapter 5)."""

from __future__ import annotations

import struct
import uuid
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from kgpt_build.errors import KgptError
from kgpt_build.image.fs.volumes import DAMAGED, read_at
from kgpt_build.media import SECTOR, is_boot_sector, mbr_entries

ESP = uuid.UUID("C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
PROTECTIVE = 0xEE
"""The kind of the protective entry in an MBR beside a GPT."""
_FAT = {0x01, 0x04, 0x06, 0x0B, 0x0C, 0x0E, 0xEF}
_MOST_ENTRIES = 1024


@dataclass(frozen=True)
class Partition:
    """A partition in bytes; ``is_fat``: its type is a FAT file system or an EFI system partition."""

    offset: int
    size: int
    is_fat: bool


def has_boot_code(image: BinaryIO) -> bool:
    """Does the first sector hold boot code for a BIOS?"""
    sector = read_at(image, 0, SECTOR)
    return is_boot_sector(sector) and any(sector[:440])


def partitions(image: BinaryIO) -> list[Partition]:
    """The partitions of the GPT if there is one, else of the MBR. Raises KgptError for a damaged table."""
    sector = read_at(image, 0, SECTOR)
    if not is_boot_sector(sector):
        return []
    entries = mbr_entries(sector)
    if any(entry.kind == PROTECTIVE for entry in entries):
        return _gpt(image)
    return [Partition(row.start * SECTOR, row.sectors * SECTOR, row.kind in _FAT) for row in entries if row.kind]


def _gpt(image: BinaryIO) -> list[Partition]:
    header = read_at(image, SECTOR, SECTOR)
    size, crc = struct.unpack_from("<II", header, 12)
    table, count, width, table_crc = struct.unpack_from("<QIII", header, 72)
    if header[:8] != b"EFI PART" or not 92 <= size <= SECTOR or count > _MOST_ENTRIES or not 128 <= width <= 1024:
        raise KgptError("its GPT is damaged", DAMAGED)
    blank = header[:16] + bytes(4) + header[20:size]
    data = read_at(image, table * SECTOR, count * width)
    if zlib.crc32(blank) != crc or zlib.crc32(data) != table_crc:
        raise KgptError("the check sum of its GPT is wrong", DAMAGED)
    found = []
    for at in range(0, len(data), width):
        kind = uuid.UUID(bytes_le=bytes(data[at : at + 16]))
        first, last = struct.unpack_from("<QQ", data, at + 32)
        if kind.int:
            found.append(Partition(first * SECTOR, (last - first + 1) * SECTOR, kind == ESP))
    return found
