"""The layout of a store in Python: kernel_c/include/kgpt/store.h describes it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from kgpt_build.errors import KgptError
from kgpt_build.memory.shared import NUMBERS, TEXTS
from kgpt_build.sizes import units_of

BLOCK = NUMBERS["BLOCK"]
LEAST = 64 * 1024
"""Bytes of the smallest store that is made."""

_RECORDS, _UNITS, _END, _VERSION = (NUMBERS[name] for name in ("RECORDS", "UNITS", "END", "VERSION"))
_FIRST_YEAR, _LAST_YEAR = NUMBERS["FIRST_YEAR"], NUMBERS["LAST_YEAR"]
_START = NUMBERS["START_BLOCKS"] * BLOCK
_HEAD, _HEAD_MAGIC = struct.Struct("<8sIIQII"), TEXTS["magic"].encode()
_DIRECTORY, _DIRECTORY_MAGIC = struct.Struct("<8sIIQI36x"), TEXTS["directory_magic"].encode()
_RECORD = struct.Struct(f"<{NUMBERS['NAME']}sIIQI4xQ")
_CHECKED_FROM = 16
_DIRECTORY_SIZE = 3 * BLOCK
_PLACES = (BLOCK, BLOCK + _DIRECTORY_SIZE)


_Row = tuple[bytes, int, int, int, int, int]


@dataclass(frozen=True)
class Record:
    """What is kept under a name."""

    name: str
    kind: int
    data: bytes
    whole: bool
    """Its CRC matches."""
    time: int = 0
    """When it was kept: seconds since 1970; 0 is unknown."""

    @property
    def kept(self) -> datetime | None:
        """When it was kept, as the clock of the machine told; None if that clock was wrong, or of an older kgpt."""
        return datetime.fromtimestamp(self.time, UTC) if is_plausible(self.time) else None


@dataclass(frozen=True)
class Store:
    """A store that was read."""

    size: int
    free: int
    """Bytes for further records."""
    records: tuple[Record, ...]


def is_plausible(time: int) -> bool:
    """Can a clock that tells this time be right (kernel_c/store/date.c)?"""
    return time <= 0xFFFFFFFF and _FIRST_YEAR <= datetime.fromtimestamp(time, UTC).year <= _LAST_YEAR


def _checked(magic: bytes, rest: bytes) -> bytes:
    return magic + struct.pack("<II", _VERSION, zlib.crc32(rest)) + rest


def begins_as_store(data: bytes) -> bool:
    """Does a file whose first bytes are ``data`` claim to be a store?"""
    return data.startswith(_HEAD_MAGIC)


def empty_store(size: int) -> bytes:
    """The bytes of a store without records. Raises KgptError if it would be too small."""
    start = empty_start(size)
    return start + bytes(size // BLOCK * BLOCK - len(start))


def empty_start(size: int) -> bytes:
    """What a store without records begins with; behind it are zeros. Raises KgptError if it would be too small."""
    size = size // BLOCK * BLOCK
    if size < LEAST:
        raise KgptError(f"a memory of {size:,} bytes is too small", f"give it {LEAST // 1024} KB or more")
    unit = BLOCK
    while (size - _START) // unit > _UNITS:
        unit *= 2
    head = _checked(_HEAD_MAGIC, struct.pack("<QII", size, unit, (size - _START) // unit))
    directory = _checked(_DIRECTORY_MAGIC, bytes(8) + bytes(_DIRECTORY_SIZE - _CHECKED_FROM - 8))
    return head.ljust(BLOCK, b"\0") + directory * 2


def _bad(what: str) -> KgptError:
    return KgptError(f"the memory {what}", "make another one with kgpt memory make; what it holds is then gone")


def _head(area: bytes) -> tuple[int, int, int]:
    """Size, unit and units."""
    if len(area) < LEAST:
        raise _bad("is too small")
    magic, version, crc, size, unit, units = _HEAD.unpack_from(area)
    if (magic, version) != (_HEAD_MAGIC, _VERSION):
        raise _bad("was not made by kgpt, or by another version")
    fits = 0 < units <= _UNITS and unit >= BLOCK and not unit & (unit - 1)
    if (
        crc != zlib.crc32(area[_CHECKED_FROM : _HEAD.size])
        or not fits
        or not _START + units * unit <= size <= len(area)
    ):
        raise _bad("has a damaged first block")
    return size, unit, units


def _directory(area: bytes, place: int) -> tuple[int, bytes] | None:
    """Generation and bytes of a directory whose CRC matches."""
    text = area[place : place + _DIRECTORY_SIZE]
    magic, version, crc, generation, n = _DIRECTORY.unpack_from(text)
    good = (magic, version) == (_DIRECTORY_MAGIC, _VERSION) and n <= _RECORDS
    return (generation, text) if good and crc == zlib.crc32(text[_CHECKED_FROM:]) else None


def _newest(area: bytes) -> tuple[int, bytes, int]:
    """Generation, bytes and place of the directory that counts. Raises KgptError without one."""
    directories = [(*found, place) for place in _PLACES if (found := _directory(area, place))]
    if not directories:
        raise _bad("has two damaged directories")
    return max(directories)


def _rows(directory: bytes) -> Iterator[_Row]:
    """Name, kind, CRC, length, first unit and time of each record."""
    (n,) = struct.unpack_from("<I", directory, 24)
    yield from (_RECORD.unpack_from(directory, _RECORD.size * (1 + i)) for i in range(n))


def _chain(directory: bytes, first: int, units: int) -> Iterator[int]:
    for _ in range(units):
        if first >= units:
            return
        yield first
        (first,) = struct.unpack_from("<H", directory, BLOCK + 2 * first)


def read_store(area: bytes) -> Store:
    """The records of a store, with what is wrong with each. Raises KgptError if it is none, or damaged."""
    size, unit, units = _head(area)
    _, directory, _ = _newest(area)
    records, used = [], 0
    for name, kind, crc, length, first, time in _rows(directory):
        chain = list(_chain(directory, first, units))
        used += len(chain)
        data = b"".join(area[_START + u * unit : _START + (u + 1) * unit] for u in chain)[:length]
        whole = len(data) == length and zlib.crc32(data) == crc
        records.append(Record(name.rstrip(b"\0").decode("ascii", "replace"), kind, data, whole, time))
    return Store(size, (units - used) * unit, tuple(records))


def changes(area: bytes, record: Record) -> list[tuple[int, bytes]]:
    """What to write, offset and bytes, to keep ``record`` in place of another one of its kind and name.

    As in the kernel: the last write switches to the new directory, and all others go to what is free. Raises KgptError
    if there is no room.
    """
    _, unit, units = _head(area)
    generation, directory, place = _newest(area)
    rows = list(_rows(directory))
    used = {u for row in rows for u in _chain(directory, row[4], units)}
    free = [u for u in range(units) if u not in used][: units_of(len(record.data), unit)]
    mine = record.name.encode().ljust(NUMBERS["NAME"], b"\0")
    others = [row for row in rows if (row[0], row[1]) != (mine, record.kind)]
    if len(others) == _RECORDS:
        raise KgptError(f"the memory holds {_RECORDS} records, which is all it can", "/forget something in the chat")
    if len(free) * unit < len(record.data):
        need, room = units_of(len(record.data), 1024), (units - len(used)) * unit // 1024
        raise KgptError(
            f"{record.name} needs {need:,} KB, and {room:,} KB are free in the memory", "/forget something in the chat"
        )
    following = list(struct.unpack_from(f"<{_UNITS}H", directory, BLOCK))
    for u, after in zip(free, [*free[1:], _END], strict=True):
        following[u] = after
    others.append((mine, record.kind, zlib.crc32(record.data), len(record.data), free[0], record.time))
    packed = b"".join(_RECORD.pack(*row) for row in others).ljust(_RECORD.size * _RECORDS, b"\0")
    rest = struct.pack("<QI36x", generation + 1, len(others)) + packed + struct.pack(f"<{_UNITS}H", *following)
    writes = [(_START + u * unit, record.data[i * unit : (i + 1) * unit]) for i, u in enumerate(free)]
    return [*writes, (sum(_PLACES) - place, _checked(_DIRECTORY_MAGIC, rest))]
