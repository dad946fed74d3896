"""Models that transformers saved, imported, give the logits of transformers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import hf_folders
import numpy as np
import pytest
from lm_measures import relative

from kgpt_build.models.gguf.model import load_gguf_model
from kgpt_build.models.gguf.write import write_gguf
from kgpt_build.models.importing import ImportOptions, read_checkpoint
from kgpt_build.reference.lm import forward
from kgpt_build.reference.lm_file import load

pytestmark = pytest.mark.slow

N_VOCAB = hf_folders.N_VOCAB
TOKENS = [int(token) for token in np.random.default_rng(0).integers(0, N_VOCAB, 30)]
SIZES = {
    "vocab_size": N_VOCAB,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 48,
    "pad_token_id": 0,
    "bos_token_id": 0,
    "eos_token_id": 1,
}


def case(kind: str, *, save: dict[str, Any] | None = None, dtype: str = "float32", **config: Any) -> dict[str, Any]:
    sizes = {} if kind == "GPT2" else SIZES
    return {"class": kind, "config": {**sizes, **config}, "save": save or {}, "dtype": dtype}


_GPT2: dict[str, Any] = {
    "vocab_size": N_VOCAB,
    "n_embd": 64,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 48,
    "eos_token_id": 1,
}
_FACTORS = {"short_factor": [1.0 + 0.1 * i for i in range(8)], "long_factor": [1.5 + 0.3 * i for i in range(8)]}
_LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 24}
_LOCAL = {"rope_type": "default", "rope_theta": 10000.0}

CASES = {
    "llama": case("Llama"),
    "llama-tied": case("Llama", tie_word_embeddings=True, num_key_value_heads=4),
    "llama-biases": case("Llama", attention_bias=True, mlp_bias=True),
    "llama-heads": case("Llama", head_dim=24, num_key_value_heads=1),
    "llama-sharded": case("Llama", save={"max_shard_size": "60KB"}),
    "llama-theta": case("Llama", rope_parameters={"rope_type": "default", "rope_theta": 5e5}),
    "llama-linear": case("Llama", rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}),
    "llama-yarn": case("Llama", rope_parameters={
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 12, "rope_theta": 1e4}),
    "llama-yarn-all": case("Llama", rope_parameters={
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 12, "rope_theta": 1e4,
        "beta_fast": 16.0, "beta_slow": 2.0, "mscale": 1.5, "mscale_all_dim": 0.5}),
    "llama-yarn-factor": case("Llama", rope_parameters={
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 12, "rope_theta": 1e4,
        "attention_factor": 1.3}),
    "llama-3": case("Llama", rope_parameters={"rope_type": "llama3", "rope_theta": 5e5, **_LLAMA3}),
    "llama-longrope": case("Llama", rope_parameters={
        "rope_type": "longrope", "rope_theta": 1e4, **_FACTORS,
        "original_max_position_embeddings": 24}),
    "llama-bf16": case("Llama", dtype="bfloat16"),
    "llama-f16": case("Llama", dtype="float16"),
    "mistral": case("Mistral", num_hidden_layers=3, sliding_window=7),
    "mistral-no-window": case("Mistral", sliding_window=None),
    "qwen2": case("Qwen2"),
    "qwen2-tied": case("Qwen2", tie_word_embeddings=True),
    "qwen2-yarn": case("Qwen2", rope_parameters={
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 12, "rope_theta": 1e6}),
    "qwen3": case("Qwen3", head_dim=32, tie_word_embeddings=True),
    "qwen3-bf16": case("Qwen3", head_dim=32, dtype="bfloat16"),
    "gemma3": case("Gemma3Text", num_hidden_layers=7, num_key_value_heads=1, head_dim=32, sliding_window=6,
                   query_pre_attn_scalar=32),
    "gemma3-linear": case("Gemma3Text", num_hidden_layers=7, num_key_value_heads=1, head_dim=32, sliding_window=6,
                          query_pre_attn_scalar=32, rope_parameters={
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6}, "sliding_attention": _LOCAL}),
    "gemma3-thirds": case("Gemma3Text", num_hidden_layers=4, head_dim=16, sliding_window=6, query_pre_attn_scalar=16,
                          layer_types=["sliding_attention", "sliding_attention", "full_attention",
                                       "sliding_attention"]),
    "gemma3-images": {"class": "Gemma3", "config": {"text_config": {
        **SIZES, "head_dim": 32, "num_hidden_layers": 3, "sliding_window": 6, "query_pre_attn_scalar": 32},
        "vision_config": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
                          "image_size": 28, "patch_size": 14}, "mm_tokens_per_image": 4}},
    "phi": case("Phi", num_key_value_heads=4),
    "phi-grouped": case("Phi", partial_rotary_factor=0.25),
    "phi3": case("Phi3", num_hidden_layers=3, sliding_window=9),
    "phi3-bf16": case("Phi3", dtype="bfloat16"),
    "phi3-partial": case("Phi3", rope_parameters={
        "rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.75}),
    "phi3-longrope": case("Phi3", num_key_value_heads=4, original_max_position_embeddings=24, rope_parameters={
        "rope_type": "longrope", "rope_theta": 1e4, **_FACTORS}),
    "gpt2": case("GPT2", **_GPT2),
    "gpt2-inner": case("GPT2", **_GPT2, n_inner=96, tie_word_embeddings=False),
    "gpt2-erf": case("GPT2", **_GPT2, activation_function="gelu"),
    "gpt2-bf16": case("GPT2", **_GPT2, dtype="bfloat16"),
}  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all models, which a Python with transformers made: KGPT_TORCH_PYTHON, or this one."""
    python = os.environ.get("KGPT_TORCH_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import torch, transformers"], capture_output=True, check=False).returncode:
        pytest.skip("needs transformers: pip install torch transformers, or KGPT_TORCH_PYTHON=a Python that has them")
    folder = tmp_path_factory.mktemp("hf")
    program = [python, str(Path(__file__).with_name("hf_transformers.py")), str(folder)]
    subprocess.run(program, input=json.dumps({"cases": CASES, "tokens": TOKENS}), text=True, check=True)
    return folder


@pytest.mark.parametrize("name", CASES)
def test_logits_of_transformers(saved: Path, tmp_path: Path, name: str) -> None:
    folder, path = saved / name, tmp_path / "model.gguf"
    hf_folders.write_tokenizer(folder)
    write_gguf(read_checkpoint(folder, ImportOptions()), path)
    assert load_gguf_model(path).hparams.n_vocab == N_VOCAB
    assert relative(np.load(saved / f"{name}.npy"), forward(load(path), TOKENS).logits) < 1e-5
