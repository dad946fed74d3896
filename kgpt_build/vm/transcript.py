"""The output on a guest's console: as bytes, and as text that can be searched and waited for."""

from __future__ import annotations

import codecs
import re
import threading
import time

from kgpt_build.errors import KgptError
from kgpt_build.words import counted

TAIL_LINES = 20
_KEEP_BYTES = 64 << 20
_KEEP_TEXT = 1 << 20
"""Limits for a guest that floods its console: they bound memory and search time."""


class NotSeen(KgptError):
    """The expected text or event did not appear."""


class PlainText:
    """Turns a terminal's byte stream into text: decodes UTF-8, removes escape sequences and carriage returns.

    It works on pieces: an unfinished character or sequence waits for the next piece.
    """

    _SEQUENCE = re.compile(
        r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\^_]|[\x00-\x08\x0b-\x1a\x7f]"
    )
    _UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{0,256}\x1b?)?$")

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes, *, final: bool = False) -> str:
        """The text that ends within ``data``."""
        text = self._rest + self._decoder.decode(data, final)
        self._rest = ""
        unfinished = self._UNFINISHED.search(text)
        if unfinished:
            text, self._rest = text[: unfinished.start()], "" if final else unfinished.group()
        return self._SEQUENCE.sub("", text)


class Transcript:
    """A guest's console, written by one thread and read by others, who wait on ``changed``."""

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self._plain = PlainText()
        self._raw = bytearray()
        self._dropped = 0
        self._joined = ""
        self._pieces: list[str] = []
        """Text that is not yet a part of ``_joined``: joining at each piece would copy all of it each time."""
        self._n_pieces = 0
        self._seen = 0
        self.closed = False

    def feed(self, data: bytes) -> None:
        """Add bytes; empty means the end."""
        with self._changed:
            self._raw += data
            self._pieces.append(text := self._plain.feed(data, final=not data))
            self._n_pieces += len(text)
            self.closed = self.closed or not data
            self._trim()
            self._changed.notify_all()

    def _trim(self) -> None:
        if (excess := len(self._raw) - _KEEP_BYTES) > 0:
            self._dropped += excess
            del self._raw[:excess]
        if self._n_pieces > _KEEP_TEXT:
            self._join()

    def _join(self) -> str:
        """The text, without its oldest part if it is long. The lock is held."""
        self._joined += "".join(self._pieces)
        self._pieces, self._n_pieces = [], 0
        if (excess := len(self._joined) - _KEEP_TEXT) > _KEEP_TEXT:
            self._joined = self._joined[excess:]
            self._seen = max(self._seen - excess, 0)
        return self._joined

    def raw_since(self, position: int) -> tuple[bytes, int]:
        """The bytes after ``position`` (0 at first), and the position for the next call."""
        with self._changed:
            start = max(position - self._dropped, 0)
            return bytes(self._raw[start:]), self._dropped + len(self._raw)

    @property
    def text(self) -> str:
        """The console's text (at least the last million characters), with "\\n" as line end."""
        with self._changed:
            return self._join()

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The last ``lines`` lines."""
        return "\n".join(self.text.rstrip("\n").split("\n")[-lines:])

    def expect(self, pattern: str, timeout: float) -> re.Match[str]:
        """Wait until the regular expression ``pattern`` matches the text behind the last match.

        ``^`` and ``$`` match at line ends. Raises NotSeen, with the end of the console, after ``timeout`` seconds or
        when the guest has ended without writing it.
        """
        expression = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                if match := expression.search(self._join(), self._seen):
                    self._seen = match.end()
                    return match
                remaining = deadline - time.monotonic()
                if self.closed or remaining <= 0:
                    break
                self._changed.wait(remaining)
        why = "the guest has ended" if self.closed else f"{counted(timeout, 'second')} went by"
        raise NotSeen(f"the console did not show /{pattern}/, and {why}", "its last lines:\n" + self.tail())
