"""The kernel's reader of GGUF files (kernel_c/formats) as the tests use it."""

from __future__ import annotations

import ctypes
import struct
from pathlib import Path
from typing import TypeVar

from native import shared_object

from benchmarks.c_error import Error
from benchmarks.c_library import Arena

FORMATS = [f"kernel_c/formats/{name}.c" for name in ("cursor", "gguf")] + [
    f"kernel_c/formats/gguf_{name}.c" for name in ("index", "read", "tensors", "values")
]
SOURCES = [
    *FORMATS,
    "kernel_c/ops/quant/types.c",
    *(f"kernel_c/core/{name}.c" for name in ("arena", "arena_count", "error", "format", "str", "utf8")),
]
STRING, ARRAY = 8, 9
_CODES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

_Out = TypeVar("_Out", ctypes.c_uint32, ctypes.c_float, ctypes.c_bool, "_Text")
Contents = str | int | float | bool | list[str] | list[int | float | bool]


class Refused(Exception):
    """What the reader says no to: its message and hint."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class _Text(ctypes.Structure):
    """struct kg_text."""

    _fields_ = [("data", ctypes.c_void_p), ("n", ctypes.c_size_t)]

    def decode(self) -> str:
        return ctypes.string_at(self.data, self.n).decode()


class Value(ctypes.Structure):
    """struct kg_gguf_value."""

    _fields_ = [
        ("kind", ctypes.c_uint32),
        ("item_kind", ctypes.c_uint32),
        ("n", ctypes.c_uint64),
        ("data", ctypes.c_void_p),
    ]


class _Field(ctypes.Structure):
    """struct kg_gguf_field."""

    _fields_ = [("key", _Text), ("value", Value)]


class Tensor(ctypes.Structure):
    """struct kg_gguf_tensor."""

    _fields_ = [
        ("name", _Text),
        ("type", ctypes.c_uint32),
        ("n_dims", ctypes.c_uint32),
        ("ne", ctypes.c_uint64 * 4),
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_uint64),
    ]


class _Gguf(ctypes.Structure):
    """struct kg_gguf."""

    _fields_ = [
        ("base", ctypes.c_void_p),
        ("size", ctypes.c_uint64),
        *((name, ctypes.c_uint32) for name in ("version", "alignment", "n_fields", "n_tensors")),
        ("fields", ctypes.POINTER(_Field)),
        ("tensors", ctypes.POINTER(Tensor)),
        ("by_key", ctypes.c_void_p),
        ("by_name", ctypes.c_void_p),
        ("interleaving", ctypes.c_void_p),
        ("context", ctypes.c_void_p),
    ]


class Reader:
    """An opened file; raises Refused. ``memory``: bytes for its tables, None for as many as any file can need."""

    def __init__(self, library: ctypes.CDLL, data: bytes, memory: int | None = None) -> None:
        self._library = library
        self._data = ctypes.create_string_buffer(data, max(len(data), 1))
        size = ctypes.c_uint64(len(data))
        room = 4 * len(data) + 512 if memory is None else memory  # as tests/fuzz/gguf_walk.c
        self._tables, arena, error = ctypes.create_string_buffer(max(room, 1)), Arena(), Error()
        library.kg_arena_init(ctypes.byref(arena), self._tables, ctypes.c_size_t(room))
        self.gguf = _Gguf()
        self._at = ctypes.byref(self.gguf)
        _check(library.kg_gguf_open(self._at, self._data, size, ctypes.byref(arena), ctypes.byref(error)), error)
        self.peak = arena.peak

    def fields(self) -> dict[str, tuple[int, int | None, Contents]]:
        """Key -> kind, kind of items, contents, in the file's order."""
        found = [self.gguf.fields[i] for i in range(self.gguf.n_fields)]
        return {
            field.key.decode(): (
                field.value.kind,
                field.value.item_kind if field.value.kind == ARRAY else None,
                self._contents(field.value),
            )
            for field in found
        }

    def tensors(self) -> dict[str, tuple[int, tuple[int, ...], int, int]]:
        """Name -> type, ne, offset in the file, bytes; in the file's order."""
        found = [self.gguf.tensors[i] for i in range(self.gguf.n_tensors)]
        return {t.name.decode(): (t.type, tuple(t.ne[: t.n_dims]), t.data - self.gguf.base, t.size) for t in found}

    def has(self, key: str) -> bool:
        self._library.kg_gguf_find.restype = ctypes.c_void_p
        return self._library.kg_gguf_find(self._at, key.encode()) is not None

    def has_tensor(self, name: str) -> bool:
        self._library.kg_gguf_tensor.restype = ctypes.c_void_p
        return self._library.kg_gguf_tensor(self._at, name.encode()) is not None

    def u32(self, key: str, otherwise: int | None = None) -> int:
        value = ctypes.c_uint32(otherwise or 0)
        return int(self._get("u32", key, value, otherwise is not None).value)

    def f32(self, key: str, otherwise: float | None = None) -> float:
        value = ctypes.c_float(otherwise or 0)
        return float(self._get("f32", key, value, otherwise is not None).value)

    def flag(self, key: str, otherwise: bool | None = None) -> bool:
        value = ctypes.c_bool(otherwise or False)
        return bool(self._get("bool", key, value, otherwise is not None).value)

    def text(self, key: str) -> str:
        return self._get("text", key, _Text(), False).decode()

    def array(self, key: str, kind: int) -> Contents:
        value, error = Value(), Error()
        where = (ctypes.c_uint32(kind), ctypes.byref(value), ctypes.byref(error))
        _check(self._library.kg_gguf_array(self._at, key.encode(), *where), error)
        return self._contents(value)

    def _get(self, kind: str, key: str, value: _Out, is_optional: bool) -> _Out:
        error = Error()
        getter = getattr(self._library, f"kg_gguf_{kind}{'_or' if is_optional else ''}")
        _check(getter(self._at, key.encode(), ctypes.byref(value), ctypes.byref(error)), error)
        return value

    def _contents(self, value: Value) -> Contents:
        if value.kind == STRING:
            return self._strings(value.data, 1)[0]
        if value.kind != ARRAY:
            code = f"<{_CODES[value.kind]}"
            return struct.unpack(code, ctypes.string_at(value.data, struct.calcsize(code)))[0]  # type: ignore[no-any-return]
        if value.item_kind == STRING:
            return self._strings(value.data, value.n)
        code = f"<{value.n}{_CODES[value.item_kind]}"
        return list(struct.unpack(code, ctypes.string_at(value.data, struct.calcsize(code))))

    def _strings(self, at: int, n: int) -> list[str]:
        function, cursor = self._library.kg_gguf_next_string, ctypes.c_void_p(at)
        function.restype = _Text
        return [function(ctypes.byref(cursor)).decode() for _ in range(n)]


def _check(status: int, error: Error) -> None:
    if status:
        raise Refused(error.message.decode(), error.hint.decode())


def build(folder: Path, compiler: str = "zig") -> ctypes.CDLL:
    """Compile the library."""
    return shared_object(folder, SOURCES, compiler)
