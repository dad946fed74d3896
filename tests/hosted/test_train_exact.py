"""Exact training against scalar automatic differentiation in Python, and against itself."""

from __future__ import annotations

import ctypes
import math
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exact import ISAS, Exact, Refused, build, functions_of
from reference_autograd import Result, Settings, Value, train
from refusals import lacks

LOSS_TOLERANCE, WEIGHT_TOLERANCE = 1e-9, 1e-8
SMALL = Settings(n_embd=8, block_size=8, steps=100)
SHAPES = {
    "one layer": (SMALL, 1),
    "two layers": (replace(SMALL, n_layer=2, n_head=2, steps=25, samples=8), 2),
    "three layers, odd sizes": (
        replace(SMALL, n_layer=3, n_embd=9, n_head=3, block_size=7, seed=9, steps=8, samples=3),
        3,
    ),
    "one head, short block": (replace(SMALL, n_head=1, block_size=3, seed=2**40 + 5, steps=60), 4),
    "heads of one column": (replace(SMALL, n_head=8, seed=0, eps=1e-6, beta1=0.9, learning_rate=0.02, steps=30), 5),
    "hardly any momentum": (replace(SMALL, beta1=0.01, steps=12, samples=3), 7),  # 1 - beta1^step soon is 1
    "wide": (replace(SMALL, n_embd=20, n_head=2, steps=6, seed=1337, temperature=1.0, samples=3), 6),
}


def words(seed: int, n: int = 200, letters: str = "abcdefghijklmnop") -> list[str]:
    """Invented documents: consonants and vowels in turn, some longer than any block."""
    rng = random.Random(seed)
    return ["".join(rng.choice(letters[i % 2 :: 2]) for i in range(rng.randint(1, 12))) for _ in range(n)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build(tmp_path_factory.mktemp("exact"))


def assert_agrees(trainer: Exact, reference: Result, steps: int) -> None:
    """The bar of exact training."""
    for step, (found, expected) in enumerate(zip(trainer.steps(steps), reference.losses, strict=True)):
        assert math.isclose(found, expected, rel_tol=LOSS_TOLERANCE), step
    weights = trainer.weights()
    assert max(abs(a - b) for a, b in zip(weights, reference.weights, strict=True)) < WEIGHT_TOLERANCE
    assert trainer.exported() == np.array(weights, dtype=np.float32).tolist()
    assert trainer.samples(len(reference.samples)) == reference.samples


@pytest.mark.parametrize("name", SHAPES)
def test_losses_weights_and_samples_are_those_of_the_reference(library: ctypes.CDLL, name: str) -> None:
    settings, corpus = SHAPES[name]
    reference = train(words(corpus), settings)
    assert_agrees(Exact(library, words(corpus), settings), reference, settings.steps)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    "name", ["two layers", "three layers, odd sizes", "one head, short block", "hardly any momentum"]
)
def test_the_same_bits_where_exp_and_log_are_the_same(library: ctypes.CDLL, name: str, isa: str) -> None:
    """The order of every addition is the reference's: given the library's own functions, nothing is left to differ."""
    settings, corpus = SHAPES[name]
    settings = replace(settings, steps=10, samples=5)
    reference = train(words(corpus), settings, functions_of(library))
    trainer = Exact(library, words(corpus), settings, isa=isa)
    assert trainer.steps(10) == reference.losses
    assert trainer.weights() == reference.weights
    assert trainer.samples(5) == reference.samples


def test_a_short_corpus_of_odd_characters_is_gone_through_again(library: ctypes.CDLL) -> None:
    documents = ["zoë €uro", "ab", "😀é", "b"]
    settings = replace(SMALL, steps=10, block_size=6)
    assert_agrees(Exact(library, documents, settings), train(documents, settings), 10)


def test_half_of_a_training_has_the_rates_of_the_whole(library: ctypes.CDLL) -> None:
    settings = replace(SMALL, steps=1000, stop_after=10)
    assert_agrees(Exact(library, words(1), settings), train(words(1), settings), 10)


@pytest.mark.slow
def test_a_thousand_steps_of_a_small_model(library: ctypes.CDLL) -> None:
    settings = replace(SMALL, n_layer=2, steps=1000)
    assert_agrees(Exact(library, words(11), settings), train(words(11), settings), 1000)


def test_five_hundred_steps_twice_are_a_thousand(library: ctypes.CDLL) -> None:
    settings = replace(SMALL, steps=1000, n_layer=2)
    whole, first, second = (Exact(library, words(3), settings) for _ in range(3))
    losses = whole.steps(1000)
    assert first.steps(500) == losses[:500]
    second.steps(7)
    second.load(first.save())
    assert second.steps(500) == losses[500:]
    assert second.samples(3) == whole.samples(3)
    assert second.weights() == whole.weights()
    assert second.save() == whole.save()


def fifty_steps(
    library: ctypes.CDLL, settings: Settings, *, isa: str = "avx2", n_ff: int | None = None
) -> tuple[list[float], list[str], bytes]:
    """Losses, samples, state."""
    trainer = Exact(library, words(1), settings, isa=isa, n_ff=n_ff)
    return trainer.steps(50), trainer.samples(5), trainer.save()


def test_every_compiler_gives_the_same_bits(library: ctypes.CDLL, tmp_path: Path) -> None:
    settings = replace(SMALL, n_layer=2, n_embd=12)
    state = fifty_steps(library, settings)
    for compiler in filter(shutil.which, ("gcc", "clang")):
        other = build(tmp_path, compiler)
        assert fifty_steps(other, settings) == fifty_steps(other, settings, isa="c") == state


