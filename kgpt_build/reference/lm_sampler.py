"""How a language model's kernel chooses a token: kernel_c/infer/reply/lm_sampler.c, operation by operation.

These are the steps before top_p; the others are those of a microgpt (``sampler``). The same logits and random numbers
give the same token.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgpt_build.models import FloatArray
from kgpt_build.reference.rng import Xoshiro
from kgpt_build.reference.sampler import draw, exp_not_above_1, kept, likeliest_first, weigh

F32 = np.float32
_COUNT_MAX = 0x7FFF


@dataclass(frozen=True)
class LmSampling:
    """llama.cpp's names and defaults; include/kgpt/sampling.h says which values turn a filter off."""

    temperature: float = 0.8
    top_k: int = 40
    typical_p: float = 1.0
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_last_n: int = 64
    repeat_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    bias: Mapping[int, float] = field(default_factory=dict)


class Candidates(NamedTuple):
    """The candidates for the next token, the likeliest first.

    ``ids`` (n,) with their ``logits`` and ``weights``, both float32, of which ``total`` is the sum.
    """

    ids: NDArray[np.int64]
    logits: FloatArray
    weights: FloatArray
    total: np.float32

    @property
    def p(self) -> FloatArray:
        """The probability of each."""
        return self.weights / self.total


def candidates(logits: FloatArray, sampling: LmSampling, last: Sequence[int] = ()) -> Candidates:
    """kg_lm_candidates: what remains of the vocabulary, for ``logits`` (n_vocab,) after the tokens ``last``."""
    values = _adjusted(logits, sampling, last)
    greedy = sampling.temperature == 0
    ids = likeliest_first(values)[: sampling.top_k or None]
    if sampling.typical_p < 1:
        ids = ids[_typical(values[ids], float(F32(sampling.typical_p)))]
    ids = ids[: 1 if greedy else kept(values[ids], sampling.top_p, sampling.min_p)]
    return Candidates(ids, values[ids], *weigh(values[ids], F32(1 if greedy else sampling.temperature)))


def sample(logits: FloatArray, sampling: LmSampling, last: Sequence[int], rng: Xoshiro) -> int:
    """kg_lm_sample: the next token. ``temperature`` 0 draws nothing from ``rng``."""
    found = candidates(logits, sampling, last)
    return int(found.ids[draw(found.weights, found.total, rng) if sampling.temperature else 0])


def logprobs(logits: FloatArray, n: int) -> list[tuple[int, np.float32]]:
    """kg_lm_logprobs: the ``n`` most likely tokens by the logits alone, with ln of their probabilities."""
    order = likeliest_first(_numbers(logits))[:n]
    return [(int(token), logprob(logits, int(token))) for token in order]


def logprob(logits: FloatArray, token: int) -> np.float32:
    """kg_lm_logprob: ln of the probability of ``token`` by the logits alone."""
    values = _numbers(logits)
    largest = values.max()
    with np.errstate(invalid="ignore"):
        terms = np.where(values == largest, F32(1), exp_not_above_1(values - largest))
    total = math.log(float(np.cumsum(terms, dtype=np.float64)[-1]))
    if values[token] == largest:
        return F32(-total)
    return F32(float(values[token]) - float(largest) - total)


def _numbers(logits: FloatArray) -> FloatArray:
    return np.where(np.isnan(logits), F32(-math.inf), logits).astype(F32)


def _adjusted(logits: FloatArray, sampling: LmSampling, last: Sequence[int]) -> FloatArray:
    """The logits after logit_bias and penalties."""
    values = _numbers(logits)
    for token, bias in sampling.bias.items():
        if token < len(values):
            values[token] += F32(bias)
    repeat, frequency, presence = (
        F32(value) for value in (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty)
    )
    window = last[-sampling.repeat_last_n :] if sampling.repeat_last_n else ()
    if repeat != 1 or frequency != 0 or presence != 0:
        for token, count in Counter(token for token in window if token < len(values)).items():
            logit = values[token]
            logit = logit * repeat if logit <= 0 else logit / repeat
            values[token] = logit - (F32(min(count, _COUNT_MAX)) * frequency + presence)
    return _numbers(values)


def _typical(logits: FloatArray, typical_p: float) -> NDArray[np.int64]:
    """Places of the nearest to the entropy until they sum to more than ``typical_p``, in ascending order."""
    weights, total = weigh(logits, F32(1))
    p = weights / total
    entropy = 0.0
    for value in p.tolist():
        entropy -= value * math.log(value) if value > 0 else 0.0
    distances = [abs(-math.log(value) - entropy) if value > 0 else math.inf for value in p.tolist()]
    nearest = np.lexsort((np.arange(len(p)), np.array(distances, F32)))
    before = np.cumsum(p[nearest], dtype=np.float64)
    return np.sort(nearest[: int(np.searchsorted(before, typical_p, side="right")) + 1])
