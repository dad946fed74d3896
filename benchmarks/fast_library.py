"""The fast trainer (``kernel_c/train/fast``) as a shared library for tests and measurements in Python."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.c_library import ISAS, ZIG, Carved, build_library, checked
from kgpt_build.models import Hyperparameters, tensor_shapes

SOURCES = (
    *(f"train/fast/fast{part}.c" for part in ("", "_batch", "_c", "_memory", "_state")),
    *(f"train/x86/{name}.c" for name in ("choose_fast", "fast_avx2", "fast_avx512")),
    "train/shape.c",
)
DRIVER_FUNCTIONS = ("driver_steps", "driver_multiply_adds", "driver_read_rate")
Floats = npt.NDArray[np.float32]
Tensors = dict[str, Floats]


class Shape(ctypes.Structure):
    """struct kg_shape."""

    _fields_ = [(name, ctypes.c_uint32) for name in ("n_vocab", "n_ctx", "n_embd", "n_layer", "n_head", "n_ff")]


class Adam(ctypes.Structure):
    """struct kg_adam."""

    _fields_ = [
        *((name, ctypes.c_double) for name in ("lr", "beta1", "beta2", "eps", "weight_decay")),
        ("steps", ctypes.c_uint32),
    ]


class Settings(ctypes.Structure):
    """struct kg_fast_settings."""

    _fields_ = [
        ("shape", Shape),
        ("adam", Adam),
        ("seed", ctypes.c_uint64),
        *((name, ctypes.c_uint32) for name in ("batch", "chunks", "workers", "features", "highest")),
    ]


class Corpus(ctypes.Structure):
    """struct kg_corpus."""

    _fields_ = [
        ("tokens", ctypes.c_void_p),
        ("start", ctypes.c_void_p),
        ("n_documents", ctypes.c_uint32),
        ("n_tokens", ctypes.c_uint32),
        ("chars", ctypes.c_void_p),
        *((name, ctypes.c_uint32) for name in ("n_chars", "bos_id", "n_vocab", "longest", "longest_line")),
    ]


@dataclass(frozen=True)
class Options:
    """The settings of a training, by default microgpt's. ``isa`` is the highest instruction set to use, one of ISAS."""

    batch: int = 16
    chunks: int = 0
    workers: int = 0
    seed: int = 42
    steps: int = 1000
    isa: str = "avx512"
    lr: float = 0.01
    beta1: float = 0.85
    beta2: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0


def build(folder: Path, compiler: Sequence[str] = ZIG, extra: Mapping[str, Sequence[str]] | None = None) -> Path:
    """Compile the library into ``folder``, with the kernel's flags; ``extra``: flags by stem of a file's name."""
    return build_library(folder, "kgfast", SOURCES, ("fast_driver.c",), compiler, extra)


class FastLibrary:
    """The functions of ``kgpt/train_fast.h``."""

    def __init__(self, path: Path) -> None:
        self.c = ctypes.CDLL(str(path))
        self.features: int = self.c.driver_features()
        for name in (
            "kg_fast_step",
            "kg_fast_eval",
            "kg_fast_end",
            "driver_steps",
            "driver_multiply_adds",
            "driver_read_rate",
        ):
            getattr(self.c, name).restype = ctypes.c_double
        for name in ("kg_fast_state_size", "kg_fast_steps_done"):
            getattr(self.c, name).restype = ctypes.c_uint64
        self.c.kg_fast_carve.restype = ctypes.c_void_p

    def read_rate(self, memory: npt.NDArray[np.float64]) -> float:
        """The rate of reading all of ``memory`` once, in bytes per second."""
        return float(self.c.driver_read_rate(ctypes.c_void_p(memory.ctypes.data), ctypes.c_uint64(memory.nbytes)))

    def isas(self) -> list[str]:
        """The instruction sets of ISAS that this machine has."""
        probe = [Trainer.tiny(self, isa).isa for isa in ISAS]
        return [isa for isa, found in zip(ISAS, probe, strict=True) if isa == found]


@dataclass
class Documents:
    """A corpus of token ids; BOS is the last of ``n_vocab`` ids."""

    ids: Sequence[Sequence[int]]
    n_vocab: int
    tokens: npt.NDArray[np.uint32] = field(init=False)
    start: npt.NDArray[np.uint32] = field(init=False)

    def __post_init__(self) -> None:
        lengths = [len(document) for document in self.ids]
        self.tokens = np.array([token for document in self.ids for token in document], dtype=np.uint32)
        self.start = np.concatenate(([0], np.cumsum(lengths))).astype(np.uint32)

    def as_struct(self) -> Corpus:
        """struct kg_corpus, valid while these documents exist."""
        return Corpus(
            tokens=self.tokens.ctypes.data,
            start=self.start.ctypes.data,
            n_documents=len(self.ids),
            n_tokens=len(self.tokens),
            n_chars=self.n_vocab - 1,
            bos_id=self.n_vocab - 1,
            n_vocab=self.n_vocab,
            longest=max(len(document) for document in self.ids),
        )


