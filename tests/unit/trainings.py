"""What the kernel sends of a training, made up: events, and weights as blobs."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

from toy import toy_model

from kgpt_build.events import Address, BlobStart, Corpus, Eval, Event, Sample, Step, Training
from kgpt_build.events.framing import Blob
from kgpt_build.headers.blob import model_blob

CORPUS = b"ab\nba\nabab\n"


def loss_bits(loss: float) -> int:
    """The IEEE double, as the event has it."""
    return int.from_bytes(struct.pack(">d", loss), "big")


def step_event(step: int, loss: float) -> Step:
    return Step(step, round(loss, 4), Address(loss_bits(loss)), 0.01)


def weights(seed: int = 1) -> bytes:
    """A model of the characters of CORPUS, as the kernel would send it."""
    return model_blob(toy_model(seed=seed))


def blob(name: str, step: int, data: bytes | None = None) -> tuple[BlobStart, Blob]:
    """The event and what follows it."""
    data = weights(step) if data is None else data
    return BlobStart(name, step, 2.5, len(data), zlib.crc32(data)), Blob(name, step, 2.5, data)


def line(event: str, **fields: Any) -> bytes:
    """A line of the machine channel."""
    return json.dumps({"event": event, **fields}).encode() + b"\n"


def step_line(step: int, loss: float) -> bytes:
    return line("step", step=step, loss=round(loss, 4), loss_bits=f"{loss_bits(loss):#018x}", lr=0.01)


def blob_bytes(name: str, step: int, data: bytes | None = None) -> bytes:
    """The line and its bytes."""
    data = weights(step) if data is None else data
    return line("blob", name=name, step=step, loss=2.5, length=len(data), crc32=zlib.crc32(data)) + data


def some_events() -> list[Event]:
    """The beginning, five steps with a validation, and a text."""
    return [
        Corpus(3, 8, 3, 2, 1),
        Training("fast", 5, 16, 1, 16, 4, 16, 3000, 42, 0),
        *(step_event(step, 3 - step / 4) for step in range(1, 5)),
        Eval(4, 1.75),
        step_event(5, 1.5),
        Sample(0, "ab", 3, "eos"),
    ]
