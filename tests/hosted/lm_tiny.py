"""Tiny random language models of every architecture, as GGUF files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType, GGUFWriter, quants

from kgpt_build.models.gguf.types import TYPES
from kgpt_build.reference.lm_arch import ARCHITECTURES, Arch

Array = npt.NDArray[Any]
BY_NAME = {kind.name: number for number, kind in TYPES.items()}
N_VOCAB, N_CTX = 50, 48
RANDOM = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS")
"""Types that the gguf library reads, but does not write."""


@dataclass(frozen=True)
class Tiny:
    """Shapes are small and, where they can be, odd. ``fields`` are hyperparameters besides the usual ones."""

    arch: str
    n_embd: int = 64
    n_layer: int = 2
    n_head: int = 4
    n_head_kv: int = 2
    n_ff: int = 96
    head_dim: int = 16
    n_vocab: int = N_VOCAB
    tied: bool = False
    kind: str = "F32"
    fields: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Tensors (name -> shape, rows first) that only this one has; "blk.*." stands for each layer."""
    seed: int = 1
    vectors: str = "F32"
    biases: bool = False
    """Of norms and matrices, the output included, where the architecture may have them (nanogpt)."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """The types of matrices that are not of ``kind``, by parts of their names."""

    def kind_of(self, name: str, shape: tuple[int, ...]) -> str:
        """The type of a tensor."""
        if len(shape) == 1:
            return self.vectors
        return next((kind for part, kind in self.kinds.items() if part in name), self.kind)

    @property
    def block(self) -> Arch:
        """What its blocks do."""
        return ARCHITECTURES.get(self.arch, ARCHITECTURES["llama"])


_YARN = {
    "rope.scaling.type": "yarn",
    "rope.scaling.factor": 4.0,
    "rope.scaling.original_context_length": 12,
}
_LONG = {
    "rope.scaling.type": "longrope",
    "rope.scaling.original_context_length": 16,
    "rope.scaling.attn_factor": 1.2,
}
_FACTORS = {"rope_factors_long.weight": (8,), "rope_factors_short.weight": (8,)}
_BIASES = {f"blk.*.attn_{letter}.bias": (n,) for letter, n in (("q", 64), ("k", 32), ("v", 32), ("output", 64))}

TINY = {
    "llama": Tiny("llama"),
    "llama-tied-biases": Tiny("llama", tied=True, more=_BIASES),
    "llama-wide-heads": Tiny("llama", head_dim=24, n_head=5, n_head_kv=1),
    "llama-linear": Tiny("llama", fields={"rope.scaling.type": "linear", "rope.scaling.factor": 2.0}),
    "llama-factor-alone": Tiny("llama", fields={"rope.scaling.factor": 2.0}),
    "llama-factor-none": Tiny("llama", fields={"rope.scaling.type": "none", "rope.scaling.factor": 2.0}),
    "llama-scale-linear": Tiny("llama", fields={"rope.scale_linear": 2.0}),
    "llama-3": Tiny("llama", more={"rope_freqs.weight": (8,)}, fields={"rope.freq_base": 500000.0}),
    "llama-yarn": Tiny("llama", fields=_YARN),
    "llama-partial": Tiny("llama", fields={"rope.dimension_count": 8}),
    "mistral": Tiny("llama", n_layer=3, fields={"attention.sliding_window": 7}),
    "qwen2": Tiny("qwen2", tied=True),
    "qwen3": Tiny("qwen3", head_dim=32),
    "gemma3": Tiny("gemma3", n_layer=7, n_head_kv=1, tied=True, head_dim=32,
                   fields={"attention.sliding_window": 6, "rope.freq_base": 1000000.0,
                           "rope.scaling.type": "linear", "rope.scaling.factor": 8.0}),
    "phi2": Tiny("phi2", n_head_kv=4, fields={"rope.dimension_count": 8}),
    "phi3": Tiny("phi3", n_layer=3, fields={"attention.sliding_window": 9}),
    "phi3-long": Tiny("phi3", n_head_kv=4, fields=_LONG, more=_FACTORS),
    "phi3-128k": Tiny("phi3", more=_FACTORS, fields={name: _LONG[name] for name in _LONG if not name.endswith("type")}),
    "gpt2": Tiny("gpt2", n_head_kv=4, tied=True),
    "nanogpt": Tiny("nanogpt", n_head_kv=4, tied=True),
    "nanogpt-biases": Tiny("nanogpt", n_head_kv=4, biases=True),
    "microgpt": Tiny("microgpt"),
    **{f"llama-{kind}": Tiny("llama", kind=kind, n_embd=128, head_dim=32, n_ff=160, seed=2)
       for kind in ("F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL", "MXFP4")},
    **{f"llama-{kind}": Tiny("llama", kind=kind, n_embd=256, n_head_kv=4, head_dim=64, n_ff=512, seed=3)
       for kind in ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS")},
    # The types that llama-quantize gives the matrices of an IQ4_XS file: rows of 288 values have no blocks of 256.
    "llama-IQ4_XS-mix": Tiny("llama", kind="IQ4_XS", n_embd=256, head_dim=64, n_ff=288, seed=4, kinds={
       "attn_v": "Q5_K", "ffn_down": "IQ4_NL", "output": "Q6_K"}),
    "gpt2-Q8_0": Tiny("gpt2", kind="Q8_0", n_head_kv=4, n_vocab=51),
    "phi3-Q4_K": Tiny("phi3", kind="Q4_K", n_embd=256, n_head_kv=4, head_dim=64, n_ff=256),
}  # fmt: skip
PLAIN = tuple(name for name, tiny in TINY.items() if tiny.kind == "F32")
"""Those whose products take activations as they are: they agree with a reference to rounding."""


def write(path: Path, tiny: Tiny, *, leave_out: str = "", **replaced: Any) -> Path:
    """The file of a model; without one tensor, or with something replaced."""
    tiny = replace(tiny, **replaced)
    writer, rng = GGUFWriter(path, tiny.arch), np.random.default_rng(tiny.seed)
    for key, value in {**_usual_fields(tiny), **tiny.fields}.items():
        _add(writer, f"{tiny.arch}.{key}", value)
    writer.add_name(f"tiny {tiny.arch}")
    writer.add_tokenizer_model("no_vocab")
    for name, shape in tensor_shapes(tiny).items():
        if name != leave_out:
            _add_tensor(writer, name, _values(rng, name, shape), tiny.kind_of(name, shape), rng)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tensor_shapes(tiny: Tiny) -> dict[str, tuple[int, ...]]:
    """Every tensor's name and shape, rows first."""
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (tiny.n_vocab, tiny.n_embd)}
    if tiny.block.rope == "none":
        shapes["position_embd.weight"] = (N_CTX, tiny.n_embd)
    for layer in range(tiny.n_layer):
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in _layer_shapes(tiny).items()}
    shapes |= _norm("output_norm", tiny)
    if not tiny.tied:
        shapes["output.weight"] = (tiny.n_vocab, tiny.n_embd)
    if tiny.arch == "phi2" or tiny.biases:
        shapes["output.bias"] = (tiny.n_vocab,)
    for name, shape in tiny.more.items():
        for layer in range(tiny.n_layer if "*" in name else 1):
            shapes[name.replace("*", str(layer))] = shape
    return shapes


