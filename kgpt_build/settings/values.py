"""Checks single values, and writes them for the kernel's command line."""

from __future__ import annotations

import math
from decimal import Decimal

from kgpt_build.errors import UsageError
from kgpt_build.words import counted

MAX_CMDLINE = 4095  # KG_CMDLINE_MAX, in bytes
MAX_TEXT = MAX_CMDLINE - 512
"""Bytes of the longest text in a command line; the rest is for the other words."""
SERVE_SLOTS = 4
"""Replies that a server computes at once unless it is told otherwise (the kernel's slots= is 1 by itself)."""

_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t"}


def quoted(value: str) -> str:
    """``value`` as a text of the kernel's command line: in double quotes if a character of it could end the word."""
    if value and not any(char in _ESCAPES or char.isspace() for char in value):
        return value
    return '"' + "".join(_ESCAPES.get(char, char) for char in value) + '"'


def value_text(value: str | int | float) -> str:
    """``value`` in the kernel's notation, without an exponent; the kernel reads the same number."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float):
        sign = "-" if value < 0 else ""  # the kernel reads no sign before 0
        return sign + format(Decimal(repr(abs(float(value)))), "f")
    return str(value)


def text_size(what: str, text: str) -> int:
    """The size of ``text`` in bytes. Raises UsageError, which names ``what``, if it is not UTF-8."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise UsageError(f"{what} is not valid UTF-8", "check the terminal's encoding") from None


def check_text(what: str, text: str, most: int) -> None:
    """Refuse a text of more than ``most`` bytes, or with control characters. Raises UsageError."""
    size = text_size(what, text)
    if any(ord(char) < 32 and char not in "\n\t" for char in text):
        raise UsageError(f"{what} {text!r} holds a control character", "only line feeds and tabs can be given")
    if size > most:
        raise UsageError(f"{what} has {counted(size, 'byte')}", f"at most {most} fit the kernel's command line")


def check_whole(name: str, value: object, least: int, most: int, *, also: str = "") -> None:
    """Refuse a value that is not a whole number from ``least`` to ``most``. Raises UsageError."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UsageError(f"{name} is {value!r}", f"give a whole number from {least} to {most}{also}")


def check_number(
    name: str, value: object, least: float, most: float, *, above: bool = False, below: bool = False
) -> None:
    """Refuse a value that is not a number from ``least`` to ``most``. Raises UsageError.

    ``above`` excludes ``least`` itself, ``below`` excludes ``most``.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not least <= value <= most or (above and value == least) or (below and value == most):  # type: ignore[operator]
        begin = f"above {least:g} and" if above else f"from {least:g} to"
        end = f"below {most:g}" if below else f"at most {most:g}" if above else f"{most:g}"
        raise UsageError(f"{name} is {value!r}", f"give a number {begin} {end}")
