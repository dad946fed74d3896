"""A GPT of PyTorch modules with nanoGPT's names: LayerNorm with or without bias, fused attention, nn.GELU()."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class LayerNorm(nn.Module):  # type: ignore[misc]
    """Without a bias, too."""

    def __init__(self, width: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class Attention(nn.Module):  # type: ignore[misc]
    """Causal, with one matrix for queries, keys and values."""

    def __init__(self, width: int, n_head: int, bias: bool) -> None:
        super().__init__()
        self.n_head = n_head
        self.c_attn = nn.Linear(width, 3 * width, bias=bias)
        self.c_proj = nn.Linear(width, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        parts = self.c_attn(x).split(width, dim=2)
        q, k, v = (part.view(n, length, self.n_head, -1).transpose(1, 2) for part in parts)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.c_proj(mixed.transpose(1, 2).reshape(n, length, width))
        return out


class Mlp(nn.Module):  # type: ignore[misc]
    """Four times as wide."""

    def __init__(self, width: int, bias: bool) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width, bias=bias)
        self.gelu = nn.GELU()
        self.c_proj = nn.Linear(4 * width, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c_proj(self.gelu(self.c_fc(x)))
        return out


class Block(nn.Module):  # type: ignore[misc]
    """A layer."""

    def __init__(self, width: int, n_head: int, bias: bool) -> None:
        super().__init__()
        self.ln_1, self.attn = LayerNorm(width, bias), Attention(width, n_head, bias)
        self.ln_2, self.mlp = LayerNorm(width, bias), Mlp(width, bias)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class NanoGpt(nn.Module):  # type: ignore[misc]
    """Tokens (B, T) to logits (B, T, V); the head shares the embedding's weights."""

    def __init__(self, n_vocab: int, n_ctx: int, width: int, n_layer: int, n_head: int, bias: bool) -> None:
        super().__init__()
        self.arguments = {"n_layer": n_layer, "n_head": n_head, "n_embd": width, "block_size": n_ctx, "bias": bias,
                          "vocab_size": n_vocab, "dropout": 0.0}  # fmt: skip
        layers = [Block(width, n_head, bias) for _ in range(n_layer)]
        parts = {"wte": nn.Embedding(n_vocab, width), "wpe": nn.Embedding(n_ctx, width), "drop": nn.Dropout(0.0)}
        self.transformer = nn.ModuleDict({**parts, "h": nn.ModuleList(layers), "ln_f": LayerNorm(width, bias)})
        self.lm_head = nn.Linear(width, n_vocab, bias=False)
        self.lm_head.weight = parts["wte"].weight

    def forward(self, tokens: Tensor) -> Tensor:
        of = self.transformer
        x = of["wte"](tokens) + of["wpe"](torch.arange(tokens.shape[1]))
        for block in of["h"]:
            x = block(x)
        logits: Tensor = self.lm_head(of["ln_f"](x))
        return logits


def made(n_vocab: int, *, bias: bool, seed: int = 1) -> NanoGpt:
    """A model with random weights that make logits spread."""
    torch.manual_seed(seed)
    model = NanoGpt(n_vocab, 24, 32, 2, 4, bias)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.5 if parameter.dim() > 1 else 0.3))
            parameter.add_(1.0 if parameter.dim() == 1 else 0.0)
    model.eval()
    return model
