"""A microgpt in memory. Every ``Model`` has passed its checks."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models.tokenizer import CharTokenizer
from kgpt_build.words import counted, shown

FloatArray: TypeAlias = npt.NDArray[np.float32]

ARCHITECTURES = ("microgpt",)
NAME_BYTES = 63  # the kernel keeps a NUL-terminated name in 64 bytes
MAX_WEIGHT_BYTES = 1 << 30  # code addresses data below 2 GiB, where the kernel must fit

# The largest value of each hyperparameter that the 32-bit sizes of the kernel can multiply without overflow.
_LIMITS = {
    "n_vocab": 1 << 20,
    "n_ctx": 1 << 20,
    "n_embd": 1 << 16,
    "n_layer": 1 << 10,
    "n_head": 1 << 12,
    "n_head_kv": 1 << 12,
    "n_ff": 1 << 18,
}


@dataclass(frozen=True)
class Hyperparameters:
    """The sizes of a model, in elements; ``norm_eps`` is added to the mean square in rmsnorm."""

    n_vocab: int
    n_ctx: int
    n_embd: int
    n_layer: int
    n_head: int
    n_head_kv: int
    n_ff: int
    norm_eps: float = 1e-5

    @property
    def head_dim(self) -> int:
        """Elements of one attention head."""
        return self.n_embd // self.n_head

    def validate(self) -> None:
        """Raise KgptError for sizes that no microgpt can have."""
        for name, limit in _LIMITS.items():
            _check_size(name, getattr(self, name), limit)
        if self.n_vocab < 2:
            raise KgptError("n_vocab is 1", "a model needs at least one character besides BOS")
        if self.n_embd % self.n_head:
            raise KgptError(
                f"n_embd {self.n_embd} cannot be divided into n_head {self.n_head} heads",
                "n_embd must be a multiple of n_head",
            )
        if self.n_head_kv != self.n_head:
            raise KgptError(
                f"n_head_kv {self.n_head_kv} differs from n_head {self.n_head}",
                "microgpt has one key and value head for each head",
            )
        if not (math.isfinite(self.norm_eps) and 0 < self.norm_eps < 1):
            raise KgptError(f"norm_eps {self.norm_eps} is not between 0 and 1", "microgpt uses 1e-5")
        n_bytes = 4 * sum(rows * columns for rows, columns in tensor_shapes(self).values())
        if n_bytes > MAX_WEIGHT_BYTES:
            raise KgptError(
                f"the weights would take {n_bytes:,} bytes", f"a kernel holds at most {MAX_WEIGHT_BYTES:,} bytes"
            )


def _check_size(name: str, value: int, limit: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise KgptError(
            f"{name} is {shown(value)}, not a whole number", "the model file is damaged or was written wrongly"
        )
    if not 1 <= value <= limit:
        raise KgptError(f"{name} is {value}", f"it must be between 1 and {limit}")


def tensor_shapes(hparams: Hyperparameters) -> dict[str, tuple[int, int]]:
    """Name -> (rows, columns) of every tensor of microgpt, in the order in which they lie in the kernel."""
    n_embd, n_ff = hparams.n_embd, hparams.n_ff
    shapes = {"wte": (hparams.n_vocab, n_embd), "wpe": (hparams.n_ctx, n_embd), "lm_head": (hparams.n_vocab, n_embd)}
    for i in range(hparams.n_layer):
        for matrix in ("attn_wq", "attn_wk", "attn_wv", "attn_wo"):
            shapes[f"layer{i}.{matrix}"] = (n_embd, n_embd)
        shapes[f"layer{i}.mlp_fc1"] = (n_ff, n_embd)
        shapes[f"layer{i}.mlp_fc2"] = (n_embd, n_ff)
    return shapes


def clean_name(text: str) -> str:
    """``text`` as a model name: printable, at most NAME_BYTES bytes of UTF-8, never empty."""
    printable = "".join(char for char in text if char.isprintable()).strip()
    clipped = printable.encode("utf-8", "ignore")[:NAME_BYTES].decode("utf-8", "ignore").strip()
    return clipped or "model"


@dataclass(frozen=True, eq=False)
class Model:
    """A checked model: ``tensors`` has exactly the names and shapes of ``tensor_shapes``, f32, finite, read-only.

    Raises KgptError if anything is missing, unexpected, of another shape, or not finite.
    """

    name: str
    arch: str
    hparams: Hyperparameters
    tokenizer: CharTokenizer
    tensors: Mapping[str, FloatArray]

    def __post_init__(self) -> None:
        if self.arch not in ARCHITECTURES:
            raise KgptError(
                f"the architecture {shown(self.arch)} is not supported", f"supported: {', '.join(ARCHITECTURES)}"
            )
        if clean_name(self.name) != self.name:
            raise KgptError(
                f"the model name {self.name[:80]!r} cannot be used",
                f"use at most {NAME_BYTES} bytes of printable characters",
            )
        self.hparams.validate()
        if self.tokenizer.n_vocab != self.hparams.n_vocab:
            raise KgptError(
                f"the vocabulary has {len(self.tokenizer.chars)} characters, but n_vocab is {self.hparams.n_vocab}",
                "n_vocab, the rows of wte, is the number of characters plus one for BOS",
            )
        object.__setattr__(self, "tensors", MappingProxyType(_checked_tensors(self.hparams, self.tensors)))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) of sizes, vocabulary and weights; the name and the file do not matter."""
        described = {
            "arch": self.arch,
            "chars": self.tokenizer.chars,
            "norm_eps": np.float32(self.hparams.norm_eps).tobytes().hex(),
            **{name: getattr(self.hparams, name) for name in _LIMITS},
        }
        digest = hashlib.sha256(json.dumps(described, sort_keys=True, separators=(",", ":")).encode() + b"\n")
        digest.update(self.weight_bytes())
        return digest.hexdigest()

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(tensor.size for tensor in self.tensors.values())

    def prompt_tokens(self, prompt: str) -> list[int]:
        """The first tokens of a generation from ``prompt``: BOS and its characters.

        Raises KgptError for a character without a token, or a prompt that leaves no room in the context.
        """
        tokens = [self.tokenizer.bos_id, *self.tokenizer.encode(prompt)]
        if len(tokens) > self.hparams.n_ctx:
            room = self.hparams.n_ctx - 1
            raise KgptError(
                f"the prompt has {counted(len(prompt), 'character')}, more than the {room} that the context leaves",
                f"shorten it to {room} characters",
            )
        return tokens

    def weight_bytes(self) -> bytes:
        """All tensors, row-major little-endian f32 without gaps, in the order of ``tensor_shapes``."""
        return b"".join(tensor.astype("<f4").tobytes() for tensor in self.tensors.values())


