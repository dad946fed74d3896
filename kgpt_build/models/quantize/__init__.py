"""Quantises language models: ``quantized`` gives a Checkpoint whose tensors are quantised when they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models.checkpoint import Checkpoint, FieldValue, Tensor, TypedValue
from kgpt_build.models.gguf.model import GgufModel
from kgpt_build.models.quantize.imatrix import ImportanceMatrix
from kgpt_build.models.quantize.mix import BLOCKS, MIXES, Choice, Matrix, choose, is_quantized
from kgpt_build.models.quantize.rows import BY_NAME, dequantize_rows, quantize_rows
from kgpt_build.models.quantize.search import Array
from kgpt_build.models.quantize.source import as_checkpoint

__all__ = ["MIXES", "Done", "Plan", "plan", "quantized"]

_VERSION = 2  # GGML_QNT_VERSION


@dataclass(frozen=True)
class Planned:
    """A tensor and the type chosen for it."""

    tensor: Tensor
    choice: Choice

    @property
    def size(self) -> int:
        """Bytes of the new tensor."""
        return _size(self.tensor.shape, self.choice.kind)

    @property
    def old_size(self) -> int:
        """Bytes of the tensor as it is."""
        return _size(self.tensor.shape, self.tensor.kind)

    @property
    def is_matrix(self) -> bool:
        """Is it a tensor that can be quantised?"""
        return is_quantized(Matrix(self.tensor.name, self.tensor.shape, self.tensor.kind))

    @property
    def is_kept(self) -> bool:
        """Is the type the same as before? Then so are the bytes."""
        return self.choice.kind == self.tensor.kind


@dataclass(frozen=True)
class Plan:
    """What a quantisation does with each tensor of a model."""

    checkpoint: Checkpoint
    mix: str
    tensors: tuple[Planned, ...]

    @property
    def requantized(self) -> list[str]:
        """The types of tensors that are quantised already and are quantised again, which loses more."""
        again = {
            item.tensor.kind
            for item in self.tensors
            if not item.is_kept and min(BLOCKS[item.tensor.kind], BLOCKS[item.choice.kind]) > 1
        }
        return sorted(again)


@dataclass(frozen=True)
class Done:
    """A tensor that was quantised; errors are differences between the old values and the new."""

    name: str
    shape: tuple[int, ...]
    old: str
    new: str
    instead_of: str
    """The type of the mix, if the tensor's rows do not fit its blocks; else empty."""
    size: int
    error: float
    """Root mean square of the differences, divided by that of the values."""
    largest: float
    """The largest difference."""


def plan(model: GgufModel, mix: str, *, has_importance: bool = False, pure: bool = False) -> Plan:
    """Choose the types for ``mix`` (of MIXES). Raises KgptError for a field that cannot be written again."""
    checkpoint = as_checkpoint(model)
    sizes = model.hparams
    choices = choose(
        [Matrix(tensor.name, tensor.shape, tensor.kind) for tensor in checkpoint.tensors],
        mix,
        n_layer=sizes.n_layer,
        group=sizes.n_head // sizes.n_head_kv,
        has_importance=has_importance,
        pure=pure,
    )
    pairs = zip(checkpoint.tensors, choices, strict=True)
    return Plan(checkpoint, mix, tuple(Planned(tensor, choice) for tensor, choice in pairs))


def quantized(
    plan: Plan,
    importance: ImportanceMatrix | None = None,
    on_done: Callable[[Done], None] = lambda _: None,
) -> Checkpoint:
    """The model in the types of ``plan``. ``on_done`` is told of each tensor as it is read.

    ``importance`` must be of this model (``check``). Reading a tensor raises KgptError for values that its type cannot
    hold.
    """
    fields: dict[str, FieldValue | TypedValue] = {
        **plan.checkpoint.fields,
        "general.file_type": MIXES[plan.mix].file_type,
        "general.quantization_version": _VERSION,
    }
    values: Mapping[str, Array] = {}
    if importance:
        fields |= importance.fields
        values = importance.values
    tensors = [
        replace(item.tensor, kind=item.choice.kind, read=partial(_read, item, values, on_done)) for item in plan.tensors
    ]
    return replace(plan.checkpoint, fields=fields, tensors=tensors)


def _read(item: Planned, importance: Mapping[str, Array], on_done: Callable[[Done], None]) -> npt.NDArray[Any]:
    tensor, choice = item.tensor, item.choice
    stored = tensor.read()
    new, error, largest = stored, 0.0, 0.0
    if not item.is_kept:
        values = dequantize_rows(stored, tensor.kind).reshape(-1, tensor.shape[-1])
        try:
            new = quantize_rows(values, choice.kind, importance.get(tensor.name))
        except KgptError as fault:
            raise KgptError(f"the tensor {tensor.name!r}: {fault.message}", fault.hint) from None
        error, largest = _errors(values, new, choice.kind)
        new = new.reshape(*tensor.shape[:-1], -1)
    on_done(Done(tensor.name, tensor.shape, tensor.kind, choice.kind, choice.instead_of, item.size, error, largest))
    return new


def _errors(values: npt.NDArray[np.float32], new: npt.NDArray[Any], kind: str) -> tuple[float, float]:
    """The relative root mean square, and the largest difference; in pieces, so that memory stays small."""
    squares = wrong = largest = 0.0
    for start in range(0, len(values), _ROWS):
        piece = values[start : start + _ROWS]
        difference = piece - dequantize_rows(new[start : start + _ROWS], kind)
        squares += float(np.square(piece, dtype=np.float64).sum())
        wrong += float(np.square(difference, dtype=np.float64).sum())
        largest = max(largest, float(np.abs(difference).max()))
    return (wrong / squares) ** 0.5 if squares else 0.0, largest


_ROWS = 1024


def _size(shape: tuple[int, ...], kind: str) -> int:
    return prod(shape[:-1]) * BY_NAME[kind].row_bytes(shape[-1])
