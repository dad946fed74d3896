"""Files that the C engine of language models refuses, and in which words."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import lm
import pytest
from lm_tiny import TINY, tensor_shapes, write

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
        assert f'"{tensor}" is missing' in refusal(lm_library, path)


FIELDS: list[tuple[str, dict[str, Any], str]] = [
    ("llama", {"context_length": 0}, '"llama.context_length" is 0, not 1 to'),
    ("llama", {"block_count": 5000}, '"llama.block_count" is 5000, not 1 to 1024'),
    ("llama", {"block_count": 3}, '"llama.block_count" (3) is more than the layers that there are tensors of'),
    ("llama", {"block_count": 1}, '"blk.1.attn_norm.weight" is none of a llama model with 1 layers'),
    (
        "llama",
        {"attention.head_count_kv": 3},
        '"llama.attention.head_count_kv" (3) does not divide attention.head_count',
    ),
    ("llama", {"embedding_length": "wide"}, '"llama.embedding_length"'),
    ("llama", {"embedding_length": 68}, '"token_embd.weight" has 64 x 50 values, where the hyperparameters make it 68'),
    ("llama", {"attention.value_length": 32}, '"llama.attention.value_length" (32) is another size'),
    ("llama", {"rope.dimension_count": 7}, '"llama.rope.dimension_count" (7) is not an even number'),
    ("llama", {"rope.dimension_count": 18}, '"llama.rope.dimension_count" (18) is not an even number'),
    (
        "llama",
        {"rope.scaling.type": "dynamic"},
        '"llama.rope.scaling.type" is "dynamic", not one of none, linear, yarn, longrope',
    ),
    ("llama", {"rope.freq_base": -1.0}, '"llama.rope.freq_base" is -1.000000, not a positive number'),
    ("llama", {"rope.scaling.type": "linear", "rope.scaling.factor": 0.0}, '"llama.rope.scaling.factor"'),
    ("llama", {"expert_count": 8}, "mixtures of experts are not supported"),
    ("llama", {"attention.causal": False}, "does not generate text"),
    ("llama", {"logit_scale": 0.5}, '"llama.logit_scale" is not supported / it may change what the model computes'),
    ("qwen2", {"attention.sliding_window": 7}, '"qwen2.attention.sliding_window" (7) is not supported'),
    ("gemma3", {"final_logit_softcapping": 30.0}, '"gemma3.final_logit_softcapping" is not supported'),
    ("phi3", {"rope.scaling.type": "longrope"}, '"rope_factors_short.weight" is missing'),
]


@pytest.mark.parametrize(("name", "fields", "words"), FIELDS)
def test_hyperparameters(
    lm_library: ctypes.CDLL, tmp_path: Path, name: str, fields: dict[str, Any], words: str
) -> None:
    path = write(tmp_path / "model.gguf", TINY[name], fields={**TINY[name].fields, **fields})
    assert words in refusal(lm_library, path)


def test_architectures_by_name(lm_library: ctypes.CDLL, tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", TINY["llama"], arch="mamba")
    names = ", ".join(ARCHITECTURES)
    assert refusal(lm_library, path) == f'the architecture "mamba" is not supported / supported: {names}'


@pytest.mark.parametrize(("there", "missing"), [("long", "short"), ("short", "long")])
def test_both_factors_of_longrope(lm_library: ctypes.CDLL, tmp_path: Path, there: str, missing: str) -> None:
    path = write(tmp_path / "model.gguf", TINY["phi3"], more={f"rope_factors_{there}.weight": (8,)})
    assert f'"rope_factors_{missing}.weight" is missing' in refusal(lm_library, path)


@pytest.mark.parametrize(
    "name",
    ["blk.0.attn_gate.weight", "blk.0.ffn_norm.bias", "blk.00.attn_q.bias", "blk.2.attn_q.bias", "blk.attn", "x"],
)
def test_tensors_too_many(lm_library: ctypes.CDLL, tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "model.gguf", TINY["llama"], more={name: (64,)})
    assert f'"{name}" is none of a llama model' in refusal(lm_library, path)


def test_parts_of_fused_matrices(lm_library: ctypes.CDLL, tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", TINY["phi3"], n_ff=100)
    assert '"blk.0.ffn_up.weight" has parts that are not multiples of 8 rows' in refusal(lm_library, path)


def test_vectors_are_f32(lm_library: ctypes.CDLL, tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", TINY["llama"], kind="F16", vectors="F16")
    assert "has the type F16, not F32" in refusal(lm_library, path)


def test_tokens_and_context(lm_library: ctypes.CDLL, tmp_path: Path) -> None:
    engine = lm.Engine(lm_library, write(tmp_path / "model.gguf", TINY["llama"]).read_bytes())
    engine.session(10, n_batch=16)
    engine.eval([1, 2, 3])
    wrong = {(4, 50): "50 is not one of the 50 tokens", (4,) * 8: "no room for 8 tokens behind 3 of a context of 10"}
    for tokens, words in wrong.items():
        with pytest.raises(lm.Refused, match=words):
            engine.eval(tokens)
    assert engine.tokens == [1, 2, 3]
    for n_ctx, n_batch in ((0, 1), (49, 1), (10, 0)):
        with pytest.raises(lm.Refused):
            engine.session(n_ctx, n_batch)
