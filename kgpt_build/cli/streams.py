"""Standard input, output and error as they may be: closed, full, or of an encoding that lacks a character.

What cannot be written to standard output is an error in one line, with its exit code. What cannot be written to
standard error is lost, and ends nothing.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import select
import sys
from typing import TYPE_CHECKING, Any, TextIO

from kgpt_build.errors import KgptError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_NAME = "kgpt"
_BYTE = 0xDC00
"""surrogateescape: byte 0x80 to 0xFF of a name that is not UTF-8 is this code point and more."""


def prepare() -> None:
    """Take the three streams over. Call it once, before anything is opened: a closed one's number would be taken."""
    # Opened the wrong way round: using a closed stream stays an error.
    for number, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        with contextlib.suppress(OSError):
            _open_if_closed(number, flags)
    codecs.register_error(_NAME, _shown)
    sys.stdin = _text(io.BufferedReader(_Input(0, "r", closefd=False)), sys.stdin, "replace")
    sys.stdout = _text(io.BufferedWriter(_Output(1, "w", closefd=False)), sys.stdout, _NAME)
    sys.stderr = _text(io.BufferedWriter(_Messages(2, "w", closefd=False)), sys.stderr, _NAME)


def _open_if_closed(number: int, flags: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, flags)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _text(buffer: Any, before: TextIO | None, errors: str) -> TextIO:
    """``buffer`` as text, in the encoding that Python has chosen for the stream.

    ASCII is what a system says that was not set up. Bytes of UTF-8 are right there too (click does the same).
    """
    if before is not None:
        with contextlib.suppress(OSError, ValueError):
            before.flush()
    chosen = before.encoding if before is not None else "ascii"
    encoding = "utf-8" if codecs.lookup(chosen).name == "ascii" else chosen
    return io.TextIOWrapper(buffer, encoding=encoding, errors=errors, line_buffering=buffer.isatty())


def _shown(error: UnicodeError) -> tuple[str | bytes, int]:
    """In the place of what cannot be encoded: the byte that it was, of a file's name, or an escape such as \\u20ac."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return b"".join(_encoded(character) for character in characters), error.end


def _encoded(character: str) -> bytes:
    byte = ord(character) - _BYTE
    return bytes([byte]) if 0x80 <= byte <= 0xFF else character.encode("ascii", "backslashreplace")


class _Input(io.FileIO):
    """Standard input."""

    def readinto(self, buffer: Any) -> int | None:
        """Raises KgptError."""
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise KgptError(f"cannot read standard input: {error.strerror}") from error

    def readall(self) -> bytes:
        """Raises KgptError."""
        try:
            return super().readall() or b""
        except OSError as error:
            raise KgptError(f"cannot read standard input: {error.strerror}") from error


class _Patient(io.FileIO):
    """Waits where another program has made the stream non-blocking, which holds for all that have it open."""

    def write(self, data: ReadableBuffer) -> int:
        """Raises OSError."""
        while (count := super().write(data)) is None:
            select.select([], [self], [])
        return count


class _Output(_Patient):
    """Standard output, which fails once: what is left in buffers then must not be an error again."""

    _failed = False

    def write(self, data: ReadableBuffer) -> int:
        """Raises KgptError; BrokenPipeError, which click takes for the reader's wish to end."""
        if self._failed:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except BrokenPipeError:
            self._failed = True
            raise
        except OSError as error:
            self._failed = True
            raise KgptError(f"cannot write to standard output: {error.strerror}") from error


class _Messages(_Patient):
    """Standard error."""

    def write(self, data: ReadableBuffer) -> int:
        """What cannot be written is lost."""
        with contextlib.suppress(OSError):
            return super().write(data)
        return memoryview(data).nbytes
