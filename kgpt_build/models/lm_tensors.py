"""Which tensors and which fields an architecture has: what a file must hold, and may hold, to be a model of it.

kernel_c/lm/arch.c says the same to the kernel; tests/unit/test_models_lm.py compares the two. The names are those of
https://github.com/ggml-org/llama.cpp/blob/master/gguf-py/gguf/constants.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf_scan import F32, ScannedTensor

Shape: TypeAlias = tuple[str, ...]
GROUP = 8  # rows that are interleaved: parts of a fused matrix begin at multiples of it
_HINT = "the file is damaged, or is a variant that is not supported"

WHOLE: Mapping[str, Shape] = {
    "token_embd.weight": ("embd", "vocab"),
    "position_embd.weight": ("embd", "ctx"),
    "output.weight": ("embd", "vocab"),
    "output.bias": ("vocab",),
    "output_norm.weight": ("embd",),
    "output_norm.bias": ("embd",),
    "rope_freqs.weight": ("rope_pairs",),
    "rope_factors_long.weight": ("rope_pairs",),
    "rope_factors_short.weight": ("rope_pairs",),
}
"""Tensors of a model -> their shapes as GGUF has them, the length of a row first; sizes are keys of LmSizes.named."""

LAYER: Mapping[str, Shape] = {
    "attn_norm.weight": ("embd",),
    "attn_norm.bias": ("embd",),
    "attn_q.weight": ("embd", "q"),
    "attn_q.bias": ("q",),
    "attn_k.weight": ("embd", "kv"),
    "attn_k.bias": ("kv",),
    "attn_v.weight": ("embd", "kv"),
    "attn_v.bias": ("kv",),
    "attn_qkv.weight": ("embd", "qkv"),
    "attn_qkv.bias": ("qkv",),
    "attn_output.weight": ("q", "embd"),
    "attn_output.bias": ("embd",),
    "attn_q_norm.weight": ("head",),
    "attn_k_norm.weight": ("head",),
    "post_attention_norm.weight": ("embd",),
    "ffn_norm.weight": ("embd",),
    "ffn_norm.bias": ("embd",),
    "ffn_gate.weight": ("embd", "ff"),
    "ffn_gate.bias": ("ff",),
    "ffn_up.weight": ("embd", "ff"),
    "ffn_up.bias": ("ff",),
    "ffn_down.weight": ("ff", "embd"),
    "ffn_down.bias": ("embd",),
    "post_ffw_norm.weight": ("embd",),
}
"""The same of a layer: "attn_q.weight" for blk.N.attn_q.weight."""

_FUSED_GATE = {"ffn_up.weight": ("embd", "ff_twice")}  # the gate's rows first


@dataclass(frozen=True)
class Architecture:
    """The tensors of an architecture. ``eps`` is the key of the norms' epsilon; ``other`` are shapes of its own."""

    needs: frozenset[str]
    may: frozenset[str]
    eps: str = "attention.layer_norm_rms_epsilon"
    other: Mapping[str, Shape] | None = None

    def shape(self, name: str) -> Shape:
        """The shape of the tensor of this name, without its layer."""
        return (self.other or {}).get(name) or WHOLE.get(name) or LAYER[name]


_ALWAYS = ("token_embd.weight", "attn_output.weight", "ffn_down.weight")
_RMS_NORMS = ("output_norm.weight", "attn_norm.weight", "ffn_norm.weight")
_SEPARATE = ("attn_q.weight", "attn_k.weight", "attn_v.weight")
_SEPARATE_BIASES = ("attn_q.bias", "attn_k.bias", "attn_v.bias")
_FUSED = ("attn_qkv.weight", "attn_qkv.bias")
_QK_NORMS = ("attn_q_norm.weight", "attn_k_norm.weight")
_GATED = ("ffn_gate.weight", "ffn_up.weight")
_FFN_BIASES = ("ffn_up.bias", "ffn_down.bias")
_ROPE_FACTORS = ("rope_factors_long.weight", "rope_factors_short.weight")
_OUTPUT = ("output.weight",)
_LAYER_NORM = "attention.layer_norm_epsilon"


def _of(
    needs: Sequence[str], may: Sequence[str] = (), eps: str = Architecture.eps, other: Mapping[str, Shape] | None = None
) -> Architecture:
    return Architecture(frozenset((*_ALWAYS, *needs)), frozenset(may), eps, other)


