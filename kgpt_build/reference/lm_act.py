"""Activations in 8 bits, as the kernel's products take them (kernel_c/ops/quant/act.h)."""

from __future__ import annotations

import numpy as np

from kgpt_build.reference.lm_file import Array

BLOCKS = {"F32": 0, "F16": 0, "BF16": 0, **dict.fromkeys(("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"), 32)}
SUPER_BLOCK = 256


def quantised(x: Array, kind: str) -> Array:
    """``x`` (..., n) as a matrix of type ``kind`` takes it: rounded to 127 steps of its block's largest."""
    block = BLOCKS.get(kind, SUPER_BLOCK)
    if not block:
        return x
    blocks = x.astype(np.float32).reshape(*x.shape[:-1], -1, block)
    largest = np.abs(blocks).max(axis=-1, keepdims=True)
    factor = np.float32(127) / np.where(largest > 0, largest, np.float32(1))
    steps = np.rint(blocks * factor)
    result: Array = (steps * (largest / np.float32(127))).astype(x.dtype).reshape(x.shape)
    return result
