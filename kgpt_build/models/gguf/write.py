"""Writes a Checkpoint into a GGUF file by the gguf library, one tensor in memory at a time."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgpt_build.models.checkpoint import Checkpoint, FieldValue, Tensor, TypedValue
from kgpt_build.models.gguf.types import TYPES
from kgpt_build.paths import replaced_atomically

if TYPE_CHECKING:
    from gguf import GGUFWriter

_NUMBERS = {kind.name: number for number, kind in TYPES.items()}
_ARRAYS: dict[str, np.dtype[Any]] = {"F32": np.dtype(np.float32), "F16": np.dtype(np.float16)}
_LARGEST_UINT32 = 0xFFFFFFFF


def write_gguf(checkpoint: Checkpoint, path: Path) -> None:
    """Write ``checkpoint`` to ``path``. The same checkpoint gives the same bytes.

    Raises KgptError if it cannot be written, or if reading a tensor raises it; an older file then stays.
    """
    from gguf import GGUFWriter  # late: this import takes longer than all others together

    with replaced_atomically(path) as temporary:
        writer = GGUFWriter(temporary, checkpoint.architecture)
        try:
            _write(writer, checkpoint)
        finally:
            writer.close()


def _write(writer: GGUFWriter, checkpoint: Checkpoint) -> None:
    writer.add_name(checkpoint.name)
    for key, value in checkpoint.fields.items():
        _add_field(writer, key, value)
    for tensor in checkpoint.tensors:
        _add_tensor(writer, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in checkpoint.tensors:
        writer.write_tensor_data(_data(tensor))


def _add_field(writer: GGUFWriter, key: str, value: FieldValue | TypedValue) -> None:
    from gguf import GGUFValueType

    typed = value if isinstance(value, TypedValue) else _typed(key, value)
    items = GGUFValueType[typed.items] if typed.items else None
    writer.add_key_value(key, typed.value, GGUFValueType[typed.kind], items)


def _typed(key: str, value: Any) -> TypedValue:
    if isinstance(value, str) or not hasattr(value, "__len__"):
        return TypedValue(value, _kind_of(value))
    items: Any = list(value)
    if not items:
        raise ValueError(f"the field {key!r} is an empty list, which the gguf library cannot write")
    kind = _kind_of(items[0])
    return TypedValue(items, "ARRAY", "INT32" if kind in ("UINT32", "INT64") else kind)


def _kind_of(value: Any) -> str:
    if isinstance(value, str):
        return "STRING"
    if isinstance(value, bool | np.bool_):
        return "BOOL"
    if isinstance(value, int | np.integer):
        return "INT64" if value < 0 else "UINT32" if value <= _LARGEST_UINT32 else "UINT64"
    return "FLOAT32"


def _dtype(tensor: Tensor) -> np.dtype[Any]:
    return _ARRAYS.get(tensor.kind, np.dtype(np.uint8))


def _stored_shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape of the array that ``read()`` returns."""
    if tensor.kind in _ARRAYS:
        return tensor.shape
    return (*tensor.shape[:-1], TYPES[_NUMBERS[tensor.kind]].row_bytes(tensor.shape[-1]))


def _add_tensor(writer: GGUFWriter, tensor: Tensor) -> None:
    from gguf import GGMLQuantizationType

    shape, dtype = _stored_shape(tensor), _dtype(tensor)
    writer.add_tensor_info(
        tensor.name, shape, dtype, prod(shape) * dtype.itemsize, GGMLQuantizationType(_NUMBERS[tensor.kind])
    )


def _data(tensor: Tensor) -> npt.NDArray[Any]:
    with np.errstate(all="ignore"):  # a value that is not finite is named when the file is checked
        data = np.ascontiguousarray(tensor.read())
    if data.shape != _stored_shape(tensor) or data.dtype != _dtype(tensor):
        raise ValueError(
            f"{tensor.name}: read() gave {data.shape} of {data.dtype}, not {tensor.shape} as {tensor.kind}"
        )
    return data
