"""A text without an end: how it is stopped, and what kgpt forgets of it."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

if TYPE_CHECKING:
    from kgpt_build.events import Config
    from kgpt_build.vm.guest_run import GuestRun

_CTRL_C = "\x03"


class Endless:
    """Waits for a text that goes on for ever. The first Ctrl-C then is typed to the guest; the next one ends kgpt.

    A context manager; the signal's own handler returns at its end. ``told``: the guest's console, which says how to
    stop the text, is shown.
    """

    def __init__(self, machine: GuestRun, *, told: bool) -> None:
        self._machine, self._told = machine, told
        self._seen = 0
        self._before: Any = None
        self._found = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def poll(self) -> None:
        """Look at new events, before others do: older ones, which all have seen, are forgotten."""
        from kgpt_build.events import Config

        seen = self._seen
        events, self._seen = self._machine.events_since(seen)
        if self._found:
            self._machine.forget_before(seen)
        elif any(isinstance(event, Config) and _has_no_end(event) for event in events):
            self._begin()

    def _begin(self) -> None:
        self._found = True
        if not self._told:
            click.echo("kgpt: the text may go on for ever: Ctrl-C stops it", err=True)
        self._before = signal.signal(signal.SIGINT, self._stop)

    def _stop(self, _: int, __: FrameType | None) -> None:
        self._restore()
        self._machine.type_text(_CTRL_C)

    def _restore(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None


def _has_no_end(config: Config) -> bool:
    return config.mode == "generate" and config.max_tokens == 0 and config.on_overflow == "shift"