def _layer_shapes(tiny: Tiny) -> dict[str, tuple[int, ...]]:
    c, q, kv, ff = tiny.n_embd, tiny.n_head * tiny.head_dim, tiny.n_head_kv * tiny.head_dim, tiny.n_ff
    shapes = _norm("attn_norm", tiny)
    if tiny.arch in ("phi2", "phi3", "gpt2", "nanogpt"):
        shapes["attn_qkv.weight"] = (q + 2 * kv, c)
    else:
        shapes |= {"attn_q.weight": (q, c), "attn_k.weight": (kv, c), "attn_v.weight": (kv, c)}
    shapes |= {"attn_output.weight": (c, q), "ffn_up.weight": (ff, c), "ffn_down.weight": (c, ff)}
    if not tiny.block.parallel:
        shapes |= _norm("ffn_norm", tiny)
    if tiny.arch in ("llama", "qwen2", "qwen3", "gemma3"):
        shapes["ffn_gate.weight"] = (ff, c)
    if tiny.block.fused_gate:
        shapes["ffn_up.weight"] = (2 * ff, c)
    if tiny.arch == "qwen2":
        shapes |= {"attn_q.bias": (q,), "attn_k.bias": (kv,), "attn_v.bias": (kv,)}
    if tiny.arch in ("qwen3", "gemma3"):
        shapes |= {"attn_q_norm.weight": (tiny.head_dim,), "attn_k_norm.weight": (tiny.head_dim,)}
    if tiny.arch == "gemma3":
        shapes |= {"post_attention_norm.weight": (c,), "post_ffw_norm.weight": (c,)}
    if tiny.arch in ("phi2", "gpt2") or tiny.biases:
        shapes |= {
            "attn_qkv.bias": (q + 2 * kv,),
            "attn_output.bias": (c,),
            "ffn_up.bias": (ff,),
            "ffn_down.bias": (c,),
        }
    return shapes


