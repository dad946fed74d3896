"""GGML's tensor types that the engine computes with; in C they are kernel_c/include/kgpt/quant.h."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TensorType:
    """A type: rows are cut into blocks of ``block`` values, which take ``size`` bytes each."""

    name: str
    block: int
    size: int


TYPES = {
    0: TensorType("F32", 1, 4),
    1: TensorType("F16", 1, 2),
    2: TensorType("Q4_0", 32, 18),
    3: TensorType("Q4_1", 32, 20),
    6: TensorType("Q5_0", 32, 22),
    7: TensorType("Q5_1", 32, 24),
    8: TensorType("Q8_0", 32, 34),
    10: TensorType("Q2_K", 256, 84),
    11: TensorType("Q3_K", 256, 110),
    12: TensorType("Q4_K", 256, 144),
    13: TensorType("Q5_K", 256, 176),
    14: TensorType("Q6_K", 256, 210),
    30: TensorType("BF16", 1, 2),
}
"""GGML's number -> the type."""


def type_name(kind: int) -> str:
    """GGML's name of the type ``kind``, supported or not; its number if it has none."""
    if kind in TYPES:
        return TYPES[kind].name
    from gguf import GGMLQuantizationType  # late: it is slow to import, and only wanted for a refusal

    return next((known.name for known in GGMLQuantizationType if known == kind), str(kind))
