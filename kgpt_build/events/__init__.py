"""The machine channel of docs/events.md, typed: one frozen class per event, made from one line of JSON each."""

from __future__ import annotations

import dataclasses
import functools
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, get_type_hints

from kgpt_build.events.event import Address as Address
from kgpt_build.events.event import BadEvent as BadEvent
from kgpt_build.events.event import Event as Event
from kgpt_build.events.event import Unknown as Unknown
from kgpt_build.events.lm import Bench as Bench
from kgpt_build.events.lm import Fed as Fed
from kgpt_build.events.lm import Layer as Layer
from kgpt_build.events.lm import Logprobs as Logprobs
from kgpt_build.events.lm import Speed as Speed
from kgpt_build.events.train import BlobStart as BlobStart
from kgpt_build.events.train import Corpus as Corpus
from kgpt_build.events.train import Eval as Eval
from kgpt_build.events.train import Preview as Preview
from kgpt_build.events.train import Step as Step
from kgpt_build.events.train import Training as Training


@dataclass(frozen=True)
class Boot(Event):
    """The first line: how and where the kernel was started; memory is the usable bytes."""

    event: ClassVar[str] = "boot"
    version: str
    platform: str
    loader: str
    cmdline: str
    memory: int
    serial: bool
    screen: bool
    display: str = ""
    keyboard: bool = False


@dataclass(frozen=True)
class Cpu(Event):
    """The processor, and the instruction set that the op table uses."""

    event: ClassVar[str] = "cpu"
    vendor: str
    brand: str
    features: tuple[str, ...]
    xcr0: int
    isa: str


@dataclass(frozen=True)
class Cpus(Event):
    """The processors: how many there are, how many work and are reached ``by`` what, and why not more."""

    event: ClassVar[str] = "cpus"
    found: int
    started: int
    by: str
    note: str


@dataclass(frozen=True)
class Model(Event):
    """The model that was accepted."""

    event: ClassVar[str] = "model"
    name: str
    arch: str
    sha256: str
    n_vocab: int
    n_ctx: int
    n_embd: int
    n_layer: int
    n_head: int
    n_head_kv: int
    n_ff: int
    parameters: int
    tokenizer: str = ""
    chat: str = ""
    place: str = ""


@dataclass(frozen=True)
class Memory(Event):
    """All in bytes."""

    event: ClassVar[str] = "memory"
    weights: int
    kv: int
    scratch: int
    needed: int
    arena: int


@dataclass(frozen=True)
class Ready(Event):
    """All is set up; ticks since the first instruction."""

    event: ClassVar[str] = "ready"
    ticks: int


@dataclass(frozen=True)
class Config(Event):
    """A generation or a reply starts: all that decides its text besides the model (vm/replay.py).

    Of a language model ``context`` is not 0, and ``prompt`` is the message or prompt that this reply answers.
    """

    event: ClassVar[str] = "config"
    mode: str
    prompt: str
    samples: int
    max_tokens: int
    seed: int
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    context: int = 0
    sample: int = 0
    system: str = ""
    kv: str = ""
    on_overflow: str = ""
    think: str = ""
    typical_p: float = 1.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: tuple[Mapping[str, Any], ...] = ()
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Token(Event):
    """A token was sampled."""

    event: ClassVar[str] = "token"
    sample: int
    pos: int
    id: int
    text: str


@dataclass(frozen=True)
class Logits(Event):
    """The result of one forward step over token ``id``."""

    event: ClassVar[str] = "logits"
    sample: int
    pos: int
    id: int
    f32: str

    @property
    def values(self) -> tuple[float, ...]:
        """The logits, (n_vocab,), exactly as the kernel computed them."""
        return struct.unpack(f"<{len(self.f32) // 8}f", bytes.fromhex(self.f32))


@dataclass(frozen=True)
class Sample(Event):
    """A document is finished; ``text`` has the prompt, ``tokens`` counts the sampled ones."""

    event: ClassVar[str] = "sample"
    index: int
    text: str
    tokens: int
    reason: str


@dataclass(frozen=True)
class Stats(Event):
    """A generation is finished. ``ticks_hz`` and ``us`` are 0 where unknown; ``used``: bytes of the arena.

    Images of earlier versions do not say what is used: 0.
    """

    event: ClassVar[str] = "stats"
    samples: int
    prompt_tokens: int
    tokens: int
    ticks: int
    ticks_hz: int
    us: int
    first_token_ticks: int
    clock: str = ""
    """What ``ticks_hz`` comes from."""
    used: int = 0


@dataclass(frozen=True)
class Shell(Event):
    """The shell waits for a line."""

    event: ClassVar[str] = "shell"
    prompt: str


