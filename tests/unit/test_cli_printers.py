"""What runs without a console print."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kgpt_build.cli.talk.printers import EventPrinter
from kgpt_build.events import parse_event
from kgpt_build.vm.qemu.machine import Machine

SPEED = (
    '{"event":"speed","seed":42,"prompt_tokens":1,"tokens":2,"prompt_us":1000,"decode_us":1000,"first_token_us":1000,'
    '"p50_us":0,"p99_us":0,"max_us":0,"context":256,"context_used":3}'
)
STATS = (
    '{"event":"stats","samples":1,"tokens":1,"prompt_tokens":1,"ticks":1,"ticks_hz":0,"clock":"","us":0,'
    '"first_token_ticks":1,"used":1}'
)


def _printed(*lines: str, **options: Any) -> None:
    events = [parse_event(line.encode()) for line in lines]
    machine = cast("Machine", SimpleNamespace(events_since=lambda position: (events[position:], len(events))))
    EventPrinter(machine, short=True, **options).poll()


@pytest.mark.parametrize("stats", [False, True])
def test_what_a_reply_took_is_told_only_if_it_is_asked_for(capsys: pytest.CaptureFixture[str], stats: bool) -> None:
    _printed(SPEED, stats=stats)
    told = "kgpt: prompt 1 token, 1000.0/s; reply 2 tokens, 2000.0/s; first after 1 ms; context 3/256; seed 42\n"
    assert capsys.readouterr().err == (told if stats else "")


def test_drafts_are_told_where_there_were_some(capsys: pytest.CaptureFixture[str]) -> None:
    _printed(SPEED.replace('"context"', '"passes":9,"drafted":64,"accepted":37,"context"', 1), stats=True)
    assert "; 37 of 64 drafts accepted; first" in capsys.readouterr().err


def test_one_is_no_plural(capsys: pytest.CaptureFixture[str]) -> None:
    _printed(STATS, stats=False)
    assert capsys.readouterr().err == "kgpt: 1 sample, 1 token, seed None\n"


def _lm(event: str, **values: object) -> str:
    return json.dumps({"event": event, **values})


_SIZES = ("n_vocab", "n_ctx", "n_embd", "n_layer", "n_head", "n_head_kv", "n_ff", "parameters")
MODEL = _lm("model", name="m", arch="llama", sha256="", tokenizer="gpt2", chat="", place="", **dict.fromkeys(_SIZES, 1))


def _config(sample: int, mode: str = "generate") -> str:
    sampling = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
    return _lm("config", mode=mode, prompt="", sample=sample, samples=2, max_tokens=0, seed=1, **sampling)


def _tokens(sample: int, text: str) -> list[str]:
    return [_lm("token", sample=sample, pos=0, id=0, text=character) for character in text]


def _ended(sample: int, text: str) -> str:
    return _lm("sample", index=sample, text=text, tokens=len(text), reason="eos", dropped=0)


def test_texts_of_slots_come_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Their tokens come in turn; the ends in order."""
    mixed = [event for pair in zip(_tokens(0, "abcd"), _tokens(1, "ABCD"), strict=True) for event in pair]
    lines = [MODEL, _config(0), _config(1), *mixed, _ended(0, "abcd"), *_tokens(1, "EF"), _ended(1, "ABCDEF")]
    _printed(*lines, stats=False)
    assert capsys.readouterr().out == "abcd\nABCDEF\n"


def test_the_first_text_of_slots_is_printed_as_it_comes(capsys: pytest.CaptureFixture[str]) -> None:
    _printed(MODEL, _config(0), _config(1), *_tokens(1, "x"), *_tokens(0, "ab"), stats=False)
    assert capsys.readouterr().out == "ab"


def test_a_message_without_an_answer_hides_no_later_one(capsys: pytest.CaptureFixture[str]) -> None:
    _printed(MODEL, _config(0, "chat"), _config(1, "chat"), *_tokens(1, "yes"), stats=False)
    assert capsys.readouterr().out == "yes"
