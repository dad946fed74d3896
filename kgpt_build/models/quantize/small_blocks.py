"""Quantises rows to the types with blocks of 32 values.

Without an importance matrix the gguf library does (to the bit as llama.cpp), except for IQ4_NL, which it does not know.
With one the scales are searched.
"""

from __future__ import annotations

import numpy as np

from kgpt_build.models.quantize import pack
from kgpt_build.models.quantize.pack import Bytes
from kgpt_build.models.quantize.search import Array, Grid, Table, fit_affine, fit_scale, inverse
from kgpt_build.models.quantize.superblocks import IQ4_LEVELS, steps

BLOCK = 32
SEARCHED = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL")
"""The types that gain from a search. The scale of Q8_0 and MXFP4 follows from the largest value."""


def quantize(x: Array, weights: Array, kind: str) -> Bytes:
    """Blocks x (n, 32) as bytes (n, size of a block); errors count by ``weights`` (n, 32)."""
    if kind in ("Q4_1", "Q5_1"):
        return _quantize_affine(x, weights, 15 if kind == "Q4_1" else 31)
    if kind == "IQ4_NL":
        d, levels = _levels(x, weights, Table(IQ4_LEVELS), 7, 15)
        indices = np.searchsorted(np.array(IQ4_LEVELS), levels).astype(np.uint8)
        return np.concatenate([d, _low(indices)], axis=1)
    high = 8 if kind == "Q4_0" else 16
    d, levels = _levels(x, weights, Grid(-high, high - 1), 0.9, 19)
    indices = (levels + high).astype(np.uint8)
    return np.concatenate([d, *([pack.fifth_bits(indices)] if kind == "Q5_0" else []), _low(indices & 15)], axis=1)


def _levels(x: Array, weights: Array, grid: Grid, reach: float, count: int) -> tuple[Bytes, Array]:
    """The F16 scales as bytes (n, 2), and the levels (n, 32)."""
    d = fit_scale(x, weights, grid, steps(reach, count)).astype(np.float16)
    return pack.half(d), grid.nearest(x * inverse(d.astype(np.float32))[:, None])


def _quantize_affine(x: Array, weights: Array, high: int) -> Bytes:
    scale, minimum = fit_affine(x, weights, high, steps(0.9, 13))
    d, m = scale.astype(np.float16), (-minimum).astype(np.float16)
    levels = Grid(0, high).nearest((x - m.astype(np.float32)[:, None]) * inverse(d.astype(np.float32))[:, None])
    indices = levels.astype(np.uint8)
    high_bits = [pack.fifth_bits(indices)] if high > 15 else []
    return np.concatenate([pack.half(d), pack.half(m), *high_bits, _low(indices & 15)], axis=1)


def _low(indices: Bytes) -> Bytes:
    """4 bits of (n, 32) -> (n, 16)."""
    return pack.nibbles(indices.reshape(-1, 1, 2, 16))
