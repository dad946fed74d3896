"""Any number of conversations with one model in the C engine, through tests/hosted/conversation_driver.c."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lm
import numpy as np
from native import shared_object
from tiny_lm import N_EMBD, write_lm

from kgpt_build import models

_MEMORY = 64 << 20
DRAFTS = ("off", "ngram", "draft")


class _Settings(ctypes.Structure):
    """struct settings of conversation_driver.c."""

    _fields_ = [
        *((name, ctypes.c_float) for name in ("temperature", "repeat_penalty", "frequency_penalty")),
        *((name, ctypes.c_uint32) for name in ("max_tokens", "logprobs", "shift", "endless")),
        ("seed", ctypes.c_uint64),
        ("stop", ctypes.c_char_p),
    ]


@dataclass(frozen=True)
class Settings:
    """What a reply is asked with."""

    seed: int = 1
    temperature: float = 1.0
    repeat_penalty: float = 1.0
    frequency_penalty: float = 0.0
    max_tokens: int = 12
    logprobs: int = 0
    shift: bool = False
    endless: bool = False
    stop: str = ""

    def raw(self) -> _Settings:
        return _Settings(
            *(
                self.temperature,
                self.repeat_penalty,
                self.frequency_penalty,
                self.max_tokens,
                self.logprobs,
                self.shift,
            ),
            *(self.endless, self.seed, self.stop.encode()),
        )


@dataclass(frozen=True)
class Reply:
    """What the sink was told of one reply, to the bit, and what the context holds behind it."""

    status: int
    text: bytes
    tokens: tuple[int, ...]
    logits: bytes
    computed: int
    forgotten: int
    logprobs: bytes
    past: tuple[int, ...]


@dataclass
class Script:
    """A conversation: what is said in it, and how replies are asked for. An empty text asks for another reply."""

    texts: list[str]
    settings: Settings = field(default_factory=Settings)
    n_ctx: int = 64
    n_batch: int = 4
    kv: str = "f16"


class Talk:
    """One conversation, a token at a time."""

    def __init__(self, library: ctypes.CDLL, model: Model, script: Script, slot: int | None = None) -> None:
        """In a slot of the model's batch, or alone."""
        self._library, self._script, self._model = library, script, model
        self._struct = ctypes.create_string_buffer(library.driver_talk_size())
        if slot is None:
            assert library.driver_talk(model.driver, self._struct, ctypes.byref(_options(script))) == 0
        else:
            assert library.driver_talk_in(model.driver, self._struct, slot) == 0
        self._kept: list[object] = []
        self._running = False
        self.n_vocab = library.driver_n_vocab(model.driver)
        self.replies: list[Reply] = []

    @property
    def over(self) -> bool:
        return not self._running and len(self.replies) == len(self._script.texts)

    def advance(self) -> None:
        """Begin the next reply, or make one token of the reply that has begun."""
        if self._running:
            status = self._library.driver_step(self._struct)
            if status >= 0:
                self._running = False
                self.replies.append(self._reply(status))
            return
        text = self._script.texts[len(self.replies)]
        status = self.message(text) if text else self.again()
        self._running = status == 0
        if status:
            self.replies.append(self._reply(status))

    def stop(self) -> None:
        """The sink wants the end of the reply, as after a key."""
        self._library.driver_stop(self._struct)

    def leave(self) -> None:
        """The owner of the batch ends the reply."""
        self._library.driver_leave(self._struct)

    def begin_text(self, text: str) -> None:
        """Begin a reply that goes on from ``text``, without a template."""
        status = self._begin("driver_continue", *_said(text))
        self._running = status == 0
        if status:
            self.replies.append(self._reply(status))

    @property
    def running(self) -> bool:
        """Has a reply begun that has not been taken?"""
        return self._running

    def tokens(self) -> tuple[int, ...]:
        """The tokens of the reply so far."""
        found = ctypes.POINTER(ctypes.c_uint32)()
        n = self._library.driver_tokens(self._struct, ctypes.byref(found))
        return tuple(found[:n])

    def take(self) -> Reply:
        """The reply that has ended."""
        status = self._library.driver_step(self._struct)
        assert status >= 0
        return self._reply(status)

    def message(self, text: str) -> int:
        return self._begin("driver_message", *_said(text))

    def again(self) -> int:
        return self._begin("driver_again")

    def complete(self, text: str, settings: Settings | None = None) -> Reply:
        """A whole reply that goes on from ``text``, without a template."""
        if settings is not None:
            self._script = replace(self._script, settings=settings)
        status = self._begin("driver_continue", *_said(text))
        while not status and (status := self._library.driver_step(self._struct)) < 0:
            status = 0
        return self._reply(status)

    def reset(self) -> None:
        self._library.driver_reset(self._struct)

    def _begin(self, name: str, *said: object) -> int:
        raw = self._script.settings.raw()
        self._kept = [raw, *said]  # stop strings are the caller's until the reply has ended
        status: int = getattr(self._library, name)(self._struct, ctypes.byref(raw), *said)
        return status

    def _reply(self, status: int) -> Reply:
        text, tokens, past = ctypes.c_char_p(), ctypes.POINTER(ctypes.c_uint32)(), ctypes.POINTER(ctypes.c_uint32)()
        logits, logprobs = ctypes.POINTER(ctypes.c_float)(), ctypes.c_float()
        told = (ctypes.c_uint32 * 3)()
        n_text = self._library.driver_text(self._struct, ctypes.byref(text))
        n_tokens = self._library.driver_tokens(self._struct, ctypes.byref(tokens))
        n_logits = self._library.driver_logits(self._struct, ctypes.byref(logits))
        n_past = self._library.driver_past(self._struct, ctypes.byref(past))
        self._library.driver_told(self._struct, told, ctypes.byref(logprobs))
        assert text.value is not None
        return Reply(
            status,
            ctypes.string_at(text, n_text),
            tuple(tokens[:n_tokens]),
            ctypes.string_at(logits, n_logits * self.n_vocab * 4),
            told[0],
            told[1],
            bytes(logprobs),
            tuple(past[:n_past]),
        )


