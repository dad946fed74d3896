"""What kernels send is what events.def says: every event, every key, in the order of the table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import generate_events
import pytest
from hosted import Event, Hosted, Run
from lm_brought import Brought
from mode_train import TEXT, train

from kgpt_build.def_files import rows

NAMES = {event.name for event in generate_events.definitions(rows(generate_events.SOURCE)) if not event.is_object}
LISTS = {"bias": ("config", "logit_bias"), "likely": ("logprobs", "top")}
_LM = "mode=generate prompt=ab samples=2 max_tokens=4 logits layers logprobs=2 logit_bias=3-inf stop=zz"


@cache
def keys(name: str, *, lm: bool) -> list[str]:
    """The keys of an event or of an object, in their order."""
    table = generate_events.definitions(rows(generate_events.SOURCE))
    (found,) = [event for event in table if event.name == name]
    return [key.name for key in found.keys if lm or not key.lm_only]


def check(run: Run, *, lm: bool) -> set[str]:
    """That all lines hold the keys of the table; the names of the events."""
    for event in run.events:
        assert list(event) == ["event", *keys(event["event"], lm=lm)]
    return {event["event"] for event in run.events}


@pytest.fixture(scope="module")
def lm_run(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Run:
    brought = Brought(without_model, tmp_path_factory.mktemp("events"))
    runs = [
        brought.run(f"{_LM} exit"),
        brought.run("mode=bench exit"),
        brought.run("mode=chat exit", "abc"),
        brought.run("mode=jitter exit times=2 cpus=2"),
        brought.run("mode=perplexity exit ctx=4 prompt=abacab"),
        brought.run("mode=explain exit prompt=ab max_tokens=2"),
        brought.run("mode=serve port=0", "\x03"),  # Ctrl-C
    ]
    return Run(0, "", [event for run in runs for event in run.events])


@pytest.fixture(scope="module")
def micro_run(hosted: Hosted) -> Run:
    words = ["exit samples=2 logits cpus=2", "mode=shell", "mode=selftest test=json", "colour=blue", "fault=ud"]
    return Run(0, "", [event for each in words for event in hosted.run(each, stdin=b"exit\n").events])


def test_a_microgpt(micro_run: Run) -> None:
    missing = NAMES - check(micro_run, lm=False)
    assert missing == {
        *("speed", "logprobs", "fed", "layer", "bench", "perplexity", "durations", "jitter", "sections", "gaps"),
        *("corpus", "training", "step", "preview", "eval", "blob", "serving", "served", "keyboards"),
        *("explain", "tensor", "neurons", "lens", "lengths", "draw"),
    }


def test_a_language_model(lm_run: Run) -> None:
    sent = check(lm_run, lm=True)
    assert {"speed", "logprobs", "fed", "layer", "bench", "perplexity"} <= sent
    assert {"durations", "jitter", "sections", "gaps", "serving"} <= sent
    assert {"explain", "tensor", "neurons", "lens", "lengths", "draw"} <= sent


@pytest.mark.parametrize("name", LISTS)
def test_the_objects_in_lists(lm_run: Run, name: str) -> None:
    event, key = LISTS[name]
    found: list[dict[str, Any]] = [item for each in lm_run.of(event) for item in each[key]]
    assert found
    assert all(list(item) == keys(name, lm=True) for item in found)


def lines(channel: bytes) -> Iterator[Event]:
    """The lines of a channel, without the bytes of the blobs."""
    while channel:
        line, _, channel = channel.partition(b"\n")
        event: Event = json.loads(line)
        channel = channel[event["length"] if event["event"] == "blob" else 0 :]
        yield event


def test_a_training(training: Hosted, tmp_path: Path) -> None:
    words = "mode=train exit n_layer=1 n_embd=8 n_head=2 steps=3 batch=2 eval_every=2 val_fraction=0.2"
    assert train(training, tmp_path, words, TEXT.encode()).returncode == 0
    sent = check(Run(0, "", list(lines((tmp_path / "channel").read_bytes()))), lm=False)
    assert {"corpus", "training", "step", "preview", "eval", "blob"} <= sent
