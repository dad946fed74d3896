"""Rotary positions of a config.json: what GGUF says of them in fields and tensors.

Older files have ``rope_theta`` and ``rope_scaling``, newer ones both in ``rope_parameters``. Formulas: linear (Chen et
al., 2023), YaRN (Peng et al., 2023), LongRoPE (Ding et al., 2024); llama3's divisors are those of Llama 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.tensors import ARCHITECTURES
from kgpt_build.models.hf.config import Config

_ALWAYS = ("rope_type", "type", "rope_theta", "partial_rotary_factor")
_KEYS = {
    "default": (),
    "linear": ("factor",),
    "yarn": (
        *("factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow"),
        *("mscale", "mscale_all_dim", "truncate", "finetuned"),
    ),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
    "longrope": ("short_factor", "long_factor", "factor", "attention_factor", "original_max_position_embeddings"),
}
_TENSOR = {"llama3": "rope_freqs.weight", "longrope": "rope_factors_long.weight"}
"""Forms that need a tensor, which not every architecture has."""


@dataclass(frozen=True)
class Rope:
    """What GGUF says of rotary positions: ``fields`` without the architecture's prefix, and ``tensors`` (pairs,).

    ``n``: values of a head that are turned.
    """

    n: int
    fields: Mapping[str, Any]
    tensors: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)


def parameters(config: Config, name: str = "") -> dict[str, Any]:
    """The parameters of RoPE (of the layers ``name`` where they differ), in the newer form. Raises KgptError."""
    new, old = config.get("rope_parameters"), config.get("rope_scaling")
    theta, partial = config.get("rope_theta"), config.get("partial_rotary_factor")
    if new is not None and old is not None and new != old:
        raise KgptError("config.json: rope_parameters and rope_scaling are both there and differ", "keep one of them")
    found = new if new is not None else {} if old is None else old
    if isinstance(found, dict) and name in found:
        found = found[name]
    if not isinstance(found, dict):
        raise KgptError(f"config.json: the parameters of RoPE are {str(found)[:64]!r}, not an object", "copy it again")
    return {"rope_theta": theta, "partial_rotary_factor": partial} | {
        key: value for key, value in found.items() if value is not None
    }


def read_rope(
    arch: str, given: Mapping[str, Any], *, head: int, n_ctx: int, theta: float = 10000.0, partial: float = 1.0
) -> Rope:
    """What the parameters ``given`` mean for heads of ``head`` values and ``n_ctx`` positions. Raises KgptError.

    ``theta`` and ``partial`` are the defaults of the model_type.
    """
    rope = Config(given, "config.json, rope_parameters")
    kind = rope.text("rope_type", rope.text("type", "default"))
    kind = {"su": "longrope"}.get(kind, kind)
    if kind not in _KEYS:
        raise KgptError(
            f"config.json: RoPE is scaled by {kind[:32]!r}, which is not supported", f"supported: {', '.join(_KEYS)}"
        )
    if kind in _TENSOR and ARCHITECTURES[arch].slot(_TENSOR[kind], in_layer=False) is None:
        raise KgptError(
            f"config.json: RoPE is scaled by {kind!r}, which is not supported for {arch}",
            "supported: default, linear, yarn",
        )
    unknown = next((key for key in given if key not in (*_ALWAYS, *_KEYS[kind])), None)
    if unknown is not None:
        raise KgptError(
            f"config.json: the field {unknown[:64]!r} of RoPE is unknown for the type {kind!r}",
            "it may change what the model computes, so it is not ignored",
        )
    n = int(head * rope.number("partial_rotary_factor", partial))
    if n < 2 or n % 2 or n > head:
        raise KgptError(f"config.json: RoPE would turn {n} values of a head of {head}", "it must be an even number")
    base = rope.number("rope_theta", theta)
    fields: dict[str, Any] = {"rope.dimension_count": n, "rope.freq_base": base}
    if kind == "linear":
        fields |= {"rope.scaling.type": "linear", "rope.scaling.factor": rope.number("factor")}
    elif kind == "yarn":
        fields |= _yarn(rope, n_ctx)
    elif kind == "llama3":
        return Rope(n, fields, {_TENSOR[kind]: _llama3_divisors(rope, n, base, n_ctx)})
    elif kind == "longrope":
        return _longrope(rope, n, fields, n_ctx)
    return Rope(n, fields)


def _yarn(rope: Config, n_ctx: int) -> dict[str, Any]:
    rope.require("truncate", True)
    original = rope.size("original_max_position_embeddings", n_ctx)
    factor = rope.number("factor", n_ctx / original)
    usual = _yarn_length(factor, 1.0)
    if rope.get("mscale") and rope.get("mscale_all_dim"):
        length = _yarn_length(factor, rope.number("mscale")) / _yarn_length(factor, rope.number("mscale_all_dim"))
    else:
        length = usual
    length = rope.number("attention_factor", length)
    fields: dict[str, Any] = {
        "rope.scaling.type": "yarn",
        "rope.scaling.factor": factor,
        "rope.scaling.original_context_length": original,
        "rope.scaling.yarn_beta_fast": rope.number("beta_fast", 32.0),
        "rope.scaling.yarn_beta_slow": rope.number("beta_slow", 1.0),
    }
    # The engine multiplies by YaRN's usual length itself.
    return fields if length == usual else {**fields, "rope.scaling.attn_factor": length / usual}


def _yarn_length(factor: float, scale: float) -> float:
    """How much longer queries and keys become."""
    return 1.0 if factor <= 1 else 0.1 * scale * math.log(factor) + 1.0


def _llama3_divisors(rope: Config, n: int, base: float, n_ctx: int) -> npt.NDArray[np.float32]:
    """(n/2,): 1 for short waves, ``factor`` for long ones, and between them what blends the two frequencies."""
    factor = rope.number("factor")
    low, high = rope.number("low_freq_factor"), rope.number("high_freq_factor")
    original = rope.size("original_max_position_embeddings", n_ctx)
    if high <= low:
        raise KgptError(f"config.json: high_freq_factor ({high:g}) is not above low_freq_factor ({low:g})", "check it")
    turns = original * base ** (-np.arange(0, n, 2) / n) / (2 * math.pi)
    share = np.clip((turns - low) / (high - low), 0, 1)
    return np.asarray(1 / ((1 - share) / factor + share), np.float32)


def _longrope(rope: Config, n: int, fields: dict[str, Any], n_ctx: int) -> Rope:
    original = rope.size("original_max_position_embeddings", n_ctx)
    factor = rope.number("factor", n_ctx / original)
    length = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(original))
    fields |= {
        "rope.scaling.type": "longrope",
        "rope.scaling.original_context_length": original,
        "rope.scaling.attn_factor": rope.number("attention_factor", length),
    }
    names = {"rope_factors_long.weight": "long_factor", "rope_factors_short.weight": "short_factor"}
    return Rope(n, fields, {name: np.array(rope.numbers(key, n // 2), np.float32) for name, key in names.items()})
