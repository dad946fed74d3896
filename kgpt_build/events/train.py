"""The events of a training (docs/events.md)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from kgpt_build.events.event import Address, Event


@dataclass(frozen=True)
class Corpus(Event):
    """The text to train on: ``train`` and ``validation`` are documents, together all of them."""

    event: ClassVar[str] = "corpus"
    documents: int
    characters: int
    n_vocab: int
    train: int
    validation: int


@dataclass(frozen=True)
class Training(Event):
    """A training starts, with the step after ``first_step`` (0, or what a resumed state has done)."""

    event: ClassVar[str] = "training"
    method: str
    steps: int
    batch: int
    n_layer: int
    n_embd: int
    n_head: int
    block_size: int
    parameters: int
    seed: int
    first_step: int


@dataclass(frozen=True)
class Step(Event):
    """A training step, counted from 1; ``loss`` in nats, rounded, as ``loss_bits`` is not."""

    event: ClassVar[str] = "step"
    step: int
    loss: float
    loss_bits: Address
    lr: float

    @property
    def exact_loss(self) -> float:
        """The loss exactly as the kernel computed it."""
        value: float = struct.unpack(">d", self.loss_bits.to_bytes(8, "big"))[0]
        return value


@dataclass(frozen=True)
class Eval(Event):
    """The mean loss over the validation documents after ``step``, in nats."""

    event: ClassVar[str] = "eval"
    step: int
    loss: float


@dataclass(frozen=True)
class Preview(Event):
    """A document by the weights after ``step``; drawing it does not change the training."""

    event: ClassVar[str] = "preview"
    step: int
    text: str


@dataclass(frozen=True)
class BlobStart(Event):
    """``length`` raw bytes follow, whose CRC-32 (zlib's) is ``crc32`` (framing.ChannelReader takes them)."""

    event: ClassVar[str] = "blob"
    name: str
    step: int
    loss: float
    length: int
    crc32: int
