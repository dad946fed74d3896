"""Tiny language models in GGUF files, whole or with something wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from kgpt_build.models.gguf.tensors import ARCHITECTURES

N_EMBD, N_LAYER, N_HEAD, N_FF, N_CTX = 32, 2, 4, 64, 16
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TOKENS = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "a", "b", "c", "ab", "abc"]
TYPES = [3, 3, 3, 3, 1, 1, 1, 1, 1]
MERGES = ["a b", "ab c"]

LAYER_NORMS = ("phi2", "gpt2", "nanogpt")
"""Architectures whose norms have a mean and a bias."""

QUANTIZED = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "F16", "BF16")
"""What gguf can write."""

_KINDS = {str: "STRING", bool: "BOOL", int: "UINT32", float: "FLOAT32"}


def write_lm(
    path: Path,
    arch: str = "llama",
    *,
    fields: Mapping[str, Any] | None = None,
    tensors: Mapping[str, Any] | None = None,
    kind: str = "Q8_0",
) -> Path:
    """A model of ``arch`` with random weights, its attention and feed-forward matrices of the type ``kind``.

    ``fields`` and ``tensors`` replace, add, or with None leave out what is there by the same name.
    """
    writer = gguf.GGUFWriter(path, arch)
    for key, value in {**_fields(arch), **(fields or {})}.items():
        if isinstance(value, list):
            writer.add_key_value(key, value, gguf.GGUFValueType.ARRAY)
        elif value is not None:
            writer.add_key_value(key, value, gguf.GGUFValueType[_KINDS[type(value)]])
    for name, tensor in {**_tensors(arch), **(tensors or {})}.items():
        if tensor is not None:
            _add(writer, name, tensor, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add(writer: gguf.GGUFWriter, name: str, tensor: Any, kind: str) -> None:
    """A matrix as ``kind``, if its rows have whole blocks; an array of bytes is a tensor of that kind already."""
    number = gguf.GGMLQuantizationType[kind]
    if tensor.dtype == np.uint8:
        writer.add_tensor(name, tensor, raw_dtype=number)
    elif tensor.ndim > 1 and tensor.shape[-1] % 32 == 0:
        matrix = gguf.GGMLQuantizationType.Q8_0 if kind not in QUANTIZED else number
        writer.add_tensor(name, gguf.quants.quantize(tensor, matrix), raw_dtype=matrix)
    else:
        writer.add_tensor(name, tensor)


def _fields(arch: str) -> dict[str, Any]:
    return {
        "general.name": f"Tiny {arch}",
        f"{arch}.context_length": N_CTX,
        f"{arch}.embedding_length": N_EMBD,
        f"{arch}.block_count": N_LAYER,
        f"{arch}.feed_forward_length": N_FF,
        f"{arch}.attention.head_count": N_HEAD,
        f"{arch}.attention.head_count_kv": N_HEAD,
        f"{arch}.attention.layer_norm{'' if arch in LAYER_NORMS else '_rms'}_epsilon": 1e-5,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": TOKENS,
        "tokenizer.ggml.token_type": TYPES,
        "tokenizer.ggml.merges": MERGES,
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.chat_template": CHATML,
    }


def _tensors(arch: str) -> dict[str, Any]:
    """What the architecture needs, f32, in NumPy's order of dimensions."""
    rng = np.random.default_rng(1)
    of = ARCHITECTURES.get(arch) or ARCHITECTURES["llama"]
    sizes = {"embd": N_EMBD, "vocab": len(TOKENS), "ctx": N_CTX, "ff": N_FF, "ff_twice": 2 * N_FF}
    sizes |= {"head": N_EMBD // N_HEAD, "q": N_EMBD, "kv": N_EMBD, "qkv": 3 * N_EMBD, "rope_pairs": 4}
    found = {}
    for slot in of.needs:
        shape = tuple(sizes[size] for size in reversed(slot.shape))
        for full in [f"blk.{i}.{slot.name}" for i in range(N_LAYER)] if slot.in_layer else [slot.name]:
            found[full] = (rng.standard_normal(shape) / 8).astype(np.float32)
    return found
