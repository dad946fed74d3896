"""Sizes and settings of a training on a running text, by name. They are the same for every target of kgpt train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Preset:
    """A training; ``dropout`` is a probability, ``batch`` counts windows of ``block_size`` characters."""

    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    batch: int
    steps: int
    lr: float
    dropout: float


PRESETS: Final = {
    "cpu": Preset(n_layer=4, n_head=4, n_embd=128, block_size=128, batch=16, steps=3000, lr=3e-4, dropout=0.2),
    "gpu": Preset(n_layer=6, n_head=6, n_embd=384, block_size=256, batch=64, steps=5000, lr=3e-4, dropout=0.2),
}
"""``cpu``: 0.83 million parameters for 95 characters; ``gpu``: 10.8 million."""
