"""The gradients of microgpt, derived by hand. Shapes as in ``forward``; ``d_x`` is the derivative of the loss by x."""

from __future__ import annotations

import numpy as np

from kgpt_build.models import Hyperparameters
from kgpt_build.reference.forward import (
    Activations,
    Attention,
    Layer,
    Norm,
    Tokens,
    Weights,
    from_heads,
    softmax,
    to_heads,
)
from kgpt_build.reference.ordered import Array, matmul, outer_total, total

IGNORED = -1  # a target that does not count: padding after the end of a document


def loss_and_gradients(
    weights: Weights, hparams: Hyperparameters, activations: Activations, targets: Tokens
) -> tuple[float, dict[str, Array]]:
    """Mean cross entropy (nats) of the targets (B, T) that are not IGNORED, and its derivative by every tensor."""
    loss, d_logits = cross_entropy(activations.logits, targets)
    gradients = {"lm_head": outer_total(d_logits, activations.x)}
    d_x = matmul(weights["lm_head"].T, d_logits)
    for i in reversed(range(hparams.n_layer)):
        d_x = _layer(weights, f"layer{i}.", activations.layers[i], d_x, gradients)
    d_x = _rmsnorm(activations.embedded, d_x)
    gradients["wte"] = _scatter(d_x, activations.tokens, hparams.n_vocab)
    gradients["wpe"] = np.zeros_like(weights["wpe"])
    gradients["wpe"][: d_x.shape[2]] = total(np.swapaxes(d_x, 0, 1)).T
    return loss, gradients


def cross_entropy(logits: Array, targets: Tokens) -> tuple[float, Array]:
    """Mean of -log p(target) over the targets that are not IGNORED, and its derivative by ``logits`` (V, B, T)."""
    counted = targets != IGNORED
    probabilities = softmax(logits)
    rows = np.where(counted, targets, 0)[None]
    chosen = np.take_along_axis(probabilities, rows, axis=0)[0]
    n = int(counted.sum())
    # The logarithm only reports: the gradients, and so the weights, do not depend on the machine's libm.
    loss = float(-np.log(chosen[counted]).sum() / n)
    is_target = np.arange(logits.shape[0])[:, None, None] == rows
    return loss, np.where(counted, probabilities - is_target, 0) / n


def _layer(weights: Weights, prefix: str, layer: Layer, d_x: Array, gradients: dict[str, Array]) -> Array:
    """Derivative by the layer's input from the one by its output, ``d_x``; the tensors' go to ``gradients``."""
    relu = np.maximum(layer.hidden, 0)
    gradients[f"{prefix}mlp_fc2"] = outer_total(d_x, relu)
    d_hidden = np.where(layer.hidden > 0, matmul(weights[f"{prefix}mlp_fc2"].T, d_x), 0)
    gradients[f"{prefix}mlp_fc1"] = outer_total(d_hidden, layer.norm2.y)
    d_x = d_x + _rmsnorm(layer.norm2, matmul(weights[f"{prefix}mlp_fc1"].T, d_hidden))
    gradients[f"{prefix}attn_wo"] = outer_total(d_x, layer.attention.out)
    d_q, d_k, d_v = _attention(layer.attention, matmul(weights[f"{prefix}attn_wo"].T, d_x))
    d_norm = np.zeros_like(d_x)
    for name, d in (("attn_wq", d_q), ("attn_wk", d_k), ("attn_wv", d_v)):
        gradients[prefix + name] = outer_total(d, layer.norm1.y)
        d_norm += matmul(weights[prefix + name].T, d)
    return d_x + _rmsnorm(layer.norm1, d_norm)


def _rmsnorm(norm: Norm, d_y: Array) -> Array:
    """y = x·s, s = (mean(x²) + eps)^-1/2: d_x = s·d_y - x·s³·mean(x·d_y)."""
    result: Array = norm.scale * d_y - norm.x * (
        norm.scale * norm.scale * norm.scale * (total(norm.x * d_y) / norm.x.shape[0])
    )
    return result


def _attention(attention: Attention, d_out: Array) -> tuple[Array, Array, Array]:
    """Derivatives by q, k, v, each (C, B, T), from the one by the output (C, B, T)."""
    head_dim, n_head = attention.q.shape[:2]
    d_heads = to_heads(d_out, n_head)
    p = attention.p
    keys, values = (np.moveaxis(a, -1, 1)[..., None] for a in (attention.k, attention.v))  # (D, S, H, B, 1)
    d_p = total(d_heads[:, None] * values)  # (S, H, B, T)
    d_scores = p * (d_p - total(p * d_p)) / np.sqrt(np.array(head_dim, dtype=p.dtype))
    d_q = np.stack([total(d_scores * keys[d]) for d in range(head_dim)])
    d_k = np.stack([_over_queries(d_scores, attention.q[d]) for d in range(head_dim)])
    d_v = np.stack([_over_queries(p, d_heads[d]) for d in range(head_dim)])
    return from_heads(d_q), from_heads(d_k), from_heads(d_v)


def _over_queries(a: Array, b: Array) -> Array:
    """Sum over T of ``a`` (S, H, B, T) times ``b`` (H, B, T), as (H, B, S)."""
    products = total(np.moveaxis(a * b, -1, 0))  # (S, H, B)
    return np.moveaxis(products, 0, -1)


def _scatter(d_x: Array, tokens: Tokens, n_vocab: int) -> Array:
    """(n_vocab, C): the derivatives at the positions of each token, added up."""
    is_token = (np.arange(n_vocab)[:, None, None] == tokens).astype(d_x.dtype)
    return outer_total(is_token, d_x)