def _checked_tensors(hparams: Hyperparameters, tensors: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """``tensors`` as read-only f32 in the order of ``tensor_shapes``. Raises KgptError."""
    shapes = tensor_shapes(hparams)
    unexpected = sorted(set(tensors) - set(shapes))
    if unexpected:
        raise KgptError(
            f"unexpected tensor {shown(unexpected[0])}",
            f"a microgpt of {counted(hparams.n_layer, 'layer')} has {', '.join(shapes)}",
        )
    checked = {}
    for name, shape in shapes.items():
        if name not in tensors:
            raise KgptError(
                f"the tensor {shown(name)} is missing",
                f"a microgpt of {counted(hparams.n_layer, 'layer')} has {', '.join(shapes)}",
            )
        checked[name] = _checked_tensor(name, shape, tensors[name])
    return checked


def _checked_tensor(name: str, shape: tuple[int, int], tensor: FloatArray) -> FloatArray:
    if tensor.shape != shape:
        raise KgptError(
            f"the tensor {shown(name)} has the shape {_shape_text(tensor.shape)}, not {_shape_text(shape)}",
            "its shape must follow from the hyperparameters and the vocabulary",
        )
    if tensor.dtype != np.float32:
        raise KgptError(
            f"the tensor {shown(name)} has the type {tensor.dtype}, not float32", "convert the weights to 32-bit floats"
        )
    if not np.isfinite(tensor).all():
        row, column = np.argwhere(~np.isfinite(tensor))[0]
        raise KgptError(
            f"the tensor {shown(name)} holds {tensor[row, column]} at row {row}, column {column}",
            "the training has diverged or the file is damaged; all weights must be finite 32-bit floats",
        )
    own = np.array(tensor, dtype=np.float32, order="C")
    own.setflags(write=False)
    return own


def _shape_text(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(str(size) for size in shape) + ")"
