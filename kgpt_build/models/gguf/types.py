"""The tensor types of GGML that the engine supports; kernel_c/include/kgpt/quant.h has them in C."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

GROUP = 8
"""Rows that are interleaved with each other (KG_GROUP). Parts of a fused matrix begin at multiples of it."""


@dataclass(frozen=True)
class TensorType:
    """A type: rows are cut into blocks of ``block`` values, which take ``size`` bytes each.

    ``fields`` are the fields of a block, in order, as (bytes, bytes of a unit that stays together when rows are
    interleaved); none: the type is not interleaved.
    """

    name: str
    block: int
    size: int
    fields: tuple[tuple[int, int], ...] = ()

    @property
    def interleaved(self) -> bool:
        """Are rows of this type interleaved?"""
        return bool(self.fields)

    @property
    def halves(self) -> tuple[int, ...]:
        """Offsets of the F16 values (scales and minima) in a block: the fields that are one unit of two bytes."""
        return self._fields_of(2)

    @property
    def exponents(self) -> tuple[int, ...]:
        """Offsets of the E8M0 scales in a block: the fields of one byte, e, which stand for 2^(e - 127)."""
        return self._fields_of(1)

    def _fields_of(self, unit: int) -> tuple[int, ...]:
        """Offsets of the fields of one unit of ``unit`` bytes."""
        starts = accumulate((size for size, _ in self.fields), initial=0)
        return tuple(start for start, field in zip(starts, self.fields, strict=False) if field == (unit, unit))

    def row_bytes(self, columns: int) -> int:
        """Bytes of a row of ``columns`` values, a multiple of the block."""
        if columns % self.block:
            raise ValueError(f"{columns} columns are no multiple of {self.name}'s block of {self.block}")
        return columns // self.block * self.size


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
    20: TensorType("IQ4_NL", 32, 18, ((2, 2), (16, 8))),
    23: TensorType("IQ4_XS", 256, 136, ((2, 2), (2, 1), (4, 4), (128, 8))),
    30: TensorType("BF16", 1, 2),
    39: TensorType("MXFP4", 32, 17, ((1, 1), (16, 8))),
}
"""GGML's number -> the type."""


def type_name(kind: int) -> str:
    """GGML's name of the type ``kind``, also if it is not supported; for an unknown type the number."""
    if kind in TYPES:
        return TYPES[kind].name
    from gguf import GGMLQuantizationType  # late: it is slow to import, and only needed for a refusal

    return next((known.name for known in GGMLQuantizationType if known == kind), str(kind))
