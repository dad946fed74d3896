"""microgpt forward, a batch at a time. Activations are (C, B, T): features first, then sequences, then positions.

Features come first because every sum of the model runs over them, and ``ordered`` sums over the first axis.
Model: https://gist.github.com/karpathy/8627fe009c40f57531cb18360106ce95 (microgpt, 2026).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models import Hyperparameters, Model
from kgpt_build.reference.ordered import Array, exp, matmul, total

Tokens = npt.NDArray[np.intp]
Weights = Mapping[str, Array]


@dataclass(frozen=True)
class Norm:
    """rmsnorm's input ``x`` (C, B, T), ``scale`` = 1 / sqrt(mean(x^2) + eps) (B, T), and output ``y`` (C, B, T)."""

    x: Array
    scale: Array
    y: Array


@dataclass(frozen=True)
class Attention:
    """``q``, ``k``, ``v`` (D, H, B, T); ``p`` (S, H, B, T): how much position T looks at S; ``out`` (C, B, T)."""

    q: Array
    k: Array
    v: Array
    p: Array
    out: Array


@dataclass(frozen=True)
class Layer:
    """Intermediate results of one layer; ``hidden`` (F, B, T) is fc1's output before relu."""

    norm1: Norm
    attention: Attention
    norm2: Norm
    hidden: Array


@dataclass(frozen=True)
class Activations:
    """All results of a forward pass over ``tokens`` (B, T): ``logits`` (V, B, T), ``x`` (C, B, T) before lm_head."""

    tokens: Tokens
    embedded: Norm
    x: Array
    logits: Array
    layers: list[Layer] = field(default_factory=list)


def logits(model: Model, tokens: Sequence[int], dtype: type[np.floating[Any]] = np.float64) -> Array:
    """Logits of every position, (T, n_vocab), computed in ``dtype`` (float64 or float32).

    Raises KgptError for no tokens, more than the context holds, or ids that are no tokens.
    """
    hparams = model.hparams
    if not 1 <= len(tokens) <= hparams.n_ctx:
        raise KgptError(f"{len(tokens)} tokens do not fit a context of {hparams.n_ctx}", "give between 1 and that many")
    if not all(0 <= token < hparams.n_vocab for token in tokens):
        raise KgptError("one of the tokens is not in the vocabulary", f"tokens are 0 to {hparams.n_vocab - 1}")
    weights = {name: tensor.astype(dtype) for name, tensor in model.tensors.items()}
    batch = np.array([list(tokens)], dtype=np.intp)
    return forward(weights, hparams, batch).logits[:, 0].T


def forward(weights: Weights, hparams: Hyperparameters, tokens: Tokens) -> Activations:
    """Run ``tokens`` (B, T), T <= n_ctx, through the model in the type of ``weights``."""
    # Picking rows gives (B, T, C) and (T, C); features go to the front.
    picked = weights["wte"][tokens].transpose(2, 0, 1) + weights["wpe"][: tokens.shape[1]].T[:, None, :]
    embedded = rmsnorm(np.ascontiguousarray(picked), hparams.norm_eps)
    x = embedded.y
    layers = []
    for i in range(hparams.n_layer):
        layer, x = _layer(weights, f"layer{i}.", hparams, x)
        layers.append(layer)
    return Activations(tokens, embedded, x, matmul(weights["lm_head"], x), layers)


def _layer(weights: Weights, prefix: str, hparams: Hyperparameters, x: Array) -> tuple[Layer, Array]:
    """One layer, and what it makes of the residual stream ``x`` (C, B, T)."""
    norm1 = rmsnorm(x, hparams.norm_eps)
    q, k, v = (matmul(weights[f"{prefix}attn_{name}"], norm1.y) for name in ("wq", "wk", "wv"))
    attention = attend(q, k, v, hparams.n_head)
    x = x + matmul(weights[f"{prefix}attn_wo"], attention.out)
    norm2 = rmsnorm(x, hparams.norm_eps)
    hidden = matmul(weights[f"{prefix}mlp_fc1"], norm2.y)
    x = x + matmul(weights[f"{prefix}mlp_fc2"], np.maximum(hidden, 0))
    return Layer(norm1, attention, norm2, hidden), x


def rmsnorm(x: Array, eps: float) -> Norm:
    """x / sqrt(mean(x^2) + eps), the mean over the features. Zhang and Sennrich, 2019, without gain."""
    scale = 1 / np.sqrt(total(x * x) / x.shape[0] + eps)
    return Norm(x, scale, x * scale)


def attend(q: Array, k: Array, v: Array, n_head: int) -> Attention:
    """Causal attention over ``q``, ``k``, ``v`` (C, B, T), scale 1 / sqrt(head_dim). Vaswani et al., 2017."""
    q, k, v = (to_heads(a, n_head) for a in (q, k, v))
    head_dim, _, _, n_positions = q.shape
    # (D, S, H, B, T): element d of position T's query times that of position S's key.
    keys = np.moveaxis(k, -1, 1)[..., None]
    scores = total(q[:, None] * keys) / np.sqrt(np.array(head_dim, dtype=q.dtype))
    p = softmax(np.where(causal(n_positions)[:, None, None, :], scores, -np.inf))
    out = np.stack([total(p * np.moveaxis(v[d], -1, 0)[..., None]) for d in range(head_dim)])
    return Attention(q, k, v, p, from_heads(out))


def softmax(x: Array) -> Array:
    """exp(x) / sum(exp(x)) over the first axis, the largest subtracted before."""
    e = exp(x - x.max(axis=0))
    result: Array = e / total(e)
    return result


def causal(n_positions: int) -> npt.NDArray[np.bool_]:
    """(S, T): may position T look at position S?"""
    return np.triu(np.ones((n_positions, n_positions), dtype=np.bool_))


def to_heads(x: Array, n_head: int) -> Array:
    """(C, B, T) -> (D, H, B, T): head h is the features h·D to (h + 1)·D."""
    split = x.reshape(n_head, -1, *x.shape[1:])
    return np.ascontiguousarray(np.swapaxes(split, 0, 1))


def from_heads(x: Array) -> Array:
    """(D, H, B, T) -> (C, B, T), the inverse of the split into heads."""
    return np.ascontiguousarray(np.swapaxes(x, 0, 1)).reshape(-1, *x.shape[2:])
