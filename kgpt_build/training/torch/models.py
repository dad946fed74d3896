"""The models that PyTorch trains. A parameter has the name and the shape of its GGUF tensor.

Sources: GPT-2 (Radford et al., 2019) with the exact GELU (Hendrycks and Gimpel, 2016); microgpt (Karpathy, 2026), as
kgpt_build/reference/forward.py; Llama (Touvron et al., 2023) with RoPE on neighbours (Su et al., 2021) and SwiGLU
(Shazeer, 2020).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kgpt_build.reference.draws import NORM_EPS, ROPE_BASE, TextShape, initial_weights


class BareNorm(nn.Module):  # type: ignore[misc]
    """x / sqrt(mean(x²) + eps), without a gain. Zhang and Sennrich, 2019."""

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) to (…, C)."""
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + NORM_EPS)


class RmsNorm(BareNorm):
    """BareNorm with a gain ``weight`` (C)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) to (…, C)."""
        return super().forward(x) * self.weight


def _norm(shape: TextShape) -> nn.Module:
    if shape.kind == "nanogpt":
        return nn.LayerNorm(shape.n_embd, eps=NORM_EPS, bias=shape.has_bias)
    return RmsNorm(shape.n_embd) if shape.kind == "llama" else BareNorm()


class Block(nn.Module):  # type: ignore[misc]
    """A layer: attention and feed-forward, each behind its norm and added to the residual stream."""

    def __init__(self, shape: TextShape) -> None:
        super().__init__()
        self.shape = shape
        width, bias = shape.n_embd, shape.has_bias
        self.attn_norm, self.ffn_norm = _norm(shape), _norm(shape)
        if shape.kind == "nanogpt":
            self.attn_qkv = nn.Linear(width, 3 * width, bias=bias)
        else:
            self.attn_q, self.attn_k, self.attn_v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.attn_output = nn.Linear(width, width, bias=bias)
        if shape.kind == "llama":
            self.ffn_gate = nn.Linear(width, shape.n_ff, bias=False)
        self.ffn_up = nn.Linear(width, shape.n_ff, bias=bias)
        self.ffn_down = nn.Linear(shape.n_ff, width, bias=bias)

    def forward(self, x: Tensor, turns: Tensor | None) -> Tensor:
        """(B, T, C) to (B, T, C). ``turns`` (2, T, D/2): cosines and sines of RoPE's angles, or None."""
        x = x + self._drop(self.attn_output(self._attend(self.attn_norm(x), turns)))
        return x + self._drop(self.ffn_down(self._hidden(self.ffn_norm(x))))

    def _attend(self, x: Tensor, turns: Tensor | None) -> Tensor:
        n, length, width = x.shape
        if self.shape.kind == "nanogpt":
            parts = self.attn_qkv(x).split(width, dim=2)
        else:
            parts = (self.attn_q(x), self.attn_k(x), self.attn_v(x))
        q, k, v = (part.view(n, length, self.shape.n_head, -1).transpose(1, 2) for part in parts)
        if turns is not None:
            q, k = rotate(q, turns), rotate(k, turns)
        dropped = self.shape.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, dropout_p=dropped, is_causal=True)
        return mixed.transpose(1, 2).reshape(n, length, width)

    def _hidden(self, x: Tensor) -> Tensor:
        if self.shape.kind == "llama":
            return functional.silu(self.ffn_gate(x)) * self.ffn_up(x)
        up: Tensor = self.ffn_up(x)
        return functional.gelu(up) if self.shape.kind == "nanogpt" else functional.relu(up)

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.shape.dropout, self.training)


class Gpt(nn.Module):  # type: ignore[misc]
    """Tokens (B, T) to logits (B, T, V). The head of nanogpt and llama is the embedding; microgpt has its own."""

    def __init__(self, shape: TextShape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.n_vocab, shape.n_embd)
        if shape.kind == "llama":
            self.register_buffer("turns", rope_turns(shape.n_ctx, shape.n_embd // shape.n_head), persistent=False)
        else:
            self.position_embd = nn.Embedding(shape.n_ctx, shape.n_embd)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.n_layer))
        self.embedding_norm = BareNorm() if shape.kind == "microgpt" else nn.Identity()
        self.output_norm = nn.Identity() if shape.kind == "microgpt" else _norm(shape)
        if not shape.is_tied:
            self.output = nn.Linear(shape.n_embd, shape.n_vocab, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) to (B, T, V), T at most n_ctx."""
        x = self.token_embd(tokens)
        length = tokens.shape[1]
        turns = None
        if self.shape.kind == "llama":
            turns = self.turns[:, :length]
        else:
            x = x + self.position_embd.weight[:length]
        x = functional.dropout(self.embedding_norm(x), self.shape.dropout, self.training)
        for block in self.blk:
            x = block(x, turns)
        head = self.token_embd if self.shape.is_tied else self.output
        return functional.linear(self.output_norm(x), head.weight)


def drawn_gpt(shape: TextShape, seed: int) -> Gpt:
    """A model with the first weights of ``seed``, which the C trainer starts from, too."""
    model = Gpt(shape)
    weights = {name: torch.from_numpy(np.array(tensor)) for name, tensor in initial_weights(shape, seed).items()}
    model.load_state_dict(weights)
    return model


class Bigram(nn.Module):  # type: ignore[misc]
    """The base line: the logits of the next token are a row of a table (V, V)."""

    def __init__(self, n_vocab: int) -> None:
        super().__init__()
        self.token_embd = nn.Embedding(n_vocab, n_vocab)
        nn.init.zeros_(self.token_embd.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) to (B, T, V)."""
        logits: Tensor = self.token_embd(tokens)
        return logits


def rope_turns(length: int, head_dim: int) -> Tensor:
    """(2, T, D/2): cosine and sine of position times base^(-2i/D), computed in double."""
    rates = ROPE_BASE ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    angles = torch.outer(torch.arange(length, dtype=torch.float64), rates)
    return torch.stack((angles.cos(), angles.sin())).float()


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Rotate each pair of neighbours of ``x`` (B, H, T, D) by its angle."""
    even, odd = x[..., ::2], x[..., 1::2]
    cos, sin = turns[0].to(x.dtype), turns[1].to(x.dtype)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)
