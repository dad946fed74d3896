"""Which tensors an architecture has, and of which shapes: what a file must hold to be a model of it.

Shapes are GGUF's: the length of a row first. The names are those of the files in the wild, which
https://github.com/ggml-org/llama.cpp/blob/master/gguf-py/gguf/constants.py lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf_scan import ScannedTensor

Shapes: TypeAlias = Mapping[str, tuple[str, ...]]
_HINT = "the file is damaged, or is a variant that is not supported"


@dataclass(frozen=True)
class Architecture:
    """The tensors of an architecture: of the whole, and of a layer ("attn_q" for blk.N.attn_q).

    Sizes are names of sizes_of; of ``tied`` the first is taken for the second where that is missing. ``eps`` is the
    last part of the norm's key.
    """

    whole: Shapes
    layer: Shapes
    optional: Shapes = field(default_factory=dict)
    optional_layer: Shapes = field(default_factory=dict)
    eps: str = "layer_norm_rms_epsilon"


_EMBED = {"token_embd.weight": ("embd", "vocab")}
_OUTPUT = {"output.weight": ("embd", "vocab")}
_NORM = {"output_norm.weight": ("embd",)}
_NORM_BIAS = {"output_norm.bias": ("embd",)}
_ROPE = {"rope_freqs.weight": ("any",), "rope_factors_long.weight": ("any",), "rope_factors_short.weight": ("any",)}
_QKV = {"attn_q.weight": ("embd", "q"), "attn_k.weight": ("embd", "k"), "attn_v.weight": ("embd", "v")}
_QKV_BIAS = {"attn_q.bias": ("q",), "attn_k.bias": ("k",), "attn_v.bias": ("v",)}
_QK_NORM = {"attn_q_norm.weight": ("head",), "attn_k_norm.weight": ("head",)}
_FUSED = {"attn_qkv.weight": ("embd", "qkv")}
_ATTN_OUT = {"attn_output.weight": ("heads_v", "embd")}
_ATTN_NORM = {"attn_norm.weight": ("embd",)}
_FFN_NORM = {"ffn_norm.weight": ("embd",)}
_MLP = {"ffn_up.weight": ("embd", "ff"), "ffn_down.weight": ("ff", "embd")}
_GATED = {"ffn_gate.weight": ("embd", "ff"), **_MLP}
_MLP_BIAS = {"ffn_up.bias": ("ff",), "ffn_down.bias": ("embd",)}
_LLAMA_LAYER = {**_ATTN_NORM, **_QKV, **_ATTN_OUT, **_FFN_NORM, **_GATED}
_ROPE_LAYER = {"rope_freqs.weight": ("any",), "attn_rot_embd": ("any",)}

ARCHITECTURES: Mapping[str, Architecture] = {
    "llama": Architecture(
        {**_EMBED, **_NORM},
        _LLAMA_LAYER,
        {**_OUTPUT, **_ROPE},
        {**_QKV_BIAS, "attn_output.bias": ("embd",), **_ROPE_LAYER},
    ),
    "qwen2": Architecture({**_EMBED, **_NORM}, {**_LLAMA_LAYER, **_QKV_BIAS}, {**_OUTPUT, **_ROPE}),
    "qwen3": Architecture({**_EMBED, **_NORM}, {**_LLAMA_LAYER, **_QK_NORM}, {**_OUTPUT, **_ROPE}),
    "gemma3": Architecture(
        {**_EMBED, **_NORM},
        {
            **_LLAMA_LAYER,
            **_QK_NORM,
            "post_attention_norm.weight": ("embd",),
            "post_ffw_norm.weight": ("embd",),
        },
        {**_OUTPUT, **_ROPE},
    ),
    "phi2": Architecture(
        {**_EMBED, **_NORM, **_NORM_BIAS, **_OUTPUT, "output.bias": ("vocab",)},
        {
            **_ATTN_NORM,
            "attn_norm.bias": ("embd",),
            **_FUSED,
            "attn_qkv.bias": ("qkv",),
            **_ATTN_OUT,
            "attn_output.bias": ("embd",),
            **_MLP,
            **_MLP_BIAS,
        },
        eps="layer_norm_epsilon",
    ),
    "phi3": Architecture(
        {**_EMBED, **_NORM},
        {
            **_ATTN_NORM,
            **_FUSED,
            **_ATTN_OUT,
            **_FFN_NORM,
            "ffn_up.weight": ("embd", "ff2"),
            "ffn_down.weight": ("ff", "embd"),
        },
        {**_OUTPUT, **_ROPE},
        _ROPE_LAYER,
    ),
    "gpt2": Architecture(
        {**_EMBED, "position_embd.weight": ("embd", "ctx"), **_NORM, **_NORM_BIAS},
        {
            **_ATTN_NORM,
            "attn_norm.bias": ("embd",),
            **_FUSED,
            "attn_qkv.bias": ("qkv",),
            **_ATTN_OUT,
            "attn_output.bias": ("embd",),
            **_FFN_NORM,
            "ffn_norm.bias": ("embd",),
            **_MLP,
            **_MLP_BIAS,
        },
        _OUTPUT,
        eps="layer_norm_epsilon",
    ),
    "microgpt": Architecture(
        {**_EMBED, "position_embd.weight": ("embd", "ctx"), **_OUTPUT},
        {**_QKV, **_ATTN_OUT, **_MLP},
    ),
}
"""Architecture -> what it is made of, in the order in which they are listed to a person."""


def check_tensors(arch: str, n_layer: int, sizes: Mapping[str, int], tensors: Sequence[ScannedTensor]) -> None:
    """Refuse ``tensors`` that are not those of ``arch``: missing, unexpected, of another shape. Raises KgptError."""
    of = ARCHITECTURES[arch]
    needed = dict(_named(of.whole, of.layer, n_layer))
    known = {**needed, **dict(_named(of.optional, of.optional_layer, n_layer))}
    found = {tensor.name: tensor for tensor in tensors}
    for name in needed:
        if name not in found:
            raise KgptError(f"the tensor {name!r} is missing", f"a {arch} of {n_layer} layers must have it: {_HINT}")
    for name, tensor in found.items():
        if name not in known:
            raise KgptError(f"the tensor {name!r} is unexpected", f"a {arch} of {n_layer} layers has none: {_HINT}")
        _check_shape(tensor, known[name], sizes)


def _named(whole: Shapes, layer: Shapes, n_layer: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield from whole.items()
    for i in range(n_layer):
        for name, shape in layer.items():
            yield f"blk.{i}.{name}", shape


def _check_shape(tensor: ScannedTensor, shape: tuple[str, ...], sizes: Mapping[str, int]) -> None:
    if shape == ("any",):
        return
    expected = tuple(sizes[size] for size in shape)
    found = tensor.dims
    while len(found) > len(expected) and found[-1] == 1:
        found = found[:-1]
    if found != expected:
        raise KgptError(
            f"the tensor {tensor.name!r} has the shape {list(tensor.dims)}, not {list(expected)}",
            f"its shape must follow from the hyperparameters: {_HINT}",
        )
