"""Chat templates, samplers and the output of text as the tests use them, through tests/hosted/lm_text_driver.c."""

from __future__ import annotations

import ctypes
from pathlib import Path

from native import shared_object

from kgpt_build.chat import ChatTemplate, Fragment

SOURCES = [
    "tests/hosted/lm_text_driver.c",
    *(f"kernel_c/core/{name}.c" for name in ("arena", "crc32", "error", "format", "str", "utf8")),
    *(f"kernel_c/lm/{name}.c" for name in ("chat", "chat_test")),
]


_Room = tuple[ctypes.Array[ctypes.c_char], ctypes.Array[ctypes.c_size_t], ctypes.Array[ctypes.c_bool]]


class Refused(Exception):
    """What the library says no to: its message and hint."""


def build(folder: Path, compiler: str = "zig") -> ctypes.CDLL:
    """Compile the library."""
    return shared_object(folder, SOURCES, compiler)


def selftests(library: ctypes.CDLL) -> dict[str, str]:
    """Every KG_TEST in the library, and what failed in it ("" if it passed)."""
    name, message = ctypes.create_string_buffer(256), ctypes.create_string_buffer(256)
    library.driver_selftest.restype = ctypes.c_bool
    found: dict[str, str] = {}
    while library.driver_selftest(len(found), name, message):
        found[name.value.decode()] = message.value.decode()
    return found


class NativeChat:
    """A chat template in C."""

    def __init__(self, library: ctypes.CDLL, blob: bytes) -> None:
        error = ctypes.create_string_buffer(640)
        self._library, self._blob = library, blob
        self._chat = ctypes.create_string_buffer(library.driver_chat_size())
        if library.driver_chat_open(self._chat, blob, ctypes.c_uint64(len(blob)), error):
            raise Refused(error.value.decode(), error.raw[320:].rstrip(b"\0").decode())

    def turn(self, first: bool, system: str, message: str, *, thinking: bool = True) -> list[Fragment]:
        said = [part for text in (system, message) for part in _bytes(text)]
        n = max(64, len(self._blob) + len(system.encode()) + len(message.encode()))
        out, lengths, special = self._room(n)
        count = self._library.driver_chat_turn(self._chat, first, not thinking, *said, out, lengths, special)
        return _fragments(out.raw, list(lengths[:count]), list(special[:count]))

    def reply(self, text: str) -> list[Fragment]:
        out, lengths, special = self._room(len(self._blob) + len(text.encode()))
        count = self._library.driver_chat_reply(self._chat, *_bytes(text), out, lengths, special)
        return _fragments(out.raw, list(lengths[:count]), list(special[:count]))

    def end_token(self) -> int | None:
        """The special token that ends a reply, in the driver's vocabulary."""
        token = self._library.driver_chat_end_token(self._chat)
        return None if token == -1 else int(token)

    def _room(self, n: int) -> _Room:
        return ctypes.create_string_buffer(n), (ctypes.c_size_t * 8)(), (ctypes.c_bool * 8)()


def mirrors(native: NativeChat, template: ChatTemplate, said: tuple[str, ...]) -> None:
    """Assert that C and Python make the same fragments of everything in ``said``."""
    for text in said:
        assert native.reply(text) == template.reply(text)
        for system in ("", *said):
            for thinking in (True, False):
                assert native.turn(True, system, text, thinking=thinking) == template.turn(
                    True, system, text, thinking=thinking
                )
        assert native.turn(False, "", text) == template.turn(False, "", text)


def _bytes(text: str) -> tuple[bytes, ctypes.c_size_t]:
    encoded = text.encode()
    return encoded, ctypes.c_size_t(len(encoded))


def _fragments(text: bytes, lengths: list[int], special: list[bool]) -> list[Fragment]:
    fragments, at = [], 0
    for length, is_special in zip(lengths, special, strict=True):
        fragments.append(Fragment(text[at : at + length].decode(), is_special))
        at += length
    return fragments
