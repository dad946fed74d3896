"""What runs without a console print."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from kgpt_build.cli.shared.printers import EventPrinter
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


def test_one_is_no_plural(capsys: pytest.CaptureFixture[str]) -> None:
    _printed(STATS, stats=False)
    assert capsys.readouterr().err == "kgpt: 1 sample, 1 token, seed None\n"
