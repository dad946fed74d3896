"""Warnings about a valid but unusual training text; the user decides."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from kgpt_build.words import counted

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffd-\uffff]")
_NAMES = {0: "NUL", 7: "bell", 8: "backspace", 11: "vertical tab", 12: "form feed", 27: "escape", 127: "delete"}
_NAMES |= {0xFEFF: "byte order mark", 0xFFFD: "replacement character"}
_MOST_NAMED = 4
_LONG = 8
"""Warn of a line that fills more blocks than this and half of the text: it is probably not one document."""


def odd_characters(source: str, text: str, data: bytes) -> tuple[str, ...]:
    """A warning that names the control characters in ``text``, which the model learns too; none without them."""
    found, first = Counter(_CONTROLS.findall(text)), _CONTROLS.search(text)
    if first is None:
        return ()
    if _is_utf16(data):
        return (f"{source} looks like UTF-16, whose every second byte is a NUL here: save it as UTF-8",)
    named = [f"{_name(char)} {counted(n, 'time')}" for char, n in found.most_common(_MOST_NAMED)]
    more = [f"{len(found) - _MOST_NAMED} others"] if len(found) > _MOST_NAMED else []
    line = len(re.findall(r"\r\n|\r|\n", text[: first.start()])) + 1
    return (
        f"{source} holds control characters, which become tokens: {', '.join([*named, *more])}; the first is in line "
        f"{line:,}",
    )


def long_line(lengths: Mapping[int, int], block_size: int) -> str:
    """A warning about a line that is most of the text, or "". ``lengths`` maps characters to documents."""
    longest, total = max(lengths), sum(length * n for length, n in lengths.items())
    if longest < _LONG * block_size or 2 * longest < total:
        return ""
    return (
        f"the longest line has {longest:,} of the {total:,} characters, and only the first {block_size - 1:,} of a "
        "line are trained on: for one running text give --text"
    )


def _is_utf16(data: bytes) -> bool:
    """Does ``data`` look like UTF-16 of a text that is mostly ASCII?"""
    return any(2 * half.count(0) > len(half) for half in (data[0::2], data[1::2]))


def _name(char: str) -> str:
    code = ord(char)
    return f"U+{code:04X}" + (f" ({_NAMES[code]})" if code in _NAMES else "")
