"""What can be asked of a training, and the words that ask the kernel for it."""

from __future__ import annotations

from typing import Any

import pytest
from refusals import refused

from kgpt_build.errors import UsageError
from kgpt_build.training.settings import TrainSettings, resumed


@pytest.mark.parametrize("name", ["steps", "batch", "n_layer", "n_embd", "n_head", "block_size"])
@pytest.mark.parametrize("value", [0, -1, 10**10, 1.5, True])
def test_sizes_are_whole_and_not_nothing(name: str, value: Any) -> None:
    with refused(UsageError, f"{name} {value}") as caught:
        TrainSettings(**{name: value})
    assert "whole number from 1 to" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("lr", [1e-9, 1000], [0, -0.1, 1000.1, float("nan"), float("inf")]),
        ("beta1", [0, 0.999], [-0.1, 1, float("nan")]),
        ("beta2", [0, 0.999], [-0.1, 1, float("nan")]),
        ("eps", [1e-12, 1], [0, 2, float("nan")]),
        ("weight_decay", [0, 1000], [-1, 1001, float("inf")]),
        ("val_fraction", [0, 0.999], [-0.1, 1, 1.5, float("nan")]),
        ("seed", [0, 2**64 - 1], [-1, 2**64]),
        ("eval_every", [0, None], [-1]),
        ("checkpoint_every", [0, 7], [-1]),
        ("until", [0, 7], [-1]),
    ],
)
def test_limits(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert getattr(TrainSettings(**{name: value}), name) == value
    for value in bad:
        with refused(UsageError, f"{name} {value}"):
            TrainSettings(**{name: value})


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"n_embd": 16, "n_head": 3}, "n_embd 16 n_head 3", "multiple of --n-head"),
        ({"exact": True, "batch": 2}, "exact one document step 2", "leave out --batch"),
        ({"eval_every": 5}, "documents evaluate", "--val-fraction 0.1"),
    ],
)
def test_what_does_not_go_together(given: dict[str, Any], message: str, hint: str) -> None:
    with refused(UsageError, message) as caught:
        TrainSettings(**given)
    assert hint in caught.value.hint


def test_the_defaults_are_microgpts() -> None:
    words = TrainSettings().cmdline_words()
    assert words[0] == "mode=train"
    assert set(words[1:]) == {
        *("steps=1000", "batch=16", "n_layer=1", "n_embd=16", "n_head=4", "block_size=16", "lr=0.01", "beta1=0.85"),
        *("beta2=0.99", "eps=0.00000001", "weight_decay=0.0", "seed=42", "val_fraction=0.0", "eval_every=0"),
    }
    exact = TrainSettings(exact=True).cmdline_words()
    assert {"batch=1", "exact"} <= set(exact)


def test_validation_is_ten_times_a_training_if_not_said() -> None:
    assert "eval_every=100" in TrainSettings(val_fraction=0.1).cmdline_words()
    assert "eval_every=1" in TrainSettings(val_fraction=0.1, steps=5).cmdline_words()
    assert "eval_every=7" in TrainSettings(val_fraction=0.1, eval_every=7).cmdline_words()
    assert "eval_every=0" in TrainSettings(val_fraction=0.1, eval_every=0).cmdline_words()


def test_the_last_step() -> None:
    assert TrainSettings(steps=10).last_step == 10
    assert TrainSettings(steps=10, until=4).last_step == 4
    assert TrainSettings(steps=10, until=40).last_step == 10


def test_a_training_is_resumed_as_it_was() -> None:
    old = TrainSettings(steps=100, until=50, exact=True, n_embd=8, seed=3)
    new = resumed(old, {})
    assert new == TrainSettings(steps=100, exact=True, n_embd=8, seed=3)
    assert resumed(old, {"until": 70, "steps": 200, "lr": 0.5}).until == 70
    assert resumed(old, {"n_embd": 8, "batch": 1}).n_embd == 8  # what it was anyway


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("n_layer", 2), ("n_embd", 32), ("n_head", 2), ("block_size", 8), ("seed", 1), ("batch", 4)),
        *(("exact", True), ("val_fraction", 0.5)),
    ],
)
def test_a_resumed_training_cannot_be_another_one(name: str, value: Any) -> None:
    option = "--" + name.replace("_", "-")
    with refused(UsageError, f"{option} {value} resume") as caught:
        resumed(TrainSettings(), {name: value})
    assert caught.value.hint == f"leave out {option}"