def _norm(name: str, tiny: Tiny) -> dict[str, tuple[int, ...]]:
    parts = {"bare": (), "rms": ("weight",), "layer": ("weight", "bias")}[tiny.block.norm]
    parts = parts if tiny.arch != "nanogpt" or tiny.biases else ("weight",)
    return {f"{name}.{part}": (tiny.n_embd,) for part in parts}


def _usual_fields(tiny: Tiny) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "context_length": N_CTX,
        "embedding_length": tiny.n_embd,
        "block_count": tiny.n_layer,
        "feed_forward_length": tiny.n_ff,
        "attention.head_count": tiny.n_head,
        "attention.head_count_kv": tiny.n_head_kv,
        "vocab_size": tiny.n_vocab,
    }
    if tiny.head_dim * tiny.n_head != tiny.n_embd:
        fields |= {"attention.key_length": tiny.head_dim, "attention.value_length": tiny.head_dim}
    if tiny.block.rope != "none":
        fields["rope.dimension_count"] = tiny.head_dim
    eps = "layer_norm_epsilon" if tiny.block.norm == "layer" else "layer_norm_rms_epsilon"
    return {**fields, f"attention.{eps}": 1e-5}


def _add(writer: GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, str):
        writer.add_string(key, value)
    elif isinstance(value, list):
        writer.add_array(key, value)
    elif isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    else:
        writer.add_float32(key, value)


def _values(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Array:
    """Random numbers of a size that makes logits spread and every part of the model count."""
    values = rng.standard_normal(shape)
    if name.startswith("rope_"):
        return np.asarray(np.abs(values) + 1, np.float32)
    if len(shape) == 1:
        return np.asarray(1 + 0.2 * values if name.endswith("norm.weight") else 0.2 * values, np.float32)
    return np.asarray(values * (1.0 if "embd" in name else 1.5 / np.sqrt(shape[1])), np.float32)


def _add_tensor(writer: GGUFWriter, name: str, values: Array, kind: str, rng: np.random.Generator) -> None:
    if kind == "F32":
        writer.add_tensor(name, values)
        return
    number = GGMLQuantizationType[kind]
    data = _random_blocks(kind, values, rng) if kind in RANDOM else quants.quantize(values, number)
    writer.add_tensor(name, data, raw_dtype=number)


def _random_blocks(kind: str, values: Array, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Blocks (rows, bytes) of random bits that spread as ``values`` do: gguf cannot write these types."""
    what = TYPES[BY_NAME[kind]]
    data = rng.integers(0, 256, (values.shape[0], values.shape[1] // what.block, what.size), np.uint8)
    for scale in (1.0, 0.0):
        if not scale:
            meant = quants.dequantize(data.reshape(len(data), -1), GGMLQuantizationType[kind])
            scale = float(values.std() / meant.std())
        for start in what.halves:
            data[..., start : start + 2] = np.frombuffer(np.float16(scale).tobytes(), np.uint8)
    return np.asarray(data.reshape(len(data), -1), np.uint8)
