"""Bytes of a file become text: encodings, byte order marks, line ends; binary files are recognised."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass, field

_MARKS = (
    (codecs.BOM_UTF8, "UTF-8"),
    (codecs.BOM_UTF32_LE, "UTF-32-LE"),  # before UTF-16, whose mark is its first half
    (codecs.BOM_UTF32_BE, "UTF-32-BE"),
    (codecs.BOM_UTF16_LE, "UTF-16-LE"),
    (codecs.BOM_UTF16_BE, "UTF-16-BE"),
)
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")  # those that no text file has; escape is in terminal logs
_MOST_CONTROLS = 0.01
"""A file with a larger share of control characters is binary."""


class NotText(Exception):
    """The bytes are no text; the message says why, for a line that counts skipped files."""


@dataclass(frozen=True)
class Decoded:
    """A text with LF line ends and without byte order marks."""

    text: str
    encoding: str
    """UTF-8, Latin-1, Windows-1252, a form of UTF-16 or UTF-32, or ``UTF-8 and Latin-1`` if lines differ."""
    had_mark: bool
    """True if the bytes began with a byte order mark."""
    line_ends: Counter[str] = field(default_factory=Counter)
    """How many line ends were CRLF or CR before they became LF."""


def decode(data: bytes) -> Decoded:
    """The text of a file. Raises NotText.

    A byte order mark decides the encoding. Without one the text is UTF-8; each line that is not is Latin-1, or
    Windows-1252 if it has bytes that are control characters in Latin-1.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                text = data[len(mark) :].decode(encoding)
            except UnicodeDecodeError:
                raise NotText(f"damaged {encoding}") from None
            return _checked(text, encoding, had_mark=True)
    if b"\0" in data:
        raise NotText("UTF-16 without a byte order mark" if _is_utf16(data) else "binary")
    try:
        return _checked(data.decode("utf-8"), "UTF-8", had_mark=False)
    except UnicodeDecodeError:
        text, encoding = _by_line(data)
        return _checked(text, encoding, had_mark=False)


def _checked(text: str, encoding: str, *, had_mark: bool) -> Decoded:
    if len(_CONTROLS.findall(text)) > _MOST_CONTROLS * len(text):
        raise NotText("binary")
    ends = Counter(re.findall(r"\r\n|\r", text))
    named = Counter({name: ends[end] for name, end in (("CRLF", "\r\n"), ("CR", "\r")) if ends[end]})
    return Decoded(re.sub(r"\r\n?", "\n", text), encoding, had_mark, named)


def _by_line(data: bytes) -> tuple[str, str]:
    """The text of bytes that are not UTF-8 as a whole, and the name of its encodings."""
    lines: list[str] = []
    found: set[str] = set()
    for line in re.split(rb"(?<=\n)|(?<=\r)(?!\n)", data):
        text, encoding = _line(line)
        lines.append(text)
        found.add(encoding)
    found.discard("ASCII")
    return "".join(lines), " and ".join(sorted(found, reverse=True))


def _line(line: bytes) -> tuple[str, str]:
    if line.isascii():
        return line.decode("ascii"), "ASCII"
    try:
        return line.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        pass
    if not any(0x80 <= byte <= 0x9F for byte in line):
        return line.decode("latin-1"), "Latin-1"
    try:
        return line.decode("cp1252"), "Windows-1252"
    except UnicodeDecodeError:
        raise NotText("binary") from None


def _is_utf16(data: bytes) -> bool:
    """Is almost every second byte a NUL, as in UTF-16 of a text that is mostly ASCII?"""
    return len(data) > 1 and any(10 * half.count(0) > 9 * len(half) for half in (data[0::2], data[1::2]))
