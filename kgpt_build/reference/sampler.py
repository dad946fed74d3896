"""How the kernel chooses a token: kernel_c/infer/reply/sampler.c, operation by operation in float32.

The same logits and the same stream of random numbers give the same token. ``lm_sampler`` goes on from here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kgpt_build.models import FloatArray, Model
from kgpt_build.reference.forward import logits
from kgpt_build.reference.rng import Xoshiro

F32 = np.float32

# kg_expf's constants (kernel_c/math/math.c)
_EXP_MIN = F32(-103.9721)
_LOG2_E = F32(1.44269504)
_LN2_HIGH, _LN2_LOW = F32(float.fromhex("0x1.62e4p-1")), F32(float.fromhex("0x1.7f7d1cp-20"))
_SERIES = tuple(F32(1) / F32(n) for n in (5040, 720, 120, 24, 6, 2))

LogitsOf = Callable[[Sequence[int]], FloatArray]  # of the last of these tokens: (n_vocab,) float32


@dataclass(frozen=True)
class Sampling:
    """The kernel's defaults: ``top_k`` 0, ``top_p`` 1 and ``min_p`` 0 are off; ``temperature`` 0 is greedy."""

    temperature: float = 0.5
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0


@dataclass(frozen=True)
class Document:
    """One generated document: its text (prompt included), the sampled tokens, and why it ended (docs/events.md)."""

    text: str
    tokens: tuple[int, ...]
    reason: str


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


def sample(values: FloatArray, sampling: Sampling, rng: Xoshiro) -> int:
    """The next token for the logits ``values`` (n_vocab,). ``temperature`` 0 draws nothing from ``rng``."""
    if sampling.temperature == 0:
        return int(np.argmax(values))
    order = likeliest_first(values)[: sampling.top_k or None]
    ranked = values[order].astype(F32)
    ranked = ranked[: kept(ranked, sampling.top_p, sampling.min_p)]
    return int(order[draw(*weigh(ranked, F32(sampling.temperature)), rng)])


def likeliest_first(values: FloatArray) -> NDArray[np.int64]:
    """kg_candidates_sort: the tokens, those with the largest logits first, of equal ones the lowest."""
    return np.lexsort((np.arange(len(values)), -values))


def weigh(ranked: FloatArray, temperature: np.float32) -> tuple[FloatArray, np.float32]:
    """kg_candidates_weigh: exp((logit - largest) / temperature) of each, and their sum from the first to the last."""
    with np.errstate(invalid="ignore"):
        weights = exp_not_above_1((ranked - ranked[0]) / temperature)
    weights = np.where(ranked == ranked[0], F32(1), weights).astype(F32)
    return weights, F32(_running(weights)[-1])


def kept(ranked: FloatArray, top_p: float, min_p: float) -> int:
    """kg_candidates_filter: how many of the candidates, likeliest first, remain after both."""
    n = len(ranked)
    if top_p < 1 or min_p > 0:
        weights, total = weigh(ranked, F32(1))
        probabilities = weights / total
        if top_p < 1:
            n = min(int(np.searchsorted(_running(probabilities), F32(top_p), side="left")) + 1, n)
        if min_p > 0:
            n = max(1, int((probabilities[:n] >= F32(min_p) * probabilities[0]).sum()))
    return n


def draw(weights: FloatArray, total: np.float32, rng: Xoshiro) -> int:
    """kg_candidates_draw: the place of one of them, chosen by its weight."""
    threshold = rng.uniform() * total
    return min(int(np.searchsorted(_running(weights), threshold, side="right")), len(weights) - 1)


def _running(values: FloatArray) -> FloatArray:
    """Sums from the first value to each, in single precision (NumPy's own sum has another order)."""
    return np.cumsum(values, dtype=F32)


def generate(
    model: Model,
    prompt: str = "",
    *,
    sampling: Sampling | None = None,
    seed: int = 42,
    index: int = 0,
    max_tokens: int = 0,
    logits_of: LogitsOf | None = None,
) -> Document:
    """Document ``index`` of a run with ``seed``, from ``prompt`` on; ``max_tokens`` 0 is to the end of the context.

    ``logits_of`` replaces the reference's own forward pass, for example by the logits that a kernel has reported.
    Raises KgptError for a prompt that the vocabulary or the context cannot hold.
    """
    last = logits_of or (lambda fed: logits(model, fed, np.float32)[-1].astype(np.float32))
    tokens = model.prompt_tokens(prompt)
    rng = Xoshiro(seed, index)
    n_prompt = len(tokens)
    while True:
        tokens.append(sample(last(tokens), sampling or Sampling(), rng))
        reason = _reason(model, tokens, n_prompt, max_tokens)
        if reason:
            return Document(model.tokenizer.decode(tokens), tuple(tokens[n_prompt:]), reason)


def _reason(model: Model, tokens: list[int], n_prompt: int, max_tokens: int) -> str:
    """Why the document ends after the last of ``tokens``, or ""."""
    if tokens[-1] == model.tokenizer.bos_id:
        return "eos"
    if max_tokens and len(tokens) - n_prompt >= max_tokens:
        return "max_tokens"
    return "context" if len(tokens) > model.hparams.n_ctx else ""
