"""The kernel's tokenizers, called from Python, and vocabularies in small GGUF files to call them with."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf_files
import gguf_reader
import native
from real_model import smollm2_file

from kgpt_build.headers import unicode

TOKENIZER = "kernel_c/tokenizer"
SOURCES = [
    "tests/hosted/vocab_driver.c",
    *native.SELFTEST_DRIVER,
    *gguf_reader.SOURCES,
    *(
        f"{TOKENIZER}/{name}.c"
        for name in ("bpe", "cases", "llama2c", "merge", "nfc", "pretokenize", "pretokenize_rules", "spm")
    ),
    f"{TOKENIZER}/unicode.c",
    *(f"{TOKENIZER}/vocab{name}.c" for name in ("", "_char", "_encode", "_hash", "_read", "_special", "_test")),
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
    for name in ("size", "scratch", "piece", "piece_llama2c"):
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
        room = 8 * len(data) + (64 << 10)  # as tests/fuzz/fuzz_vocab.c
        self._memory = ctypes.create_string_buffer(room)
        self._check(library.driver_open(self._at, self._memory, ctypes.c_uint64(room)))
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

    def encode_llama2c(self, text: bytes) -> list[int]:
        """The tokens of llama2.c's run.c, with BOS."""
        room = len(text) + 3
        tokens, count = (ctypes.c_uint32 * room)(), ctypes.c_uint64()
        scratch = int(self._library.driver_scratch(self._at, ctypes.c_uint64(len(text)))) + 64
        memory = ctypes.create_string_buffer(scratch)
        where = (tokens, ctypes.c_uint64(room), ctypes.byref(count), memory, ctypes.c_uint64(scratch))
        self._check(self._library.driver_encode_llama2c(self._at, text, ctypes.c_uint64(len(text)), *where))
        return list(tokens[: count.value])

    def piece_llama2c(self, before: int, token: int) -> bytes:
        """What run.c prints of a token."""
        out = ctypes.create_string_buffer(self.longest)
        n = self._library.driver_piece_llama2c(self._at, ctypes.c_uint32(before), ctypes.c_uint32(token), out)
        return out.raw[:n]

    def piece(self, token: int, special: bool = False) -> bytes:
        """The bytes of a token."""
        out = ctypes.create_string_buffer(self.longest + 1)
        n = self._library.driver_piece(self._at, ctypes.c_uint32(token), out, special)
        return out.raw[:n]

    def ends(self, token: int) -> bool:
        return bool(self._library.driver_ends(self._at, ctypes.c_uint32(token)))

    def find(self, piece: bytes) -> int:
        return int(self._library.driver_find(self._at, piece, ctypes.c_uint64(len(piece))))


def smollm2_fields() -> dict[str, Any]:
    """The fields of SmolLM2's tokenizer, and what llama.cpp asks for besides."""
    from gguf import GGUFReader

    keys = ("tokenizer.ggml.", "llama.", "general.arch", "general.name")
    fields = GGUFReader(smollm2_file()).fields
    return {key: field.contents() for key, field in fields.items() if key.startswith(keys)}


def gguf_bytes(fields: Mapping[str, Any]) -> bytes:
    """A GGUF file of these fields and no tensors. Bytes are strings as they are; lists are of strings, i32 or f32."""
    body = b"".join(gguf_files.field(key, *_packed(value)) for key, value in fields.items())
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(fields)) + body


def _packed(value: Any) -> tuple[int, bytes]:
    """The number of the value's kind, and its bytes."""
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return 4, struct.pack("<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    if isinstance(value, (str, bytes)):
        return 8, gguf_files.text(value)
    kind = 5 if isinstance(value[0], int) else 6 if isinstance(value[0], float) else 8
    items = (
        (gguf_files.text(item) for item in value)
        if kind == 8
        else (struct.pack("<i" if kind == 5 else "<f", item) for item in value)
    )
    return 9, struct.pack("<IQ", kind, len(value)) + b"".join(items)
