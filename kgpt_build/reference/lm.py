"""Language models in NumPy: the ground truth for kernel_c/infer.

It computes all positions at once, (T, C), with weights as ``gguf`` dequantizes them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.reference.lm_act import cached, quantised
from kgpt_build.reference.lm_file import Array, LanguageModel
from kgpt_build.reference.lm_rope import angles, turn

Stream = tuple[str, int]  # ("embed", 0), ("attn", layer), ("ffn", layer), ("norm", n_layer)


@dataclass(frozen=True)
class Computed:
    """``logits`` (T, n_vocab), and the residual stream (T, n_embd) after each step; "norm" is after the final norm.

    ``parts`` of each layer: q_raw, k_raw and v (T, heads, head_dim) before norms and RoPE, q and k behind them,
    attention (n_head, T, T), attended (T, n_head * head_dim), and hidden (T, n_ff) behind the activation.
    """

    logits: Array
    streams: dict[Stream, Array]
    parts: dict[Stream, Array] = field(default_factory=dict)


@dataclass
class _Pass:
    model: LanguageModel
    dtype: npt.DTypeLike
    act: bool
    kv: str
    n_ctx: int
    positions: npt.NDArray[np.intp]
    streams: dict[Stream, Array] = field(default_factory=dict)
    parts: dict[Stream, Array] = field(default_factory=dict)

    def vector(self, name: str) -> Array | None:
        return self.model.tensor(name, self.dtype) if name in self.model else None

    def product(self, x: Array, name: str, rows: slice = slice(None)) -> Array:
        """Rows of a matrix times ``x`` (T, C), and the bias where there is one."""
        if self.act:
            x = quantised(x, self.model.kind(f"{name}.weight"))
        y: Array = x @ self.model.tensor(f"{name}.weight", self.dtype)[rows].T
        bias = self.vector(f"{name}.bias")
        return y if bias is None else y + bias[rows]

    def norm(self, x: Array, name: str) -> Array:
        """The architecture's norm over the last axis."""
        kind, eps = self.model.arch.norm, self.model.hparams.norm_eps
        if kind == "layer":
            x = x - x.mean(axis=-1, keepdims=True)
        y: Array = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)
        gain, bias = self.vector(f"{name}.weight"), self.vector(f"{name}.bias")
        y = y if gain is None else y * gain
        return y if bias is None else y + bias


def forward(
    model: LanguageModel,
    tokens: Sequence[int],
    *,
    dtype: npt.DTypeLike = np.float64,
    act: bool = False,
    kv: str = "f32",
    n_ctx: int | None = None,
) -> Computed:
    """Run ``tokens`` through the model in ``dtype``; ``act``: the inputs of products become 8 bits as in the kernel.

    Keys and values are rounded as a cache of type ``kv`` does.

    ``n_ctx`` is the session's context, by which LongRoPE chooses its factors. Raises KgptError for invalid tokens, or
    too many.
    """
    hparams = model.hparams
    if not 1 <= len(tokens) <= hparams.n_ctx:
        raise KgptError(f"{len(tokens)} tokens do not fit a context of {hparams.n_ctx}", "give between 1 and that many")
    if not all(0 <= token < hparams.n_vocab for token in tokens):
        raise KgptError("one of the tokens is not in the vocabulary", f"tokens are 0 to {hparams.n_vocab - 1}")
    run = _Pass(model, dtype, act, kv, n_ctx or hparams.n_ctx, np.arange(len(tokens)))
    x = _embed(run, np.array(tokens))
    run.streams["embed", 0] = x
    for layer in range(hparams.n_layer):
        x = _layer(run, x, layer)
    x = run.norm(x, "output_norm") if "output_norm.weight" in model else x
    run.streams["norm", hparams.n_layer] = x
    return Computed(run.product(x, "output" if "output.weight" in model else "token_embd"), run.streams, run.parts)


def _embed(run: _Pass, tokens: npt.NDArray[np.intp]) -> Array:
    x = run.model.tensor("token_embd.weight", run.dtype)[tokens]
    if "position_embd.weight" in run.model:
        x = x + run.model.tensor("position_embd.weight", run.dtype)[run.positions]
    if run.model.arch.embedding_scale:
        x = x * x.dtype.type(np.sqrt(np.float32(run.model.hparams.n_embd)))
    return run.norm(x, "none") if run.model.arch.embedding_norm else x


