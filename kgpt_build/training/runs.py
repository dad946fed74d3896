"""A training's run, in QEMU or as a process: the same face, so that one program listens to both."""

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
    """What was received so far, in the order in which it came, and the way to the end. vm.machine.Machine is one."""

    @property
    def lines(self) -> Sequence[bytes]:
        """The lines of the machine channel."""

    @property
    def events(self) -> Sequence[Event]:
        """The same, parsed."""

    @property
    def blobs(self) -> Sequence[Blob]:
        """What came whole between them."""

    def send(self, data: bytes) -> None:
        """Type on its console."""

    def wait(self, poll: Callable[[], None] | None = None) -> Verdict:
        """Wait for the end, calling ``poll`` whenever something has come."""


class HostedRun:
    """A hosted process, heard as a machine is."""

    def __init__(self, process: HostedProcess) -> None:
        self._process = process
        self._channel = ChannelReader()
        self.lines = self._channel.lines
        self.events = self._channel.events
        self.blobs = self._channel.blobs

    def send(self, data: bytes) -> None:
        """Type on its console."""
        self._process.send(data)

    def wait(self, poll: Callable[[], None] | None = None) -> Verdict:
        """Wait for the end, calling ``poll`` whenever something has come. Raises ToolMissing."""
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
        # The kernel's exit event is also the process's status; QEMU's is made from it by its debug-exit device.
        qemu_status = expected_status(Exit(status, ""))
        seen = Observed(qemu_status, tuple(self.events), garbage=self._channel.broken, tail=self._process.console())
        return judge(seen)


def stage_modules(folder: Path, *, corpus: bytes | None, state: bytes | None) -> tuple[BootModule, ...]:
    """Files for the loader, in ``folder``: the very bytes that were checked, under names that QEMU can take."""
    modules = []
    for name, data in (("corpus", corpus), ("state", state)):
        if data is not None:
            modules.append(BootModule(folder / name))
            modules[-1].path.write_bytes(data)
    return tuple(modules)
