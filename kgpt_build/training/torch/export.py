"""Writes trained weights as a GGUF file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor as TorchTensor

from kgpt_build.models.char_fields import char_fields
from kgpt_build.models.checkpoint import Checkpoint, FieldValue, Tensor, TypedValue
from kgpt_build.models.gguf.write import write_gguf
from kgpt_build.models.model import clean_name
from kgpt_build.reference.draws import NORM_EPS, ROPE_BASE, TextShape
from kgpt_build.training.earlier import PREFIX

_EPS_KEYS = {"nanogpt": "attention.layer_norm_epsilon"}
_RMS_EPS_KEY = "attention.layer_norm_rms_epsilon"


def write_model(
    path: Path,
    shape: TextShape,
    chars: tuple[str, ...],
    weights: Mapping[str, TorchTensor],
    training: Mapping[str, str | int | float],
) -> None:
    """Write ``weights``, by GGUF name, to ``path``. ``training``: what made them, the fields kgpt.training.*.

    Raises KgptError if it cannot be written; an older file then stays.
    """
    fields: dict[str, FieldValue | TypedValue] = {f"{shape.kind}.{key}": value for key, value in _sizes(shape).items()}
    fields |= char_fields(chars)
    fields |= {PREFIX + key: _typed(value) for key, value in training.items()}
    tensors = [Tensor(name, tuple(tensor.shape), "F32", _reader(tensor)) for name, tensor in weights.items()]
    write_gguf(Checkpoint(shape.kind, clean_name(path.stem), fields, tensors), path)


def _sizes(shape: TextShape) -> dict[str, int | float]:
    sizes: dict[str, int | float] = {
        "context_length": shape.n_ctx,
        "embedding_length": shape.n_embd,
        "block_count": shape.n_layer,
        "feed_forward_length": shape.n_ff,
        "attention.head_count": shape.n_head,
        "attention.head_count_kv": shape.n_head,
        _EPS_KEYS.get(shape.kind, _RMS_EPS_KEY): NORM_EPS,
    }
    if shape.kind == "llama":
        sizes |= {"rope.freq_base": ROPE_BASE, "rope.dimension_count": shape.n_embd // shape.n_head}
    return sizes


def _typed(value: str | int | float) -> TypedValue:
    """Whole numbers in 64 bits and fractions in double, as the fields of a training in the kernel."""
    kinds = {str: "STRING", int: "UINT64", float: "FLOAT64", bool: "BOOL"}
    return TypedValue(value, kinds[type(value)])


def _reader(tensor: TorchTensor) -> Any:
    def read() -> npt.NDArray[np.float32]:
        values: npt.NDArray[np.float32] = tensor.detach().float().cpu().numpy()
        return values

    return read
