"""The machine channel's bytes: lines, and the raw bytes after a ``blob`` line, in pieces of any size."""

from __future__ import annotations

import json
import re
import zlib

import pytest

from kgpt_build.events import Exit, Step, event_name
from kgpt_build.events.framing import Blob, ChannelReader

NASTY = b'{"event":"exit"}\n' + bytes(range(256)) + b"\n"
END = b'{"event":"exit","code":0,"reason":"done"}\n'


def blob_line(data: bytes, name: str = "last", **changes: object) -> bytes:
    fields = {"event": "blob", "name": name, "step": 7, "loss": 2.5, "length": len(data), "crc32": zlib.crc32(data)}
    return json.dumps({**fields, **changes}).encode() + b"\n"


def read(stream: bytes, piece: int = 1 << 20) -> ChannelReader:
    reader = ChannelReader()
    for start in range(0, len(stream), piece):
        reader.feed(stream[start : start + piece])
    reader.feed(b"")
    return reader


@pytest.mark.parametrize("piece", [1, 2, 7, 100, 1 << 20])
def test_blobs_between_lines(piece: int) -> None:
    stream = blob_line(NASTY) + NASTY + blob_line(b"", "state") + blob_line(b"x", "best") + b"x" + END
    reader = read(stream, piece)
    assert reader.broken == ""
    assert reader.blobs == [Blob("last", 7, 2.5, NASTY), Blob("state", 7, 2.5, b""), Blob("best", 7, 2.5, b"x")]
    assert [event_name(event) for event in reader.events] == ["blob", "blob", "blob", "exit"]
    assert reader.events[-1] == Exit(0, "done")
    assert reader.lines[-1] + b"\n" == END


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (blob_line(NASTY) + NASTY[:-1], r"'last' of step 7 was cut short: 273 of 274 bytes"),
        (blob_line(b"abc", crc32=5) + b"abc" + END, "damaged on its way: its check sum is 352441c2, not 00000005"),
        (blob_line(b"abc") + b"abd" + END, "damaged on its way"),
        (blob_line(b"abc", length=-1) + END, "claims a length of -1"),
        (blob_line(b"abc", length=1 << 40) + END, "claims a length of 1,099,511,627,776"),
        (blob_line(b"abc") + b"abcd" + END, "no JSON"),
    ],
)
def test_a_blob_that_is_not_whole_breaks_the_channel(stream: bytes, message: str) -> None:
    first = blob_line(b"good", "best") + b"good"
    reader = read(first + stream, 5)
    assert [blob.data for blob in reader.blobs][:1] == [b"good"]
    assert all(blob.data in (b"good", b"abc") for blob in reader.blobs)
    assert Exit(0, "done") not in reader.events
    assert re.search(message, reader.broken)


def test_loss_bits() -> None:
    reader = read(b'{"event":"step","step":1,"loss":0.1,"loss_bits":"0x3fb999999999999a","lr":0.01}\n')
    step = reader.events[0]
    assert isinstance(step, Step)
    assert step.exact_loss == 0.1


PANIC = (
    b'{"event":"panic","vector":-1,"name":"check","error":"0x0","message":"m","rip":"0x1","cr2":"0x0","cpu":0,'
    b'"registers":{},"backtrace":[]}\n'
)
TORN = b'{"event":"logits","sample":0,"pos":1,"id":2,"f32":"00ff\n'


def test_a_line_that_a_panic_interrupted_is_left_out() -> None:
    reader = read(TORN + PANIC + END, 5)
    assert reader.broken == ""
    assert [event_name(event) for event in reader.events] == ["panic", "exit"]
    assert TORN.rstrip() not in reader.lines


@pytest.mark.parametrize("after", [b"", END, TORN + PANIC, b"hello\n" + END])
def test_a_torn_line_without_a_panic_breaks_the_channel(after: bytes) -> None:
    reader = read(END + TORN + after, 7)
    assert "no JSON" in reader.broken
    assert len(reader.events) == 1
