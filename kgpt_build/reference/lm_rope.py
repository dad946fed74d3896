"""Rotary positions (Su et al., 2021), and what models do to reach further than they were trained."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from kgpt_build.reference.lm_file import Array, LanguageModel

Doubles = npt.NDArray[np.float64]


def angles(model: LanguageModel, positions: npt.NDArray[np.intp], layer: int, n_ctx: int) -> tuple[Doubles, float]:
    """(T, n/2) angles of a layer's positions, and how much longer the turned values become."""
    rope = model.hparams.rope
    exponents = np.arange(0, rope.n, 2) / rope.n
    if rope.local_base and model.hparams.window_of(layer):
        return np.outer(positions, rope.local_base**-exponents), rope.attn_factor
    frequencies, magnitude = rope.base**-exponents, rope.attn_factor
    if (name := _divisors(model, n_ctx)) is not None:
        frequencies = frequencies / model.tensor(name, np.float64)
    if rope.scaling == "linear":
        frequencies = frequencies / rope.factor
    elif rope.scaling == "yarn":
        share = _yarn_share(model)
        frequencies = frequencies / rope.factor * share + frequencies * (1 - share)
        magnitude *= 1 + 0.1 * math.log(max(1, rope.factor))
    return np.outer(positions, frequencies), magnitude


def turn(heads: Array, angle: Doubles, magnitude: float, kind: str) -> Array:
    """``heads`` (T, H, D) with their first values turned by ``angle`` (T, n/2)."""
    if not angle.shape[1]:
        return heads
    n = 2 * angle.shape[1]
    cos, sin = (
        (magnitude * function(angle)).astype(heads.dtype)[:, None, :]
        for function in (np.cos, np.sin)
    )  # fmt: skip
    a, b = (slice(0, n, 2), slice(1, n, 2)) if kind == "adjacent" else (slice(0, n // 2), slice(n // 2, n))
    turned = heads.copy()
    turned[..., a] = heads[..., a] * cos - heads[..., b] * sin
    turned[..., b] = heads[..., a] * sin + heads[..., b] * cos
    return turned


def _divisors(model: LanguageModel, n_ctx: int) -> str | None:
    """The tensor with a divisor for each frequency: llama 3's, or one of LongRoPE's two."""
    if "rope_freqs.weight" in model:
        return "rope_freqs.weight"
    if "rope_factors_short.weight" not in model:  # files of Phi-3 have it without saying rope.scaling.type
        return None
    name = "long" if n_ctx > model.hparams.rope.n_ctx_original else "short"
    return f"rope_factors_{name}.weight"


def _yarn_share(model: LanguageModel) -> Doubles:
    """(n/2,): how much of each frequency is divided by the factor. Peng et al., 2023, equation 23."""
    rope = model.hparams.rope

    def pair(turns: float) -> float:
        return rope.n * math.log(rope.n_ctx_original / (turns * 2 * math.pi)) / (2 * math.log(rope.base))

    low, high = max(0, math.floor(pair(rope.beta_fast))), min(rope.n - 1, math.ceil(pair(rope.beta_slow)))
    share = (np.arange(rope.n // 2) - low) / max(0.001, high - low)
    return np.asarray(np.clip(share, 0, 1), np.float64)
