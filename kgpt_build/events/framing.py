"""Reads the machine channel as a stream of bytes: lines of JSON, with raw bytes after a ``blob`` line.

QEMU's debug port and the hosted program send the same stream.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from kgpt_build.events import BadEvent, BlobStart, Event, Panic, parse_event

MAX_BLOB = 1 << 32
"""Bytes. A kernel addresses less memory, so a greater length is a damaged line and must not take ours."""


@dataclass(frozen=True)
class Blob:
    """A blob that arrived whole: length and CRC-32 agree with its event.

    ``step`` counts from 1; ``loss`` is in nats.
    """

    name: str
    step: int
    loss: float
    data: bytes


class ChannelReader:
    """Reads the channel in pieces of any size, as they arrive, up to the first error."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        """The lines without their newlines, and without blobs."""
        self.events: list[Event] = []
        """The events of these lines."""
        self.blobs: list[Blob] = []
        self.broken = ""
        """The first error; nothing after it is read. Empty: there was none."""
        self._torn = ""
        """What is wrong with the last line. A panic may have interrupted it: then ``panic`` is the next event."""
        self._rest = bytearray()
        self._blob: BlobStart | None = None

    def feed(self, data: bytes) -> None:
        """Read a piece; an empty one is the end of the channel."""
        if self.broken:
            return
        if not data:
            self._end()
            return
        self._rest += data
        while not self.broken and (self._take_blob() if self._blob else self._take_lines()):
            pass

    def _take_lines(self) -> bool:
        """Read the whole lines before the next blob; True if a blob begins."""
        start = 0
        while not self.broken and self._blob is None and (end := self._rest.find(b"\n", start)) >= 0:
            self._take_line(bytes(self._rest[start:end]))
            start = end + 1
        del self._rest[:start]
        return self._blob is not None

    def _take_line(self, line: bytes) -> None:
        try:
            event = parse_event(line)
        except BadEvent as error:
            self.broken, self._torn = self._torn, self._torn or error.message
            return
        if self._torn and not isinstance(event, Panic):
            self.broken = self._torn
            return
        self._torn = ""
        if isinstance(event, BlobStart):
            if not 0 <= event.length <= MAX_BLOB:
                self.broken = f"the blob {event.name!r} claims a length of {event.length:,} bytes"
                return
            self._blob = event
        self.lines.append(line)
        self.events.append(event)

    def _take_blob(self) -> bool:
        """Deliver the present blob if it is whole; True if it was."""
        start = self._blob
        assert start is not None
        if len(self._rest) < start.length:
            return False
        data = bytes(self._rest[: start.length])
        del self._rest[: start.length]
        self._blob = None
        found = zlib.crc32(data)
        if found != start.crc32:
            self.broken = (
                f"the blob {start.name!r} of step {start.step} was damaged on its way: "
                f"its check sum is {found:08x}, not {start.crc32:08x}"
            )
            return False
        self.blobs.append(Blob(start.name, start.step, start.loss, data))
        return True

    def _end(self) -> None:
        self.broken = self._torn
        if self._blob is not None:
            self.broken = (
                f"the blob {self._blob.name!r} of step {self._blob.step} was cut short: "
                f"{len(self._rest):,} of {self._blob.length:,} bytes came"
            )
