"""Where the kernel rounds: inputs of products (kernel_c/ops/quant/act.h), keys and values (ops/attention/kv_ref.c)."""

from __future__ import annotations

import numpy as np

from kgpt_build.models.gguf.types import TYPES
from kgpt_build.reference.lm_file import Array

_BLOCKS = {kind.name: kind.block for kind in TYPES.values()}
KV_TYPES = ("f32", "f16", "q8")


def cached(x: Array, kind: str) -> Array:
    """``x`` (..., head_dim) as it comes back from a cache of type ``kind`` (kernel_c/ops/attention/kv_ref.c)."""
    if kind == "f16":
        return np.asarray(x.astype(np.float16).astype(x.dtype))
    if kind == "q8":
        parts = [x[..., start : start + 32] for start in range(0, x.shape[-1], 32)]
        return np.concatenate([_steps(part.astype(np.float32)).astype(x.dtype) for part in parts], axis=-1)
    return x


def quantised(x: Array, kind: str) -> Array:
    """``x`` (..., n) as a matrix of type ``kind`` takes it: rounded to 127 steps of its block's largest."""
    block = _BLOCKS[kind]
    if block == 1:
        return x
    blocks = x.astype(np.float32).reshape(*x.shape[:-1], -1, block)
    return np.asarray(_steps(blocks).astype(x.dtype).reshape(x.shape))


def _steps(blocks: Array) -> Array:
    """Blocks along the last axis, f32: each value to the nearest of 127 steps to its block's largest."""
    largest = np.abs(blocks).max(axis=-1, keepdims=True)
    factor = np.float32(127) / np.where(largest > 0, largest, np.float32(1))
    return np.asarray(np.rint(blocks * factor) * (largest / np.float32(127)))
