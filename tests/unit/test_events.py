"""The machine channel: events.def, the classes and docs/events.md agree; lines are read as they should be."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import generate_events
import pytest
from refusals import refused

from kgpt_build import events
from kgpt_build.def_files import rows
from kgpt_build.events import BadEvent, event_name, parse_event
from kgpt_build.settings import of_groups

PANIC_ENDS = (b'"registers":{},"backtrace":[]}', b'"registers":{},"backtrace":[],"cpu":3}')
DOCUMENT = Path(__file__).parents[2] / "docs" / "events.md"


def documented() -> dict[str, set[str]]:
    """Event -> the keys that its table in docs/events.md gives it."""
    found = {}
    for name, table in re.findall(r"^\*\*`(\w+)`\*\* (?:.+\n)+\n((?:\|.*\n)+)", DOCUMENT.read_text(), re.MULTILINE):
        found[name] = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    return found


def test_the_classes_are_the_document() -> None:
    classes = {name: {field.name for field in dataclasses.fields(kind)} for name, kind in events.EVENTS.items()}
    classes["config"] |= {option.name for option in of_groups("SAMPLING", "LM_SAMPLING")}
    classes["config"].remove("options")
    assert classes == documented()
    assert len(classes) >= 28


def test_what_is_generated_is_current() -> None:
    table = generate_events.definitions(rows(generate_events.SOURCE))
    assert generate_events.MODULE.read_text() == generate_events.module(table), "run make generated"
    document = DOCUMENT.read_text()
    assert document == generate_events.document(document, table), "run make generated"


def test_a_panic() -> None:
    line = (
        b'{"event":"panic","vector":14,"name":"#PF","error":"0x2","message":"page fault","rip":"0x1000","cr2":"0x8",'
        b'"registers":{"rax":"0xffffffffffffffff"},"backtrace":["0x1000","0x2000"]}\n'
    )
    panic = parse_event(line)
    assert isinstance(panic, events.Panic)
    assert (panic.vector, panic.name, panic.error, panic.message) == (14, "#PF", 2, "page fault")
    assert (panic.rip, panic.cr2, panic.registers) == (0x1000, 8, {"rax": 2**64 - 1})
    assert panic.backtrace == (0x1000, 0x2000)
    assert event_name(panic) == "panic"


def test_a_panic_of_another_processor() -> None:
    line = b'{"event":"panic","vector":-1,"name":"","error":"0x0","message":"","rip":"0x1","cr2":"0x0",'
    assert [getattr(parse_event(line + rest), "cpu", None) for rest in PANIC_ENDS] == [0, 3]


def test_processors() -> None:
    line = b'{"event":"cpus","found":4,"started":3,"by":"xapic","note":"some did not answer"}'
    assert parse_event(line) == events.Cpus(4, 3, "xapic", "some did not answer")


def test_numbers_and_flags() -> None:
    config = parse_event(
        b'{"event":"config","mode":"generate","prompt":"","samples":3,"max_tokens":0,"seed":18446744073709551615,'
        b'"temperature":0,"top_k":0,"top_p":1.000000,"min_p":0.05}'
    )
    options = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.05}
    assert config == events.Config(options, "generate", "", 3, 0, 2**64 - 1)
    assert isinstance(config, events.Config)
    assert config.min_p == 0.05
    assert not hasattr(config, "typical_p")
    assert parse_event(b'{"event":"test","name":"a.b","ok":true,"message":""}') == events.SelfTest("a.b", True, "")


def test_logits_are_the_kernels_bits() -> None:
    event = parse_event(b'{"event":"logits","sample":0,"pos":1,"id":2,"f32":"0000803f000000c00000807f"}')
    assert isinstance(event, events.Logits)
    assert event.values == (1.0, -2.0, float("inf"))


def test_later_versions_are_not_an_error() -> None:
    assert parse_event(b'{"event":"dream","of":1}') == events.Unknown("dream")
    assert parse_event(b'{"event":"ready","ticks":5,"mood":"good"}') == events.Ready(5)
    assert event_name(events.Unknown("dream")) == "dream"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "line JSON"),
        (b"hello", "line JSON"),
        (b"\xff\xfe", "line JSON"),
        (b'{"event":"exit","code":0', "line JSON"),
        (b"[1]", "line no event:"),
        (b'{"code":0}', "line no event:"),
        (b'{"event":7}', "line no event:"),
        (b'{"event":"exit","code":0}', "exit lacks 'reason'"),
        (b'{"event":"exit","code":"0","reason":"done"}', "exit malformed"),
        (b'{"event":"exit","code":false,"reason":"done"}', "exit malformed"),
        (b'{"event":"exit","code":0.5,"reason":"done"}', "exit malformed"),
        (b'{"event":"test","name":"a","ok":1,"message":""}', "test malformed"),
        (
            b'{"event":"panic","vector":1,"name":"","error":"2","message":"","rip":"0x1","cr2":"0x0","registers":{},'
            b'"backtrace":[]}',
            "panic malformed",
        ),
    ],
)
def test_garbage_is_named(line: bytes, message: str) -> None:
    with refused(BadEvent, message):
        parse_event(line)


def test_a_long_line_is_shown_in_part() -> None:
    with pytest.raises(BadEvent) as caught:
        parse_event(json.dumps("x" * 10_000).encode()[:-1])
    assert len(caught.value.message) < 250
