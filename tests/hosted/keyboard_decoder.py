"""The kernel's keyboard decoder as a library."""

from __future__ import annotations

import ctypes
from pathlib import Path

from keyboards import Key
from native import shared_object


class State(ctypes.Structure):
    """struct kg_keyboard."""

    _fields_ = (
        *(
            (name, ctypes.c_uint8)
            for name in ("set", "locks", "held", "last", "extended", "released", "restart", "skipped")
        ),
        ("accent", ctypes.c_uint16),
        ("layout", ctypes.c_void_p),
    )


def load(folder: Path) -> ctypes.CDLL:
    """The decoder with its layouts."""
    console = [f"kernel_c/console/{name}.c" for name in ("keyboard", "layouts")]
    library = shared_object(folder, [*console, "kernel_c/core/utf8.c", "kernel_c/core/str.c"])
    library.kg_layout_named.restype = ctypes.c_void_p
    return library


class Keyboard:
    """A decoder, and the set that the keyboard before it speaks. ``layout``: a name of keymap=."""

    def __init__(self, library: ctypes.CDLL, code_set: int, guess: int = 0, layout: str = "us") -> None:
        self.code_set = code_set
        chosen = library.kg_layout_named(layout.encode())
        assert (chosen is None) == (layout == "us")
        self.state = State(set=guess or code_set, layout=chosen)
        self._feed = library.kg_keyboard_feed
        self._feed.restype = ctypes.c_size_t

    def bytes_of(self, codes: bytes) -> bytes:
        typed = b""
        for code in codes:
            room = ctypes.create_string_buffer(9)  # one byte more than it may fill
            n = self._feed(ctypes.byref(self.state), ctypes.c_uint8(code), room)
            assert n <= 8
            assert room.raw[8] == 0
            typed += room.raw[:n]
        return typed

    def feed(self, codes: bytes) -> str:
        return self.bytes_of(codes).decode("latin-1")

    def down(self, *keys: Key) -> str:
        return "".join(self.feed(key.down(self.code_set)) for key in keys)

    def up(self, *keys: Key) -> str:
        return "".join(self.feed(key.up(self.code_set)) for key in keys)

    def stroke(self, key: Key, *held: Key) -> str:
        """What is typed by ``key``, with others held."""
        typed = self.down(*held) + self.down(key)
        assert self.up(key, *held) == ""
        return typed

    def text(self, key: Key, *held: Key) -> str:
        """The same as UTF-8."""
        return self.stroke(key, *held).encode("latin-1").decode()
