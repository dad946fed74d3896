"""Chat templates, samplers and the output of text as the tests use them, through tests/hosted/lm_text_driver.c."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from native import SELFTEST_DRIVER, shared_object

from benchmarks.c_error import Error
from kgpt_build.chat import ChatTemplate, Fragment
from kgpt_build.models import FloatArray
from kgpt_build.reference.lm_sampler import Candidates, LmSampling
from kgpt_build.settings import of_groups, options

SOURCES = [
    "tests/hosted/lm_text_driver.c",
    *SELFTEST_DRIVER,
    *(f"kernel_c/core/{name}.c" for name in ("arena", "arena_count", "digest/crc32", "error", "format", "str", "utf8")),
    *(f"kernel_c/math/{name}.c" for name in ("dmath", "math", "random")),
    *(f"kernel_c/infer/chat/{name}.c" for name in ("chat", "chat_reply", "chat_text", "chat_tools", "chat_test")),
    *(f"kernel_c/infer/reply/{name}.c" for name in ("llama2c_sampler", "lm_sampler", "lm_sampler_test", "sampler")),
    *(f"kernel_c/infer/reply/{name}.c" for name in ("stream", "stream_test")),
]


_Room = tuple[ctypes.Array[ctypes.c_char], ctypes.Array[ctypes.c_size_t], ctypes.Array[ctypes.c_bool]]


class Refused(Exception):
    """What the library says no to: its message and hint."""


def build(folder: Path, compiler: str = "zig") -> ctypes.CDLL:
    """Compile the library."""
    return shared_object(folder, SOURCES, compiler)


class NativeChat:
    """A chat template in C."""

    def __init__(self, library: ctypes.CDLL, blob: bytes) -> None:
        error = Error()
        self._library, self._blob = library, blob
        self._chat = ctypes.create_string_buffer(library.driver_chat_size())
        if library.driver_chat_open(self._chat, blob, ctypes.c_uint64(len(blob)), ctypes.byref(error)):
            raise Refused(error.message.decode(), error.hint.decode())

    def turn(self, first: bool, system: str, message: str, *, thinking: bool = True) -> list[Fragment]:
        said = [part for text in (system, message) for part in _bytes(text)]
        n = max(64, len(self._blob) + len(system.encode()) + len(message.encode()))
        out, lengths, special = self._room(n)
        count = self._library.driver_chat_turn(self._chat, first, not thinking, *said, out, lengths, special)
        return _fragments(out.raw, list(lengths[:count]), list(special[:count]))

    def reply(self, text: str) -> list[Fragment]:
        out, lengths, special = self._room(len(self._blob) + len(text.encode()))
        count = self._library.driver_chat_reply(self._chat, *_bytes(text), out, lengths, special)
        return _fragments(out.raw, list(lengths[:count]), list(special[:count]))

    def refused(self, system: str, message: str) -> str:
        out = ctypes.create_string_buffer(len(self._blob))
        n = self._library.driver_chat_refused(self._chat, *_bytes(system), *_bytes(message), out)
        return out.raw[:n].decode()

    def end_token(self) -> int | None:
        """The special token that ends a reply, in the driver's vocabulary."""
        token = self._library.driver_chat_end_token(self._chat)
        return None if token == -1 else int(token)

    def _room(self, n: int) -> _Room:
        return ctypes.create_string_buffer(n), (ctypes.c_size_t * 8)(), (ctypes.c_bool * 8)()


def mirrors(native: NativeChat, template: ChatTemplate, said: tuple[str, ...]) -> None:
    """Assert that C and Python make the same fragments of everything in ``said``."""
    for text in said:
        for thinking in (True, False):
            native.turn(True, "", text, thinking=thinking)
            assert native.reply(text) == template.reply(text, generated=True, thinking=thinking)
        for system in ("", *said):
            for thinking in (True, False):
                assert native.turn(True, system, text, thinking=thinking) == template.turn(
                    True, system, text, thinking=thinking
                )
        assert native.turn(False, "", text) == template.turn(False, "", text)


def _bytes(text: str) -> tuple[bytes, ctypes.c_size_t]:
    encoded = text.encode()
    return encoded, ctypes.c_size_t(len(encoded))


def _fragments(text: bytes, lengths: list[int], special: list[bool]) -> list[Fragment]:
    fragments, at = [], 0
    for length, is_special in zip(lengths, special, strict=True):
        fragments.append(Fragment(text[at : at + length].decode(), is_special))
        at += length
    return fragments


MAX_BIASES = options()["logit_bias"].times


class _Bias(ctypes.Structure):
    """struct kg_logit_bias."""

    _fields_ = [("token", ctypes.c_uint32), ("bias", ctypes.c_float)]


_TYPES: dict[str, type[ctypes._SimpleCData[Any]]] = {"COUNT": ctypes.c_uint32, "DECIMAL": ctypes.c_float}


