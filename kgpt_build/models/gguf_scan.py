"""Walks the header of a GGUF file before the gguf library does.

The library trusts every length in the file: a damaged one makes it loop for hours, allocate gigabytes, or raise
whatever NumPy raises. This walk reads the same fields through a cursor that checks bounds, and names the
place of the damage.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from math import prod

from kgpt_build.errors import KgptError

MAGIC = b"GGUF"
MAX_FIELDS = 1 << 16
MAX_TENSORS = 1 << 16
MAX_DIMENSIONS = 4  # GGML_MAX_DIMS
MAX_ELEMENTS = 1 << 40

F32 = 0  # GGML type id
_U32, _STRING, _ARRAY = 4, 8, 9  # GGUF value types
_SCALAR_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_HINT = "the file is damaged or incomplete: copy or write it again"


@dataclass(frozen=True)
class ScannedTensor:
    """A tensor as its description claims it; ``kind`` is the GGML type id, ``size`` in bytes (0: not an f32 tensor)."""

    name: str
    kind: int
    offset: int
    size: int


@dataclass(frozen=True)
class Scan:
    """What must be known before the rest of the file is worth reading."""

    architecture: str
    tensors: tuple[ScannedTensor, ...]


class _Cursor:
    """A position in ``data`` that never leaves it."""

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self.data = data
        self.offset = 0

    def skip(self, size: int, what: str) -> bytes:
        if size > len(self.data) - self.offset:
            left = len(self.data) - self.offset
            raise KgptError(f"truncated in {what} at byte {self.offset}: {size} bytes needed, {left} left", _HINT)
        start = self.offset
        self.offset += size
        return self.data[start : self.offset]

    def u32(self, what: str) -> int:
        return int(struct.unpack("<I", self.skip(4, what))[0])

    def u64(self, what: str) -> int:
        return int(struct.unpack("<Q", self.skip(8, what))[0])

    def text(self, what: str) -> str:
        raw = self.skip(self.u64(what), what)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise KgptError(f"{what} before byte {self.offset} is not UTF-8", _HINT) from None


def scan(data: bytes | mmap.mmap) -> Scan:
    """Check that every length in ``data`` stays within it. Raises KgptError naming the field and the byte."""
    cursor = _Cursor(data)
    if cursor.skip(4, "the magic") != MAGIC:
        raise KgptError(f"not a GGUF file: it begins with {data[:4]!r}, not {MAGIC!r}", "give a .gguf file")
    _check_version(cursor.u32("the version"))
    n_tensors = _count(cursor.u64("the number of tensors"), "tensors", MAX_TENSORS)
    n_fields = _count(cursor.u64("the number of fields"), "fields", MAX_FIELDS)
    architecture, alignment = _scan_fields(cursor, n_fields)
    names: set[str] = set()
    tensors = tuple(_scan_tensor(cursor, names) for _ in range(n_tensors))
    start = -(-cursor.offset // alignment) * alignment
    for tensor in tensors:
        end = start + tensor.offset + tensor.size
        if end > len(data):
            raise KgptError(
                f"truncated in the data of tensor {tensor.name!r}: it ends at byte {end} of {len(data)}", _HINT
            )
    return Scan(architecture, tensors)


def _scan_fields(cursor: _Cursor, n_fields: int) -> tuple[str, int]:
    """Skip the fields; return general.architecture ("" without) and general.alignment."""
    names: set[str] = set()
    found: dict[str, str | int] = {"general.architecture": "", "general.alignment": 32}
    for _ in range(n_fields):
        name = _distinct(cursor.text("a field name"), names)
        value = _scan_value(cursor, name)
        if name in found:
            if type(value) is not type(found[name]):
                raise KgptError(f"{name} is not a {'text' if name.endswith('architecture') else 'u32'}", _HINT)
            found[name] = value
    alignment = int(found["general.alignment"])
    if alignment < 8 or alignment & (alignment - 1) or alignment > 1 << 16:
        raise KgptError(f"general.alignment is {alignment}", "it must be a power of two from 8 to 65536")
    return str(found["general.architecture"]), alignment


def _check_version(version: int) -> None:
    if version not in (2, 3):
        big = version & 0xFFFF == 0
        raise KgptError(
            "the file is big-endian" if big else f"GGUF version {version} is not supported",
            "supported: version 2 and 3, little-endian",
        )


def _count(value: int, what: str, limit: int) -> int:
    if value > limit:
        raise KgptError(f"the header claims {value} {what}", _HINT)
    return value


def _distinct(name: str, names: set[str]) -> str:
    if name in names:
        raise KgptError(f"{name!r} occurs twice", _HINT)
    names.add(name)
    return name


def _scan_value(cursor: _Cursor, name: str) -> str | int | None:
    """Read one value; return it if it is a text or a u32."""
    what = f"the value of {name!r}"
    kind = cursor.u32(what)
    if kind == _STRING:
        return cursor.text(what)
    if kind == _U32:
        return cursor.u32(what)
    if kind == _ARRAY:
        _scan_array(cursor, what)
    elif kind in _SCALAR_SIZES:
        cursor.skip(_SCALAR_SIZES[kind], what)
    else:
        raise KgptError(f"{what} has the unknown type {kind}", _HINT)
    return None


def _scan_array(cursor: _Cursor, what: str) -> None:
    kind = cursor.u32(what)
    count = cursor.u64(what)
    if kind == _STRING:
        for _ in range(count):  # each string takes 8 bytes at least, so a false count ends at the end of the file
            cursor.text(what)
    elif kind in _SCALAR_SIZES:
        cursor.skip(count * _SCALAR_SIZES[kind], what)
    else:
        raise KgptError(f"{what} is an array of the unsupported type {kind}", _HINT)


def _scan_tensor(cursor: _Cursor, names: set[str]) -> ScannedTensor:
    name = _distinct(cursor.text("a tensor name"), names)
    what = f"the description of tensor {name!r}"
    n_dims = cursor.u32(what)
    if not 1 <= n_dims <= MAX_DIMENSIONS:
        raise KgptError(f"{what} claims {n_dims} dimensions", _HINT)
    dims = [cursor.u64(what) for _ in range(n_dims)]
    n_elements = prod(dims)
    if n_elements == 0 or n_elements > MAX_ELEMENTS:
        raise KgptError(f"the tensor {name!r} has the shape {tuple(reversed(dims))}", _HINT)
    kind = cursor.u32(what)
    offset = cursor.u64(what)
    return ScannedTensor(name, kind, offset, 4 * n_elements if kind == F32 else 0)
