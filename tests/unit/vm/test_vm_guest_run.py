"""The events of a run: taken in turn by several readers, and forgotten in a run without an end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kgpt_build.events import Event, Exit, Panic, Token
from kgpt_build.vm.guest_run import GuestRun
from kgpt_build.vm.settings import RunSettings
from kgpt_build.vm.verdict import Verdict

END = b'{"event":"exit","code":0,"reason":"done"}\n'


class Fed(GuestRun):
    """A run that is fed by the test."""

    def start(self) -> None: ...
    def send(self, data: bytes) -> None: ...
    def type_text(self, text: str) -> None: ...
    def quit(self) -> None: ...
    def close(self) -> None: ...
    def _kill(self) -> None: ...
    def _judge(self, timed_out: bool) -> Verdict:
        return Verdict("ok", "")

    def tokens(self, first: int, n: int) -> None:
        for i in range(first, first + n):
            self.add(f'{{"event":"token","sample":0,"pos":{i},"id":1,"text":"x"}}\n'.encode())

    def add(self, data: bytes) -> None:
        self._feed_events(data)


def fed() -> Fed:
    return Fed(RunSettings(image=Path("x")))


def positions(events: list[Event]) -> list[Any]:
    return [event.pos if isinstance(event, Token) else type(event).__name__ for event in events]


def test_readers_see_each_event_once() -> None:
    run, seen = fed(), 0
    run.tokens(0, 3)
    events, seen = run.events_since(seen)
    assert positions(events) == [0, 1, 2]
    run.tokens(3, 2)
    events, seen = run.events_since(seen)
    assert positions(events) == [3, 4]
    assert run.events_since(seen)[0] == []
    assert len(run.lines_since(0)[0]) == 5


def test_older_events_are_forgotten_and_later_ones_keep_their_places() -> None:
    run = fed()
    run.tokens(0, 10)
    _, seen = run.events_since(0)
    run.tokens(10, 5)
    run.forget_before(seen)
    assert (len(run.events), len(run.lines)) == (5, 5)
    assert positions(run.events_since(seen)[0]) == [10, 11, 12, 13, 14]
    assert positions(run.events_since(0)[0]) == [10, 11, 12, 13, 14]
    run.forget_before(seen)
    assert len(run.events) == 5


def test_the_end_is_never_forgotten() -> None:
    """The verdict needs it."""
    run = fed()
    run.tokens(0, 4)
    run.add(END)
    events, seen = run.events_since(0)
    assert isinstance(events[-1], Exit)
    run.forget_before(seen)
    assert [type(event) for event in run.events] == [Exit]
    assert len(run.lines) == 1
    assert run.events_since(seen)[0] == []
    run.forget()
    assert not any(isinstance(event, Panic) for event in run.events)
    assert [type(event) for event in run.events] == [Exit]
