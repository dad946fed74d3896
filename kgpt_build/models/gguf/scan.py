"""Reads the header of a GGUF file, versions 2 and 3: fields and descriptions of tensors, not their data.

The gguf library trusts every length in the file: a damaged length makes it loop for hours, allocate gigabytes, or raise
an exception of NumPy. For a vocabulary of 50,000 pieces it needs seconds. This reader checks all bounds by a cursor,
names the place of the damage, and needs 0.1 s.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.types import TYPES, type_name
from kgpt_build.sizes import rounded_up
from kgpt_build.words import shown_bytes

Data: TypeAlias = bytes | mmap.mmap | memoryview

MAGIC = b"GGUF"
MAX_FIELDS = 1 << 16
MAX_TENSORS = 1 << 16
MAX_KEY = 65535  # bytes; of the specification
MAX_NAME = 64  # bytes of a tensor's name; of the specification
MAX_DIMENSIONS = 4  # GGML_MAX_DIMS
MAX_ELEMENTS = 1 << 40

F32 = 0  # GGML type id
_U32, _BOOL, _STRING, _ARRAY = 4, 7, 8, 9  # GGUF value types
_SCALARS = {
    kind: struct.Struct(f"<{code}")
    for kind, code in {
        0: "B",
        1: "b",
        2: "H",
        3: "h",
        4: "I",
        5: "i",
        6: "f",
        7: "?",
        10: "Q",
        11: "q",
        12: "d",
    }.items()
}
_ALIGNMENT = "general.alignment"
_HINT = "the file is damaged or incomplete: copy or write it again"


@dataclass(frozen=True)
class Numbers:
    """An array of scalars as bytes of the file."""

    code: str  # of the struct module
    raw: bytes

    def array(self) -> npt.NDArray[np.generic]:
        """The items, (n,)."""
        return np.frombuffer(self.raw, dtype=f"<{self.code}" if self.code != "?" else np.bool_)


Value: TypeAlias = str | int | float | bool | tuple[str, ...] | Numbers


@dataclass(frozen=True)
class ScannedTensor:
    """The description of a tensor in the header.

    ``kind`` is the GGML type id; ``dims`` begin with the length of a row; ``offset`` counts from the start of the
    data, in bytes; ``size`` are bytes too.
    """

    name: str
    kind: int
    dims: tuple[int, ...]
    offset: int
    size: int


@dataclass(frozen=True)
class Scan:
    """The header of a file: ``fields`` by key, ``tensors`` in the file's order, ``start``, in bytes, of their data.

    ``kinds``: the GGUF type id of each field; of an array that of its items.
    """

    version: int
    fields: Mapping[str, Value]
    tensors: tuple[ScannedTensor, ...]
    start: int
    kinds: Mapping[str, int] = field(default_factory=dict)

    @property
    def architecture(self) -> str:
        """general.architecture; "" without."""
        return str(self.fields.get("general.architecture", ""))


class _Cursor:
    """A position in ``data``; every step checks the bounds."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.offset = 0

    def skip(self, size: int, what: str) -> bytes:
        if size > len(self.data) - self.offset:
            left = len(self.data) - self.offset
            raise KgptError(f"truncated in {what} at byte {self.offset}: {size} bytes needed, {left} left", _HINT)
        start = self.offset
        self.offset += size
        return bytes(self.data[start : self.offset])

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

    def texts(self, count: int, what: str) -> tuple[str, ...]:
        """Read ``count`` texts, faster than by calls of ``text``: vocabularies have a hundred thousand."""
        data, end, unpack = self.data, len(self.data), struct.Struct("<Q").unpack_from
        items: list[str] = []
        offset = self.offset
        while len(items) < count:
            start = offset + 8
            after = start + unpack(data, offset)[0] if start <= end else end + 1
            try:
                if after > end:
                    break
                items.append(str(data[start:after], "utf-8"))
            except UnicodeDecodeError:
                break
            offset = after
        self.offset = offset
        if len(items) < count:
            self.text(what)  # raises the error for this text
        return tuple(items)

    def name(self, what: str, most: int) -> str:
        """A text of 1 to ``most`` bytes."""
        start = self.offset
        name, size = self.text(what), self.offset - start - 8
        if not 1 <= size <= most:
            raise KgptError(f"{what} before byte {self.offset} has {size} bytes, not 1 to {most}", _HINT)
        return name


def scan(data: Data) -> Scan:
    """Read the header of ``data`` and check all lengths. Raises KgptError that names the field and the byte."""
    cursor = _Cursor(data)
    magic = cursor.skip(4, "the magic")
    if magic != MAGIC:
        raise KgptError(
            f"not a GGUF file: it begins with {shown_bytes(magic)}, not {shown_bytes(MAGIC)}", "give a .gguf file"
        )
    version = cursor.u32("the version")
    _check_version(version)
    n_tensors = _count(cursor.u64("the number of tensors"), "tensors", MAX_TENSORS)
    n_fields = _count(cursor.u64("the number of fields"), "fields", MAX_FIELDS)
    fields, kinds = _scan_fields(cursor, n_fields)
    alignment = _alignment(fields)
    names: set[str] = set()
    tensors = tuple(_scan_tensor(cursor, names) for _ in range(n_tensors))
    start = rounded_up(cursor.offset, alignment)
    _check_places(tensors, alignment, start, len(data))
    return Scan(version, fields, tensors, start, kinds)


