"""GGML's tensor types that the engine computes with; in C they are kernel_c/include/kgpt/quant.h."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TensorType:
    """A type: rows are cut into blocks of ``block`` values, which take ``size`` bytes each.

    ``halves`` are the bytes of a block at which its F16 begin: scales, and minima.
    """

    name: str
    block: int
    size: int
    halves: tuple[int, ...] = ()


TYPES = {
    0: TensorType("F32", 1, 4),
    1: TensorType("F16", 1, 2),
    2: TensorType("Q4_0", 32, 18, (0,)),
    3: TensorType("Q4_1", 32, 20, (0, 2)),
    6: TensorType("Q5_0", 32, 22, (0,)),
    7: TensorType("Q5_1", 32, 24, (0, 2)),
    8: TensorType("Q8_0", 32, 34, (0,)),
    10: TensorType("Q2_K", 256, 84, (80, 82)),
    11: TensorType("Q3_K", 256, 110, (108,)),
    12: TensorType("Q4_K", 256, 144, (0, 2)),
    13: TensorType("Q5_K", 256, 176, (0, 2)),
    14: TensorType("Q6_K", 256, 210, (208,)),
    30: TensorType("BF16", 1, 2),
}
"""GGML's number -> the type."""


def type_name(kind: int) -> str:
    """GGML's name of the type ``kind``, supported or not; its number if it has none."""
    if kind in TYPES:
        return TYPES[kind].name
    from gguf import GGMLQuantizationType  # late: it is slow to import, and only wanted for a refusal

    return next((known.name for known in GGMLQuantizationType if known == kind), str(kind))
