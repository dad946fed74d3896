"""A language model's GGUF file as a Checkpoint: every field with its type, and tensors that are read when asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models.checkpoint import Checkpoint, Tensor, TypedValue
from kgpt_build.models.gguf.model import GgufModel
from kgpt_build.models.gguf.scan import Numbers, ScannedTensor, Value
from kgpt_build.models.gguf.types import TYPES

_SEPARATE = ("general.architecture", "general.name")
"""Fields that a Checkpoint has beside the others."""
_OF_THE_FILE = ("general.alignment", "split.no", "split.count", "split.tensors.count")
"""Fields that describe the old file, not the model."""


def as_checkpoint(model: GgufModel) -> Checkpoint:
    """The model of a GGUF file, with the tensors as they are stored. Raises KgptError for a field without items."""
    from gguf import GGUFValueType

    header = model.header
    fields = {
        key: _typed(key, value, GGUFValueType(header.kinds[key]).name)
        for key, value in header.fields.items()
        if key not in _SEPARATE and key not in _OF_THE_FILE
    }
    name = header.fields.get("general.name")
    return Checkpoint(
        model.arch,
        name if isinstance(name, str) and name else model.name,
        fields,
        [
            Tensor(tensor.name, _shape(tensor), TYPES[tensor.kind].name, _reader(model, tensor))
            for tensor in header.tensors
        ],
    )


def _typed(key: str, value: Value, kind: str) -> TypedValue:
    if not isinstance(value, (tuple, Numbers)):
        return TypedValue(value, kind)
    items = list(value) if isinstance(value, tuple) else value.array().tolist()
    if not items:
        raise KgptError(f"the field {key!r} is an empty list, which cannot be written again", "remove the field")
    return TypedValue(items, "ARRAY", kind)


def _shape(tensor: ScannedTensor) -> tuple[int, ...]:
    """As NumPy has it; without further dimensions of 1, which some converters write."""
    dims = tensor.dims
    while len(dims) > 1 and dims[-1] == 1:
        dims = dims[:-1]
    return tuple(reversed(dims))


def _reader(model: GgufModel, tensor: ScannedTensor) -> Callable[[], npt.NDArray[Any]]:
    return partial(_read, model, tensor)


def _read(model: GgufModel, tensor: ScannedTensor) -> npt.NDArray[Any]:
    shape, kind = _shape(tensor), TYPES[tensor.kind]
    dtype = {"F32": "<f4", "F16": "<f2"}.get(kind.name, "u1")
    row = shape[-1] if dtype != "u1" else kind.row_bytes(shape[-1])
    count = tensor.size // np.dtype(dtype).itemsize
    with model.path.open("rb") as file:
        data = np.fromfile(file, dtype, count, offset=model.header.start + tensor.offset)
    if len(data) != count:
        raise KgptError(f"{model.path} has changed while it was read", "try again when nothing writes it")
    return data.reshape(*shape[:-1], row)
