"""Puts levels, scales and minima into the bytes of blocks; the layouts are GGML's (ggml-common.h)."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[Any]
"""An array of uint8."""


def half(values: npt.NDArray[Any]) -> Bytes:
    """F16 of ``values`` (n,) as bytes (n, 2)."""
    raw: Bytes = values.astype("<f2").view(np.uint8).reshape(-1, 2)
    return raw


def nibbles(levels: Bytes) -> Bytes:
    """Pairs of 4 bits: levels (n, groups, 2, k) -> (n, groups * k), the first of each pair low."""
    joined: Bytes = levels[:, :, 0] | levels[:, :, 1] << 4
    packed: Bytes = joined.reshape(len(levels), -1)
    return packed


def quarters(levels: Bytes) -> Bytes:
    """2 bits of levels (n, 256) -> (n, 64): of each 128, those 32 apart share a byte, the first lowest."""
    parts = levels.reshape(-1, 2, 4, 32)
    joined: Bytes = parts[:, :, 0] | parts[:, :, 1] << 2 | parts[:, :, 2] << 4 | parts[:, :, 3] << 6
    packed: Bytes = joined.reshape(-1, 64)
    return packed


def planes(bits: Bytes) -> Bytes:
    """Single bits (n, 8, k) -> (n, k): bit i of a byte is that of row i."""
    joined: Bytes = np.bitwise_or.reduce(bits << np.arange(8, dtype=np.uint8)[:, None], axis=1)
    return joined


def six_bits(scales: Bytes, minima: Bytes) -> Bytes:
    """Scales and minima of 6 bits, (n, 8) each -> (n, 12) as in Q4_K and Q5_K."""
    first_scales = scales[:, :4] | scales[:, 4:] >> 4 << 6
    first_minima = minima[:, :4] | minima[:, 4:] >> 4 << 6
    return np.concatenate([first_scales, first_minima, scales[:, 4:] & 15 | (minima[:, 4:] & 15) << 4], axis=1)


def six_bits_alone(scales: Bytes) -> Bytes:
    """Scales of 6 bits (n, 16) -> (n, 12) as in Q3_K."""
    low = scales[:, :8] & 15 | (scales[:, 8:] & 15) << 4
    high = (scales >> 4).reshape(-1, 4, 4)
    return np.concatenate([low, high[:, 0] | high[:, 1] << 2 | high[:, 2] << 4 | high[:, 3] << 6], axis=1)


def fifth_bits(levels: Bytes) -> Bytes:
    """The fifth bits of levels (n, 32) -> (n, 4) as in Q5_0 and Q5_1."""
    return np.packbits(levels >> 4, axis=1, bitorder="little")
