"""The architectures of language models as the reference sees them: what a block does, apart from its tensors' names.

Written from the models' papers and configurations, not from ``kernel_c/infer/arch.c``: where the two disagree, a test
fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Arch:
    """What a block does.

    ``rope``: which values are turned together, those side by side or those half a head apart. ``pattern``: of so many
    layers the last one has no window. ``local_base``: of RoPE in layers with a window.
    """

    name: str
    norm: Literal["rms", "layer", "bare"]
    rope: Literal["adjacent", "halves", "none"]
    activation: Literal["silu", "gelu", "gelu_erf", "relu"]
    embedding_scale: bool = False
    embedding_norm: bool = False
    parallel: bool = False
    window: bool = False
    pattern: int = 0
    local_base: float = 0.0
    fused_gate: bool = False


ARCHITECTURES = {
    arch.name: arch
    for arch in (
        Arch("llama", "rms", "adjacent", "silu", window=True),
        Arch("qwen2", "rms", "halves", "silu"),
        Arch("qwen3", "rms", "halves", "silu"),
        Arch("gemma3", "rms", "halves", "gelu", embedding_scale=True, window=True, pattern=6, local_base=10000.0),
        Arch("phi2", "layer", "halves", "gelu", parallel=True),
        Arch("phi3", "rms", "halves", "silu", window=True, fused_gate=True),
        Arch("gpt2", "layer", "none", "gelu"),
        Arch("nanogpt", "layer", "none", "gelu_erf"),
        Arch("microgpt", "bare", "none", "relu", embedding_norm=True),
    )
}
