"""Hyperparameters at their corners: where a special case begins, or one more step would change what is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from lm_tiny import N_CTX, TINY, Tiny

_GLOBAL_BASE = {"rope.freq_base": 1000000.0}


def _gemma(n_layer: int = 7, **fields: Any) -> Tiny:
    """``window`` and ``base`` stand for longer names; a field that is None is left out."""
    named = {
        "attention.sliding_window": fields.pop("window", 6),
        "attention.sliding_window_pattern": fields.pop("pattern", None),
        "rope.freq_base_swa": fields.pop("base", None),
        **{name.replace("__", "."): value for name, value in fields.items()},
    }
    given = {name: value for name, value in named.items() if value is not None}
    return replace(TINY["gemma3"], n_layer=n_layer, fields={**_GLOBAL_BASE, **given})


def _scaled(name: str, fields: Mapping[str, Any], **replaced: Any) -> Tiny:
    of = TINY[name]
    return replace(
        of, fields={**of.fields, **{f"rope.scaling.{key}": value for key, value in fields.items()}}, **replaced
    )


_YARN = {"type": "yarn", "factor": 4.0, "original_context_length": 12}
_FREQS = {"rope_freqs.weight": (8,)}

CORNERS: dict[str, Tiny] = {
    # A window hides positions; its layers have a RoPE base of their own whether it hides any or not.
    **{f"window-{n}": _gemma(window=n) for n in (1, 2, N_CTX - 1, N_CTX, N_CTX + 1, 1 << 20)},
    "window-0": _gemma(window=0),
    "window-none": _gemma(window=None),
    "window-none-with-base": _gemma(window=None, base=500.0),
    "window-of-all-with-base": _gemma(window=N_CTX, base=500.0),
    "window-0-with-pattern": _gemma(window=0, pattern=2),
    # Which layers have one.
    **{f"pattern-{n}": _gemma(pattern=n) for n in (1, 2, 7, 8)},
    "pattern-0": _gemma(pattern=0),
    "pattern-1-of-all": _gemma(pattern=1, window=N_CTX),
    **{f"layers-{n}": _gemma(n_layer=n) for n in (1, 5, 6)},
    "layers-62": replace(_gemma(n_layer=62), n_embd=36, n_ff=32),  # the size that has a scale of its own
    # Scaled positions, in layers with a window and without.
    "local-attn-factor": _gemma(rope__scaling__attn_factor=1.3),
    "local-yarn": _gemma(rope__scaling__type="yarn", rope__scaling__factor=4.0,
                         rope__scaling__original_context_length=12),
    "local-yarn-attn-factor": _gemma(rope__scaling__type="yarn", rope__scaling__factor=4.0,
                                     rope__scaling__original_context_length=12, rope__scaling__attn_factor=0.7),
    "yarn-1": _scaled("llama", {**_YARN, "factor": 1.0}),
    "yarn-below-1": _scaled("llama", {**_YARN, "factor": 0.5}),
    "yarn-attn-factor": _scaled("llama", {**_YARN, "attn_factor": 0.5}),
    "yarn-of-its-context": _scaled("llama", {"type": "yarn", "factor": 2.0}),
    "yarn-of-longer": _scaled("llama", {**_YARN, "original_context_length": 100000}),
    "yarn-of-1": _scaled("llama", {**_YARN, "original_context_length": 1}),
    "yarn-betas": _scaled("llama", {**_YARN, "yarn_beta_fast": 2.0, "yarn_beta_slow": 2.0}),
    "yarn-betas-crossed": _scaled("llama", {**_YARN, "yarn_beta_fast": 1.0, "yarn_beta_slow": 32.0}),
    "yarn-freqs": _scaled("llama", _YARN, more=_FREQS),
    "linear-1": _scaled("llama", {"type": "linear", "factor": 1.0}),
    "linear-below-1": _scaled("llama", {"type": "linear", "factor": 0.25}),
    "linear-attn-factor": _scaled("llama", {"type": "linear", "factor": 2.0, "attn_factor": 1.5}),
    "linear-freqs": _scaled("llama", {"type": "linear", "factor": 2.0}, more=_FREQS),
    "none-attn-factor": _scaled("llama", {"attn_factor": 0.8}),
    "none-factor": _scaled("llama", {"type": "none", "factor": 8.0}),
    "long-is-short": _scaled("phi3-long", {"original_context_length": 100000}),
    # Sizes.
    "base-tiny": replace(TINY["llama"], fields={"rope.freq_base": 1.5}),
    "base-huge": replace(TINY["llama"], fields={"rope.freq_base": 1e12}),
    "rope-2": replace(TINY["qwen3"], fields={"rope.dimension_count": 2}),
    "rope-none-but-2": replace(TINY["phi2"], fields={"rope.dimension_count": 2}),
    "heads-1": replace(TINY["llama"], n_head=1, n_head_kv=1, head_dim=64),
    "heads-of-2": replace(TINY["llama"], n_head=32, n_head_kv=1, head_dim=2),
    "heads-each": replace(TINY["qwen2"], n_head_kv=4),
    "hidden-1": replace(TINY["llama"], n_ff=1),
    "layers-1": replace(TINY["llama"], n_layer=1),
    "eps-0": replace(TINY["llama"], fields={"attention.layer_norm_rms_epsilon": 0.0}),
    "eps-large": replace(TINY["phi2"], fields={"rope.dimension_count": 8, "attention.layer_norm_epsilon": 0.9}),
}  # fmt: skip
LLAMA_CPP_ENDS = ("pattern-1", "pattern-1-of-all", "rope-2")
"""Those in which an assertion of llama.cpp fails. It loads all others, and must compute the same."""


def random_tiny(seed: int) -> Tiny:
    """Any sizes and hyperparameters that both this engine and llama.cpp take."""
    rng = np.random.default_rng(seed)
    arch = ("llama", "qwen2", "qwen3", "gemma3", "gemma3", "phi2", "phi3", "gpt2")[int(rng.integers(8))]
    n_head_kv, shared, head_dim = int(rng.integers(1, 5)), int(rng.integers(1, 4)), 2 * int(rng.integers(1, 17))
    square = arch in ("qwen2", "phi2", "phi3", "gpt2")
    if square:
        head_dim, shared = 8 * int(rng.integers(1, 5)), 1 if arch == "gpt2" else shared
    n_head = n_head_kv * shared
    n_embd = n_head * head_dim if square else 4 * int(rng.integers(4, 20))
    n_ff = 8 * int(rng.integers(1, 20))
    more = {"rope_freqs.weight": (head_dim // 2,)} if arch == "llama" and rng.random() < 0.3 else {}
    fields = _random_fields(rng, arch, head_dim)
    tied = arch not in ("phi2",) and rng.random() < 0.5
    sized = Tiny(arch, n_embd=n_embd, n_head=n_head, n_head_kv=n_head_kv, head_dim=head_dim, n_ff=n_ff, seed=seed)
    return replace(sized, n_layer=int(rng.integers(1, 9)), tied=tied, fields=fields, more=more)


def _random_fields(rng: np.random.Generator, arch: str, head_dim: int) -> dict[str, Any]:
    eps = "layer_norm_epsilon" if arch in ("phi2", "gpt2") else "layer_norm_rms_epsilon"
    fields: dict[str, Any] = {f"attention.{eps}": float(10 ** rng.uniform(-6, -1))}
    if arch == "gpt2":
        return fields
    if arch in ("phi2", "phi3"):
        fields["rope.dimension_count"] = 2 * int(rng.integers(1, head_dim // 2 + 1))
    if rng.random() < 0.7:
        fields["rope.freq_base"] = float(10 ** rng.uniform(1, 7))
    kind = ("", "none", "linear", "yarn")[int(rng.integers(4))]
    if kind:
        fields["rope.scaling.type"] = kind
    if kind in ("linear", "yarn"):
        # By YaRN below 1 llama.cpp lengthens what layers with a window turn, although they are not scaled.
        least = 0 if (arch, kind) == ("gemma3", "yarn") else -2
        fields["rope.scaling.factor"] = float(2 ** rng.uniform(least, 5))
    if kind == "yarn":
        fields["rope.scaling.original_context_length"] = int(2 ** rng.uniform(0, 14))
        fields["rope.scaling.yarn_beta_fast"] = float(2 ** rng.uniform(-1, 6))
        fields["rope.scaling.yarn_beta_slow"] = float(2 ** rng.uniform(-3, 4))
    if rng.random() < 0.4:
        fields["rope.scaling.attn_factor"] = float(rng.uniform(0.5, 2))
    if arch == "gemma3" and rng.random() < 0.9:
        fields["attention.sliding_window"] = int(2 ** rng.uniform(0, 7)) if rng.random() < 0.9 else 0
        if rng.random() < 0.6:
            fields["attention.sliding_window_pattern"] = int(rng.choice([0, 2, 3, 4, 6, 9]))
        if rng.random() < 0.5:
            fields["rope.freq_base_swa"] = float(10 ** rng.uniform(1, 6))
    return fields


def yarn_betas(tiny: Tiny) -> dict[str, float]:
    """Of a file of these architectures llama.cpp does not read them, but takes them as parameters."""
    names = ("yarn_beta_fast", "yarn_beta_slow")
    return {name: tiny.fields[f"rope.scaling.{name}"] for name in names if f"rope.scaling.{name}" in tiny.fields}
