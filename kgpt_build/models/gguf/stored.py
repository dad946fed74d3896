"""What a GGUF file stores, for a Checkpoint: every field with its type, and tensors that are read when asked for."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models.checkpoint import Tensor, TypedValue
from kgpt_build.models.gguf.scan import Numbers, Scan, ScannedTensor, Value
from kgpt_build.models.gguf.types import TYPES

_SEPARATE = ("general.architecture", "general.name")
"""Fields that a Checkpoint has beside the others."""
_OF_THE_FILE = ("general.alignment", "split.no", "split.count", "split.tensors.count")
"""Fields that describe the file, not the model."""


def stored_fields(header: Scan) -> dict[str, TypedValue]:
    """The fields of a Checkpoint. Raises KgptError for a field without items."""
    from gguf import GGUFValueType

    return {
        key: _typed(key, value, GGUFValueType(header.kinds[key]).name)
        for key, value in header.fields.items()
        if key not in _SEPARATE and key not in _OF_THE_FILE
    }


def stored_tensors(path: Path, header: Scan) -> list[Tensor]:
    """The tensors of the file ``path``, in its order."""
    return [
        Tensor(tensor.name, _shape(tensor), TYPES[tensor.kind].name, partial(_read, path, header.start, tensor))
        for tensor in header.tensors
    ]


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


def _read(path: Path, start: int, tensor: ScannedTensor) -> npt.NDArray[Any]:
    shape, kind = _shape(tensor), TYPES[tensor.kind]
    dtype = {"F32": "<f4", "F16": "<f2"}.get(kind.name, "u1")
    row = shape[-1] if dtype != "u1" else kind.row_bytes(shape[-1])
    count = tensor.size // np.dtype(dtype).itemsize
    with path.open("rb") as file:
        data = np.fromfile(file, dtype, count, offset=start + tensor.offset)
    if len(data) != count:
        raise KgptError(f"{path} has changed while it was read", "try again when nothing writes it")
    return data.reshape(*shape[:-1], row)
