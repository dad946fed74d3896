"""The user's terminal: its abilities, and control characters that must not reach it."""

from __future__ import annotations

import os
import re

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""C0 except tab and line feed, DEL, C1, and controls of the writing direction; the same set as console/writer.c."""


def visible(text: str) -> str:
    r"""``text`` with its control characters shown (``\x1b``), so that it cannot steer the terminal."""
    return _STEERING.sub(_escape, text.replace("\r\n", "\n"))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def as_written(text: str, *, terminal: bool) -> str:
    """``text`` with control characters made visible for a ``terminal``; unchanged for a pipe."""
    return visible(text) if terminal else text


def knows_sequences() -> bool:
    """Does the terminal know escape sequences?"""
    return os.environ.get("TERM", "dumb") != "dumb"


def wants_colors() -> bool:
    """https://no-color.org."""
    return knows_sequences() and not os.environ.get("NO_COLOR")


def kernel_words(stdout: int, *, interactive: bool) -> list[str]:
    """The words of the kernel's command line that describe the terminal or pipe at its serial port.

    The width is given only for a terminal that gets the guest's bytes unchanged (``interactive``).
    """
    if not os.isatty(stdout):
        return ["output=raw"]
    if not interactive:
        return []
    columns = os.get_terminal_size(stdout).columns
    return [
        f"output={'color' if wants_colors() else 'plain'}",
        *([f"columns={columns}"] if columns > 0 else []),
    ]


class LineEnds:
    r"""A guest ends lines by ``\r\n``; a terminal whose output processing is on makes ``\r\n`` of ``\n`` itself."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        r"""``data`` with ``\n`` alone; a ``\r`` at its end waits for what follows."""
        data = self._held + data
        self._held = b"\r" if data.endswith(b"\r") else b""
        return data.removesuffix(self._held).replace(b"\r\n", b"\n")
