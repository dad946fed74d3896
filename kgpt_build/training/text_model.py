"""Writes a model that was trained on a running text as a GGUF file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models.char_fields import char_fields
from kgpt_build.models.checkpoint import Checkpoint, FieldValue, Tensor, TypedValue
from kgpt_build.models.gguf.write import write_gguf
from kgpt_build.models.model import clean_name
from kgpt_build.reference.draws import NORM_EPS, ROPE_BASE, TextShape, tensor_shapes
from kgpt_build.training.earlier import PREFIX

_EPS_KEYS = {"nanogpt": "attention.layer_norm_epsilon"}
_RMS_EPS_KEY = "attention.layer_norm_rms_epsilon"

Read = Callable[[], npt.NDArray[Any]]


def write_text_model(
    path: Path,
    shape: TextShape,
    chars: tuple[str, ...],
    weights: Mapping[str, Read],
    training: Mapping[str, str | int | float],
) -> None:
    """Write ``weights``, which read tensors by GGUF name, to ``path``. ``training``: the fields kgpt.training.*.

    Raises KgptError if it cannot be written; an older file then stays.
    """
    shapes = tensor_shapes(shape)
    fields: dict[str, FieldValue | TypedValue] = {f"{shape.kind}.{key}": value for key, value in _sizes(shape).items()}
    fields |= char_fields(chars)
    fields |= {PREFIX + key: _typed(value) for key, value in training.items()}
    tensors = [Tensor(name, shapes[name], "F32", read) for name, read in weights.items()]
    write_gguf(Checkpoint(shape.kind, clean_name(path.stem), fields, tensors), path)


def count_weights(shape: TextShape) -> int:
    """The number of weights."""
    return sum(int(np.prod(size)) for size in tensor_shapes(shape).values())


def weights_of_bytes(shape: TextShape, data: bytes) -> dict[str, Read]:
    """The tensors of a blob of the kernel: f32 in the order of ``tensor_shapes``.

    Raises KgptError if the length is wrong, or a weight is not finite.
    """
    expected = 4 * count_weights(shape)
    if len(data) != expected:
        raise KgptError(f"the kernel sent {len(data):,} bytes of weights, not {expected:,}", "train again")
    flat = np.frombuffer(data, dtype="<f4")
    if not np.isfinite(flat).all():
        raise KgptError("the kernel sent weights that are not finite", "lower --lr, and train again")
    found: dict[str, Read] = {}
    at = 0
    for name, size in tensor_shapes(shape).items():
        n = int(np.prod(size))
        found[name] = _reader(flat[at : at + n].reshape(size))
        at += n
    return found


def _reader(part: npt.NDArray[np.float32]) -> Read:
    return lambda: part


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
    """Whole numbers in 64 bits and fractions in double, as the fields of a training on documents."""
    kinds = {str: "STRING", int: "UINT64", float: "FLOAT64", bool: "BOOL"}
    return TypedValue(value, kinds[type(value)])