class Model:
    """A tiny model with a chat template, opened once."""

    def __init__(
        self, library: ctypes.CDLL, folder: Path, *, arch: str = "llama", n_ctx: int = 64, isa: str = lm.ISAS[-1]
    ) -> None:
        self._library = library
        path = write_lm(
            folder / f"{arch}.gguf", arch, fields={f"{arch}.context_length": n_ctx}, tensors=_positions(arch, n_ctx)
        )
        chat = models.load_lm(path).chat_blob()
        data = path.read_bytes()
        self._file, self._memory = lm._aligned(len(data)), lm._aligned(_MEMORY)
        self._file[:] = np.frombuffer(data, np.uint8)
        self._chat = ctypes.create_string_buffer(chat, len(chat))
        self.driver = ctypes.create_string_buffer(library.driver_size())
        where = lm._where(self._file), (self._chat, ctypes.c_uint64(len(chat))), lm._where(self._memory)
        assert library.driver_open(self.driver, *(word for pair in where for word in pair), lm.ISAS.index(isa)) == 0

    def talk(self, script: Script) -> Talk:
        return Talk(self._library, self, script)

    def batch(self, script: Script, n: int, drafts: tuple[str, int] = ("off", 0)) -> list[Talk]:
        """A talk in each of ``n`` slots, with the options of ``script``, which is the first one's. ``drafts``: what
        speculate= and speculate_tokens= say.
        """
        self._library.driver_speculate(self.driver, DRAFTS.index(drafts[0]), drafts[1])
        assert self._library.driver_batch(self.driver, ctypes.byref(_options(script)), n) == 0
        self._slots = n
        return [Talk(self._library, self, script, slot) for slot in range(n)]

    def talk_in(self, slot: int, script: Script) -> Talk:
        """Another talk in a slot that is free."""
        return Talk(self._library, self, script, slot)

    def drafts(self) -> tuple[int, int]:
        """Tokens that were drafted, of the last conversation in each slot, and those of them that were sampled."""
        told = (ctypes.c_uint64 * 2)()
        self._library.driver_drafts(self.driver, told)
        return told[0], told[1]

    def step(self) -> tuple[int, int]:
        """One step of the batch: the slots that still run, and the passes so far."""
        passes = ctypes.c_uint64()
        return self._library.driver_batch_step(self.driver, ctypes.byref(passes)), passes.value


def _options(script: Script) -> lm._Options:
    return lm._Options(script.n_ctx, script.n_batch, lm.KV.index(script.kv), 1)


def build(folder: Path) -> ctypes.CDLL:
    """Compile the library."""
    sources = ["tests/hosted/conversation_driver.c", *lm.engine_sources(folder)]
    library = shared_object(folder, sources, include=folder)
    for name in ("size", "talk_size", "text"):
        getattr(library, f"driver_{name}").restype = ctypes.c_uint64
    return library


def _positions(arch: str, n_ctx: int) -> dict[str, Any]:
    learned = np.random.default_rng(2).standard_normal((n_ctx, N_EMBD)).astype(np.float32) / 8
    return {"position_embd.weight": learned} if arch == "gpt2" else {}


def _said(text: str) -> tuple[bytes, ctypes.c_uint64]:
    data = text.encode()
    return data, ctypes.c_uint64(len(data))
