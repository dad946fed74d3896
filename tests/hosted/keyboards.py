"""Keys of a US keyboard as IBM's and Microsoft's tables have them: codes in both sets, and what a terminal sends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

EXTENDED = 0xE0


@dataclass(frozen=True)
class Key:
    """``set1``, ``set2``: codes of going down, without E0; ``plain``, ``shifted``: what is typed, perhaps nothing."""

    name: str
    set1: int
    set2: int
    extended: bool = False
    plain: str = ""
    shifted: str = ""

    def down(self, code_set: int) -> bytes:
        """Its codes when it goes down."""
        return self._prefix() + bytes([self.set1 if code_set == 1 else self.set2])

    def up(self, code_set: int) -> bytes:
        """Its codes when it goes up."""
        return self._prefix() + (bytes([self.set1 | 0x80]) if code_set == 1 else bytes([0xF0, self.set2]))

    def _prefix(self) -> bytes:
        return bytes([EXTENDED]) if self.extended else b""


def _rows() -> Iterator[Key]:
    """Four rows of characters, their codes from left to right."""
    rows = (
        ("`1234567890-=", "~!@#$%^&*()_+", "2902030405060708090a0b0c0d", "0e161e26252e363d3e46454e55"),
        ("qwertyuiop[]\\", "QWERTYUIOP{}|", "101112131415161718191a1b2b", "151d242d2c353c43444d545b5d"),
        ("asdfghjkl;'", 'ASDFGHJKL:"', "1e1f202122232425262728", "1c1b232b34333b424b4c52"),
        ("zxcvbnm,./", "ZXCVBNM<>?", "2c2d2e2f303132333435", "1a22212a32313a41494a"),
    )
    for plain, shifted, set1, set2 in rows:
        for key in zip(plain, shifted, bytes.fromhex(set1), bytes.fromhex(set2), strict=True):
            yield Key(key[0], key[2], key[3], plain=key[0], shifted=key[1])


CHARACTERS = tuple(_rows())

SPECIAL = (
    Key("esc", 0x01, 0x76, plain="\x1b", shifted="\x1b"),
    Key("backspace", 0x0E, 0x66, plain="\x7f", shifted="\x7f"),
    Key("tab", 0x0F, 0x0D, plain="\t", shifted="\x1b[Z"),
    Key("enter", 0x1C, 0x5A, plain="\r", shifted="\r"),
    Key("space", 0x39, 0x29, plain=" ", shifted=" "),
    Key("102nd", 0x56, 0x61, plain="<", shifted=">"),
    Key("pad *", 0x37, 0x7C, plain="*", shifted="*"),
    Key("pad -", 0x4A, 0x7B, plain="-", shifted="-"),
    Key("pad +", 0x4E, 0x79, plain="+", shifted="+"),
    Key("pad /", 0x35, 0x4A, extended=True, plain="/", shifted="/"),
    Key("pad enter", 0x1C, 0x5A, extended=True, plain="\r", shifted="\r"),
)

_F_CODES = (
    *((0x3B, 0x05), (0x3C, 0x06), (0x3D, 0x04), (0x3E, 0x0C), (0x3F, 0x03), (0x40, 0x0B)),
    *((0x41, 0x83), (0x42, 0x0A), (0x43, 0x01), (0x44, 0x09), (0x57, 0x78), (0x58, 0x07)),
)
_F_SENDS = ("OP", "OQ", "OR", "OS", "[15~", "[17~", "[18~", "[19~", "[20~", "[21~", "[23~", "[24~")
FUNCTIONS = tuple(
    Key(f"f{i + 1}", *codes, plain="\x1b" + sends, shifted="\x1b" + sends)
    for i, (codes, sends) in enumerate(zip(_F_CODES, _F_SENDS, strict=True))
)

PAGE_UP, PAGE_DOWN = "\xfe", "\xff"
"""Bytes that no text has: they are for the screen."""
_MOVES = (
    *(("home", 0x47, 0x6C, "[H", "7"), ("up", 0x48, 0x75, "[A", "8"), ("pgup", 0x49, 0x7D, PAGE_UP, "9")),
    *(("left", 0x4B, 0x6B, "[D", "4"), ("right", 0x4D, 0x74, "[C", "6"), ("end", 0x4F, 0x69, "[F", "1")),
    *(("down", 0x50, 0x72, "[B", "2"), ("pgdn", 0x51, 0x7A, PAGE_DOWN, "3"), ("insert", 0x52, 0x70, "[2~", "0")),
    ("delete", 0x53, 0x71, "[3~", "."),
)


def _sent(sends: str) -> str:
    return "\x1b" + sends if sends.startswith("[") else sends


MOVES = tuple(
    Key(name, set1, set2, extended=True, plain=_sent(sends), shifted=_sent(sends))
    for name, set1, set2, sends, _ in _MOVES
)
PAD = (
    *(Key(f"pad {digit}", set1, set2, plain=_sent(sends), shifted=digit) for _, set1, set2, sends, digit in _MOVES),
    Key("pad 5", 0x4C, 0x73, shifted="5"),
)
"""Without Num Lock; with it, plain and shifted change places."""

SILENT = (
    Key("left gui", 0x5B, 0x1F, extended=True),
    Key("right gui", 0x5C, 0x27, extended=True),
    Key("menu", 0x5D, 0x2F, extended=True),
    Key("sysrq", 0x54, 0x84),
)

SHIFTS = (Key("left shift", 0x2A, 0x12), Key("right shift", 0x36, 0x59))
CTRLS = (Key("left ctrl", 0x1D, 0x14), Key("right ctrl", 0x1D, 0x14, extended=True))
ALTS = (Key("left alt", 0x38, 0x11), Key("right alt", 0x38, 0x11, extended=True))
CAPS, NUM, SCROLL = Key("caps lock", 0x3A, 0x58), Key("num lock", 0x45, 0x77), Key("scroll lock", 0x46, 0x7E)

# A PC's first keyboard had no such keys: what comes around and for them is meant for programs of its time.
PAUSE = {1: bytes.fromhex("e11d45e19dc5"), 2: bytes.fromhex("e11477e1f014f077")}
BREAK = {1: bytes.fromhex("e046e0c6"), 2: bytes.fromhex("e07ee0f07e")}
PRINT = {1: bytes.fromhex("e02ae037e0b7e0aa"), 2: bytes.fromhex("e012e07ce0f07ce0f012")}

ALL = (*CHARACTERS, *SPECIAL, *FUNCTIONS, *MOVES, *PAD, *SILENT)
