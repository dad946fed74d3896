"""Exact training as the tests use it, through tests/hosted/exact_driver.c."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

from native import real_function, shared_object
from reference_autograd import Functions, Settings

from benchmarks.c_error import Error

SOURCES = [
    "tests/hosted/exact_driver.c",
    *(f"kernel_c/core/{name}.c" for name in ("arena", "arena_count", "digest/crc32", "error", "format", "str", "utf8")),
    *("kernel_c/core/x86/cpu.c", "kernel_c/ops/x86/isa.c"),
    *(f"kernel_c/math/{name}.c" for name in ("dmath", "dmath_trig", "mt19937")),
    *(f"kernel_c/train/{name}.c" for name in ("corpus", "exact/exact", "shape")),
    *(f"kernel_c/train/exact/exact_{name}.c" for name in ("adam", "attention", "backward", "c", "forward")),
    *(f"kernel_c/train/exact/exact_{name}.c" for name in ("parts", "sample", "state")),
    *(f"kernel_c/train/x86/{name}.c" for name in ("choose_exact", "exact_avx2")),
]
ISAS = ("c", "avx2")


class _Corpus(ctypes.Structure):
    """struct kg_corpus."""

    _fields_ = [
        ("tokens", ctypes.c_void_p),
        ("start", ctypes.c_void_p),
        ("n_documents", ctypes.c_uint32),
        ("n_tokens", ctypes.c_uint32),
        ("chars", ctypes.c_void_p),
        *((name, ctypes.c_uint32) for name in ("n_chars", "bos_id", "n_vocab", "longest", "longest_line")),
    ]


class _Driver(ctypes.Structure):
    """struct driver of exact_driver.c."""

    _fields_ = [
        ("corpus", _Corpus),
        ("trainer", ctypes.c_void_p),
        ("error", Error),
        ("taken", ctypes.c_uint64),
        ("counted", ctypes.c_uint64),
    ]


class _Options(ctypes.Structure):
    """struct options of exact_driver.c."""

    _fields_ = [
        *((name, ctypes.c_uint32) for name in ("n_ctx", "n_embd", "n_layer", "n_head", "n_ff", "steps")),
        *((name, ctypes.c_double) for name in ("lr", "beta1", "beta2", "eps", "weight_decay")),
        ("seed", ctypes.c_uint64),
    ]


class Refused(Exception):
    """What the library says no to: its message and hint."""


class Exact:
    """A training in the shared object."""

    def __init__(
        self,
        library: ctypes.CDLL,
        documents: Sequence[str],
        settings: Settings,
        *,
        weight_decay: float = 0.0,
        n_ff: int | None = None,
        memory: int = 64 << 20,
        isa: str = "avx2",
    ) -> None:
        self.settings, self._library = settings, library
        self._driver, self._memory = _Driver(), ctypes.create_string_buffer(memory)
        text = "\n".join(documents).encode()
        shape = (settings.block_size, settings.n_embd, settings.n_layer, settings.n_head)
        adam = (settings.learning_rate, settings.beta1, settings.beta2, settings.eps, weight_decay)
        wide = 4 * settings.n_embd if n_ff is None else n_ff
        options = _Options(*shape, wide, settings.steps, *adam, settings.seed)
        where = (self._memory, ctypes.c_size_t(memory))
        self._check(
            library.driver_open(self._driver_at, ctypes.byref(options), text, ctypes.c_size_t(len(text)), *where)
        )
        self.has_isa = bool(library.driver_use(self._driver_at, ISAS.index(isa)))
        self.bytes_taken, self.bytes_counted = self._driver.taken, self._driver.counted
        d, n_vocab = settings.n_embd, self._driver.corpus.n_vocab
        per_layer = 4 * d * d + 2 * d * wide
        self.n_parameters = (2 * n_vocab + settings.block_size) * d + settings.n_layer * per_layer

    @property
    def _driver_at(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(ctypes.addressof(self._driver))

    def _check(self, status: int) -> None:
        if status:
            raise Refused(self._driver.error.message.decode(), self._driver.error.hint.decode())

    def steps(self, n: int) -> list[float]:
        """The losses of the next ``n`` steps."""
        losses = (ctypes.c_double * n)()
        self._library.driver_steps(self._driver_at, n, losses)
        return list(losses)

    def loss(self, document: int) -> float:
        """The loss of one document of the corpus, nothing learnt."""
        self._library.driver_loss.restype = ctypes.c_double
        return float(self._library.driver_loss(self._driver_at, document))

    def samples(self, n: int) -> list[str]:
        """The next ``n`` documents drawn."""
        tokens, text = (ctypes.c_uint32 * self.settings.block_size)(), ctypes.create_string_buffer(4096)
        temperature, samples = ctypes.c_double(self.settings.temperature), []
        for _ in range(n):
            size = ctypes.c_size_t(len(text))
            self._library.driver_sample(self._driver_at, temperature, tokens, text, size)
            samples.append(text.value.decode())
        return samples

    def weights(self) -> list[float]:
        """The weights in double."""
        self._library.driver_weights.restype = ctypes.POINTER(ctypes.c_double)
        return list(self._library.driver_weights(self._driver_at)[: self.n_parameters])

    def exported(self) -> list[float]:
        """The weights in single precision."""
        weights = (ctypes.c_float * self.n_parameters)()
        self._library.driver_export(self._driver_at, weights)
        return list(weights)

    def save(self) -> bytes:
        """The state of the training."""
        self._library.driver_state_size.restype = ctypes.c_uint64
        state = ctypes.create_string_buffer(self._library.driver_state_size(self._driver_at))
        self._library.driver_save(self._driver_at, state)
        return state.raw

    def load(self, state: bytes) -> None:
        """Go on from ``state``; raises Refused."""
        self._check(self._library.driver_load(self._driver_at, state, ctypes.c_uint64(len(state))))


def build(folder: Path, compiler: str = "zig") -> ctypes.CDLL:
    """Compile the library."""
    return shared_object(folder, SOURCES, compiler)


def functions_of(library: ctypes.CDLL) -> Functions:
    """The library's own exp, log and the rest, for a reference that must then agree to the last bit."""
    one = {name: real_function(library, f"kg_{name}") for name in ("exp", "log", "sin", "cos")}
    return Functions(**one, pow=real_function(library, "kg_pow", 2))
