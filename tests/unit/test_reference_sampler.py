from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from refusals import refused
from toy import GOLDEN, toy_model

from kgpt_build import models
from kgpt_build.errors import KgptError
from kgpt_build.models import FloatArray
from kgpt_build.reference.rng import Xoshiro, splitmix64
from kgpt_build.reference.sampler import Sampling, exp_not_above_1, generate, sample


def _logits(*values: float) -> FloatArray:
    return np.array(values, dtype=np.float32)


def _counts(values: FloatArray, sampling: Sampling, n: int = 2000) -> Counter[int]:
    rng = Xoshiro(1)
    return Counter(sample(values, sampling, rng) for _ in range(n))


def test_splitmix64_is_the_published_one() -> None:
    state, outputs = 1234567, []
    for _ in range(3):
        state, output = splitmix64(state)
        outputs.append(output)
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_xoshiro_is_the_published_one() -> None:
    rng = Xoshiro(0)
    rng.state = [1, 2, 3, 4]
    assert [rng.next() for _ in range(4)] == [41943041, 58720359, 3588806011781223, 3591011842654386]


def test_golden_streams() -> None:
    """What kernel_c/math/random.c must give too."""
    streams = [(0, 0), (42, 0), (42, 1), (42, 19), ((1 << 64) - 1, 999_999)]
    found = [
        {"seed": seed, "sample": i, "next": [f"{rng.next():016x}" for _ in range(4)], "uniform": float(rng.uniform())}
        for seed, i in streams
        for rng in [Xoshiro(seed, i)]
    ]
    path = GOLDEN / "random_streams.json"
    if os.environ.get("KGPT_WRITE_GOLDEN"):
        path.write_text(json.dumps(found, indent=1) + "\n")
    assert found == json.loads(path.read_text())


def test_uniform_numbers() -> None:
    rng = Xoshiro(3)
    numbers = [rng.uniform() for _ in range(4000)]
    assert 0 <= min(numbers) < 0.01
    assert 0.99 < max(numbers) < 1
    assert abs(float(np.mean(numbers)) - 0.5) < 0.02
    assert all(number.dtype == np.float32 and float(number) * 2**24 % 1 == 0 for number in numbers)


def test_shuffle_is_a_permutation_that_the_seed_decides() -> None:
    shuffled = []
    for seed in (1, 1, 2):
        items = list(range(50))
        Xoshiro(seed).shuffle(items)
        assert sorted(items) == list(range(50))
        shuffled.append(items)
    assert shuffled[0] == shuffled[1] != shuffled[2]


def test_exp_is_within_an_ulp() -> None:
    x = np.concatenate([np.linspace(-87, 0, 3001), np.linspace(-1, 0, 501)]).astype(np.float32)
    for value, found in zip(x.tolist(), exp_not_above_1(x).tolist(), strict=True):
        assert abs(found - math.exp(value)) <= 1.01 * float(np.spacing(np.float32(math.exp(value))))
    edges = exp_not_above_1(_logits(0, -200, -math.inf, math.nan, -100))
    assert edges[:3].tolist() == [1, 0, 0]
    assert math.isnan(edges[3])
    assert 0 < edges[4] < 1.2e-38


def test_temperature_0_is_greedy_takes_the_first_of_equals_and_draws_nothing() -> None:
    rng = Xoshiro(1)
    before = list(rng.state)
    assert sample(_logits(1, 3, 3, 2), Sampling(temperature=0), rng) == 1
    assert rng.state == before


def test_frequencies_are_those_of_softmax() -> None:
    counts = _counts(_logits(0, math.log(3)), Sampling(temperature=1), 4000)
    assert abs(counts[1] / 4000 - 0.75) < 0.03
    counts = _counts(_logits(0, math.log(3)), Sampling(temperature=0.5), 4000)
    assert abs(counts[1] / 4000 - 0.9) < 0.03


# Probabilities 0.5, 0.25, 0.125, 0.125 in the order of the tokens 2, 0, 1, 3
_FOUR = _logits(math.log(0.25), math.log(0.125), math.log(0.5), math.log(0.125))


@pytest.mark.parametrize(
    ("sampling", "tokens"),
    [
        (Sampling(1), {0, 1, 2, 3}),
        (Sampling(1, top_k=1), {2}),
        (Sampling(1, top_k=3), {0, 1, 2}),
        (Sampling(1, top_k=99), {0, 1, 2, 3}),
        (Sampling(1, top_p=0.4), {2}),
        (Sampling(1, top_p=0.6), {0, 2}),
        (Sampling(1, top_p=0.8), {0, 1, 2}),
        (Sampling(1, top_p=1e-9), {2}),
        (Sampling(1, min_p=0.4), {0, 2}),
        (Sampling(1, min_p=1.0), {2}),
        (Sampling(1, min_p=0.2), {0, 1, 2, 3}),
        (Sampling(1, top_k=3, top_p=0.8), {0, 2}),  # 0.75 of all, 0.857 of what top_k kept
        (Sampling(1, top_k=3, top_p=0.9, min_p=0.4), {0, 2}),
        (Sampling(100, top_p=0.6), {0, 2}),  # filters come before the temperature
    ],
)
def test_filters(sampling: Sampling, tokens: set[int]) -> None:
    assert set(_counts(_FOUR, sampling, 300)) == tokens


def test_documents_are_decided_by_seed_and_index() -> None:
    model = models.load_microgpt()
    first = [generate(model, index=i).text for i in range(5)]
    assert first == [generate(model, index=i).text for i in range(5)]
    assert len(set(first)) > 1
    assert first != [generate(model, index=i, seed=43).text for i in range(5)]


def test_reasons_to_end() -> None:
    model = toy_model("ab", n_ctx=4)

    def always(token: int) -> FloatArray:
        row: FloatArray = np.eye(3, dtype=np.float32)[token]
        return row

    greedy = Sampling(temperature=0)
    seen: list[list[int]] = []

    def a(fed: Sequence[int]) -> FloatArray:
        seen.append(list(fed))
        return always(0)

    full = generate(model, "b", sampling=greedy, logits_of=a)
    assert (full.text, full.tokens, full.reason) == ("baaa", (0, 0, 0), "context")
    assert seen == [[2, 1], [2, 1, 0], [2, 1, 0, 0]]
    short = generate(model, "b", sampling=greedy, logits_of=a, max_tokens=1)
    assert (short.text, short.reason) == ("ba", "max_tokens")
    ended = generate(model, sampling=greedy, logits_of=lambda _: always(2), max_tokens=1)
    assert (ended.text, ended.tokens, ended.reason) == ("", (2,), "eos")


def test_a_prompt_that_does_not_fit() -> None:
    with refused(KgptError, "prompt 4 characters 3"):
        generate(toy_model(n_ctx=4), "abab")
    with refused(KgptError, "character 'z' vocabulary"):
        generate(toy_model(n_ctx=4), "z")
