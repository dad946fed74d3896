"""Joins a guest's serial port to the user's terminal, or prints it as plain text without a terminal."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import sys
import termios
import time
from collections.abc import Callable, Iterator
from types import FrameType

from kgpt_build.events import Shell
from kgpt_build.vm.guest_run import GuestRun
from kgpt_build.vm.loader_output import LoaderOutput
from kgpt_build.vm.terminal import LineEnds, knows_sequences, wants_colors
from kgpt_build.vm.transcript import PlainText
from kgpt_build.vm.verdict import Verdict, beside_console

LEAVE = b"\x1d"
LEAVE_NAME = "Ctrl-]"
_PASTE_OFF = b"\x1b[?2004l"
"""Ends bracketed paste, which a guest turns on: a guest that the user leaves cannot turn it off itself."""
_ASKED = re.compile(rb"\x1b\[(?:\?2004[hl]|5n)")
"""The queries that a guest sends to the user's terminal (kernel_c/include/kgpt/terminal_words.h)."""
_BEGUN = re.compile(rb"\x1b(?:\[(?:\?(?:2(?:0(?:04?)?)?)?|5)?)?$")
_PLAIN = b"\x1b[m"
_END_OF_INPUT = "\x04"
_DEADLY = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_IFLAG, _OFLAG, _CFLAG, _LFLAG, _CC = 0, 1, 2, 3, 6


@contextlib.contextmanager
def raw_terminal(fd: int) -> Iterator[None]:
    """Switch the terminal to raw input, also for Ctrl-C, without echo; restored at the end of the block.

    Signals that would kill the process and leave the terminal raw raise SystemExit instead.
    """
    saved = termios.tcgetattr(fd)
    raw = termios.tcgetattr(fd)
    raw[_IFLAG] &= ~(termios.BRKINT | termios.ICRNL | termios.INPCK | termios.ISTRIP | termios.IXON)
    raw[_CFLAG] |= termios.CS8
    raw[_LFLAG] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
    raw[_CC][termios.VMIN], raw[_CC][termios.VTIME] = 1, 0
    # Output processing stays on, for guests that end lines by "\n" alone.
    handlers = {number: signal.signal(number, _leave) for number in _DEADLY}
    try:
        termios.tcsetattr(fd, termios.TCSADRAIN, raw)
        yield
    finally:
        with contextlib.suppress(termios.error):  # the terminal is closed
            termios.tcsetattr(fd, termios.TCSADRAIN, saved)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def interact(machine: GuestRun, stdin: int = 0, stdout: int = 1, also: Callable[[], None] = lambda: None) -> Verdict:
    """Join the terminal to the guest until it ends, or until the user presses LEAVE_NAME; returns the verdict.

    ``stdin`` must be a terminal. ``also`` is called whenever something has arrived. The first key draws the boot menu.
    The verdict has a tail of the console only if the console was not shown.
    """
    loader = _loader_output(machine)
    with raw_terminal(stdin), _screen(stdout) as show:
        last = _pump(machine, stdin, show, loader, also)
        if wants_colors():
            show(_PLAIN)  # the guest may have ended while the user typed
        if last not in (b"", b"\n"):
            show(b"\n")
    return beside_console(machine.wait(), loader.tail())


def _loader_output(machine: GuestRun) -> LoaderOutput:
    return LoaderOutput(expected=machine.settings.medium != "kernel" or machine.settings.efi_folder is not None)


class WithoutQuestions:
    """Removes a guest's queries to the terminal from a byte stream. A partial query waits for its rest."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """The bytes that ``data`` completes."""
        data = _ASKED.sub(b"", self._rest + data)
        begun = _BEGUN.search(data)
        data, self._rest = (data[: begun.start()], begun.group()) if begun else (data, b"")
        return data


@contextlib.contextmanager
def _screen(stdout: int) -> Iterator[Callable[[bytes], None]]:
    """The function that writes to the terminal. At the end of the block, bracketed paste is off.

    The guest's queries are removed for a terminal without escape sequences (TERM).
    """
    if not knows_sequences():
        plain = WithoutQuestions()
        yield lambda data: _write(stdout, plain.feed(data))
        return
    try:
        yield lambda data: _write(stdout, data)
    finally:
        with contextlib.suppress(OSError):
            _write(stdout, _PASTE_OFF)


def leaver(machine: GuestRun) -> Callable[[], None]:
    """For Machine.wait without a user: type Ctrl-D whenever the shell waits for a line, which ends the run.

    Only images need this: a kernel is told by its command line to exit, but an image brings its own.
    """
    seen = 0

    def poll() -> None:
        nonlocal seen
        events, seen = machine.events_since(seen)
        if machine.settings.medium != "kernel" and any(isinstance(event, Shell) for event in events):
            machine.type_text(_END_OF_INPUT)

    return poll


def stream(machine: GuestRun, write: Callable[[str], None], also: Callable[[], None] | None = None) -> Verdict:
    """Pass the guest's console to ``write`` as it arrives, as plain text, without a boot loader's menu.

    ``also`` is called whenever something has arrived. Returns the verdict, with a tail of the console only if the
    console was not shown.
    """
    plain, loader = PlainText(), _loader_output(machine)
    position = 0

    def poll() -> None:
        nonlocal position
        data, position = machine.console.raw_since(position)
        if text := plain.feed(loader.feed(data)):
            write(text)

    return beside_console(machine.wait(all_of(poll, also)), loader.tail())


def all_of(*polls: Callable[[], None] | None) -> Callable[[], None]:
    """A function that calls ``polls`` in this order, without those that are None."""

    def poll() -> None:
        for each in polls:
            if each is not None:
                each()

    return poll


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _pump(
    machine: GuestRun,
    stdin: int,
    show: Callable[[bytes], None],
    loader: LoaderOutput,
    also: Callable[[], None],
) -> bytes:
    """Copy in both directions until one side ends or the time is over; returns the last byte shown."""
    position, last, lines = 0, b"", LineEnds()
    with _woken_by(machine) as wake:
        while True:
            also()
            data, position = machine.console.raw_since(position)
            if data:
                shown = lines.feed(loader.feed(data))
                show(shown)
                last = shown[-1:] or last
                continue
            if machine.console.closed or not machine.running:
                return last
            remaining = None if machine.deadline is None else machine.deadline - time.monotonic()
            if remaining is not None and remaining <= 0:
                return last
            ready, _, _ = select.select([stdin, wake], [], [], remaining)
            if wake in ready:
                os.read(wake, 4096)
            if stdin in ready:
                show(lines.feed(loader.open()))
                if not _type(machine, stdin):
                    machine.quit()
                    return last


def _type(machine: GuestRun, stdin: int) -> bool:
    """Pass typed bytes to the guest; False if the user leaves, or the terminal has hung up."""
    try:
        typed = os.read(stdin, 4096)
    except OSError:
        return False
    before, leave, _ = typed.partition(LEAVE)
    if before:
        machine.send(before)
    return bool(typed) and not leave


@contextlib.contextmanager
def _woken_by(machine: GuestRun) -> Iterator[int]:
    """A descriptor that becomes readable when the guest has written, or has ended."""
    # Sockets, not a pipe: the link's thread may still write after this ends, and a closed socket raises an error.
    read, write = socket.socketpair()
    write.setblocking(False)

    def wake() -> None:
        with contextlib.suppress(OSError):  # full, so the reader wakes up anyway; or closed
            write.send(b"!")

    machine.on_change = wake
    try:
        yield read.fileno()
    finally:
        machine.on_change = None
        read.close()
        write.close()


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
