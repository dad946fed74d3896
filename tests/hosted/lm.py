"""A language model in the C engine as the tests use it, through tests/hosted/lm_driver.c."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from native import shared_object
from rooms import listed

from kgpt_build.headers import unicode

Floats = npt.NDArray[np.float32]

ISAS = ("c", "avx2", "avx512", "avxvnni", "avx512vnni")
KV = ("f16", "q8", "f32")
_ROOMS = (
    "core",
    "core/digest",
    "core/json",
    "core/x86",
    "math",
    "formats",
    "ops",
    "ops/ref",
    "ops/x86",
    "ops/attention",
    "ops/quant",
    "ops/quant/avx2",
    "ops/quant/avx512",
    "ops/quant/avxvnni",
    "ops/quant/swar",
    "tokenizer",
    "engine",
    "infer",
    "infer/attention",
    "infer/chat",
    "infer/constrain",
    "infer/constrain/grammar",
    "infer/constrain/schema",
    "infer/reply",
    "infer/speculate",
)


def engine_sources(folder: Path) -> list[str]:
    """The engine for language models without self-tests; ``folder`` gets the header that its tokenizers include."""
    (folder / unicode.NAME).write_text(unicode.text("test"))
    engine = [
        path for path in listed("ENGINE", "ENGINE_LM", "ENGINE_LARGE", rooms=_ROOMS) if not path.endswith("_test.c")
    ]
    return ["tests/hosted/engine_platform.c", *engine]


class _Options(ctypes.Structure):
    """struct kg_lm_options."""

    _fields_ = [
        ("n_ctx", ctypes.c_uint32),
        ("n_batch", ctypes.c_uint32),
        ("kv", ctypes.c_uint32),
        ("n_logits", ctypes.c_uint32),
    ]


class Refused(Exception):
    """What the library says no to: its message and hint."""


class Engine:
    """One model, and one session at a time."""

    def __init__(self, library: ctypes.CDLL, data: bytes, *, interleaved: bool = False) -> None:
        self._library = library
        for name in ("driver_logits", "driver_session_size", "driver_struct_size", "driver_taken"):
            getattr(library, name).restype = ctypes.c_uint64
        for name in ("driver_message", "driver_hint"):
            getattr(library, name).restype = ctypes.c_char_p
        library.driver_options_fit.restype = ctypes.c_bool
        self._struct = ctypes.create_string_buffer(library.driver_struct_size())
        self._file = _aligned(len(data))
        self._file[:] = np.frombuffer(data, np.uint8)
        self._memory = _aligned(64 << 20)
        size = ctypes.c_uint64(len(data))
        self._check(library.driver_open(self._struct, _at(self._file), size, interleaved, *_where(self._memory)))
        sizes = (ctypes.c_uint64 * 9)()
        library.driver_sizes(self._struct, sizes)
        self.n_vocab, self.n_ctx_train, self.n_embd, self.n_layer = sizes[0:4]
        self.n_head, self.n_head_kv, self.head_dim, self.n_ff, self.n_parameters = sizes[4:9]

    def session(
        self,
        n_ctx: int | None = None,
        n_batch: int = 8,
        kv: str = "f32",
        isa: str = "avx512vnni",
        *,
        all_logits: bool = True,
    ) -> None:
        """A new session, in as much memory as it counts."""
        n_ctx, self._all_logits = self.n_ctx_train if n_ctx is None else n_ctx, all_logits
        self._options = _Options(n_ctx, n_batch, KV.index(kv), n_batch if all_logits else 1)
        if not self._library.driver_options_fit(self._struct, ctypes.byref(self._options)):
            raise Refused("these options do not fit the model")
        self.counted: int = self._library.driver_session_size(self._struct, ctypes.byref(self._options))
        self._session_memory = _aligned(self.counted)
        where = _where(self._session_memory)
        self._library.driver_session(self._struct, ctypes.byref(self._options), ISAS.index(isa), *where)
        self.isa = ISAS[self._library.driver_isa(self._struct)]

    def eval(self, tokens: Sequence[int], workers: int = 1) -> Floats:
        """Logits (T, n_vocab) of every token; of the last one alone, (1, n_vocab), in a session without all_logits."""
        rows: list[Floats] = []
        step = self._options.n_batch if self._all_logits else len(tokens)
        self._library.driver_workers(workers)
        for start in range(0, len(tokens), step):
            part = tokens[start : start + step]
            ids = (ctypes.c_uint32 * len(part))(*part)
            self._check(self._library.driver_eval(self._struct, ids, len(part), self._all_logits))
            n = len(part) if self._all_logits else 1
            at = ctypes.cast(self._library.driver_logits(self._struct), ctypes.POINTER(ctypes.c_float))
            rows.append(np.ctypeslib.as_array(at, (n, self.n_vocab)).copy())
        return np.concatenate(rows)

    def probe(self, tokens: Sequence[int]) -> tuple[dict[tuple[str, int], Floats], Floats]:
        """The residual stream after each step of the last token, by the step's name and its layer; and the logits."""
        values = np.zeros((512, self.n_embd), np.float32)
        self._library.driver_probe(self._struct, _at(values))
        logits = self.eval(tokens)
        name, layer, found = ctypes.c_char_p(), ctypes.c_uint32(), {}
        n = self._library.driver_probed(self._struct, 0, ctypes.byref(name), ctypes.byref(layer))
        for i in range(n):
            self._library.driver_probed(self._struct, i, ctypes.byref(name), ctypes.byref(layer))
            found[((name.value or b"").decode(), layer.value)] = values[i].copy()
        self._library.driver_probe(self._struct, None)
        return found, logits

    def mean(self, tokens: Sequence[int], workers: int = 1) -> Floats:
        """The mean of the hidden states behind the final norm."""
        ids, mean = (ctypes.c_uint32 * len(tokens))(*tokens), np.zeros(self.n_embd, np.float32)
        scratch = _aligned(64 * self.n_embd + 4096)
        self._library.driver_workers(workers)
        self._check(self._library.driver_mean(self._struct, ids, len(tokens), _at(mean), *_where(scratch)))
        return mean

    def truncate(self, n: int) -> None:
        self._library.driver_truncate(self._struct, n)

    def shift(self, keep: int, discard: int) -> None:
        self._library.driver_shift(self._struct, keep, discard)

    @property
    def tokens(self) -> list[int]:
        """What fills the context."""
        at = ctypes.POINTER(ctypes.c_uint32)()
        n = self._library.driver_past(self._struct, ctypes.byref(at))
        return list(at[:n])

    @property
    def taken(self) -> int:
        """Bytes that the session has of its arena."""
        return int(self._library.driver_taken(self._struct))

    def _check(self, status: int) -> None:
        if status:
            message, hint = (getattr(self._library, f"driver_{name}")(self._struct) for name in ("message", "hint"))
            raise Refused(message.decode(), hint.decode())


def _aligned(size: int) -> npt.NDArray[np.uint8]:
    memory = np.zeros(size + 64, np.uint8)
    skip = -memory.ctypes.data % 64
    return memory[skip : skip + size]


def _at(array: npt.NDArray[np.generic]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _where(array: npt.NDArray[np.uint8]) -> tuple[ctypes.c_void_p, ctypes.c_uint64]:
    return _at(array), ctypes.c_uint64(array.size)


def build(folder: Path, compiler: str = "zig") -> ctypes.CDLL:
    """Compile the library."""
    return shared_object(folder, ["tests/hosted/lm_driver.c", *engine_sources(folder)], compiler, folder)
