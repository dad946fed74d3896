"""The reference of language models where no engine is needed to see that it is right, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import refused
from tiny_lm import write_lm

from kgpt_build.errors import KgptError
from kgpt_build.reference.lm import forward, softmax
from kgpt_build.reference.lm_act import cached, quantised
from kgpt_build.reference.lm_file import LanguageModel, load
from kgpt_build.reference.lm_rope import angles, turn

TOKENS = [4, 7, 5, 8, 6, 4, 4, 7]


@pytest.fixture
def model(tmp_path: Path) -> LanguageModel:
    return load(write_lm(tmp_path / "m.gguf", "llama"))


def test_later_tokens_do_not_change_earlier_logits(model: LanguageModel) -> None:
    whole, part = forward(model, TOKENS).logits, forward(model, TOKENS[:5]).logits
    assert np.allclose(whole[:5], part, rtol=0, atol=1e-12)
    assert not np.allclose(whole[5:8], part[:3], atol=1e-3)


def test_streams_lead_to_the_logits(model: LanguageModel) -> None:
    computed = forward(model, TOKENS)
    assert list(computed.streams) == [
        *(("embed", 0), ("attn", 0), ("ffn", 0), ("attn", 1), ("ffn", 1)),
        ("norm", 2),
    ]
    output = model.tensor("output.weight" if "output.weight" in model else "token_embd.weight", np.float64)
    assert np.allclose(computed.streams["norm", 2] @ output.T, computed.logits)


def test_turned_heads_keep_their_lengths_and_tell_only_distances(model: LanguageModel) -> None:
    rng = np.random.default_rng(1)
    q, k = rng.standard_normal((2, 1, 1, model.hparams.head_dim))
    products = []
    for place in (0, 5):
        at = [angles(model, np.array([place + more]), 0, 16)[0] for more in (0, 3)]
        turned = [turn(x, angle, 1.0, kind) for x, angle, kind in ((q, at[0], "halves"), (k, at[1], "halves"))]
        assert np.allclose(np.linalg.norm(turned[1]), np.linalg.norm(k))
        products.append(float((turned[0] * turned[1]).sum()))
    assert products[0] == pytest.approx(products[1])


def test_softmax_of_large_numbers() -> None:
    assert softmax(np.array([[1000.0, 1000.0, -np.inf]])).tolist() == [[0.5, 0.5, 0.0]]


@pytest.mark.parametrize(("kind", "block"), [("Q4_1", 32), ("Q4_K", 256)])
def test_activations_in_steps_of_their_block(kind: str, block: int) -> None:
    x = np.random.default_rng(2).standard_normal((3, 512)).astype(np.float32)
    x[0, :block] = 0
    rounded = quantised(x, kind)
    steps = np.abs(x.reshape(3, -1, block)).max(axis=2, keepdims=True) / 127
    errors = np.abs((rounded - x).reshape(3, -1, block))
    assert (errors <= 0.5001 * steps).all()
    assert errors.max() > 0.4 * steps.min()
    assert quantised(x, "F16") is x


def test_the_cache_rounds() -> None:
    x = np.random.default_rng(3).standard_normal((4, 40))
    assert cached(x, "f32") is x
    errors = {kind: float(np.abs(cached(x, kind) - x).max()) for kind in ("f16", "q8")}
    assert 0 < errors["f16"] < 1e-3 < errors["q8"] < 0.02


@pytest.mark.parametrize("tokens", [[], [4] * 17, [9], [-1]])
def test_tokens_that_are_none(model: LanguageModel, tokens: list[int]) -> None:
    with pytest.raises(KgptError):
        forward(model, tokens)


@pytest.mark.parametrize(("fields", "words"), [({"llama.context_length": None}, "'llama.context_length' missing")])
def test_files_that_cannot_be_computed(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    with refused(KgptError, words):
        load(write_lm(tmp_path / "m.gguf", "llama", fields=fields))


def test_an_unknown_architecture(tmp_path: Path) -> None:
    with refused(KgptError, "architecture 'mamba'"):
        load(write_lm(tmp_path / "m.gguf", "llama", fields={"general.architecture": "mamba"}))


def test_windows_of_layers(model: LanguageModel) -> None:
    hparams = replace(model.hparams, window=4, pattern=6)
    assert [hparams.window_of(layer) for layer in range(7)] == [4, 4, 4, 4, 4, 0, 4]
    assert replace(hparams, pattern=0).window_of(5) == 4
