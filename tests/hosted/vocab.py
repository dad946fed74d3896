"""The kernel's tokenizers, called from Python, and vocabularies in small GGUF files to call them with."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import native
from real_model import smollm2_file

from kgpt_build.headers import unicode

TOKENIZER = "kernel_c/tokenizer"
SOURCES = [
    "tests/hosted/vocab_driver.c",
    *(f"kernel_c/core/{name}.c" for name in ("arena", "error", "format", "str", "utf8")),
    *(
        f"kernel_c/formats/{name}.c"
        for name in ("cursor", "gguf", "gguf_index", "gguf_read", "gguf_tensors", "gguf_values")
    ),
    "kernel_c/ops/quant/types.c",
    *(f"{TOKENIZER}/{name}.c" for name in ("bpe", "merge", "pretokenize", "pretokenize_rules", "spm", "unicode")),
    *(f"{TOKENIZER}/vocab{name}.c" for name in ("", "_char", "_encode", "_hash", "_read", "_special")),
]
NO_TOKEN = 0xFFFFFFFF

Fragment = tuple[bytes, bool]
"""Text, and whether special tokens count in it."""


class Refused(Exception):
    """What the kernel says is wrong."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def build(folder: Path, compiler: str = "zig") -> ctypes.CDLL:
    """Compile the library, with the header of Unicode's classes that an image would get."""
    (folder / unicode.NAME).write_text(unicode.text("test"))
    library = native.shared_object(folder, SOURCES, compiler, include=folder)
    for name in ("size", "plan", "scratch", "piece", "taken"):
        getattr(library, f"driver_{name}").restype = ctypes.c_uint64
    for name in ("message", "hint", "name", "known"):
        getattr(library, f"driver_{name}").restype = ctypes.c_char_p
    library.driver_find.restype = ctypes.c_uint32
    library.driver_ends.restype = ctypes.c_bool
    return library


def known(library: ctypes.CDLL, pre: bool) -> list[str]:
    """The names of pre-tokenizers, or of tokenizers, that the kernel knows."""
    names: list[str] = []
    while name := library.driver_known(pre, len(names)):
        names.append(name.decode())
    return names


class Vocab:
    """The vocabulary of a GGUF file, given as bytes; raises Refused."""

    def __init__(self, library: ctypes.CDLL, data: bytes) -> None:
        self._library, self._data = library, data
        self._at = ctypes.create_string_buffer(library.driver_size())
        self._header = ctypes.create_string_buffer(1 << 20)
        size = ctypes.c_uint64(len(data))
        self._check(library.driver_read(self._at, data, size, self._header, ctypes.c_uint64(1 << 20)))
        self.planned = int(library.driver_plan(self._at))
        self._memory = ctypes.create_string_buffer(self.planned + 64)
        self._check(library.driver_open(self._at, self._memory, ctypes.c_uint64(self.planned + 64)))
        self.taken = int(library.driver_taken(self._at))
        numbers = (ctypes.c_uint32 * 9)()
        library.driver_numbers(self._at, numbers)
        self.n_vocab, self.longest, self.bos, self.eos, self.eot, self.unk, self.newline = numbers[:7]
        self.add_bos, self.add_eos = (bool(value) for value in numbers[7:])
        self.model, self.pre = (library.driver_name(self._at, pre).decode() for pre in (False, True))

    def _check(self, status: int) -> None:
        if status:
            message, hint = self._library.driver_message(self._at), self._library.driver_hint(self._at)
            raise Refused(message.decode("utf-8", "replace"), hint.decode())

    def encode(self, *fragments: Fragment, room: int | None = None) -> list[int]:
        """The tokens of ``fragments``, as many as there is ``room`` for; raises Refused."""
        text = b"".join(part for part, _ in fragments)
        starts = (ctypes.c_uint64 * (len(fragments) + 1))()
        for i, (part, _) in enumerate(fragments):
            starts[i + 1] = starts[i] + len(part)
        special = bytes(flag for _, flag in fragments)
        room = 3 * len(text) + 8 if room is None else room
        tokens, count = (ctypes.c_uint32 * max(room, 1))(), ctypes.c_uint64()
        scratch = int(self._library.driver_scratch(self._at, ctypes.c_uint64(len(text))))
        memory = ctypes.create_string_buffer(scratch + 64)
        where = (tokens, ctypes.c_uint64(room), ctypes.byref(count), memory, ctypes.c_uint64(scratch + 64))
        self._check(
            self._library.driver_encode(self._at, text, starts, special, ctypes.c_uint64(len(fragments)), *where)
        )
        self.count = count.value
        return list(tokens[: min(count.value, room)])

    def piece(self, token: int, special: bool = False) -> bytes:
        """The bytes of a token."""
        out = ctypes.create_string_buffer(self.longest + 1)
        n = self._library.driver_piece(self._at, ctypes.c_uint32(token), out, special)
        return out.raw[:n]

    def ends(self, token: int) -> bool:
        return bool(self._library.driver_ends(self._at, ctypes.c_uint32(token)))

    def find(self, piece: bytes) -> int:
        return int(self._library.driver_find(self._at, piece, ctypes.c_uint64(len(piece))))


class Smol:
    """SmolLM2's vocabulary."""

    @cached_property
    def path(self) -> Path | None:
        return smollm2_file()

    def fields(self) -> dict[str, Any]:
        """Those of the tokenizer, and the architecture and name that llama.cpp asks for."""
        from gguf import GGUFReader

        assert self.path
        reader = GGUFReader(self.path)
        return {
            key: field.contents()
            for key, field in reader.fields.items()
            if key.startswith(("tokenizer.ggml.", "llama.", "general.arch", "general.name"))
        }


_U32, _I32, _F32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9


def gguf_bytes(fields: Mapping[str, Any]) -> bytes:
    """A GGUF file of these fields and no tensors. Bytes are strings as they are; lists are of strings, i32 or f32."""
    body = b"".join(_string(key) + _field(value) for key, value in fields.items())
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(fields)) + body


def _string(text: str | bytes) -> bytes:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data


def _field(value: Any) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<IB", _BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", _U32, value)
    if isinstance(value, float):
        return struct.pack("<If", _F32, value)
    if isinstance(value, (str, bytes)):
        return struct.pack("<I", _STRING) + _string(value)
    return _array(value)


def _array(values: Sequence[Any]) -> bytes:
    first = values[0] if values else ""
    kind = _I32 if isinstance(first, int) else _F32 if isinstance(first, float) else _STRING
    head = struct.pack("<IIQ", _ARRAY, kind, len(values))
    if kind == _STRING:
        return head + b"".join(_string(value) for value in values)
    return head + struct.pack(f"<{len(values)}{'i' if kind == _I32 else 'f'}", *values)
