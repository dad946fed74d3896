"""Runs that are made again from their `config` events alone."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hosted import Hosted, Run
from lm_brought import Brought

from kgpt_build.events import Config, parse_event
from kgpt_build.events.replay import replay_words
from kgpt_build.settings import of_groups, options, quoted

_MICRO = "temperature=0.7654321 top_k=9 top_p=0.987654321 min_p=0.00123456789 prompt=ma max_tokens=9 samples=30"
_TYPING_ONLY = ("keymap",)
"""It decides what a keyboard types, and the event tells what was typed."""
_TIME_ONLY = ("speculate", "speculate_tokens", "slots")
"""They change no text: tests/hosted/test_speculation.py, tests/hosted/test_slots.py."""

_LM = (
    'prompt="ab\\nc" max_tokens=40 temperature=1.7654321 top_k=7 top_p=0.987654321 min_p=0.00123456789 '
    "typical_p=0.9123457 repeat_penalty=1.0123457 repeat_last_n=5 frequency_penalty=0.31234567 "
    "presence_penalty=-0.123456789 logit_bias=0-inf logit_bias=3-inf "
    'logit_bias=4+0.001234567 logit_bias=1-inf stop=cba stop="b a" system="abc \\"a\\"" '
    "kv=q8 think=off on_overflow=shift ctx=128"
)


def config_of(run: Run) -> Config:
    """The first `config` event, typed."""
    found = parse_event(json.dumps(run.of("config")[0]).encode())
    assert isinstance(found, Config)
    return found


def tokens(run: Run) -> list[tuple[int, int, int]]:
    assert run.returncode == 0, run.console
    found = [(event["sample"], event["pos"], event["id"]) for event in run.of("token")]
    assert found
    return found


@pytest.fixture(scope="module")
def brought(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Brought:
    return Brought(without_model, tmp_path_factory.mktemp("replay"))


def test_the_event_holds_every_setting_that_decides_a_text() -> None:
    asked = {name for name, option in options().items() if option.unit and option.group not in ("ADAM", "TRAIN")}
    told = {field.name for field in fields(Config)} | {option.name for option in of_groups("SAMPLING", "LM_SAMPLING")}
    assert asked - told == {"ctx", "logprobs", *_TIME_ONLY, *_TYPING_ONLY}  # ctx is called context there
    assert {"prompt", "mode"} <= told


@pytest.mark.parametrize("words", ["", "seed=random", f"seed=random {_MICRO}", f"{_MICRO} top_p=1 min_p=0"])
def test_a_microgpt(hosted: Hosted, words: str) -> None:
    run = hosted.run(f"exit {words}")
    again = hosted.run(f"exit {' '.join(replay_words(config_of(run)))}")
    assert tokens(again) == tokens(run)
    assert again.samples() == run.samples()


@pytest.mark.parametrize("mode", ["generate", "chat"])
@pytest.mark.parametrize("grammar", ["", r'grammar="root ::= \"a\" [abc]+ | \"\\n\" root"'])
def test_a_language_model(brought: Brought, mode: str, grammar: str) -> None:
    run = brought.run(f"exit seed=random mode={mode} {_LM} {grammar}")
    assert bool(config_of(run).grammar) == bool(grammar)
    again = brought.run(f"exit {' '.join(replay_words(config_of(run)))}")
    assert again.of("config") == run.of("config")
    assert tokens(again) == tokens(run)
    assert again.samples() == run.samples()


def test_what_is_set_later_is_told_too(brought: Brought) -> None:
    """And the prompt that was typed, not the one of the command line."""
    lines = ("/set temperature 2.5", "/set stop bb", "/system ab", "cab")
    run = brought.run("mode=chat max_tokens=12", *lines)
    config = config_of(run)
    assert (config.prompt, config.temperature, config.stop, config.system) == ("cab", 2.5, ("bb",), "ab")
    again = brought.run(f"exit {' '.join(replay_words(config))}")
    assert tokens(again) == tokens(run)


def test_a_conversation(brought: Brought) -> None:
    """Each message has its event, and its seed if that is drawn; later ones go on in what the first began."""
    messages = ("abc", "a b", "ccc")
    run = brought.run("mode=chat max_tokens=12 temperature=1.5 seed=random", *messages)
    configs = run.of("config")
    assert [(event["prompt"], event["sample"]) for event in configs] == [(m, i) for i, m in enumerate(messages)]
    words = " ".join(word for word in replay_words(config_of(run)) if word != f"prompt={quoted(messages[0])}")
    again = brought.run(words, *(line for event in configs for line in (f"/set seed {event['seed']}", event["prompt"])))
    assert tokens(again) == tokens(run)


def test_another_reply_to_the_same_message(brought: Brought) -> None:
    """An empty prompt is /regen."""
    run = brought.run("mode=chat max_tokens=12 temperature=1.5", "abc", "/regen", "b", "/regen")
    configs = run.of("config")
    assert [(event["prompt"], event["sample"]) for event in configs] == [("abc", 0), ("", 1), ("b", 2), ("", 3)]
    words = " ".join(word for word in replay_words(config_of(run)) if not word.startswith("prompt="))
    again = brought.run(words, *(event["prompt"] or "/regen" for event in configs))
    assert tokens(again) == tokens(run)
    assert again.samples() == run.samples()


def test_random_settings(brought: Brought) -> None:
    rng = np.random.default_rng(8)
    for _ in range(12):
        words = " ".join(
            (
                f"temperature={rng.uniform(0.1, 3):.12f} top_k={rng.integers(0, 9)} top_p={rng.uniform(0.1, 1):.12f}",
                f"min_p={rng.random() ** 9:.16f} typical_p={rng.uniform(0.2, 1):.12f}",
                f"repeat_penalty={rng.uniform(0.8, 1.5):.12f} frequency_penalty={rng.uniform(-1, 1):.12f}",
                f"presence_penalty={rng.uniform(-1, 1):.12f} repeat_last_n={rng.integers(0, 20)}",
                f"logit_bias={rng.integers(4, 9)}{rng.uniform(-1, 1):+.12f}",
                f"samples=2 max_tokens=20 seed={rng.integers(99)}",
            )
        )
        run = brought.run(f"exit mode=generate prompt=a {words}")
        again = brought.run(f"exit {' '.join(replay_words(config_of(run)))}")
        assert again.samples() == run.samples(), words
        assert tokens(again) == tokens(run), words


def test_a_message_longer_than_its_line_is_cut_there(without_model: Hosted, tmp_path: Path) -> None:
    """Of bytes that the vocabulary does not have nothing reaches the context."""
    run = Brought(without_model, tmp_path, n_ctx=16).run(f'exit mode=generate max_tokens=2 prompt="a{"x" * 3000}"')
    assert run.returncode == 0, run.console
    assert run.one("config")["prompt"].startswith("axxx")
