"""The trainer on a running text (``kernel_c/train/dense``) as a shared library for tests and measurements."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.c_library import ISAS, ZIG, Carved, build_library, checked
from kgpt_build.reference.draws import KINDS, TextShape, tensor_shapes

SOURCES = (
    *(
        f"train/dense/dense{part}.c"
        for part in ("", "_c", "_check", "_draws", "_memory", "_shape", "_state", "_update")
    ),
    *(f"train/x86/{name}.c" for name in ("choose_dense", "dense_avx2", "dense_avx512")),
)

Floats = npt.NDArray[np.float32]
Tensors = dict[str, Floats]


class Shape(ctypes.Structure):
    """struct kg_dense_shape."""

    _fields_ = [
        (name, ctypes.c_uint32) for name in ("kind", "n_layer", "n_head", "n_embd", "n_ctx", "n_vocab", "bias", "tied")
    ]


class Settings(ctypes.Structure):
    """struct kg_dense_settings."""

    _fields_ = [
        ("shape", Shape),
        *((name, ctypes.c_uint32) for name in ("steps", "warmup", "constant", "batch", "chunks", "workers")),
        *((name, ctypes.c_double) for name in ("lr", "beta1", "beta2", "eps", "weight_decay", "grad_clip", "dropout")),
        ("seed", ctypes.c_uint64),
        *((name, ctypes.c_uint32) for name in ("features", "highest")),
    ]


class Text(ctypes.Structure):
    """struct kg_dense_text."""

    _fields_ = [
        ("tokens", ctypes.c_void_p),
        *((name, ctypes.c_uint32) for name in ("n", "n_train", "eval_windows")),
    ]


@dataclass(frozen=True)
class Options:
    """The settings of a training beside its shape. ``isa`` is the highest instruction set to use, one of ISAS."""

    batch: int = 16
    chunks: int = 0
    workers: int = 0
    seed: int = 42
    steps: int = 1000
    warmup: int = 0
    constant: bool = False
    isa: str = "avx512"
    lr: float = 3e-4
    beta1: float = 0.9
    beta2: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.1
    grad_clip: float = 1.0
    n_train: int | None = None
    eval_windows: int = 1 << 30


def build(folder: Path, compiler: Sequence[str] = ZIG, extra: Mapping[str, Sequence[str]] | None = None) -> Path:
    """Compile the library into ``folder``, with the kernel's flags; ``extra``: flags by stem of a file's name."""
    return build_library(folder, "kgdense", SOURCES, (), compiler, extra)


class DenseLibrary:
    """The functions of ``kgpt/train_dense.h``."""

    def __init__(self, path: Path) -> None:
        self.c = ctypes.CDLL(str(path))
        self.features: int = self.c.driver_features()
        for name in ("kg_dense_step", "kg_dense_end", "kg_dense_eval_end", "kg_dense_learning_rate"):
            getattr(self.c, name).restype = ctypes.c_double
        for name in ("kg_dense_state_size", "kg_dense_steps_done", "kg_dense_parameters"):
            getattr(self.c, name).restype = ctypes.c_uint64
        self.c.kg_dense_carve.restype = ctypes.c_void_p

    def isas(self) -> list[str]:
        """The instruction sets of ISAS that this machine has."""
        shape = TextShape("microgpt", 1, 1, 1, 1, 2)
        tokens = np.zeros(4, dtype=np.uint32)
        return [isa for isa in ISAS if Trainer(self, shape, tokens, Options(isa=isa, batch=1)).isa == isa]


class Trainer:
    """A training: struct kg_dense with its memory."""

    def __init__(
        self, library: DenseLibrary, shape: TextShape, tokens: npt.NDArray[np.uint32], options: Options
    ) -> None:
        self.library, self.shape, self.tokens = library, shape, np.ascontiguousarray(tokens, dtype=np.uint32)
        n_train = len(tokens) if options.n_train is None else options.n_train
        self.text = Text(self.tokens.ctypes.data, len(tokens), n_train, options.eval_windows)
        self.settings = _settings(library, shape, options)
        sources = (ctypes.byref(self.settings), ctypes.byref(self.text))
        with checked() as (error, statuses):
            statuses.append(library.c.kg_dense_check(*sources, ctypes.byref(error)))
        self.arena = Carved(library.c, lambda arena: library.c.kg_dense_carve(*sources, arena))
        self.handle = self.arena.handle
        library.c.kg_dense_draw(self.handle)

    @property
    def isa(self) -> str:
        """The instruction set in use."""
        return ISAS[self.library.c.kg_dense_isa(self.handle)]

    @property
    def chunks(self) -> int:
        """The number of chunks of a batch."""
        return int(self.library.c.kg_dense_chunks(self.handle))

    def step(self) -> float:
        """Do one step; returns the loss (nats a token) of its batch before the update."""
        return float(self.library.c.kg_dense_step(self.handle))

    def begin(self) -> None:
        """Choose the step's windows."""
        self.library.c.kg_dense_begin(self.handle)

    def gradients(self, chunk: int, worker: int = 0) -> None:
        """Compute the gradients of one chunk of the batch."""
        self.library.c.kg_dense_gradients(self.handle, chunk, worker)

    def update(self, part: int, parts: int, phase: str = "update") -> None:
        """One part of a phase behind the gradients: ``sum``, ``update`` or ``pack``."""
        getattr(self.library.c, f"kg_dense_{phase}")(self.handle, part, parts)

    def end(self) -> float:
        """End the step; returns the loss (nats a token) of its batch."""
        return float(self.library.c.kg_dense_end(self.handle))

    def batch_gradients(self) -> tuple[float, Tensors]:
        """Loss and gradients of the next batch. The weights stay, and the step is done."""
        self.begin()
        for chunk in range(self.chunks):
            self.gradients(chunk)
        self.update(0, 1, "sum")
        loss = self.end()
        return loss, self._tensors("kg_dense_export_gradients")

    def evaluate(self) -> float:
        """The loss (nats a token) of the validation."""
        for block in range(self.library.c.kg_dense_eval_begin(self.handle)):
            self.library.c.kg_dense_eval_block(self.handle, block, 0)
        return float(self.library.c.kg_dense_eval_end(self.handle))

    def next(self, tokens: npt.NDArray[np.uint32], number: float) -> int:
        """The token behind ``tokens``, drawn by ``number`` (0 to below 1)."""
        given = np.ascontiguousarray(tokens, dtype=np.uint32)
        address = ctypes.c_void_p(given.ctypes.data)
        return int(self.library.c.kg_dense_next(self.handle, address, len(given), ctypes.c_float(number)))

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step, from 0."""
        return float(self.library.c.kg_dense_learning_rate(ctypes.byref(self.settings), ctypes.c_uint64(step)))

    def weights(self) -> Tensors:
        """The weights by GGUF name."""
        return self._tensors("kg_dense_export")

    def set_weights(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """Set the weights by GGUF name."""
        flat = np.concatenate([tensors[name].astype(np.float32).ravel() for name in tensor_shapes(self.shape)])
        self.library.c.kg_dense_import(self.handle, ctypes.c_void_p(flat.ctypes.data))

    def save(self) -> bytes:
        """The state of the training: everything that the next step depends on."""
        state = np.zeros(self.library.c.kg_dense_state_size(ctypes.byref(self.settings.shape)), dtype=np.uint8)
        self.library.c.kg_dense_save(self.handle, ctypes.c_void_p(state.ctypes.data))
        return state.tobytes()

    def load(self, state: bytes) -> None:
        """Continue from ``state``. Raises Refused if it belongs to another training."""
        data = np.frombuffer(state, dtype=np.uint8).copy()
        with checked() as (error, statuses):
            address, size = ctypes.c_void_p(data.ctypes.data), ctypes.c_uint64(len(data))
            statuses.append(self.library.c.kg_dense_load(self.handle, address, size, ctypes.byref(error)))

    def _tensors(self, function: str) -> Tensors:
        shapes = tensor_shapes(self.shape)
        sizes = [int(np.prod(size)) for size in shapes.values()]
        flat = np.zeros(sum(sizes), dtype=np.float32)
        getattr(self.library.c, function)(self.handle, ctypes.c_void_p(flat.ctypes.data))
        pieces = np.split(flat, np.cumsum(sizes)[:-1])
        return {name: piece.reshape(shapes[name]) for name, piece in zip(shapes, pieces, strict=True)}


def _settings(library: DenseLibrary, shape: TextShape, options: Options) -> Settings:
    sizes = (shape.n_layer, shape.n_head, shape.n_embd, shape.n_ctx, shape.n_vocab, shape.bias, shape.tied)
    counts = ("steps", "warmup", "constant", "batch", "chunks", "workers", "seed")
    numbers = ("lr", "beta1", "beta2", "eps", "weight_decay", "grad_clip")
    return Settings(
        shape=Shape(KINDS.index(shape.kind), *sizes),
        dropout=shape.dropout,
        features=library.features,
        highest=ISAS.index(options.isa),
        **{name: getattr(options, name) for name in (*counts, *numbers)},
    )
