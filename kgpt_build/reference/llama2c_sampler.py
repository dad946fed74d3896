"""The generator and the sampler of llama2.c's run.c: kernel_c/infer/reply/llama2c_sampler.c, operation by operation.

Sums are in single precision and in run.c's order.
"""

from __future__ import annotations

import math

import numpy as np

from kgpt_build.models import FloatArray
from kgpt_build.reference.sampler import likeliest_first

F32 = np.float32
_MASK = (1 << 64) - 1


class Xorshift:
    """xorshift64*, in the state ``seed``, which is not 0."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def next(self) -> int:
        """The next 32 random bits."""
        self.state ^= self.state >> 12
        self.state ^= self.state << 25 & _MASK
        self.state ^= self.state >> 27
        return (self.state * 0x2545F4914F6CDD1D & _MASK) >> 32

    def uniform(self) -> np.float32:
        """The next number in [0, 1): the top 24 bits times 2^-24, exact in f32."""
        return F32((self.next() >> 8) * 2.0**-24)


def softmax(logits: FloatArray, temperature: float) -> FloatArray:
    """The probabilities (n_vocab,): exp in double precision, rounded; the sum from the first to the last."""
    scaled = (logits / F32(temperature)).astype(F32)
    weights = np.array([math.exp(float(value)) for value in scaled - scaled.max()], F32)
    probabilities: FloatArray = weights / _running(weights)[-1]
    return probabilities


def sample(logits: FloatArray, temperature: float, top_p: float, rng: Xorshift) -> int:
    """kg_llama2c_select: the next token for ``logits`` (n_vocab,). ``temperature`` 0 draws nothing from ``rng``."""
    if temperature == 0:
        return int(np.argmax(logits))
    p = softmax(logits, temperature)
    coin = rng.uniform()
    if F32(top_p) >= 1:
        return _first_above(p, coin)
    order = likeliest_first(p)
    above = order[p[order] >= (F32(1) - F32(top_p)) / F32(len(p) - 1)]
    above = above if len(above) else order[:1]
    kept = above[: _first_above(p[above], F32(top_p)) + 1]
    cumulative = _running(p[kept])
    return int(kept[_first_above(p[kept], coin * cumulative[-1])])


def _running(values: FloatArray) -> FloatArray:
    return np.cumsum(values, dtype=F32)


def _first_above(p: FloatArray, least: np.float32) -> int:
    """The first place whose probabilities up to it sum to more than ``least``; the last one if there is none."""
    above = _running(p) > least
    return int(np.argmax(above)) if above.any() else len(p) - 1
