"""The engine as a Linux process instead of a machine, for `kgpt run` and `kgpt smoke`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import click
from click.core import ParameterSource

from kgpt_build.errors import UsageError
from kgpt_build.events import Exit
from kgpt_build.kernel.hosted import HostedProcess
from kgpt_build.media import is_elf
from kgpt_build.process import describe_status
from kgpt_build.vm.guest_run import GuestRun
from kgpt_build.vm.verdict import Observed, Verdict, expected_status, judge

_READ_BYTES = 1 << 16
QEMU_ONLY = {
    "accel": "auto",
    "cpu": "",
    "machine": "auto",
    "serial": True,
    "firmware": "bios",
    "medium": "auto",
    "disks": (),
    "nets": (),
    "keyboard": "auto",
    "display": False,
    "keeps": False,
    "gdb": False,
}
"""Options of `kgpt run` for QEMU only, and their values for a process. --secure-boot is one too, without a value."""


class HostedMachine(GuestRun):
    """The running program ``settings.image``. The thread that enters the ``with`` block must leave it."""

    _process: HostedProcess | None = None
    _open = 2

    def start(self) -> None:
        """Start the program, and two threads that read its output. Raises ToolMissing."""
        settings = self.settings
        read, write = os.pipe()
        try:
            self._process = HostedProcess(
                settings.image,
                settings.cmdline,
                modules=settings.modules,
                memory=settings.memory,
                store=settings.store,
                listen=settings.listen,
                console=write,
            )
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
        self._begin_time_limit()
        process = self._process
        self._threads = [
            threading.Thread(target=self._pass, args=(_pieces(read), self._feed_console), daemon=True),
            threading.Thread(target=self._pass, args=(process.pieces(), self._feed_events), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def send(self, data: bytes) -> None:
        """Type ``data``. Blocks while the program does not read."""
        assert self._process is not None, "it was not started"
        self._process.send(data)

    def type_text(self, text: str) -> None:
        """Type ``text``."""
        self.send(text.encode())

    def quit(self) -> None:
        """Kill the program."""
        self._quit = True
        self._kill()

    def close(self) -> None:
        """Kill the program if it still runs, and close all files. A second call does nothing."""
        if self._process is None:
            return
        self._kill()
        for thread in self._threads:
            thread.join(timeout=10)
        self._process.__exit__(None, None, None)
        self._process = None

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _pass(self, pieces: Iterator[bytes], feed: Callable[[bytes], None]) -> None:
        """Read all output. The run is over when both the console and the machine channel are closed."""
        for data in pieces:
            feed(data)
        feed(b"")
        with self.changed:
            self._open -= 1
            is_over = self._open == 0
        if is_over:
            self._feed_end_of_run()

    def _judge(self, timed_out: bool) -> Verdict:
        """The verdict, as for a machine. The exit status of the program is the kernel's own code."""
        assert self._process is not None
        status = self._process.wait()
        exit_event = next((event for event in reversed(self.events) if isinstance(event, Exit)), None)
        if exit_event is None and not (timed_out or self._quit):
            message = f"the program ended without a verdict ({describe_status(status)})"
            return Verdict("lost", message, tail=self.console.tail())
        announced = exit_event is not None and status == exit_event.code
        seen = Observed(
            status=expected_status(exit_event) if exit_event and announced else status,
            events=tuple(self.events),
            garbage=self._channel.broken,
            timed_out=(self.settings.timeout or 0.0) if timed_out else 0.0,
            quit=self._quit,
            tail=self.console.tail(),
            describe_panic=self._describe_panic,
        )
        verdict = judge(seen)
        return replace(verdict, hint="give it more with --timeout") if timed_out else verdict


def _pieces(fd: int) -> Iterator[bytes]:
    with os.fdopen(fd, "rb", buffering=0) as pipe:
        while data := pipe.read(_READ_BYTES):
            yield data


def is_hosted(path: Path) -> bool:
    """Is ``path`` a program of kgpt build --target hosted? Raises KgptError for a damaged file."""
    from kgpt_build.kernel.elf import read_elf
    from kgpt_build.kernel.loaders import supported

    try:
        if not is_elf(path):
            return False
    except OSError:
        return False
    image = read_elf(path)
    return not supported(image) and image.model_bytes() is not None


def refuse_qemu_options() -> None:
    """Raise UsageError if the command line has an option for QEMU only."""
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in (*QEMU_ONLY, "secure_boot") and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"{parameter.opts[0]} is for QEMU, and this runs as a Linux process", "leave it out")