@dataclass(frozen=True)
class SelfTest(Event):
    """A self-test has run; ``message`` is empty if it passed."""

    event: ClassVar[str] = "test"
    name: str
    ok: bool
    message: str


@dataclass(frozen=True)
class SelfTests(Event):
    """All self-tests have run."""

    event: ClassVar[str] = "tests"
    passed: int
    failed: int


@dataclass(frozen=True)
class Error(Event):
    """The kernel refuses something."""

    event: ClassVar[str] = "error"
    message: str
    hint: str


@dataclass(frozen=True)
class Panic(Event):
    """``vector`` -1: no exception, a check of the kernel's failed. ``backtrace``: innermost first.

    ``cpu`` is 0 for the processor that booted; images of earlier versions do not say.
    """

    event: ClassVar[str] = "panic"
    vector: int
    name: str
    error: Address
    message: str
    rip: Address
    cr2: Address
    registers: Mapping[str, Address]
    backtrace: tuple[Address, ...]
    cpu: int = 0


@dataclass(frozen=True)
class Exit(Event):
    """The last line: the verdict."""

    event: ClassVar[str] = "exit"
    code: int
    reason: str


EVENTS: Mapping[str, type[Event]] = {
    kind.event: kind
    for kind in (
        *(Boot, Cpu, Cpus, Model, Memory, Ready, Config, Token, Logits, Sample, Stats),
        *(Speed, Logprobs, Fed, Layer, Bench),
        *(Shell, SelfTest, SelfTests, Corpus, Training, Step, Preview, Eval, BlobStart, Error, Panic, Exit),
    )
}


def parse_event(line: bytes) -> Event:
    """One line of the machine channel, with or without its newline.

    Raises BadEvent if it is not a JSON object with ``event``, or lacks a key of an event that is known, unless that
    has a default.
    """
    try:
        data = json.loads(line)
    except ValueError as error:
        raise BadEvent(f"the machine channel carried a line that is no JSON: {_shown(line)}") from error
    if not isinstance(data, dict) or not isinstance(data.get("event"), str):
        raise BadEvent(f"the machine channel carried a line that is no event: {_shown(line)}")
    kind = EVENTS.get(data["event"])
    if kind is None:
        return Unknown(data["event"])
    try:
        return kind(**{name: read(data[name]) for name, read, must in _fields(kind.event) if must or name in data})
    except KeyError as error:
        raise BadEvent(f"the event {data['event']} lacks {error}: {_shown(line)}") from error
    except (TypeError, ValueError) as error:
        raise BadEvent(f"the event {data['event']} is malformed ({error}): {_shown(line)}") from error


def event_name(event: Event) -> str:
    """``boot``, ``sample``, …: what docs/events.md calls it."""
    return event.kind if isinstance(event, Unknown) else event.event


@functools.cache  # a training sends thousands of events a second
def _fields(name: str) -> tuple[tuple[str, Callable[[Any], Any], bool], ...]:
    """Of an event: each key, what reads its value, and whether it must be there."""
    kind = EVENTS[name]
    hints = get_type_hints(kind)
    return tuple(
        (field.name, _READERS[hints[field.name]], field.default is dataclasses.MISSING)
        for field in dataclasses.fields(kind)
    )


def _exactly(kind: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        # bool is an int in Python, not in JSON.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise TypeError(f"{value!r} is no {kind.__name__}")
        return value

    return read


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _address(value: Any) -> Address:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise TypeError(f"{value!r} is no address")
    return Address(int(value, 16))


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_exactly(str)(item) for item in _exactly(list)(value))


def _wholes(value: Any) -> tuple[int, ...]:
    return tuple(_exactly(int)(item) for item in _exactly(list)(value))


def _objects(value: Any) -> tuple[Mapping[str, Any], ...]:
    return tuple(_exactly(dict)(item) for item in _exactly(list)(value))


def _addresses(value: Any) -> tuple[Address, ...]:
    return tuple(_address(item) for item in _exactly(list)(value))


def _registers(value: Any) -> dict[str, Address]:
    return {name: _address(item) for name, item in _exactly(dict)(value).items()}


_READERS: Mapping[Any, Callable[[Any], Any]] = {
    str: _exactly(str),
    int: _exactly(int),
    bool: _exactly(bool),
    float: _number,
    Address: _address,
    tuple[str, ...]: _texts,
    tuple[int, ...]: _wholes,
    tuple[Mapping[str, Any], ...]: _objects,
    tuple[Address, ...]: _addresses,
    Mapping[str, Address]: _registers,
}


def _shown(line: bytes, limit: int = 120) -> str:
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    return repr(text if len(text) <= limit else text[:limit] + "…")
