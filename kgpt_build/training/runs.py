"""One interface to a training in QEMU and to a training in a hosted process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from kgpt_build.boot_modules import BootModule
from kgpt_build.errors import RunTimeout
from kgpt_build.events import Event, Exit
from kgpt_build.events.framing import Blob, ChannelReader
from kgpt_build.kernel.hosted import HostedProcess
from kgpt_build.process import CommandFailed
from kgpt_build.vm.verdict import Observed, Verdict, expected_status, judge


class Run(Protocol):
    """What a run has sent so far, in order, and how to wait for its end. vm.machine.Machine implements it."""

    @property
    def lines(self) -> Sequence[bytes]:
        """The lines of the machine channel."""

    @property
    def events(self) -> Sequence[Event]:
        """The events of these lines."""

    @property
    def blobs(self) -> Sequence[Blob]:
        """The complete blobs between the lines."""

    def send(self, data: bytes) -> None:
        """Send ``data`` to the console as typed input."""

    def wait(self, poll: Callable[[], None] | None = None) -> Verdict:
        """Wait for the end; call ``poll`` after each piece of output."""


class HostedRun:
    """A hosted process with the interface of a machine."""

    def __init__(self, process: HostedProcess) -> None:
        self._process = process
        self._channel = ChannelReader()
        self.lines = self._channel.lines
        self.events = self._channel.events
        self.blobs = self._channel.blobs

    def send(self, data: bytes) -> None:
        """Send ``data`` to the console as typed input."""
        self._process.send(data)

    def wait(self, poll: Callable[[], None] | None = None) -> Verdict:
        """Wait for the end; call ``poll`` after each piece of output. Raises ToolMissing."""
        for piece in self._process.pieces():
            self._channel.feed(piece)
            if poll:
                poll()
        self._channel.feed(b"")
        return self._judge()

    def _judge(self) -> Verdict:
        try:
            status = self._process.check(has_spoken=bool(self.events))
        except RunTimeout as error:
            return Verdict("timeout", error.message, error.hint)
        except CommandFailed as error:
            return Verdict("lost", self._channel.broken or error.message, error.hint)
        ended = next((event for event in reversed(self.events) if isinstance(event, Exit)), None)
        if ended is None and not self._channel.broken:
            return Verdict("lost", "the process ended without a verdict", tail=self._process.console())
        # A hosted process exits with the code of the exit event; QEMU's debug-exit device changes the code.
        qemu_status = expected_status(Exit(status, ""))
        seen = Observed(qemu_status, tuple(self.events), garbage=self._channel.broken, tail=self._process.console())
        return judge(seen)


def stage_modules(folder: Path, *, corpus: bytes | None, state: bytes | None) -> tuple[BootModule, ...]:
    """Write the checked bytes to ``folder`` as files for the loader, under names that QEMU accepts."""
    modules = []
    for name, data in (("corpus", corpus), ("state", state)):
        if data is not None:
            modules.append(BootModule(folder / name))
            modules[-1].path.write_bytes(data)
    return tuple(modules)
