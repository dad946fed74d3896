"""A running guest, in QEMU or as a process: its console, its machine channel, and the verdict at its end."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from kgpt_build.errors import KgptError
from kgpt_build.events import Event, Exit, Panic
from kgpt_build.events.framing import Blob, ChannelReader
from kgpt_build.process import SIGNAL_SECONDS
from kgpt_build.vm.settings import RunSettings
from kgpt_build.vm.transcript import NotSeen, Transcript
from kgpt_build.vm.verdict import Verdict, panic_line
from kgpt_build.words import counted

E = TypeVar("E", bound=Event)


class GuestRun(ABC):
    """A context manager that ends the guest. One thread feeds console and channel, others wait on ``changed``."""

    def __init__(self, settings: RunSettings, *, symbols: Path | None = None) -> None:
        """``symbols``: an ELF file to look up the addresses of a panic; without it they stay numbers."""
        self.settings = settings
        self.changed = threading.Condition()
        self.console = Transcript(self.changed)
        self._channel = ChannelReader()
        self.lines: list[bytes] = self._channel.lines
        """The lines of the machine channel, up to the first that is not an event."""
        self.events: list[Event] = self._channel.events
        """The events of these lines."""
        self._forgotten = self._forgotten_lines = 0
        self.blobs: list[Blob] = self._channel.blobs
        """The blobs that arrived completely."""
        self.on_change: Callable[[], None] | None = None
        """Called by the feeding thread when the guest has printed, sent an event, or ended."""
        self.deadline: float | None = None
        """The end of the time limit, in time.monotonic()."""
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
        """Start the guest. Raises ToolMissing if the program cannot be executed."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Type ``data`` on the guest's console."""

    @abstractmethod
    def type_text(self, text: str) -> None:
        """Type ``text`` on the guest's console or keyboard."""

    @abstractmethod
    def quit(self) -> None:
        """End the guest now."""

    @abstractmethod
    def close(self) -> None:
        """End the guest if it still runs, and release all resources. May be called again."""

    @abstractmethod
    def _kill(self) -> None:
        """End the guest if it still runs."""

    @abstractmethod
    def _judge(self, timed_out: bool) -> Verdict:
        """The verdict on the finished run."""

    @property
    def running(self) -> bool:
        """Does the guest still run?"""
        return not self._ended

    def forget(self) -> None:
        """Forget the events so far, except those of the end: for long runs, or to wait for later events only."""
        with self.changed:
            kept = [event for event in self.events if isinstance(event, (Exit, Panic))]
            self._forgotten += len(self.events) - len(kept)
            self._forgotten_lines += len(self.lines)
            self.lines.clear()
            self.events[:] = kept

    def events_since(self, position: int) -> tuple[list[Event], int]:
        """The events after ``position`` (0 at first), and the position for the next call."""
        with self.changed:
            return self.events[max(position - self._forgotten, 0) :], self._forgotten + len(self.events)

    def lines_since(self, position: int) -> tuple[list[bytes], int]:
        """The same for lines."""
        with self.changed:
            return self.lines[max(position - self._forgotten_lines, 0) :], self._forgotten_lines + len(self.lines)

    def forget_before(self, position: int) -> None:
        """Forget events before ``position`` and their lines, except those of the end: for runs that go on for ever."""
        with self.changed:
            n = max(position - self._forgotten, 0)
            kept = [i for i, event in enumerate(self.events[:n]) if isinstance(event, (Exit, Panic))]
            self.events[:n], self.lines[:n] = [self.events[i] for i in kept], [self.lines[i] for i in kept]
            self._forgotten += n - len(kept)
            self._forgotten_lines += n - len(kept)

    def expect_event(self, kind: type[E], timeout: float, where: Callable[[E], bool] = lambda event: True) -> E:
        """Wait for the first event of this kind for which ``where`` holds; past events count, too.

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
        """Wait for the guest's end or the time limit; returns the verdict.

        ``poll`` is called whenever something has arrived, and at intervals.
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
        # Import pyelftools only after a panic: it is slow to import.
        from kgpt_build.vm.symbolize import Symbols, panic_text

        try:
            return panic_text(panic, Symbols.read(self._symbols))
        except KgptError:  # it is an image without symbols
            return panic_line(panic)

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
