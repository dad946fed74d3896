"""A model on its way into a GGUF file: what an importer reads, in GGUF's names and types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy.typing as npt


@dataclass(frozen=True)
class TypedValue:
    """A value of a field with its GGUF type, such as "UINT64"; ``items`` is the type of an array's items."""

    value: Any
    kind: str
    items: str = ""


FieldValue: TypeAlias = bool | int | float | str | Sequence[bool] | Sequence[int] | Sequence[float] | Sequence[str]
"""A field's value. A whole number becomes UINT32 (UINT64 above 2^32 - 1, INT64 below 0), in an array INT32; a
fraction becomes FLOAT32."""


@dataclass(frozen=True)
class Tensor:
    """A tensor that is read when it is written. ``name`` and ``kind`` (such as "F32", "Q8_0") are GGUF's.

    ``shape``: as NumPy has it, so (rows, columns). ``read()``: f32 or f16 of this shape; for BF16 and for types in
    blocks uint8, the bytes of each row: (rows, bytes of a row).
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    read: Callable[[], npt.NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """A model: ``fields`` by GGUF key, without ``general.architecture`` and ``general.name``; tensors in file order."""

    architecture: str
    name: str
    fields: Mapping[str, FieldValue | TypedValue]
    tensors: Sequence[Tensor]
