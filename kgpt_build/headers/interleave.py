"""The layout of quantised matrices in an image: rows interleaved by eight, as kernel_c/include/kgpt/quant.h has it.

:data:`TYPES` is the list of tensor types that kernels can compute with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

GROUP = 8
"""Rows that are interleaved with each other."""


@dataclass(frozen=True)
class TensorType:
    """A tensor type of GGML: its blocks in values and bytes, and the fields of a block as (bytes, bytes of a unit)."""

    name: str
    block: int
    bytes: int
    fields: tuple[tuple[int, int], ...] = ()

    @property
    def interleaved(self) -> bool:
        """Whether rows of this type are interleaved."""
        return bool(self.fields)

    def row_bytes(self, columns: int) -> int:
        """Bytes of a row of ``columns`` values, a multiple of the block."""
        if columns % self.block:
            raise ValueError(f"{columns} columns are no multiple of {self.name}'s block of {self.block}")
        return columns // self.block * self.bytes


TYPES: dict[int, TensorType] = {
    0: TensorType("F32", 1, 4),
    1: TensorType("F16", 1, 2),
    2: TensorType("Q4_0", 32, 18, ((2, 2), (16, 8))),
    3: TensorType("Q4_1", 32, 20, ((2, 2), (2, 2), (16, 8))),
    6: TensorType("Q5_0", 32, 22, ((2, 2), (4, 4), (16, 8))),
    7: TensorType("Q5_1", 32, 24, ((2, 2), (2, 2), (4, 4), (16, 8))),
    8: TensorType("Q8_0", 32, 34, ((2, 2), (32, 8))),
    10: TensorType("Q2_K", 256, 84, ((16, 8), (64, 8), (2, 2), (2, 2))),
    11: TensorType("Q3_K", 256, 110, ((32, 8), (64, 8), (12, 4), (2, 2))),
    12: TensorType("Q4_K", 256, 144, ((2, 2), (2, 2), (12, 4), (128, 8))),
    13: TensorType("Q5_K", 256, 176, ((2, 2), (2, 2), (12, 4), (32, 8), (128, 8))),
    14: TensorType("Q6_K", 256, 210, ((128, 8), (64, 8), (16, 8), (2, 2))),
    30: TensorType("BF16", 1, 2),
}
"""By GGML's number."""


def interleave(data: Bytes, type_number: int) -> Bytes:
    """Rows (R, bytes of a row) as GGML has them -> (R * bytes of a row,) as kernels want them."""
    return _by_group(data, type_number, _interleave_group)


def deinterleave(data: Bytes, type_number: int, rows: int) -> Bytes:
    """The inverse of :func:`interleave`: (R * bytes of a row,) -> (R, bytes of a row)."""
    shape = (rows, data.size // rows) if rows else (0, 0)
    return _by_group(data.reshape(shape), type_number, _deinterleave_group).reshape(shape)


_Group = Callable[[Bytes, TensorType, int], Bytes]


def _by_group(data: Bytes, type_number: int, convert: _Group) -> Bytes:
    """Apply ``convert`` to the whole groups at once, and to the rows that are left over."""
    kind = TYPES[type_number]
    if not kind.interleaved:
        return data.reshape(-1)
    rows, row_bytes = data.shape
    if row_bytes % kind.bytes:
        raise ValueError(f"rows of {row_bytes} bytes are no blocks of {kind.name}")
    whole = rows - rows % GROUP
    parts = [(data[:whole], GROUP), (data[whole:], rows - whole)]
    return np.concatenate([np.empty(0, np.uint8), *(convert(part, kind, n) for part, n in parts if part.size)])


def _interleave_group(data: Bytes, kind: TensorType, group: int) -> Bytes:
    blocks = data.reshape(-1, group, data.shape[1] // kind.bytes, kind.bytes)
    out = np.empty((blocks.shape[0], blocks.shape[2], group * kind.bytes), np.uint8)
    start = 0
    for size, unit in kind.fields:
        field = blocks[..., start : start + size].reshape(*blocks.shape[:3], size // unit, unit)
        out[..., group * start : group * (start + size)] = field.transpose(0, 2, 3, 1, 4).reshape(*out.shape[:2], -1)
        start += size
    return out.reshape(-1)


def _deinterleave_group(data: Bytes, kind: TensorType, group: int) -> Bytes:
    n_blocks = data.shape[1] // kind.bytes
    blocks = data.reshape(-1, n_blocks, group * kind.bytes)
    out = np.empty((blocks.shape[0], group, n_blocks, kind.bytes), np.uint8)
    start = 0
    for size, unit in kind.fields:
        field = blocks[..., group * start : group * (start + size)]
        units = field.reshape(*blocks.shape[:2], size // unit, group, unit).transpose(0, 3, 1, 2, 4)
        out[..., start : start + size] = units.reshape(*out.shape[:3], size)
        start += size
    return out.reshape(-1)