ARCHITECTURES: Mapping[str, Architecture] = {
    "llama": _of(
        (*_RMS_NORMS, *_SEPARATE, *_GATED),
        (
            *_OUTPUT,
            *_SEPARATE_BIASES,
            *_FFN_BIASES,
            *_ROPE_FACTORS,
            "rope_freqs.weight",
            "attn_output.bias",
            "ffn_gate.bias",
        ),
    ),
    "qwen2": _of((*_RMS_NORMS, *_SEPARATE, *_SEPARATE_BIASES, *_GATED), (*_OUTPUT, "output.bias")),
    "qwen3": _of((*_RMS_NORMS, *_SEPARATE, *_QK_NORMS, *_GATED), _OUTPUT),
    "gemma3": _of(
        (*_RMS_NORMS, *_SEPARATE, *_QK_NORMS, *_GATED, "post_attention_norm.weight", "post_ffw_norm.weight"), _OUTPUT
    ),
    "phi2": _of(
        (
            *_FUSED,
            *_FFN_BIASES,
            "output.weight",
            "output.bias",
            "output_norm.weight",
            "output_norm.bias",
            "attn_norm.weight",
            "attn_norm.bias",
            "attn_output.bias",
            "ffn_up.weight",
        ),
        eps=_LAYER_NORM,
    ),
    "phi3": _of((*_RMS_NORMS, "attn_qkv.weight", "ffn_up.weight"), (*_OUTPUT, *_ROPE_FACTORS), other=_FUSED_GATE),
    "gpt2": _of(
        (
            *_RMS_NORMS,
            *_FUSED,
            *_FFN_BIASES,
            "position_embd.weight",
            "output_norm.bias",
            "attn_norm.bias",
            "ffn_norm.bias",
            "attn_output.bias",
            "ffn_up.weight",
        ),
        _OUTPUT,
        eps=_LAYER_NORM,
    ),
    "microgpt": _of(("position_embd.weight", "output.weight", *_SEPARATE, "ffn_up.weight")),
}
"""Architecture -> what it is made of, in the order in which they are listed to a person."""

FIELDS = frozenset(
    {
        "attention.causal",
        "attention.head_count",
        "attention.head_count_kv",
        "attention.key_length",
        "attention.layer_norm_epsilon",
        "attention.layer_norm_rms_epsilon",
        "attention.scale",
        "attention.sliding_window",
        "attention.sliding_window_pattern",
        "attention.value_length",
        "block_count",
        "context_length",
        "embedding_length",
        "expert_count",
        "expert_used_count",
        "feed_forward_length",
        "rope.dimension_count",
        "rope.freq_base",
        "rope.freq_base_swa",
        "rope.scale_linear",
        "rope.scaling.attn_factor",
        "rope.scaling.factor",
        "rope.scaling.finetuned",
        "rope.scaling.original_context_length",
        "rope.scaling.type",
        "rope.scaling.yarn_beta_fast",
        "rope.scaling.yarn_beta_slow",
        "tensor_data_layout",
        "use_parallel_residual",
        "vocab_size",
    }
)
"""The fields "ARCH.…" that the engine knows: another one may change what the model computes."""


def check_fields(arch: str, keys: Sequence[str]) -> None:
    """Refuse a field of the architecture that nobody here obeys. Raises KgptError."""
    for key in keys:
        if key.startswith(f"{arch}.") and key.removeprefix(f"{arch}.") not in FIELDS:
            raise KgptError(f"the field {key!r} is not supported", "it may change what the model computes")


def check_tensors(arch: str, n_layer: int, sizes: Mapping[str, int], tensors: Sequence[ScannedTensor]) -> None:
    """Refuse ``tensors`` that are not those of ``arch``: missing, unexpected, of another shape. Raises KgptError."""
    of = ARCHITECTURES[arch]
    model = f"a {arch} of {n_layer} layers"
    found = {tensor.name for tensor in tensors}
    for name in sorted(of.needs):
        for full in [name] if name in WHOLE else [f"blk.{i}.{name}" for i in range(n_layer)]:
            if full not in found:
                raise KgptError(f"the tensor {full!r} is missing", f"{model} must have it: {_HINT}")
    known = _full_names(of, n_layer)
    for tensor in tensors:
        if tensor.name not in known:
            raise KgptError(f"the tensor {tensor.name!r} is unexpected", f"{model} has none: {_HINT}")
        _check_tensor(tensor, of.shape(known[tensor.name]), sizes)
    _check_fused(of, sizes)


def _full_names(of: Architecture, n_layer: int) -> dict[str, str]:
    """The name of every tensor that may be there -> the same without its layer."""
    names = of.needs | of.may
    whole = {name: name for name in names if name in WHOLE}
    return whole | {f"blk.{i}.{name}": name for name in names if name in LAYER for i in range(n_layer)}


def _check_tensor(tensor: ScannedTensor, shape: Shape, sizes: Mapping[str, int]) -> None:
    expected = tuple(sizes[size] for size in shape)
    found = tensor.dims
    while len(found) > len(expected) and found[-1] == 1:
        found = found[:-1]
    if found != expected:
        raise KgptError(
            f"the tensor {tensor.name!r} has the shape {list(tensor.dims)}, not {list(expected)}",
            f"its shape must follow from the hyperparameters: {_HINT}",
        )
    if len(expected) == 1 and tensor.kind != F32:
        raise KgptError(f"the tensor {tensor.name!r} is a vector, but not of the type F32", _HINT)


def _check_fused(of: Architecture, sizes: Mapping[str, int]) -> None:
    parts = [size for size in ("q", "kv") if "attn_qkv.weight" in of.needs] + (["ff"] if of.other else [])
    for part in parts:
        if sizes[part] % GROUP:
            raise KgptError(
                f"the parts of a fused matrix have {sizes[part]} rows, not a multiple of {GROUP}",
                "such models are not supported",
            )
