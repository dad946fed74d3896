"""The events of language models (docs/events.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from kgpt_build.events.event import Event


@dataclass(frozen=True)
class Speed(Event):
    """What a reply took, in microseconds; the percentiles are those of one token, 0 where there was one only.

    ``prompt_tokens`` are those that were computed: what the context held already is not counted.
    """

    event: ClassVar[str] = "speed"
    prompt_tokens: int
    prompt_us: int
    tokens: int
    decode_us: int
    first_token_us: int
    p50_us: int
    p99_us: int
    max_us: int
    context_used: int
    context: int
    seed: int


@dataclass(frozen=True)
class Logprobs(Event):
    """The natural logarithm of a token's probability, and the likeliest ones: ``id``, ``text``, ``logprob`` of each."""

    event: ClassVar[str] = "logprobs"
    sample: int
    pos: int
    id: int
    logprob: float
    top: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Fed(Event):
    """The tokens of a prompt, the first of which stands at ``pos``; ``u32`` is hex, little endian."""

    event: ClassVar[str] = "fed"
    sample: int
    pos: int
    u32: str


@dataclass(frozen=True)
class Layer(Event):
    """The residual stream of the last token after a part of the forward pass; ``f32`` is hex, little endian."""

    event: ClassVar[str] = "layer"
    what: str
    layer: int
    f32: str


@dataclass(frozen=True)
class Bench(Event):
    """A measurement: ``us`` of each repetition of ``test`` (``pp64``, ``tg16``) with ``tokens`` tokens."""

    event: ClassVar[str] = "bench"
    test: str
    tokens: int
    cpus: int
    isa: str
    us: tuple[int, ...]
