"""Hugging Face folders that tests write themselves, with the safetensors library or without."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import vocab_files
from lm_tiny import N_CTX, Tiny

Array = npt.NDArray[Any]

N_VOCAB = 300
SPECIAL = ("<s>", "</s>", "<|im_start|>", "<|im_end|>")
MERGES = ["t h", "th e", "Ġ the", "i n", "e r"]


def tokenizer() -> dict[str, Any]:
    """A tokenizer.json of byte-level BPE: special tokens, bytes, five merges."""
    pieces = [*SPECIAL, *vocab_files.byte_chars(), *(merge.replace(" ", "") for merge in MERGES)]
    added = [
        {"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": True}
        for i, content in enumerate(SPECIAL)
    ]  # fmt: skip
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {piece: i for i, piece in enumerate(pieces)},
            "merges": MERGES,
        },
    }


def write_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))


_LLAMA = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
NAMES = {
    "llama": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "gemma3": {
        **_LLAMA,
        "post_attention_norm": "post_attention_layernorm",
        "ffn_norm": "pre_feedforward_layernorm",
        "post_ffw_norm": "post_feedforward_layernorm",
    },
    "phi2": {
        **_LLAMA,
        "attn_output": "self_attn.dense",
        "ffn_up": "mlp.fc1",
        "ffn_down": "mlp.fc2",
        "output_norm": "model.final_layernorm",
    },
    "phi3": {**_LLAMA, "attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"},
    "gpt2": {
        "attn_norm": "ln_1",
        "attn_qkv": "attn.c_attn",
        "attn_output": "attn.c_proj",
        "ffn_norm": "ln_2",
        "ffn_up": "mlp.c_fc",
        "ffn_down": "mlp.c_proj",
        "token_embd": "transformer.wte",
        "position_embd": "transformer.wpe",
        "output_norm": "transformer.ln_f",
        "output": "lm_head",
    },
}
MODEL_TYPES = {"phi2": "phi", "gemma3": "gemma3_text"}


def stored(tiny: Tiny, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The tensors (GGUF's name -> values) of a model as a safetensors file of transformers has them."""
    found: dict[str, Array] = {}
    for name, values in tensors.items():
        stem, _, end = name.rpartition(".")
        layer, stem = (stem.split(".")[1], stem.split(".")[2]) if stem.startswith("blk.") else ("", stem)
        start = "" if not layer else f"transformer.h.{layer}." if tiny.arch == "gpt2" else f"model.layers.{layer}."
        if tiny.arch == "llama" and stem in ("attn_q", "attn_k"):
            values = np.concatenate([np.concatenate([head[0::2], head[1::2]]) for head in heads_of(tiny, values)])
        if tiny.arch == "gemma3" and stem.endswith("norm"):
            values = values - np.float32(1)
        if tiny.arch == "gpt2" and stem.startswith(("attn_", "ffn_")) and values.ndim == 2:
            values = values.T
        if tiny.arch == "phi2" and stem == "attn_qkv":
            for letter, part in zip("qkv", np.split(values, 3), strict=True):
                found[f"{start}self_attn.{letter}_proj.{end}"] = part
        else:
            found[f"{start}{NAMES[tiny.arch][stem]}.{end}"] = values
    return found


def heads_of(tiny: Tiny, values: Array) -> Array:
    """(heads, rows of a head, …)."""
    return values.reshape(-1, tiny.head_dim, *values.shape[1:])


def config(tiny: Tiny) -> dict[str, Any]:
    """config.json of a model without scaled RoPE."""
    fields = tiny.fields
    if tiny.arch == "gpt2":
        sizes = {"n_embd": tiny.n_embd, "n_layer": tiny.n_layer, "n_head": tiny.n_head, "n_positions": N_CTX,
                 "n_inner": tiny.n_ff, "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new"}  # fmt: skip
    else:
        sizes = {
            "hidden_size": tiny.n_embd, "num_hidden_layers": tiny.n_layer, "num_attention_heads": tiny.n_head,
            "num_key_value_heads": tiny.n_head_kv, "intermediate_size": tiny.n_ff, "max_position_embeddings": N_CTX,
            "layer_norm_eps" if tiny.arch == "phi2" else "rms_norm_eps": 1e-5, "head_dim": tiny.head_dim,
            "rope_theta": fields.get("rope.freq_base", 10000.0),
            "hidden_activation" if tiny.arch == "gemma3" else "hidden_act":
                {"gemma3": "gelu_pytorch_tanh", "phi2": "gelu_new"}.get(tiny.arch, "silu"),
        }  # fmt: skip
    if tiny.arch == "gemma3":
        sizes |= {"query_pre_attn_scalar": tiny.head_dim, "rope_local_base_freq": 10000.0}
    if tiny.arch == "phi2":
        sizes |= {"partial_rotary_factor": fields["rope.dimension_count"] / tiny.head_dim}
    window = fields.get("attention.sliding_window")
    return {
        "architectures": ["TinyForCausalLM"],
        "model_type": "mistral" if tiny.arch == "llama" and window else MODEL_TYPES.get(tiny.arch, tiny.arch),
        "torch_dtype": "float32",
        "transformers_version": "4.40.0",
        "vocab_size": N_VOCAB,
        "tie_word_embeddings": tiny.tied,
        **sizes,
        **({} if window is None else {"sliding_window": window}),
    }


def save(folder: Path, tiny: Tiny, tensors: Mapping[str, Array], **changed: Any) -> Path:
    """A folder of a model. ``changed`` are fields of config.json."""
    folder.mkdir(exist_ok=True)
    write_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps({**config(tiny), **changed}))
    write_safetensors(folder / "model.safetensors", stored(tiny, tensors))
    return folder


_TYPES = {"float32": "F32", "float16": "F16", "uint16": "BF16", "int8": "I8"}


def container(tensors: Mapping[str, Array], header: Mapping[str, Any] | None = None) -> bytes:
    """The bytes of a safetensors file; uint16 is taken as BF16. ``header`` replaces entries."""
    entries, at = {}, 0
    for name, values in tensors.items():
        entries[name] = {
            "dtype": _TYPES[values.dtype.name],
            "shape": list(values.shape),
            "data_offsets": [at, at + values.nbytes],
        }
        at += values.nbytes
    text = json.dumps({"__metadata__": {"format": "pt"}, **entries, **(header or {})}).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(np.ascontiguousarray(values).tobytes() for values in tensors.values())
    return len(text).to_bytes(8, "little") + text + data


def write_safetensors(path: Path, tensors: Mapping[str, Array]) -> None:
    path.write_bytes(container(tensors))
