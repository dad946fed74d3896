"""How a kernel with a language model chooses a token: kernel_c/lm/lm_sampler.c, operation by operation.

Probabilities in float32, their sums in double, added in the order of the candidates; the same logits and random
numbers give the same token.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgpt_build.models import FloatArray
from kgpt_build.reference.rng import Xoshiro

F32 = np.float32
_COUNT_MAX = 0x7FFF

# kg_expf's constants (kernel_c/core/math.c)
_EXP_MIN = F32(-103.9721)
_LOG2_E = F32(1.44269504)
_LN2_HIGH, _LN2_LOW = F32(float.fromhex("0x1.62e4p-1")), F32(float.fromhex("0x1.7f7d1cp-20"))
_SERIES = tuple(F32(1) / F32(n) for n in (5040, 720, 120, 24, 6, 2))


@dataclass(frozen=True)
class LmSampling:
    """llama.cpp's names and defaults; see include/kgpt/lm_sampler.h for which value turns a filter off."""

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
    """What may come next: ``ids`` (n,) with their ``logits`` and probabilities ``p``, both float32."""

    ids: NDArray[np.int64]
    logits: FloatArray
    p: FloatArray


def exp_not_above_1(x: FloatArray) -> FloatArray:
    """kg_expf of each ``x`` <= 0, to the bit."""
    with np.errstate(under="ignore", invalid="ignore", over="ignore"):
        whole = np.trunc(x * _LOG2_E + np.where(x < 0, F32(-0.5), F32(0.5)))
        n: FloatArray = np.where(x < _EXP_MIN, F32(0), whole).astype(F32)
        r = (x - n * _LN2_HIGH) - n * _LN2_LOW
        series: FloatArray = np.full_like(x, _SERIES[0])
        for coefficient in _SERIES[1:]:
            series = series * r + coefficient
        series = series * (r * r) + r + F32(1)
        power = n.astype(np.int32)
        tiny = np.ldexp(np.ldexp(series, power + 100), -100)
        result = np.where(power < -126, tiny, np.ldexp(series, np.maximum(power, -126)))
    return np.where(x < _EXP_MIN, F32(0), result).astype(F32)


def candidates(logits: FloatArray, sampling: LmSampling, last: Sequence[int] = ()) -> Candidates:
    """kg_lm_candidates: what remains of the vocabulary, for ``logits`` (n_vocab,) after the tokens ``last``."""
    values = _adjusted(logits, sampling, last)
    greedy, typical = sampling.temperature == 0, sampling.typical_p < 1
    n = min(sampling.top_k, len(values)) or len(values)
    if greedy and not typical:
        n = 1
    ids = np.arange(len(values))
    in_order = n < len(values) or sampling.top_k > 0
    if in_order:
        ids = np.lexsort((ids, -values))[:n]
    if not greedy or typical:
        ids = _filtered(values, ids, sampling, in_order)
    if greedy:
        ids = ids[[_first(values[ids], ids)]]
    return Candidates(ids, values[ids], _weights(values[ids], F32(1 if greedy else sampling.temperature)))


def sample(logits: FloatArray, sampling: LmSampling, last: Sequence[int], rng: Xoshiro) -> int:
    """kg_lm_sample: the next token. ``temperature`` 0 draws nothing from ``rng``."""
    found = candidates(logits, sampling, last)
    if sampling.temperature == 0:
        return int(found.ids[0])
    threshold = float(rng.uniform()) * _sum(found.p)
    cumulative = 0.0
    for token, p in zip(found.ids, found.p, strict=True):
        cumulative += float(p)
        if cumulative > threshold:
            return int(token)
    return int(found.ids[-1])


def logprobs(logits: FloatArray, n: int) -> list[tuple[int, np.float32]]:
    """kg_lm_logprobs: the ``n`` most likely tokens by the logits alone, with ln of their probabilities."""
    values = _numbers(logits)
    order = np.lexsort((np.arange(len(values)), -values))[:n]
    return [(int(token), logprob(logits, int(token))) for token in order]


def logprob(logits: FloatArray, token: int) -> np.float32:
    """kg_lm_logprob: ln of the probability of ``token`` by the logits alone."""
    values = _numbers(logits)
    largest = values.max()
    total = math.log(_sum(_unnormalised(values, largest, F32(1))))
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


def _filtered(values: FloatArray, ids: NDArray[np.int64], sampling: LmSampling, in_order: bool) -> NDArray[np.int64]:
    """What typical_p, top_p and min_p leave of ``ids``."""
    if sampling.typical_p < 1:
        ids = ids[_typical(_weights(values[ids], F32(1)), float(F32(sampling.typical_p)))]
    if sampling.top_p < 1:
        p = _weights(values[ids], F32(1))
        order = np.arange(len(ids)) if in_order else np.lexsort((ids, -values[ids]))
        ids = ids[order[: _reaching(p[order], float(F32(sampling.top_p)))]]
    if sampling.min_p > 0:
        ids = ids[values[ids] >= values[ids].max() + F32(math.log(F32(sampling.min_p)))]
    return ids


def _first(logits: FloatArray, ids: NDArray[np.int64]) -> int:
    """Where the largest logit stands, of equal ones that of the lowest id."""
    return int(np.lexsort((ids, -logits))[0])


def _unnormalised(logits: FloatArray, largest: np.float32, temperature: np.float32) -> FloatArray:
    with np.errstate(invalid="ignore"):
        return np.where(logits == largest, F32(1), exp_not_above_1((logits - largest) / temperature)).astype(F32)


def _weights(logits: FloatArray, temperature: np.float32) -> FloatArray:
    """The probability of each at the temperature."""
    p = _unnormalised(logits, logits.max(), temperature)
    return (p.astype(np.float64) / _sum(p)).astype(F32)


def _sum(values: FloatArray) -> float:
    """In double, from the first to the last (which NumPy's sum is not)."""
    return float(np.cumsum(values, dtype=np.float64)[-1])


def _typical(p: FloatArray, typical_p: float) -> NDArray[np.int64]:
    """Places of the nearest to the entropy until they sum to more than ``typical_p``, in ascending order."""
    entropy = 0.0
    for value in p.tolist():
        entropy -= value * math.log(value) if value > 0 else 0.0
    heap = [
        (float(F32(abs(-math.log(value) - entropy))) if value > 0 else math.inf, place)
        for place, value in enumerate(p.tolist())
    ]
    heapq.heapify(heap)
    chosen, total = [], 0.0
    while heap and total <= typical_p:
        place = heapq.heappop(heap)[1]
        chosen.append(place)
        total += float(p[place])
    return np.array(sorted(chosen))


def _reaching(p: FloatArray, top_p: float) -> int:
    """Length of the shortest start, of at least one, whose probabilities reach ``top_p``."""
    total = np.cumsum(p, dtype=np.float64)
    return min(int(np.searchsorted(total, top_p, side="left")) + 1, len(p))
