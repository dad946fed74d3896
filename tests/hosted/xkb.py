"""What the keys of a layout type according to xkb-data, and what dead keys make of letters according to libX11."""

from __future__ import annotations

import ctypes
import functools
import re
from pathlib import Path

import pytest

COMPOSE = Path("/usr/share/X11/locale/en_US.UTF-8/Compose")
_EVDEV = 8  # xkb's number of a key is Linux's and this; Linux's numbers are make codes of set 1
_NAME = 64


class _Names(ctypes.Structure):
    """struct xkb_rule_names of <xkbcommon/xkbcommon.h>."""

    _fields_ = tuple((name, ctypes.c_char_p) for name in ("rules", "model", "layout", "variant", "options"))


@functools.cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libxkbcommon.so.0")
    except OSError:
        pytest.fail("the test of layouts needs libxkbcommon0 and xkb-data: apt-get install them")
    library.xkb_context_new.restype = ctypes.c_void_p
    library.xkb_keymap_new_from_names.restype = ctypes.c_void_p
    return library


class Layout:
    """A layout of xkb-data, such as ``gb``, of a keyboard with 105 keys."""

    def __init__(self, name: str) -> None:
        library = _library()
        context = ctypes.c_void_p(library.xkb_context_new(0))
        names = _Names(b"evdev", b"pc105", name.encode(), b"", b"")
        keymap = library.xkb_keymap_new_from_names(context, ctypes.byref(names), 0)
        assert keymap, f"xkb-data has no layout {name}"
        self._keymap = ctypes.c_void_p(keymap)

    def typed(self, code: int, level: int) -> str:
        """Of the key with this make code: a character, the name of a dead key, or "" . ``level``: 1 Shift, 2 AltGr."""
        symbols = ctypes.POINTER(ctypes.c_uint32)()
        n = _library().xkb_keymap_key_get_syms_by_level(self._keymap, code + _EVDEV, 0, level, ctypes.byref(symbols))
        if n < 1:
            return ""
        if character := _library().xkb_keysym_to_utf32(symbols[0]):
            return chr(character)
        name = ctypes.create_string_buffer(_NAME)
        _library().xkb_keysym_get_name(symbols[0], name, _NAME)
        return name.value.decode()


def composed(dead: str) -> dict[str, str]:
    """Letter -> what it becomes after the dead key, by libX11's table for UTF-8."""
    if not COMPOSE.is_file():
        pytest.fail(f"the test of dead keys needs {COMPOSE}: apt-get install libx11-data")
    line = re.compile(rf'<{dead}> <([A-Za-z])>\s*: "(.)"')
    return {m[1]: m[2] for m in map(line.match, COMPOSE.read_text(encoding="utf-8").splitlines()) if m}
