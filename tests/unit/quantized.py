"""What llama.cpp's quantisation of one matrix loses, that matrix, and a model to quantise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tiny_lm import CHATML, MERGES, TOKENS, TYPES

from kgpt_build.models.checkpoint import Checkpoint, Tensor, TypedValue
from kgpt_build.models.gguf.write import write_gguf

Floats = npt.NDArray[np.float32]

LLAMA_CPP: dict[str, tuple[float, float]] = {
    "Q8_0": (0.007073, 0.007228),
    "Q6_K": (0.022376, 0.020906),
    "Q5_K": (0.043509, 0.040458),
    "Q5_1": (0.044981, 0.037388),
    "Q5_0": (0.056143, 0.052627),
    "Q4_K": (0.085652, 0.078297),
    "Q4_1": (0.092288, 0.076493),
    "Q4_0": (0.112517, 0.105721),
    "IQ4_NL": (0.091262, 0.084752),
    "IQ4_XS": (0.092171, 0.086170),
    "MXFP4": (0.129281, 0.129142),
    "Q3_K": (0.179903, 0.164065),
    "Q2_K": (0.342721, 0.267874),
}
"""Type -> relative root mean square error of ggml_quantize_chunk for ``matrix()``: without its importance, and with.

The second is weighted by the importance. Measured with llama.cpp's libraries of llama-cpp-python 0.3.36.
"""


def matrix() -> tuple[Floats, Floats]:
    """Values (96, 512) with outliers and columns of different size, as in models; an importance (512,)."""
    rng = np.random.default_rng(11)
    values = rng.standard_t(5, (96, 512)) * np.exp(rng.standard_normal((1, 512)) / 4) / 50
    return values.astype(np.float32), np.exp(rng.standard_normal(512)).astype(np.float32)


def relative_error(values: Floats, found: Floats, importance: Any = 1.0) -> float:
    """The root of the weighted mean square of ``found`` - ``values``, divided by that of ``values``."""
    wrong, right = (found - values).astype(np.float64), values.astype(np.float64)
    return float(np.sqrt((importance * wrong**2).sum() / (importance * right**2).sum()))


def write_wide(path: Path, *, n_layer: int = 8, n_embd: int = 256, tied: bool = False, group: int = 2) -> Path:
    """A llama in F16 whose rows are whole blocks of 256, with random weights; ``group`` heads share a key head."""
    n_head, kv = 4, n_embd // group
    layer = {
        "attn_q": (n_embd, n_embd),
        "attn_k": (kv, n_embd),
        "attn_v": (kv, n_embd),
        "attn_output": (n_embd, n_embd),
        "ffn_gate": (256, n_embd),
        "ffn_up": (256, n_embd),
        "ffn_down": (n_embd, 256),
        "attn_norm": (n_embd,),
        "ffn_norm": (n_embd,),
    }
    shapes = {"token_embd.weight": (len(TOKENS), n_embd), "output_norm.weight": (n_embd,)}
    shapes |= {f"blk.{i}.{name}.weight": shape for i in range(n_layer) for name, shape in layer.items()}
    shapes |= {} if tied else {"output.weight": (len(TOKENS), n_embd)}
    fields: dict[str, Any] = {
        "llama.context_length": 64,
        "llama.embedding_length": n_embd,
        "llama.block_count": n_layer,
        "llama.feed_forward_length": 256,
        "llama.attention.head_count": n_head,
        "llama.attention.head_count_kv": n_head // group,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": TOKENS,
        "tokenizer.ggml.token_type": TYPES,
        "tokenizer.ggml.merges": MERGES,
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": CHATML,
        "general.tags": TypedValue(["tiny", "random"], "ARRAY", "STRING"),
        "general.quantized_by": "nobody",
        "general.size_label": TypedValue(3, "UINT8"),
    }
    rng = np.random.default_rng(5)
    tensors = [_tensor(rng, name, shape) for name, shape in shapes.items()]
    write_gguf(Checkpoint("llama", "Wide llama", fields, tensors), path)
    return path


def _tensor(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Tensor:
    values = rng.standard_t(6, shape) / 24 if len(shape) > 1 else 1 + rng.standard_normal(shape) / 8
    kind = "F16" if len(shape) > 1 else "F32"
    return Tensor(name, shape, kind, lambda: values.astype(np.float16 if kind == "F16" else np.float32))
