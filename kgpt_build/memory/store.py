"""The layout of a store in Python: kernel_c/include/kgpt/store.h describes it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kgpt_build.errors import KgptError
from kgpt_build.sizes import units_of

BLOCK = 4096
LEAST = 64 * 1024
"""Bytes of the smallest store that is made."""

_RECORDS, _UNITS, _START, _END, _VERSION = 63, 4096, 8 * BLOCK, 0xFFFF, 1
_HEAD, _HEAD_MAGIC = struct.Struct("<8sIIQII"), b"KGPTSTOR"
_DIRECTORY, _DIRECTORY_MAGIC = struct.Struct("<8sIIQI36x"), b"KGPTSDIR"
_RECORD = struct.Struct("<32sIIQI12x")
_CHECKED_FROM = 16
_DIRECTORY_SIZE = 3 * BLOCK
_PLACES = (BLOCK, BLOCK + _DIRECTORY_SIZE)
KINDS = {1: "conversation"}


@dataclass(frozen=True)
class Record:
    """What is kept under a name."""

    name: str
    kind: int
    data: bytes
    whole: bool
    """Its CRC matches."""


@dataclass(frozen=True)
class Store:
    """A store that was read."""

    size: int
    free: int
    """Bytes for further records."""
    records: tuple[Record, ...]


def _checked(magic: bytes, rest: bytes) -> bytes:
    return magic + struct.pack("<II", _VERSION, zlib.crc32(rest)) + rest


def empty_store(size: int) -> bytes:
    """The bytes of a store without records. Raises KgptError if it would be too small."""
    size = size // BLOCK * BLOCK
    if size < LEAST:
        raise KgptError(f"a memory of {size:,} bytes is too small", f"give it {LEAST // 1024} KB or more")
    unit = BLOCK
    while (size - _START) // unit > _UNITS:
        unit *= 2
    head = _checked(_HEAD_MAGIC, struct.pack("<QII", size, unit, (size - _START) // unit))
    directory = _checked(_DIRECTORY_MAGIC, bytes(8) + bytes(_DIRECTORY_SIZE - _CHECKED_FROM - 8))
    start = head.ljust(BLOCK, b"\0") + directory * 2
    return start + bytes(size - len(start))


def filled_store(size: int, records: Sequence[Record]) -> bytes:
    """The bytes of a store with ``records``, in its first units. Raises KgptError if they do not fit."""
    area = bytearray(empty_store(size))
    size, unit, units = _head(bytes(area))
    if len(records) > _RECORDS:
        raise KgptError(
            f"the memory holds {_RECORDS} records, and these are {len(records)}", "forget some: /forget NAME"
        )
    rows, following, first = b"", [0] * _UNITS, 0
    for record in records:
        end = first + -(-len(record.data) // unit)
        if end > units:
            need, free = units_of(len(record.data), 1024), (units - first) * unit // 1024
            raise KgptError(
                f"{record.name} needs {need:,} KB, and {free:,} KB are free in the memory", "/forget something"
            )
        rows += _RECORD.pack(record.name.encode(), record.kind, zlib.crc32(record.data), len(record.data), first)
        following[first:end] = [*range(first + 1, end), _END]
        area[_START + first * unit : _START + first * unit + len(record.data)] = record.data
        first = end
    rest = struct.pack("<QI36x", 1, len(records)) + rows.ljust(64 * _RECORDS, b"\0") + struct.pack("<4096H", *following)
    area[_PLACES[0] : _PLACES[0] + _DIRECTORY_SIZE] = _checked(_DIRECTORY_MAGIC, rest)
    return bytes(area)


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


def _chain(directory: bytes, first: int, units: int) -> Iterator[int]:
    for _ in range(units):
        if first >= units:
            return
        yield first
        (first,) = struct.unpack_from("<H", directory, BLOCK + 2 * first)


def read_store(area: bytes) -> Store:
    """The records of a store, with what is wrong with each. Raises KgptError if it is none, or damaged."""
    size, unit, units = _head(area)
    directories = [found for place in _PLACES if (found := _directory(area, place))]
    if not directories:
        raise _bad("has two damaged directories")
    _, directory = max(directories)
    (n,) = struct.unpack_from("<I", directory, 24)
    records, used = [], 0
    for i in range(n):
        name, kind, crc, length, first = _RECORD.unpack_from(directory, 64 * (1 + i))
        chain = list(_chain(directory, first, units))
        used += len(chain)
        data = b"".join(area[_START + u * unit : _START + (u + 1) * unit] for u in chain)[:length]
        whole = len(data) == length and zlib.crc32(data) == crc
        records.append(Record(name.rstrip(b"\0").decode("ascii", "replace"), kind, data, whole))
    return Store(size, (units - used) * unit, tuple(records))
