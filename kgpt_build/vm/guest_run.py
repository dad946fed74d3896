"""A guest that runs, whatever runs it: its console and its machine channel as they come, and the verdict at its end."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from kgpt_build.events import Event, Exit, Panic
from kgpt_build.events.framing import Blob, ChannelReader
from kgpt_build.process import SIGNAL_SECONDS
from kgpt_build.vm.settings import RunSettings
from kgpt_build.vm.transcript import NotSeen, Transcript
from kgpt_build.vm.verdict import Verdict, panic_line
from kgpt_build.words import counted

E = TypeVar("E", bound=Event)


class GuestRun(ABC):
    """A context manager: nothing of the run is left behind. One thread feeds it, others wait on ``changed``."""

    def __init__(self, settings: RunSettings, *, symbols: Path | None = None) -> None:
        """``symbols``: an ELF in which the addresses of a panic are looked up; without it they stay numbers."""
        self.settings = settings
        self.changed = threading.Condition()
        self.console = Transcript(self.changed)
        self._channel = ChannelReader()
        self.lines: list[bytes] = self._channel.lines
        """The machine channel's lines as they came, up to the first that is no event."""
        self.events: list[Event] = self._channel.events
        """The same, parsed."""
        self.blobs: list[Blob] = self._channel.blobs
        """What came whole between them."""
        self.on_change: Callable[[], None] | None = None
        """Called, by the thread that feeds, when the guest has printed something, sent an event, or ended."""
        self.deadline: float | None = None
        """When the time limit runs out, by time.monotonic()."""
        self._symbols = symbols
        self._ended = False
        self._quit = False
        self._verdict: Verdict | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def start(self) -> None:
        """Start it. Raises ToolMissing if it cannot be executed."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Type ``data`` on the guest's console."""

    @abstractmethod
    def type_text(self, text: str) -> None:
        """Type ``text`` where the guest listens."""

    @abstractmethod
    def quit(self) -> None:
        """End it now."""

    @abstractmethod
    def close(self) -> None:
        """End it if it still runs, and let go of everything. May be called again."""

    @abstractmethod
    def _kill(self) -> None:
        """End it if it still runs."""

    @abstractmethod
    def _judge(self, timed_out: bool) -> Verdict:
        """The verdict on the run, which is over."""

    @property
    def running(self) -> bool:
        """It has not ended."""
        return not self._ended

    def forget(self) -> None:
        """Let go of the events so far, but for the end's: for runs that last hours, or to wait for what is to come."""
        with self.changed:
            self.lines.clear()
            self.events[:] = [event for event in self.events if isinstance(event, (Exit, Panic))]

    def expect_event(self, kind: type[E], timeout: float, where: Callable[[E], bool] = lambda event: True) -> E:
        """The first event of this kind for which ``where`` holds, already seen or yet to come.

        Raises NotSeen after ``timeout`` seconds, or when the guest has ended without one.
        """

        def found() -> E | None:
            return next((event for event in self.events if isinstance(event, kind) and where(event)), None)

        with self.changed:
            self.changed.wait_for(lambda: found() or self._ended, timeout)
            event = found()
        if event is None:
            why = "the guest has ended" if self._ended else f"{counted(timeout, 'second')} went by"
            raise NotSeen(
                f"the machine channel did not carry the expected event {kind.event}, and {why}",
                "the console's last lines:\n" + self.console.tail(),
            )
        return event

    def wait(self, poll: Callable[[], None] | None = None) -> Verdict:
        """Wait for the guest's end, or for the time limit; the verdict on the run.

        ``poll`` is called whenever something has arrived, and now and then.
        """
        if self._verdict is None:
            timed_out = not self._wait_end(poll)
            if timed_out:
                self._kill()
            self._verdict = self._judge(timed_out)
        return self._verdict

    def _wait_end(self, poll: Callable[[], None] | None) -> bool:
        while True:
            with self.changed:
                ended = self._ended
                remaining = None if self.deadline is None else self.deadline - time.monotonic()
                if not ended and (remaining is None or remaining > 0):
                    self.changed.wait(SIGNAL_SECONDS if remaining is None else min(remaining, SIGNAL_SECONDS))
                    ended = self._ended
            if poll:
                poll()
            if ended:
                return True
            if remaining is not None and remaining <= 0:
                return False

    def _begin_time_limit(self) -> None:
        if self.settings.timeout is not None:
            self.deadline = time.monotonic() + self.settings.timeout

    def _describe_panic(self, panic: Any) -> str:
        if self._symbols is None:
            return panic_line(panic)
        # pyelftools is only worth its import when something went wrong.
        from kgpt_build.vm.symbolize import Symbols, panic_text

        return panic_text(panic, Symbols.read(self._symbols))

    def _tell(self) -> None:
        if tell := self.on_change:
            tell()

    def _feed_console(self, data: bytes) -> None:
        self.console.feed(data)
        self._tell()

    def _feed_events(self, data: bytes) -> None:
        with self.changed:
            self._channel.feed(data)
            self.changed.notify_all()
        self._tell()

    def _feed_end_of_run(self) -> None:
        with self.changed:
            self._ended = True
            self.changed.notify_all()
        self._tell()
