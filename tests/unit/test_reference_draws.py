from __future__ import annotations

import math

import numpy as np
import pytest

from kgpt_build.models.gguf.tensors import ARCHITECTURES
from kgpt_build.reference import draws
from kgpt_build.reference.draws import TextShape
from kgpt_build.reference.rng import Xoshiro, splitmix64

SEED = 1 << 63 | 5


def shape_of(kind: str, *, bias: bool = True, tied: bool = True) -> TextShape:
    return TextShape(kind, n_layer=2, n_head=2, n_embd=8, n_ctx=6, n_vocab=11, bias=bias, tied=tied)


def test_words_are_splitmix64s() -> None:
    state = Xoshiro(SEED, 7).state[0]
    expected = []
    for _ in range(9):
        state, word = splitmix64(state)
        expected.append(word)
    assert draws.random_words(SEED, 7, 0, 9).tolist() == expected
    assert draws.random_words(SEED, 7, 4, 5).tolist() == expected[4:]


def test_normals_are_those_of_box_and_muller() -> None:
    words = np.concatenate([draws.random_words(1, 1, 0, 5000), np.array([0, 2**64 - 1, 2**32 - 1], dtype=np.uint64)])
    for word, found in zip(words.tolist(), draws.normals(words).tolist(), strict=True):
        radius = math.sqrt(-2 * math.log(((word >> 32) + 0.5) / 2**32))
        assert found == pytest.approx(radius * math.cos(2 * math.pi * (word % 2**32) / 2**32), abs=1e-12)


def test_the_moments_are_those_of_a_normal_distribution() -> None:
    x = draws.normals(draws.random_words(3, 3, 0, 400_000))
    assert abs(x.mean()) < 0.006
    assert x.std() == pytest.approx(1, abs=0.005)
    assert (x**4).mean() == pytest.approx(3, abs=0.06)
    assert (np.abs(x) > 2).mean() == pytest.approx(0.0455, abs=0.0015)


@pytest.mark.parametrize("kind", draws.KINDS)
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_first_weights(kind: str, tied: bool, bias: bool) -> None:
    shape = TextShape(kind, n_layer=3, n_head=2, n_embd=64, n_ctx=32, n_vocab=50, bias=bias, tied=tied)
    weights = draws.initial_weights(shape, SEED)
    assert list(weights) == list(draws.tensor_shapes(shape))
    assert ("output.weight" in weights) is (not tied or kind == "microgpt")
    assert any(name.endswith(".bias") for name in weights) is (bias and kind == "nanogpt")
    for name, tensor in weights.items():
        assert tensor.dtype == np.float32
        if tensor.ndim == 1:
            assert set(tensor.tolist()) == {1.0 if name.endswith(".weight") else 0.0}
            continue
        residual = name.endswith(("attn_output.weight", "ffn_down.weight"))
        std = 0.02 / math.sqrt(6) if residual else 0.02
        assert tensor.std() == pytest.approx(std, rel=0.06), name
    drawn = [tensor[:8, :8].tobytes() for tensor in weights.values() if tensor.ndim == 2]
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("kind", ["microgpt", "llama"])
def test_names_are_those_of_the_architecture(kind: str) -> None:
    names = {
        name.split(".", 2)[-1] if name.startswith("blk.") else name for name in draws.tensor_shapes(shape_of(kind))
    }
    architecture = ARCHITECTURES[kind]
    assert {slot.name for slot in architecture.needs} <= names
    assert names <= {slot.name for slot in (*architecture.needs, *architecture.may)}


def test_a_tensor_depends_on_the_seed_and_its_name_alone() -> None:
    small, deep = shape_of("llama"), TextShape("llama", 4, 2, 8, 9, 11, tied=False)
    first, second = draws.initial_weights(small, 1), draws.initial_weights(deep, 1)
    assert (first["blk.1.attn_q.weight"] == second["blk.1.attn_q.weight"]).all()
    assert (first["token_embd.weight"] != draws.initial_weights(small, 2)["token_embd.weight"]).any()


def test_windows_are_uniform_and_hold_their_targets() -> None:
    starts = np.concatenate([draws.window_starts(5, step, 16, 30, 10) for step in range(500)])
    counts = np.bincount(starts, minlength=20)
    assert len(counts) == 20
    assert counts.min() > 320
    assert counts.max() < 480
    again = draws.window_starts(5, 0, 32, 30, 10)
    assert again[16:].tolist() == draws.window_starts(5, 1, 16, 30, 10).tolist()
    assert set(draws.window_starts(5, 0, 16, 11, 10).tolist()) == {0}


def test_windows_of_an_evaluation_lie_side_by_side() -> None:
    assert draws.evaluation_starts(41, 10, 100).tolist() == [0, 10, 20, 30]
    assert draws.evaluation_starts(40, 10, 100).tolist() == [0, 10, 20]
    assert draws.evaluation_starts(1001, 10, 4).tolist() == [0, 250, 500, 750]
    assert draws.evaluation_starts(5, 10, 4).tolist() == []


def test_dropout_keeps_its_share() -> None:
    kept = draws.kept(SEED, 3, 4, 200_000, 0.2)
    assert kept.mean() == pytest.approx(0.8, abs=0.004)
    assert draws.kept(SEED, 3, 4, 1000, 0.0).all()
    assert (kept[:-1] & kept[1:]).mean() == pytest.approx(0.64, abs=0.005)
    for step, site in ((3, 5), (4, 4)):
        other = draws.kept(SEED, step, site, 200_000, 0.2)
        assert (kept & other).mean() == pytest.approx(0.64, abs=0.005)