class _Sampling(ctypes.Structure):
    """struct kg_sampling."""

    _fields_ = [
        *((each.name, _TYPES[each.kind]) for each in (*of_groups("SAMPLING"), *of_groups("LM_SAMPLING"))),
        ("logit_bias", _Bias * MAX_BIASES),
        ("n_biases", ctypes.c_uint32),
    ]


_SETTINGS = [entry[0] for entry in _Sampling._fields_ if entry[0] not in ("logit_bias", "n_biases")]


class NativeSampler:
    """The samplers in C, for a vocabulary of ``n_vocab`` tokens."""

    def __init__(self, library: ctypes.CDLL, n_vocab: int) -> None:
        library.driver_sampler_size.restype = ctypes.c_uint64
        self._library, self._n_vocab = library, n_vocab
        size = library.driver_sampler_size(n_vocab) + 64 * (n_vocab + 2)
        self._memory = (ctypes.create_string_buffer(size), ctypes.c_size_t(size))

    def defaults(self) -> LmSampling:
        raw = _Sampling()
        self._library.driver_sampling_defaults(ctypes.byref(raw))
        assert raw.n_biases == 0
        return LmSampling(**{name: round(getattr(raw, name), 6) for name in _SETTINGS})

    def candidates(self, logits: FloatArray, sampling: LmSampling, last: Sequence[int] = ()) -> Candidates:
        ids, values, weights = (ctypes.c_uint32 * self._n_vocab)(), *self._floats(self._n_vocab, 2)
        total = ctypes.c_float()
        where = (*self._logits(logits), (ctypes.c_uint32 * len(last))(*last), len(last), *self._memory)
        n = self._library.driver_candidates(
            ctypes.byref(_raw(sampling)), *where, ids, values, weights, ctypes.byref(total)
        )
        assert n
        found, weighed = (np.array(array[:n], np.float32) for array in (values, weights))
        return Candidates(np.array(ids[:n], np.int64), found, weighed, np.float32(total.value))

    def sample(self, logits: FloatArray, sampling: LmSampling, last: Sequence[int], n: int, seed: int) -> list[int]:
        """``n`` tokens from the same logits, each after those before it."""
        tokens = (ctypes.c_uint32 * (len(last) + n))(*last)
        where = (*self._logits(logits), tokens, len(last), n, ctypes.c_uint64(seed), *self._memory)
        self._library.driver_sample(ctypes.byref(_raw(sampling)), *where)
        return list(tokens)[len(last) :]

    def sample_llama2c(self, logits: FloatArray, temperature: float, top_p: float, n: int, seed: int) -> list[int]:
        """``n`` tokens from the same logits, by llama2.c's generator and sampler."""
        tokens = (ctypes.c_uint32 * n)()
        sampling = _raw(LmSampling(temperature=temperature, top_p=top_p, top_k=0, min_p=0))
        where = (*self._logits(logits), n, ctypes.c_uint64(seed), *self._memory)
        self._library.driver_sample_llama2c(ctypes.byref(sampling), *where, tokens)
        return list(tokens)

    def logprobs(self, logits: FloatArray, n: int) -> tuple[list[int], list[float], list[float]]:
        """The best tokens, their logprobs, and these one by one."""
        ids, values, alone = (ctypes.c_uint32 * n)(), *self._floats(n, 2)
        self._library.driver_logprobs(*self._logits(logits), n, *self._memory, ids, values, alone)
        return list(ids), list(values), list(alone)

    def _logits(self, logits: FloatArray) -> tuple[ctypes.c_void_p, int]:
        assert logits.dtype == np.float32
        assert len(logits) == self._n_vocab
        return ctypes.c_void_p(logits.ctypes.data), self._n_vocab

    def _floats(self, n: int, count: int) -> list[ctypes.Array[ctypes.c_float]]:
        return [(ctypes.c_float * n)() for _ in range(count)]


def _raw(sampling: LmSampling) -> _Sampling:
    raw = _Sampling(**{name: getattr(sampling, name) for name in _SETTINGS})
    for i, (token, bias) in enumerate(sampling.bias.items()):
        raw.logit_bias[i] = _Bias(token, bias)
    raw.n_biases = len(sampling.bias)
    return raw


def streamed(library: ctypes.CDLL, stops: Sequence[str], pieces: Sequence[bytes]) -> tuple[list[str], bool]:
    """What each of ``pieces`` lets out, and the end after them; and did a stop string end it?"""
    data = b"".join(pieces)
    out = ctypes.create_string_buffer(3 * (len(data) + 512))
    ends = (ctypes.c_uint64 * (len(pieces) + 1))()
    lengths = (ctypes.c_uint32 * len(pieces))(*(len(piece) for piece in pieces))
    texts = (ctypes.c_char_p * len(stops))(*(stop.encode() for stop in stops))
    library.driver_stream.restype = ctypes.c_bool
    stopped = bool(library.driver_stream(texts, len(stops), data, lengths, len(pieces), out, ends))
    starts = [0, *list(ends)[:-1]]
    return [out.raw[start:end].decode() for start, end in zip(starts, ends, strict=True)], stopped
