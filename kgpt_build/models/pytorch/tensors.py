"""Tensors of a checkpoint of PyTorch: where each lies in its storage, and its values when they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models.checkpoint import Tensor
from kgpt_build.models.pytorch.archive import Archive
from kgpt_build.models.pytorch.unpickle import Known, unpickle

_DTYPES = {
    "Float": ("F32", 4),
    "Half": ("F16", 2),
    "BFloat16": ("BF16", 2),
    "Double": ("F64", 8),
    "Long": ("int64", 8),
    "Int": ("int32", 4),
    "Short": ("int16", 2),
    "Char": ("int8", 1),
    "Byte": ("uint8", 1),
    "Bool": ("bool", 1),
}
"""By the name of the storage's class: the type of its elements, and their bytes."""

_NUMPY = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "F64": "<f8"}
_MOST_DIMENSIONS = 8
_DAMAGED = "the file is damaged, or was not written by torch.save"


@dataclass(frozen=True)
class Storage:
    """``count`` elements of the type ``kind``, ``size`` bytes each, in the member ``key``."""

    key: str
    kind: str
    size: int
    count: int


@dataclass(frozen=True)
class StoredTensor:
    """A view of a storage, in elements: it begins at ``offset``."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def is_float(self) -> bool:
        """Can its values be weights?"""
        return self.storage.kind in _NUMPY

    def same_place(self, other: StoredTensor) -> bool:
        """Is it the same view of the same storage, as a shared parameter is?"""
        return (self.storage.key, self.offset, self.shape, self.strides) == (
            other.storage.key,
            other.offset,
            other.shape,
            other.strides,
        )


def load(archive: Archive) -> Any:
    """What was saved: StoredTensors in dicts, lists and tuples, with texts and numbers. Raises KgptError."""
    return unpickle(archive.pickle(), "data.pkl", _known(), partial(_storage, archive))


def gguf_tensor(name: str, tensor: StoredTensor, archive: Archive, n_rows: int | None = None) -> Tensor:
    """The tensor as GGUF's ``name``: a vector in F32, a matrix in its own type (F64 in F32); its first ``n_rows``."""
    kind = tensor.storage.kind
    kind = kind if len(tensor.shape) > 1 and kind in ("F16", "BF16") else "F32"
    shape = tensor.shape if n_rows is None else (n_rows, *tensor.shape[1:])
    return Tensor(name, shape, kind, partial(_read, tensor, archive, kind, n_rows))


def _read(tensor: StoredTensor, archive: Archive, kind: str, n_rows: int | None) -> npt.NDArray[Any]:
    stored = tensor.storage
    flat = np.frombuffer(archive.storage(stored.key), _NUMPY[stored.kind])[tensor.offset :]
    steps = tuple(stride * stored.size for stride in tensor.strides)
    values = np.lib.stride_tricks.as_strided(flat, tensor.shape, steps, writeable=False)[:n_rows]
    if kind == "BF16":
        return np.ascontiguousarray(values).view(np.uint8)
    if stored.kind == "BF16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):  # the check of weights names infinities
        return np.ascontiguousarray(values, np.float16 if kind == "F16" else np.float32)


def _known() -> Mapping[str, Known]:
    """What torch.load(weights_only=True) allows for tensors."""
    plain = {
        "collections.OrderedDict": Known("OrderedDict", _ordered),
        "torch._utils._rebuild_tensor_v2": Known("_rebuild_tensor_v2", _rebuild),
        "torch._utils._rebuild_parameter": Known("_rebuild_parameter", _parameter),
        "torch.Size": Known("Size", tuple),
    }
    dtypes = ("float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")
    named = [f"torch.{name}Storage" for name in _DTYPES] + [f"torch.{name}" for name in dtypes]
    return {**plain, **{name: Known(name) for name in named}}


def _ordered(*items: Any) -> dict[Any, Any]:
    if len(items) > 1 or not all(isinstance(item, list) for item in items):
        raise ValueError("an OrderedDict of something else than items")
    pairs = [pair for item in items for pair in item]
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str | int) for pair in pairs):
        raise ValueError("an OrderedDict of something else than items")
    return dict(pairs)


def _parameter(data: Any, *_: Any) -> Any:
    if not isinstance(data, StoredTensor):
        raise ValueError("a parameter of something else than a tensor")
    return data


def _storage(archive: Archive, reference: Any) -> Storage:
    """The storage of a persistent id: ("storage", class, key, device, number of elements)."""
    if not isinstance(reference, tuple) or len(reference) != 5 or reference[0] != "storage":
        raise ValueError("a reference to something else than a storage")
    _, of, key, _, count = reference
    name = of.name.removeprefix("torch.").removesuffix("Storage") if isinstance(of, Known) else ""
    if name not in _DTYPES or not isinstance(key, str) or not _is_count(count):
        raise ValueError("a storage that is not described as torch.save does")
    kind, size = _DTYPES[name]
    archive.check_storage(key, size * count)
    return Storage(key, kind, size, count)


def _rebuild(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> StoredTensor:
    """torch._utils._rebuild_tensor_v2: the view must lie in its storage, and no element in two places."""
    if not isinstance(storage, Storage) or not _is_count(offset) or not _are_counts(shape) or not _are_counts(strides):
        raise ValueError("a tensor that is not described as torch.save does")
    if len(shape) != len(strides) or len(shape) > _MOST_DIMENSIONS:
        raise ValueError(f"a tensor of {len(shape)} dimensions with {len(strides)} strides")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if prod(shape) and (last >= storage.count or prod(shape) > storage.count):
        raise KgptError(
            f"a tensor of the shape {list(shape)} does not lie in its storage {storage.key[:32]!r} of {storage.count:,}"
            " values",
            _DAMAGED,
        )
    return StoredTensor(storage, offset, tuple(shape), tuple(strides))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 48


def _are_counts(values: Any) -> bool:
    return isinstance(values, tuple) and all(map(_is_count, values))
