"""How the kernel chooses a token: kernel_c/engine/sampler.c, operation by operation in float32.

The same logits and the same stream of random numbers give the same token.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kgpt_build.models import FloatArray, Model
from kgpt_build.reference.forward import logits
from kgpt_build.reference.rng import Xoshiro

F32 = np.float32

# kg_expf's constants (kernel_c/core/math.c)
_EXP_MAX, _EXP_MIN = F32(88.7228394), F32(-103.9721)
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


def expf(x: np.float32) -> np.float32:
    """kg_expf: the bits of the kernel's exp. Shape: a scalar."""
    if math.isnan(x):
        return x
    if x > _EXP_MAX:
        return F32(math.inf)
    if x < _EXP_MIN:
        return F32(0)
    n = int(x * _LOG2_E + (F32(-0.5) if x < 0 else F32(0.5)))
    r = (x - F32(n) * _LN2_HIGH) - F32(n) * _LN2_LOW
    series = _SERIES[0]
    for coefficient in _SERIES[1:]:
        series = series * r + coefficient
    series = series * (r * r) + r
    return _scaled(series + F32(1), n)


def _scaled(x: np.float32, n: int) -> np.float32:
    if n > 127:
        return x * F32(2) * F32(2.0 ** (n - 1))
    if n < -126:
        return x * F32(2.0 ** (n + 100)) * F32(2.0**-100)
    return x * F32(2.0**n)


def sample(values: FloatArray, sampling: Sampling, rng: Xoshiro) -> int:
    """The next token for the logits ``values`` (n_vocab,). ``temperature`` 0 draws nothing from ``rng``."""
    if sampling.temperature == 0:
        return int(np.argmax(values))
    order = sorted(range(len(values)), key=lambda i: (-values[i], i))
    ranked = [F32(values[i]) for i in order]
    ranked = ranked[: _kept(ranked, sampling)]
    weights, total = _weigh(ranked, F32(sampling.temperature))
    threshold = rng.uniform() * total
    cumulative = F32(0)
    for i, weight in enumerate(weights):
        cumulative += weight
        if cumulative > threshold:
            return order[i]
    return order[len(ranked) - 1]


def _kept(ranked: list[np.float32], sampling: Sampling) -> int:
    """How many of the candidates, likeliest first, remain: each filter sees what the one before it kept."""
    kept = min(sampling.top_k, len(ranked)) or len(ranked)
    weights, total = _weigh(ranked[:kept], F32(1))
    probabilities = [weight / total for weight in weights]
    if sampling.top_p < 1:
        kept = _reaching(probabilities, F32(sampling.top_p))
    if sampling.min_p > 0:
        least = F32(sampling.min_p) * probabilities[0]
        kept = next((i for i in range(1, kept) if probabilities[i] < least), kept)
    return kept


def _weigh(ranked: list[np.float32], temperature: np.float32) -> tuple[list[np.float32], np.float32]:
    """exp((logit - largest) / temperature) of each, and their sum from the first to the last."""
    weights = [expf((logit - ranked[0]) / temperature) for logit in ranked]
    total = F32(0)
    for weight in weights:
        total += weight
    return weights, total


def _reaching(probabilities: list[np.float32], top_p: np.float32) -> int:
    """Length of the shortest start whose probabilities reach ``top_p``."""
    cumulative = F32(0)
    for i, probability in enumerate(probabilities):
        cumulative += probability
        if cumulative >= top_p:
            return i + 1
    return len(probabilities)


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
