"""The layout of quantised matrices in a kernel: rows interleaved by eight, as kernel_c/include/kgpt/quant.h has it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from kgpt_build.models.gguf.types import GROUP, TYPES, TensorType

Bytes = npt.NDArray[np.uint8]


def interleave(data: Bytes, type_number: int) -> Bytes:
    """Rows (R, bytes of a row) in GGML's layout -> (R * bytes of a row,) in the interleaved layout."""
    return _by_group(data, type_number, _interleave_group)


def deinterleave(data: Bytes, type_number: int, rows: int) -> Bytes:
    """The inverse of :func:`interleave`: (R * bytes of a row,) -> (R, bytes of a row)."""
    shape = (rows, data.size // rows) if rows else (0, 0)
    return _by_group(data.reshape(shape), type_number, _deinterleave_group).reshape(shape)


_Group = Callable[[Bytes, TensorType, int], Bytes]


def _by_group(data: Bytes, type_number: int, convert: _Group) -> Bytes:
    """Apply ``convert`` to all complete groups at once, and to the remaining rows."""
    kind = TYPES[type_number]
    if not kind.interleaved:
        return data.reshape(-1)
    rows, row_bytes = data.shape
    if row_bytes % kind.size:
        raise ValueError(f"rows of {row_bytes} bytes are no blocks of {kind.name}")
    whole = rows - rows % GROUP
    parts = [(data[:whole], GROUP), (data[whole:], rows - whole)]
    return np.concatenate([np.empty(0, np.uint8), *(convert(part, kind, n) for part, n in parts if part.size)])


def _interleave_group(data: Bytes, kind: TensorType, group: int) -> Bytes:
    blocks = data.reshape(-1, group, data.shape[1] // kind.size, kind.size)
    out = np.empty((blocks.shape[0], blocks.shape[2], group * kind.size), np.uint8)
    start = 0
    for size, unit in kind.fields:
        field = blocks[..., start : start + size].reshape(*blocks.shape[:3], size // unit, unit)
        out[..., group * start : group * (start + size)] = field.transpose(0, 2, 3, 1, 4).reshape(*out.shape[:2], -1)
        start += size
    return out.reshape(-1)


def _deinterleave_group(data: Bytes, kind: TensorType, group: int) -> Bytes:
    n_blocks = data.shape[1] // kind.size
    blocks = data.reshape(-1, n_blocks, group * kind.size)
    out = np.empty((blocks.shape[0], group, n_blocks, kind.size), np.uint8)
    start = 0
    for size, unit in kind.fields:
        field = blocks[..., group * start : group * (start + size)]
        units = field.reshape(*blocks.shape[:2], size // unit, group, unit).transpose(0, 3, 1, 2, 4)
        out[..., start : start + size] = units.reshape(*out.shape[:3], size)
        start += size
    return out.reshape(-1)