@pytest.mark.parametrize("n_embd", [1, 3, 7, 8, 9, 15, 16, 17, 20, 64])
def test_every_instruction_set_gives_the_same_bits(library: ctypes.CDLL, n_embd: int) -> None:
    """Widths on all sides of a tile's and of a vector's; documents of one position to five."""
    settings = replace(SMALL, n_embd=n_embd, n_head=1, block_size=5)
    if not Exact(library, words(1), settings, isa="avx2").has_isa:
        pytest.skip("this machine has no AVX2")
    for n_ff in (2, 37):
        assert fifty_steps(library, settings, isa="c", n_ff=n_ff) == fifty_steps(library, settings, n_ff=n_ff)


def test_the_gradient_is_the_slope_of_the_loss(library: ctypes.CDLL) -> None:
    """One step without momentum and with a huge eps moves each weight by its gradient."""
    eps, rate = 1.0, 1e-6
    settings = replace(SMALL, steps=1, learning_rate=rate, beta1=0.0, beta2=0.0, eps=eps, n_layer=2)
    documents = words(1)[:1] * 2
    trainer = Exact(library, documents, settings)
    before, loss = trainer.weights(), trainer.loss(0)
    assert trainer.steps(1) == [loss]
    moved = [(a - b) / rate for a, b in zip(before, trainer.weights(), strict=True)]
    gradients = [m / (1 - abs(m)) for m in moved]  # moved = g / (|g| + 1)
    predicted = -rate * sum(g * m for g, m in zip(gradients, moved, strict=True))
    assert math.isclose(trainer.loss(0) - loss, predicted, rel_tol=1e-3)


def test_after_the_last_step_nothing_moves(library: ctypes.CDLL) -> None:
    trainer = Exact(library, words(1), replace(SMALL, steps=3))
    trainer.steps(3)
    weights = trainer.weights()
    trainer.steps(2)
    assert trainer.weights() == weights


def test_weight_decay_takes_away_from_every_weight(library: ctypes.CDLL) -> None:
    settings = replace(SMALL, steps=1, learning_rate=0.01)
    plain, decayed = Exact(library, words(1), settings), Exact(library, words(1), settings, weight_decay=0.5)
    before = plain.weights()
    plain.steps(1)
    decayed.steps(1)
    for was, a, b in zip(before, plain.weights(), decayed.weights(), strict=True):
        assert math.isclose(a - b, 0.005 * was, rel_tol=1e-9, abs_tol=1e-16)


def test_memory_is_what_was_counted(library: ctypes.CDLL) -> None:
    for settings, corpus in SHAPES.values():
        trainer = Exact(library, words(corpus), settings, n_ff=31)
        assert trainer.bytes_taken == trainer.bytes_counted


REFUSED = {
    "n_embd, 8, n_head, 3": {"n_head": 3},
    "n_layer 0": {"n_layer": 0},
    "block_size 0": {"block_size": 0},
    "n_embd 0": {"n_embd": 0},
    "steps range": {"steps": 0},
    "beta1 range": {"beta1": 1.0},
    "lr range": {"learning_rate": math.nan},
    "eps range": {"eps": 0.0},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_trained_is_refused(library: ctypes.CDLL, message: str) -> None:
    with pytest.raises(Refused) as refusal:
        Exact(library, words(1), replace(SMALL, **REFUSED[message]))  # type: ignore[arg-type]
    assert not lacks(refusal.value.args[0], message)
    assert refusal.value.args[1]


@pytest.mark.parametrize(
    ("documents", "settings", "message"),
    [
        (words(1), replace(SMALL, n_layer=2), "another shape"),
        (words(1), replace(SMALL, seed=1), "another seed,"),
        (words(1), replace(SMALL, steps=101), "another steps"),
        ([*words(1)[:-1], "abba"], SMALL, "another corpus"),
    ],
)
def test_a_state_of_something_else_is_refused(
    library: ctypes.CDLL, documents: list[str], settings: Settings, message: str
) -> None:
    state = Exact(library, words(1), SMALL).save()
    other = Exact(library, documents, settings)
    before = other.save()
    with pytest.raises(Refused) as refusal:
        other.load(state)
    assert not lacks(refusal.value.args[0], message)
    assert other.save() == before


def test_a_damaged_state_is_refused_wherever_it_is_hit(library: ctypes.CDLL) -> None:
    trainer = Exact(library, words(1), SMALL)
    state = trainer.save()
    rng = random.Random(3)
    for _ in range(200):
        broken = bytearray(state)
        broken[rng.randrange(len(state))] ^= 1 << rng.randrange(8)
        with pytest.raises(Refused):
            trainer.load(bytes(broken))
    for cut in (0, 3, 100, len(state) - 1):
        with pytest.raises(Refused):
            trainer.load(state[:cut])
    assert trainer.save() == state


def test_the_reference_knows_its_derivatives() -> None:
    """The other side of every comparison here, against central differences."""

    def formula(a: float, b: float) -> tuple[Value, Value, Value]:
        x, y = Value(a), Value(b)
        return x, y, ((x * y - 0.5).exp() + x.relu() / y + (y**-1.5) * x).log() * 2.0 + -x * y

    x, y, value = formula(0.7, 1.3)
    value.backward()
    step = 1e-6
    slope_x = (formula(0.7 + step, 1.3)[2].data - formula(0.7 - step, 1.3)[2].data) / (2 * step)
    slope_y = (formula(0.7, 1.3 + step)[2].data - formula(0.7, 1.3 - step)[2].data) / (2 * step)
    assert math.isclose(x.grad, slope_x, rel_tol=1e-8)
    assert math.isclose(y.grad, slope_y, rel_tol=1e-8)