def _layer(run: _Pass, x: Array, layer: int) -> Array:
    name = f"blk.{layer}"
    normed = run.norm(x, f"{name}.attn_norm")
    y = run.product(_attention(run, normed, layer), f"{name}.attn_output")
    x = x + (run.norm(y, f"{name}.post_attention_norm") if f"{name}.post_attention_norm.weight" in run.model else y)
    run.streams["attn", layer] = x
    if not run.model.arch.parallel:
        normed = run.norm(x, f"{name}.ffn_norm")
    y = _feed_forward(run, normed, layer)
    x = x + (run.norm(y, f"{name}.post_ffw_norm") if f"{name}.post_ffw_norm.weight" in run.model else y)
    run.streams["ffn", layer] = x
    return x


def _attention(run: _Pass, x: Array, layer: int) -> Array:
    """(T, n_head * head_dim): each head's softmax(q k^T scale) v. Vaswani et al., 2017; Ainslie et al., 2023."""
    h, name = run.model.hparams, f"blk.{layer}"
    n_q, n_kv = h.n_head * h.head_dim, h.n_head_kv * h.head_dim
    if f"{name}.attn_qkv.weight" in run.model:
        parts = (slice(0, n_q), slice(n_q, n_q + n_kv), slice(n_q + n_kv, None))
        q, k, v = (run.product(x, f"{name}.attn_qkv", part) for part in parts)
    else:
        q, k, v = (run.product(x, f"{name}.attn_{letter}") for letter in "qkv")
    q, k, v = (a.reshape(len(x), -1, h.head_dim) for a in (q, k, v))
    run.parts |= {("q_raw", layer): q, ("k_raw", layer): k, ("v", layer): v}
    if f"{name}.attn_q_norm.weight" in run.model:
        q, k = run.norm(q, f"{name}.attn_q_norm"), run.norm(k, f"{name}.attn_k_norm")
    angle, magnitude = angles(run.model, run.positions, layer, run.n_ctx)
    q, k = (turn(a, angle, magnitude, run.model.arch.rope) for a in (q, k))
    run.parts |= {("q", layer): q, ("k", layer): k}
    k, v = (np.repeat(cached(a, run.kv), h.n_head // h.n_head_kv, axis=1) for a in (k, v))
    scores = np.einsum("thd,shd->hts", q, k) * q.dtype.type(h.attn_scale)
    weights = softmax(np.where(_looks(run.positions, h.window_of(layer)), scores, -np.inf))
    out: Array = np.einsum("hts,shd->thd", weights, v).reshape(len(x), -1)
    run.parts |= {("attention", layer): weights, ("attended", layer): out}
    return out


def _looks(positions: npt.NDArray[np.intp], window: int) -> npt.NDArray[np.bool_]:
    """(T, S): may position T look at S?"""
    behind = positions[:, None] - positions[None, :]
    return (behind >= 0) & (behind < window) if window else behind >= 0


def _feed_forward(run: _Pass, x: Array, layer: int) -> Array:
    activation, n_ff, name = _ACTIVATIONS[run.model.arch.activation], run.model.hparams.n_ff, f"blk.{layer}"
    if run.model.arch.fused_gate:
        gate = run.product(x, f"{name}.ffn_up", slice(0, n_ff))
        hidden = activation(gate) * run.product(x, f"{name}.ffn_up", slice(n_ff, None))
    elif f"{name}.ffn_gate.weight" in run.model:
        hidden = activation(run.product(x, f"{name}.ffn_gate")) * run.product(x, f"{name}.ffn_up")
    else:
        hidden = activation(run.product(x, f"{name}.ffn_up"))
    run.parts["hidden", layer] = hidden
    return run.product(hidden, f"{name}.ffn_down")


def softmax(x: Array) -> Array:
    """exp(x) / sum(exp(x)) over the last axis, the largest subtracted before."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    result: Array = e / e.sum(axis=-1, keepdims=True)
    return result


def _silu(x: Array) -> Array:
    result: Array = x / (1 + np.exp(-np.clip(x, -80, None)))
    return result


def _gelu(x: Array) -> Array:
    """Hendrycks and Gimpel, 2016, in the form by tanh."""
    result: Array = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi).astype(x.dtype) * (x + 0.044715 * x**3)))
    return result


def _gelu_erf(x: Array) -> Array:
    """Hendrycks and Gimpel, 2016: x times the normal distribution function of x."""
    result: Array = (0.5 * x * (1 + _erf(x.astype(np.float64) * math.sqrt(0.5)))).astype(x.dtype)
    return result


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


_erf = np.vectorize(math.erf, otypes=[np.float64])
_ACTIVATIONS = {"silu": _silu, "gelu": _gelu, "gelu_erf": _gelu_erf, "relu": _relu}