class Trainer:
    """A training: struct kg_fast with its memory."""

    def __init__(self, library: FastLibrary, hparams: Hyperparameters, documents: Documents, options: Options) -> None:
        self.library, self.hparams, self.documents = library, hparams, documents
        self.corpus = documents.as_struct()
        self.settings = _settings(library, hparams, options)
        sources = (ctypes.byref(self.settings), ctypes.byref(self.corpus))
        with checked() as (error, statuses):
            statuses.append(library.c.kg_fast_check(*sources, ctypes.byref(error)))
        self.arena = Carved(library.c, lambda arena: library.c.kg_fast_carve(*sources, arena))
        self.handle = self.arena.handle
        library.c.kg_fast_draw(self.handle)

    @classmethod
    def tiny(cls, library: FastLibrary, isa: str) -> Trainer:
        """A trainer of the smallest possible model."""
        shape = Hyperparameters(n_vocab=3, n_ctx=2, n_embd=1, n_layer=1, n_head=1, n_head_kv=1, n_ff=1)
        return cls(library, shape, Documents([[0, 1]], 3), Options(isa=isa, batch=1))

    @property
    def isa(self) -> str:
        """The instruction set in use."""
        return ISAS[self.library.c.kg_fast_isa(self.handle)]

    @property
    def chunks(self) -> int:
        """The number of chunks of a batch."""
        return int(self.library.c.kg_fast_chunks(self.handle))

    def step(self) -> float:
        """Do one step; returns the loss (nats) of its batch before the update."""
        return float(self.library.c.kg_fast_step(self.handle))

    def begin(self) -> None:
        """Choose the step's documents."""
        self.library.c.kg_fast_begin(self.handle)

    def gradients(self, chunk: int) -> None:
        """Compute the gradients of one chunk of the batch."""
        self.library.c.kg_fast_gradients(self.handle, chunk)

    def update(self, part: int, parts: int) -> None:
        """Update one of ``parts`` parts of the parameters."""
        self.library.c.kg_fast_update(self.handle, part, parts)

    def end(self) -> float:
        """End the step; returns the loss (nats) of its batch."""
        return float(self.library.c.kg_fast_end(self.handle))

    def seconds(self, steps: int) -> float:
        """Do ``steps`` steps; returns the wall time in seconds."""
        return float(self.library.c.driver_steps(self.handle, ctypes.c_uint32(steps)))

    def evaluate(self, first: int, count: int, chunk: int = 0) -> float:
        """Mean loss (nats) of ``count`` documents from ``first`` on."""
        return float(self.library.c.kg_fast_eval(self.handle, chunk, ctypes.byref(self.corpus), first, count))

    def weights(self) -> Tensors:
        """The weights by microgpt's names, as rows."""
        return self._tensors("kg_fast_export")

    def last_gradients(self) -> Tensors:
        """The gradients of the last step, by microgpt's names."""
        return self._tensors("kg_fast_export_gradients")

    def set_weights(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """Set the weights by microgpt's names."""
        flat = np.concatenate([tensors[name].astype(np.float32).ravel() for name in tensor_shapes(self.hparams)])
        self.library.c.kg_fast_import(self.handle, ctypes.c_void_p(flat.ctypes.data))

    def save(self) -> bytes:
        """The state of the training: everything that the next step depends on."""
        state = np.zeros(self.library.c.kg_fast_state_size(self.handle), dtype=np.uint8)
        self.library.c.kg_fast_save(self.handle, ctypes.c_void_p(state.ctypes.data))
        return state.tobytes()

    def load(self, state: bytes) -> None:
        """Continue from ``state``. Raises Refused if it belongs to another training."""
        data = np.frombuffer(state, dtype=np.uint8).copy()
        with checked() as (error, statuses):
            address, size = ctypes.c_void_p(data.ctypes.data), ctypes.c_uint64(len(data))
            statuses.append(self.library.c.kg_fast_load(self.handle, address, size, ctypes.byref(error)))

    def _tensors(self, function: str) -> Tensors:
        shapes = tensor_shapes(self.hparams)
        flat = np.zeros(sum(rows * columns for rows, columns in shapes.values()), dtype=np.float32)
        getattr(self.library.c, function)(self.handle, ctypes.c_void_p(flat.ctypes.data))
        ends = np.cumsum([rows * columns for rows, columns in shapes.values()])
        pieces = np.split(flat, ends[:-1])
        return {name: piece.reshape(shapes[name]) for name, piece in zip(shapes, pieces, strict=True)}


def _settings(library: FastLibrary, hparams: Hyperparameters, options: Options) -> Settings:
    shape = Shape(hparams.n_vocab, hparams.n_ctx, hparams.n_embd, hparams.n_layer, hparams.n_head, hparams.n_ff)
    adam = Adam(options.lr, options.beta1, options.beta2, options.eps, options.weight_decay, options.steps)
    highest = ISAS.index(options.isa)
    return Settings(
        shape, adam, options.seed, options.batch, options.chunks, options.workers, library.features, highest
    )
