"""The samplers in C, bit for bit against their mirror in Python."""

from __future__ import annotations

import ctypes
import dataclasses
import math
from pathlib import Path

import lm_text
import numpy as np
import pytest

from kgpt_build.models import FloatArray
from kgpt_build.reference import lm_sampler
from kgpt_build.reference.lm_sampler import LmSampling
from kgpt_build.reference.rng import Xoshiro

OFF = LmSampling(temperature=1, top_k=0, typical_p=1, top_p=1, min_p=0)
LAST = [5, 5, 5, 17, 3, 299, 12, 5]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return lm_text.build(tmp_path_factory.mktemp("lm_text"))


def _logits(seed: int, n: int, *, spread: float = 3.0, ties: bool = False) -> FloatArray:
    values = np.random.default_rng(seed).normal(0, spread, n)
    return (np.round(values) if ties else values).astype(np.float32)


def _random_sampling(rng: np.random.Generator, n_vocab: int) -> LmSampling:
    """Every setting off in half of the cases, otherwise anywhere in its range."""

    def either(off: float, on: float) -> float:
        return float(np.float32(off if rng.random() < 0.5 else on))

    return LmSampling(
        temperature=[0.0, 0.3, 1.0, 1.7][int(rng.integers(4))],
        top_k=int(either(0, int(rng.integers(1, n_vocab + 10)))),
        typical_p=either(1, rng.random()),
        top_p=either(1, rng.random()),
        min_p=either(0, rng.random() ** 3),
        repeat_last_n=int(rng.integers(0, 12)),
        repeat_penalty=either(1, rng.uniform(0.5, 2)),
        frequency_penalty=either(0, rng.uniform(-1, 1)),
        presence_penalty=either(0, rng.uniform(-1, 1)),
        bias={int(token): float(rng.normal(0, 3)) for token in rng.integers(0, n_vocab + 5, rng.integers(0, 4))},
    )


def test_each_setting_is_tried() -> None:
    """A new row of options.def belongs into ``_random_sampling`` too."""
    tried = [dataclasses.asdict(_random_sampling(np.random.default_rng(seed), 50)) for seed in range(10)]
    assert [name for name in tried[0] if all(each[name] == tried[0][name] for each in tried)] == []


def _same(native: lm_text.NativeSampler, logits: FloatArray, sampling: LmSampling) -> None:
    found, expected = native.candidates(logits, sampling, LAST), lm_sampler.candidates(logits, sampling, LAST)
    assert found.ids.tolist() == expected.ids.tolist(), sampling
    assert found.logits.tobytes() == expected.logits.tobytes(), sampling
    assert found.p.tobytes() == expected.p.tobytes(), sampling


def test_defaults_are_the_same(library: ctypes.CDLL) -> None:
    assert lm_text.NativeSampler(library, 3).defaults() == LmSampling()


@pytest.mark.parametrize("seed", range(4))
def test_candidates_have_the_same_bits(library: ctypes.CDLL, seed: int) -> None:
    n_vocab = (7, 300, 1000, 4096)[seed]
    native, rng = lm_text.NativeSampler(library, n_vocab), np.random.default_rng(seed)
    for i in range(150):
        _same(native, _logits(i, n_vocab, ties=i % 3 == 0), _random_sampling(rng, n_vocab))


@pytest.mark.parametrize("top_k", [0, 1, 40, 5000, 49152])
@pytest.mark.parametrize("spread", [0.0, 3.0, 60.0])
def test_a_whole_vocabulary(library: ctypes.CDLL, top_k: int, spread: float) -> None:
    native = lm_text.NativeSampler(library, 49152)
    for sampling in (OFF, LmSampling(), dataclasses.replace(OFF, min_p=0.1), dataclasses.replace(OFF, top_p=0.6)):
        _same(native, _logits(9, 49152, spread=spread), dataclasses.replace(sampling, top_k=top_k))


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_what_is_no_number(library: ctypes.CDLL, odd: float) -> None:
    native, rng = lm_text.NativeSampler(library, 50), np.random.default_rng(3)
    for i in range(60):
        logits = _logits(i, 50)
        logits[rng.integers(0, 50, 5)] = odd
        if i % 10 == 0 and odd != math.inf:
            logits[:] = odd
        sampling = _random_sampling(rng, 50)
        found, expected = native.candidates(logits, sampling), lm_sampler.candidates(logits, sampling)
        assert found.ids.tolist() == expected.ids.tolist(), sampling
        assert found.p.tobytes() == expected.p.tobytes(), sampling


@pytest.mark.parametrize("sampling", [LmSampling(), OFF, LmSampling(temperature=1.2, repeat_penalty=1.3, top_k=5)])
def test_the_same_tokens_are_drawn(library: ctypes.CDLL, sampling: LmSampling) -> None:
    logits, native = _logits(1, 300), lm_text.NativeSampler(library, 300)
    tokens, rng = [1, 2], Xoshiro(77)
    for _ in range(300):
        tokens.append(lm_sampler.sample(logits, sampling, tokens, rng))
    found = native.sample(logits, sampling, [1, 2], 300, seed=77)
    assert found == tokens[2:]
    assert len(set(found)) > 3


def test_logprobs(library: ctypes.CDLL) -> None:
    logits = _logits(4, 1000, ties=True)
    ids, values, alone = lm_text.NativeSampler(library, 1000).logprobs(logits, 20)
    expected = lm_sampler.logprobs(logits, 20)
    assert ids == [token for token, _ in expected]
    assert values == pytest.approx([float(value) for _, value in expected], rel=1e-6)
    assert values == alone
    exact = logits.astype(np.float64) - np.logaddexp.reduce(logits.astype(np.float64))
    assert values == pytest.approx(exact[ids].tolist(), rel=1e-6)


def test_the_library_builds_with_gcc(tmp_path: Path) -> None:
    native = lm_text.NativeSampler(lm_text.build(tmp_path, "gcc"), 300)
    rng = np.random.default_rng(5)
    for i in range(40):
        _same(native, _logits(i, 300), _random_sampling(rng, 300))
