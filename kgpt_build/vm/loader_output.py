"""Holds back the output of firmware and boot loader on the serial port, until the kernel starts or an error appears."""

from __future__ import annotations

import re

from kgpt_build.vm.transcript import TAIL_LINES, PlainText

_SPEAKS = re.compile(rb"kgpt(?: [\w.+-]+)?: |error: ")
"""Texts that end the boot loader's part: the kernel's first line, a menu that starts nothing, GRUB's errors."""
_LONGEST = 64
_GAP = re.compile(r"\s{2,}|[|+-]{2,}")


class LoaderOutput:
    """A filter for a console's bytes. A boot menu is drawn for a terminal of 80 columns, and unreadable elsewhere."""

    def __init__(self, *, expected: bool) -> None:
        """``expected``: a boot loader writes first; else everything passes."""
        self.held = bytearray()
        self.is_open = not expected

    def feed(self, data: bytes) -> bytes:
        """The part of ``data``, and of the held bytes, to show."""
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
        """Release all held bytes; from now on everything passes."""
        shown = b"" if self.is_open else bytes(self.held)
        self.is_open = True
        return shown

    def tail(self) -> str:
        """The last held lines; empty if everything has passed."""
        if self.is_open:
            return ""
        said = (piece.strip() for piece in _GAP.split(PlainText().feed(bytes(self.held), final=True)))
        return "\n".join([piece for piece in said if piece][-TAIL_LINES:])
