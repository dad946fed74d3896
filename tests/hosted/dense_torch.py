"""The three blocks in PyTorch, from weights by GGUF name: what the trainer of kernel_c/train/dense is compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from kgpt_build.reference.draws import NORM_EPS, ROPE_BASE, TextShape, kept

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Dropout:
    """The dropout of one step: masks of ``reference.draws``. Without one, nothing is dropped."""

    seed: int
    step: int
    rate: float

    def __call__(self, x: torch.Tensor, site: int) -> torch.Tensor:
        """``x`` with its site's mask."""
        if not self.rate:
            return x
        mask = kept(self.seed, self.step, site, x.numel(), self.rate).reshape(x.shape)
        return x * torch.from_numpy(mask).to(x.dtype) / (1 - self.rate)


def parameters(weights: Mapping[str, npt.NDArray[np.float32]], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Tensors with gradients, in ``dtype``."""
    return {name: torch.from_numpy(tensor.copy()).to(dtype).requires_grad_() for name, tensor in weights.items()}


def windows(tokens: npt.NDArray[np.uint32], starts: npt.NDArray[np.int64], n_ctx: int) -> torch.Tensor:
    """(B, n_ctx + 1) token ids of the windows that begin at ``starts``."""
    return torch.from_numpy(np.stack([tokens[start : start + n_ctx + 1].astype(np.int64) for start in starts]))


def loss(w: Weights, shape: TextShape, batch: torch.Tensor, drop: Dropout) -> torch.Tensor:
    """Mean cross entropy (nats a token) of windows (B, n_ctx + 1)."""
    logits = forward(w, shape, batch[:, :-1], drop)
    return F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


def forward(w: Weights, shape: TextShape, ids: torch.Tensor, drop: Dropout) -> torch.Tensor:
    """Logits (B, T, V) of token ids (B, T)."""
    x = w["token_embd.weight"][ids]
    if shape.kind != "llama":
        x = x + w["position_embd.weight"][: ids.shape[1]]
    if shape.kind == "microgpt":
        x = _norm(w, shape, "", x)
    x = drop(x, 0)
    for i in range(shape.n_layer):
        at = f"blk.{i}."
        attended = _attention(w, shape, i, _norm(w, shape, f"{at}attn_norm", x), drop)
        x = x + drop(_linear(w, f"{at}attn_output", attended), 3 * i + 2)
        hidden = _hidden(w, shape, at, _norm(w, shape, f"{at}ffn_norm", x))
        x = x + drop(_linear(w, f"{at}ffn_down", hidden), 3 * i + 3)
    if shape.kind != "microgpt":
        x = _norm(w, shape, "output_norm", x)
    return x @ w["token_embd.weight" if shape.is_tied else "output.weight"].T


def _linear(w: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def _norm(w: Weights, shape: TextShape, name: str, x: torch.Tensor) -> torch.Tensor:
    if shape.kind == "nanogpt":
        return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w.get(f"{name}.bias"), NORM_EPS)
    y = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + NORM_EPS)
    return y if shape.kind == "microgpt" else y * w[f"{name}.weight"]


def _hidden(w: Weights, shape: TextShape, at: str, x: torch.Tensor) -> torch.Tensor:
    up = _linear(w, f"{at}ffn_up", x)
    if shape.kind == "llama":
        return F.silu(_linear(w, f"{at}ffn_gate", x)) * up
    return F.gelu(up) if shape.kind == "nanogpt" else F.relu(up)


def _attention(w: Weights, shape: TextShape, i: int, x: torch.Tensor, drop: Dropout) -> torch.Tensor:
    batch, n, width = x.shape
    at = f"blk.{i}.attn_"
    if shape.kind == "nanogpt":
        parts = list(torch.split(_linear(w, f"{at}qkv", x), width, dim=-1))
    else:
        parts = [_linear(w, f"{at}{name}", x) for name in "qkv"]
    q, k, v = (part.view(batch, n, shape.n_head, -1).transpose(1, 2) for part in parts)
    if shape.kind == "llama":
        q, k = _turned(q), _turned(k)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    scores = scores.masked_fill(torch.ones(n, n, dtype=torch.bool).triu(1), -torch.inf)
    weights = drop(scores.softmax(-1), 3 * i + 1)
    attended: torch.Tensor = weights @ v
    return attended.transpose(1, 2).reshape(batch, n, width)


def _turned(x: torch.Tensor) -> torch.Tensor:
    """RoPE on neighbours: ``x`` (B, H, T, D)."""
    n, head_dim = x.shape[-2:]
    rate = ROPE_BASE ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    angle = torch.arange(n, dtype=torch.float64)[:, None] * rate
    cosine, sine = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x[..., ::2], x[..., 1::2]
    return torch.stack((a * cosine - b * sine, b * cosine + a * sine), dim=-1).flatten(-2)
