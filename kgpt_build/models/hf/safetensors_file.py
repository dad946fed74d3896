"""Reads a safetensors file: a length, a JSON header, and the tensors' bytes, which stay in the file until used.

The safetensors library gives no BF16 to NumPy, and its errors do not name the tensor. This reader checks that all
tensors together fill the file exactly. Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models.hf.json_file import parsed_object
from kgpt_build.words import shown, shown_bytes

MOST_HEADER = 100_000_000
"""Bytes of a header; the safetensors library has the same bound."""

SIZES: Mapping[str, int] = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 1),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4),
    **dict.fromkeys(("I64", "U64", "F64"), 8),
}
"""Bytes of a value, by the format's names of types."""

_NUMPY: Mapping[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
_HINT = "the file is damaged or incomplete: copy it again"
_MOST_VALUES = 1 << 40


@dataclass(frozen=True)
class StoredTensor:
    """A tensor: ``dtype`` by the format's name, ``shape`` (rows, columns), ``offset`` in its file, in bytes."""

    path: Path
    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def values(self) -> npt.NDArray[Any]:
        """The values, of ``shape``: float32, float16, or for BF16 the upper halves of float32 as uint16."""
        count = prod(self.shape)
        try:
            values: npt.NDArray[Any] = np.fromfile(self.path, dtype=_NUMPY[self.dtype], count=count, offset=self.offset)
        except OSError as error:
            raise KgptError(f"{self.path.name} cannot be read: {error.strerror or error}", "check the file") from None
        if len(values) != count:
            raise KgptError(f"{self.path.name} has become shorter since it was checked", "import it again")
        return values.reshape(self.shape)


def float32_of(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """The values of ``StoredTensor.values`` as float32, exactly."""
    if values.dtype == np.uint16:
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32)


def read_safetensors(path: Path) -> list[StoredTensor]:
    """The tensors in ``path``, in the order of their bytes. Raises KgptError that names the file and the tensor."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(8)
            length = _header_length(path.name, head, size)
            header = file.read(length)
    except OSError as error:
        raise KgptError(f"{path.name} cannot be read: {error.strerror or error}", "check the file") from None
    entries = parsed_object(header, f"the header of {path.name}")
    entries.pop("__metadata__", None)
    tensors = sorted(
        (_tensor(path, name, entry) for name, entry in entries.items()), key=lambda tensor: tensor[0].offset
    )
    return _placed(path, tensors, 8 + length, size)


def _header_length(name: str, head: bytes, size: int) -> int:
    if len(head) < 8:
        raise KgptError(f"{name} has only {size} bytes, too few for a safetensors file", _HINT)
    length = int(struct.unpack("<Q", head)[0])
    if length > MOST_HEADER and not head.isascii():
        raise KgptError(
            f"{name} is not a safetensors file: it begins with {shown_bytes(head)}", "give the file that its name says"
        )
    if head.isascii() and head[:1] not in b"\0" and length > MOST_HEADER:
        what = "a Git LFS pointer" if head == b"version " else "not a safetensors file"
        raise KgptError(
            f"{name} is {what}: it begins with {shown_bytes(head)}",
            "download the file itself: git lfs pull" if "LFS" in what else "give the file that its name says",
        )
    if length > MOST_HEADER or length > size - 8:
        raise KgptError(f"{name} is truncated: its header has {length:,} bytes, the file {size:,}", _HINT)
    return length


def _tensor(path: Path, name: str, entry: Any) -> tuple[StoredTensor, int]:
    """A tensor with its offset in the data, and where it ends there."""
    entry = entry if isinstance(entry, dict) else {}
    dtype, shape, span = entry.get("dtype"), _sizes(entry.get("shape")), _sizes(entry.get("data_offsets"))
    if not isinstance(dtype, str) or shape is None or span is None or len(span) != 2:
        raise KgptError(f"{path.name}: the header describes the tensor {shown(name)} wrongly", _HINT)
    if dtype not in SIZES:
        raise KgptError(
            f"{path.name}: the tensor {shown(name)} has the type {dtype[:32]!r}, which is not supported",
            "supported: F32, F16, BF16",
        )
    start, end = span
    count = prod(shape)
    if count > _MOST_VALUES or end - start != count * SIZES[dtype]:
        raise KgptError(
            f"{path.name}: the tensor {shown(name)} has {end - start:,} bytes, but {dtype} of the shape {list(shape)} "
            f"takes {count * SIZES[dtype]:,}",
            _HINT,
        )
    return StoredTensor(path, name, dtype, shape, start), end


def _sizes(value: Any) -> tuple[int, ...] | None:
    """A list of few whole numbers that are not negative; None for anything else."""
    whole = isinstance(value, list) and len(value) <= 8 and all(type(item) is int for item in value)
    return tuple(value) if whole and all(0 <= item < 1 << 63 for item in value) else None


def _placed(path: Path, tensors: list[tuple[StoredTensor, int]], start: int, size: int) -> list[StoredTensor]:
    """The tensors with offsets in the file; they must fill the rest of the file without gaps."""
    found, expected = [], 0
    for tensor, end in tensors:
        if tensor.offset != expected:
            raise KgptError(
                f"{path.name}: the tensor {shown(tensor.name)} does not begin where the one before ends", _HINT
            )
        found.append(StoredTensor(path, tensor.name, tensor.dtype, tensor.shape, start + tensor.offset))
        expected = end
    if start + expected > size:
        missing = start + expected - size
        raise KgptError(f"{path.name} is truncated: {missing:,} of {start + expected:,} bytes are missing", _HINT)
    if start + expected < size:
        raise KgptError(f"{path.name} has {size - start - expected:,} bytes behind its last tensor", _HINT)
    return found
