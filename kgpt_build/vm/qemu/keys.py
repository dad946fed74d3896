"""Maps text to the keys of a US keyboard that type it, by QEMU's names of the keys."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

from kgpt_build.errors import UsageError

_PLAIN = (
    {letter: letter for letter in string.ascii_lowercase + string.digits}
    | {" ": "spc", "\n": "ret", "\r": "ret", "\t": "tab", "\b": "backspace", "\x7f": "backspace", "\x1b": "esc"}
    | {"-": "minus", "=": "equal", "[": "bracket_left", "]": "bracket_right", ";": "semicolon", "'": "apostrophe"}
    | {"`": "grave_accent", "\\": "backslash", ",": "comma", ".": "dot", "/": "slash"}
)
_SHIFTED = (
    {letter: letter.lower() for letter in string.ascii_uppercase}
    | dict(zip(")!@#$%^&*(", string.digits, strict=True))
    | {"_": "minus", "+": "equal", "{": "bracket_left", "}": "bracket_right", ":": "semicolon", '"': "apostrophe"}
    | {"~": "grave_accent", "|": "backslash", "<": "comma", ">": "dot", "?": "slash"}
)
_SEQUENCES = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1b[C": "right",
    "\x1b[D": "left",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\x1b[2~": "insert",
    "\x1b[3~": "delete",
    "\x1b[5~": "pgup",
    "\x1b[6~": "pgdn",
}
_STROKE = re.compile(r"\x1b\[(?:[A-Z]|[0-9]+~)|.", re.DOTALL)


def keys_of(text: str) -> Iterator[tuple[str, ...]]:
    """For each character or escape sequence of a cursor key, the keys to hold together: ``("shift", "a")``.

    Control characters are ctrl with a letter; ``\\n`` is Enter. Raises UsageError for a character without a key.
    """
    for match in _STROKE.finditer(text):
        yield _stroke(match.group())


def _stroke(piece: str) -> tuple[str, ...]:
    if piece in _SEQUENCES:
        return (_SEQUENCES[piece],)
    if piece in _PLAIN:
        return (_PLAIN[piece],)
    if piece in _SHIFTED:
        return ("shift", _SHIFTED[piece])
    if len(piece) == 1 and 1 <= ord(piece) <= 26:
        return ("ctrl", chr(ord("a") + ord(piece) - 1))
    raise UsageError(f"a US keyboard has no key for {piece!r}", "type characters of ASCII only")