def _scan_fields(cursor: _Cursor, n_fields: int) -> tuple[dict[str, Value], dict[str, int]]:
    """The values and the types of all fields; see Scan."""
    fields: dict[str, Value] = {}
    kinds: dict[str, int] = {}
    for _ in range(n_fields):
        name = cursor.name("a field name", MAX_KEY)
        if name in fields:
            raise KgptError(f"the field {name!r} occurs twice", _HINT)
        fields[name], kinds[name] = _scan_value(cursor, name)
    return fields, kinds


def _alignment(fields: Mapping[str, Value]) -> int:
    alignment = fields.get(_ALIGNMENT, 32)
    assert isinstance(alignment, int)  # _scan_value accepts no other type here
    if alignment < 8 or alignment & (alignment - 1) or alignment > 1 << 16:
        raise KgptError(f"{_ALIGNMENT} is {alignment}", "it must be a power of two from 8 to 65536")
    return alignment


def _check_version(version: int) -> None:
    if version not in (2, 3):
        big = version != 0 and version & 0xFFFF == 0
        raise KgptError(
            "the file is big-endian" if big else f"GGUF version {version} is not supported",
            "supported: version 2 and 3, little-endian",
        )


def _count(value: int, what: str, limit: int) -> int:
    if value > limit:
        raise KgptError(f"the header claims {value} {what}", _HINT)
    return value


def _scan_value(cursor: _Cursor, name: str) -> tuple[Value, int]:
    """The value and its type; of an array the type of its items."""
    what = f"the value of {name!r}"
    kind = cursor.u32(what)
    if name == _ALIGNMENT and kind != _U32:
        raise KgptError(f"{_ALIGNMENT} is not a u32", _HINT)
    if kind == _STRING:
        return cursor.text(what), kind
    if kind == _ARRAY:
        return _scan_array(cursor, what)
    if kind not in _SCALARS:
        raise KgptError(f"{what} has the unknown type {kind}", _HINT)
    value = _SCALARS[kind].unpack(_numbers(cursor, kind, 1, what))[0]
    assert isinstance(value, (bool, int, float))
    return value, kind


def _scan_array(cursor: _Cursor, what: str) -> tuple[tuple[str, ...] | Numbers, int]:
    kind = cursor.u32(what)
    count = cursor.u64(what)
    if kind == _STRING:
        return cursor.texts(count, what), kind  # each takes 8 bytes or more: a wrong count ends at the file's end
    if kind in _SCALARS:
        return Numbers(_SCALARS[kind].format[1:], _numbers(cursor, kind, count, what)), kind
    raise KgptError(f"{what} is an array of the unsupported type {kind}", _HINT)


def _numbers(cursor: _Cursor, kind: int, count: int, what: str) -> bytes:
    raw = cursor.skip(count * _SCALARS[kind].size, what)
    if kind == _BOOL and max(raw, default=0) > 1:
        raise KgptError(f"{what} holds a bool of {max(raw)}, not 0 or 1", _HINT)
    return raw


def _scan_tensor(cursor: _Cursor, names: set[str]) -> ScannedTensor:
    name = cursor.name("a tensor name", MAX_NAME)
    if name in names:
        raise KgptError(f"the tensor {name!r} occurs twice", _HINT)
    names.add(name)
    what = f"the description of tensor {name!r}"
    n_dims = cursor.u32(what)
    if not 1 <= n_dims <= MAX_DIMENSIONS:
        raise KgptError(f"{what} claims {n_dims} dimensions", _HINT)
    dims = tuple(cursor.u64(what) for _ in range(n_dims))
    n_elements = prod(dims)
    if n_elements == 0 or n_elements > MAX_ELEMENTS:
        raise KgptError(f"the tensor {name!r} has the shape {tuple(reversed(dims))}", _HINT)
    kind = cursor.u32(what)
    offset = cursor.u64(what)
    return ScannedTensor(name, kind, dims, offset, _size(name, kind, dims))


def _size(name: str, kind: int, dims: tuple[int, ...]) -> int:
    """Bytes of a tensor."""
    if kind not in TYPES:
        raise KgptError(
            f"the tensor {name!r} has the type {type_name(kind)}, which is not supported",
            f"supported: {', '.join(known.name for known in TYPES.values())}",
        )
    of = TYPES[kind]
    if dims[0] % of.block:
        raise KgptError(
            f"the tensor {name!r} has rows of {dims[0]}, which {of.name} cannot cut into {of.block}s", _HINT
        )
    return prod(dims) // of.block * of.size


def _check_places(tensors: tuple[ScannedTensor, ...], alignment: int, start: int, length: int) -> None:
    """Check that all tensors are aligned, within the file, and do not overlap."""
    for tensor in tensors:
        if tensor.offset % alignment:
            raise KgptError(
                f"the data of tensor {tensor.name!r} begins at {tensor.offset}, not a multiple of {alignment}", _HINT
            )
        end = start + tensor.offset + tensor.size
        if end > length:
            raise KgptError(
                f"truncated in the data of tensor {tensor.name!r}: it ends at byte {end} of {length}", _HINT
            )
    for before, after in pairwise(sorted(tensors, key=lambda tensor: tensor.offset)):
        if after.offset < before.offset + before.size:
            raise KgptError(f"the tensors {before.name!r} and {after.name!r} overlap", _HINT)
