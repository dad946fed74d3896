"""What firmware and a boot loader draw on the serial port: held back until the kernel, or an error, is heard."""

from __future__ import annotations

import re

from kgpt_build.vm.transcript import TAIL_LINES, PlainText

_SPEAKS = re.compile(rb"kgpt(?: [\w.+-]+)?: |error: ")
"""The kernel's first line; our menu that starts nothing; GRUB's own errors."""
_LONGEST = 64
_GAP = re.compile(r"\s{2,}|[|+-]{2,}")


class LoaderOutput:
    """A console's bytes pass through it. A menu is drawn for a terminal of 80 columns: elsewhere it is only noise."""

    def __init__(self, *, expected: bool) -> None:
        """``expected``: a boot loader speaks first; else everything passes."""
        self.held = bytearray()
        self.is_open = not expected

    def feed(self, data: bytes) -> bytes:
        """What of ``data``, and of what was held before, is to be shown."""
        if self.is_open:
            return data
        begin = max(len(self.held) - _LONGEST, 0)
        self.held += data
        found = _SPEAKS.search(self.held, begin)
        if found is None:
            return b""
        self.is_open = True
        return bytes(self.held[found.start() :])

    def open(self) -> bytes:
        """All that was held: from now on everything passes."""
        shown = b"" if self.is_open else bytes(self.held)
        self.is_open = True
        return shown

    def tail(self) -> str:
        """The last things that were held, a line each; empty where everything has passed."""
        if self.is_open:
            return ""
        said = (piece.strip() for piece in _GAP.split(PlainText().feed(bytes(self.held), final=True)))
        return "\n".join([piece for piece in said if piece][-TAIL_LINES:])
