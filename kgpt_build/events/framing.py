"""The machine channel as a stream of bytes: lines of JSON, and after a ``blob`` line as many raw bytes as it says.

One reader for both ends that send it: QEMU's debug port and the hosted process.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from kgpt_build.events import BadEvent, BlobStart, Event, parse_event

MAX_BLOB = 1 << 32
"""In bytes. A kernel addresses less; a length beyond it is a damaged line, and must not take our memory."""


@dataclass(frozen=True)
class Blob:
    """Bytes that arrived whole: their length and CRC-32 are those of the ``blob`` event.

    ``step`` counts from 1; ``loss`` in nats.
    """

    name: str
    step: int
    loss: float
    data: bytes


class ChannelReader:
    """Takes the channel apart as it comes, in pieces of any size, up to the first thing that is wrong with it."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        """The lines as they came, without their newlines; blobs are not among them."""
        self.events: list[Event] = []
        """The same, parsed."""
        self.blobs: list[Blob] = []
        self.broken = ""
        """What is wrong with the channel; nothing after that is read."""
        self._rest = bytearray()
        self._blob: BlobStart | None = None

    def feed(self, data: bytes) -> None:
        """Take a piece; none means the end of the channel."""
        if self.broken:
            return
        if not data:
            self._end()
            return
        self._rest += data
        while not self.broken and (self._take_blob() if self._blob else self._take_lines()):
            pass

    def _take_lines(self) -> bool:
        """Read all whole lines up to a blob; True if one has begun."""
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
            self.broken = error.message
            return
        if isinstance(event, BlobStart):
            if not 0 <= event.length <= MAX_BLOB:
                self.broken = f"the blob {event.name!r} claims a length of {event.length:,} bytes"
                return
            self._blob = event
        self.lines.append(line)
        self.events.append(event)

    def _take_blob(self) -> bool:
        """Deliver the blob that has begun, if it is whole; True if it was."""
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
        if self._blob is not None:
            self.broken = (
                f"the blob {self._blob.name!r} of step {self._blob.step} was cut short: "
                f"{len(self._rest):,} of {self._blob.length:,} bytes came"
            )
