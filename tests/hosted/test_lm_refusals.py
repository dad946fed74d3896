"""Files that the C engine of language models refuses, and in which words."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import lm
import pytest
from lm_tiny import TINY, tensor_shapes, write
from refusals import lacks

from kgpt_build.reference.lm_arch import ARCHITECTURES


def refusal(library: ctypes.CDLL, path: Path) -> str:
    with pytest.raises(lm.Refused) as caught:
        lm.Engine(library, path.read_bytes())
    return " / ".join(str(word) for word in caught.value.args)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_tensor_is_needed(lm_library: ctypes.CDLL, tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.gguf"
    for tensor in tensor_shapes(TINY[name]):
        if tensor == "output.weight" and name not in ("phi2", "microgpt"):
            continue  # then the embeddings are
        write(path, TINY[name], leave_out=tensor)
        assert not lacks(refusal(lm_library, path), f'"{tensor}" missing')


FIELDS: list[tuple[str, dict[str, Any], str]] = [
    ("llama", {"context_length": 0}, '"llama.context_length" 0, 1'),
    ("llama", {"block_count": 5000}, '"llama.block_count" 5000, 1 1024'),
    ("llama", {"block_count": 3}, '"llama.block_count" 3 layers tensors'),
    ("llama", {"block_count": 1}, '"blk.1.attn_norm.weight" llama model 1 layers'),
    (
        "llama",
        {"attention.head_count_kv": 3},
        '"llama.attention.head_count_kv" 3 attention.head_count',
    ),
    ("llama", {"embedding_length": "wide"}, '"llama.embedding_length"'),
    ("llama", {"embedding_length": 68}, '"token_embd.weight" 64 x 50 68'),
    ("llama", {"attention.value_length": 32}, '"llama.attention.value_length" 32 size'),
    ("llama", {"rope.dimension_count": 7}, '"llama.rope.dimension_count" 7 even'),
    ("llama", {"rope.dimension_count": 18}, '"llama.rope.dimension_count" 18 even'),
    (
        "llama",
        {"rope.scaling.type": "dynamic"},
        '"llama.rope.scaling.type" "dynamic", none, linear, yarn, longrope',
    ),
    ("llama", {"rope.freq_base": -1.0}, '"llama.rope.freq_base" -1.000000, positive'),
    ("llama", {"rope.scaling.type": "linear", "rope.scaling.factor": 0.0}, '"llama.rope.scaling.factor"'),
    ("llama", {"expert_count": 8}, "experts supported"),
    ("llama", {"attention.causal": False}, "generate text"),
    ("llama", {"logit_scale": 0.5}, '"llama.logit_scale" supported'),
    ("qwen2", {"attention.sliding_window": 7}, '"qwen2.attention.sliding_window" 7 supported'),
    ("gemma3", {"final_logit_softcapping": 30.0}, '"gemma3.final_logit_softcapping" supported'),
    ("phi3", {"rope.scaling.type": "longrope"}, '"rope_factors_short.weight" missing'),
]


@pytest.mark.parametrize(("name", "fields", "words"), FIELDS)
def test_hyperparameters(
    lm_library: ctypes.CDLL, tmp_path: Path, name: str, fields: dict[str, Any], words: str
) -> None:
    path = write(tmp_path / "model.gguf", TINY[name], fields={**TINY[name].fields, **fields})
    assert not lacks(refusal(lm_library, path), words)


def test_architectures_by_name(lm_library: ctypes.CDLL, tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", TINY["llama"], arch="mamba")
    message, _, hint = refusal(lm_library, path).partition(" / ")
    assert not lacks(message, 'architecture "mamba"')
    assert hint.endswith(": " + ", ".join(ARCHITECTURES))


@pytest.mark.parametrize(("there", "missing"), [("long", "short"), ("short", "long")])
def test_both_factors_of_longrope(lm_library: ctypes.CDLL, tmp_path: Path, there: str, missing: str) -> None:
    path = write(tmp_path / "model.gguf", TINY["phi3"], more={f"rope_factors_{there}.weight": (8,)})
    assert not lacks(refusal(lm_library, path), f'"rope_factors_{missing}.weight" missing')


@pytest.mark.parametrize(
    "name",
    ["blk.0.attn_gate.weight", "blk.0.ffn_norm.bias", "blk.00.attn_q.bias", "blk.2.attn_q.bias", "blk.attn", "x"],
)
def test_tensors_too_many(lm_library: ctypes.CDLL, tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "model.gguf", TINY["llama"], more={name: (64,)})
    assert not lacks(refusal(lm_library, path), f'"{name}" llama model')


def test_parts_of_fused_matrices(lm_library: ctypes.CDLL, tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", TINY["phi3"], n_ff=100)
    assert not lacks(refusal(lm_library, path), '"blk.0.ffn_up.weight" parts 8 rows')


def test_vectors_are_f32(lm_library: ctypes.CDLL, tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", TINY["llama"], kind="F16", vectors="F16")
    assert not lacks(refusal(lm_library, path), "type F16, F32")


def test_tokens_and_context(lm_library: ctypes.CDLL, tmp_path: Path) -> None:
    engine = lm.Engine(lm_library, write(tmp_path / "model.gguf", TINY["llama"]).read_bytes())
    engine.session(10, n_batch=16)
    engine.eval([1, 2, 3])
    wrong = {(4, 50): "50 tokens", (4,) * 8: "room 8 tokens 3 context 10"}
    for tokens, words in wrong.items():
        with pytest.raises(lm.Refused) as caught:
            engine.eval(tokens)
        assert not lacks(caught.value.args[0], words)
    assert engine.tokens == [1, 2, 3]
    for n_ctx, n_batch in ((0, 1), (49, 1), (10, 0)):
        with pytest.raises(lm.Refused):
            engine.session(n_ctx, n_batch)
