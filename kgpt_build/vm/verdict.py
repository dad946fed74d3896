"""Decides how a run ended, by a pure function of all observations. A run without the kernel's verdict never passes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from kgpt_build.arch import EXIT_BASE
from kgpt_build.errors import FAILED, OK, REFUSED, GuestFailed, KgptError, MachineLost, RunTimeout
from kgpt_build.events import Error, Event, Exit, Panic, SelfTest
from kgpt_build.process import describe_status
from kgpt_build.settings import options
from kgpt_build.words import counted

_E = TypeVar("_E", bound=Event)

"""The codes of the kernel's ``exit`` event (kernel_c/include/kgpt/status.h)."""

_KEY = re.compile(rf"\b({'|'.join(name for name, option in options().items() if option.unit)})=(\w*)")
_STDERR_LINES = 3
_WINDOW_CLOSED = "host-ui"

_KINDS: dict[str, type[KgptError]] = {
    "refused": KgptError,
    "failed": GuestFailed,
    "lost": MachineLost,
    "timeout": RunTimeout,
}


@dataclass(frozen=True)
class Verdict:
    """``kind`` is ok, quit (the user left), refused, failed, lost or timeout."""

    kind: str
    message: str
    hint: str = ""
    tail: str = ""
    """The console's last lines, where they help."""
    panic: Panic | None = None
    from_guest: bool = False
    """``message`` and ``hint`` are the guest's own words, which its console has too."""

    @property
    def ok(self) -> bool:
        """Has the guest itself reported a good end? False if the user left it early."""
        return self.kind == "ok"

    @property
    def exit_code(self) -> int:
        """The exit code for the program that ran this machine."""
        error = _KINDS.get(self.kind)
        return error.exit_code if error else 0

    def error(self) -> KgptError | None:
        """The failure as an exception, with the tail of the console; None after a good end."""
        kind = _KINDS.get(self.kind)
        if kind is None:
            return None
        tail = f"the console's last lines:\n{self.tail}" if self.tail else ""
        return kind(self.message, "\n".join(part for part in (self.hint, tail) if part))


def beside_console(verdict: Verdict, tail: str) -> Verdict:
    """``verdict`` without the guest's own hint, which the console has shown. ``tail``: the part that was not shown."""
    return replace(verdict, hint="" if verdict.from_guest else verdict.hint, tail=tail)


@dataclass(frozen=True)
class Observed:
    """All observations of a run."""

    status: int
    """QEMU's exit status; negative: the signal that ended it."""
    events: tuple[Event, ...] = ()
    shutdown: str = ""
    """The reason in QMP's SHUTDOWN event: guest-reset, guest-shutdown, host-qmp-quit, host-signal, …"""
    broken: str = ""
    """A run state in which QEMU stopped the machine by itself: internal-error, io-error, …"""
    garbage: str = ""
    """The fault of the first line of the machine channel that is not an event."""
    timed_out: float = 0.0
    """The time limit in seconds that has expired; 0: none."""
    quit: bool = False
    """kgpt asked QEMU to end."""
    stderr: str = ""
    tail: str = ""
    started: bool = True
    """QEMU has started the guest."""
    powers_off: bool = False
    """The machine has no device for the code: the guest powers it off after its ``exit`` event."""
    describe_panic: Callable[[Panic], str] = field(default=lambda panic: panic_line(panic))


def judge(seen: Observed) -> Verdict:
    """The verdict on a finished run."""
    if seen.timed_out:
        return Verdict(
            "timeout",
            f"the guest did not end within {counted(seen.timed_out, 'second')}",
            "give it more with --timeout; if it hangs, kgpt run --gdb shows where",
            tail=seen.tail,
        )
    exit_event = _last(seen, Exit)
    panic = _last(seen, Panic)
    if (seen.quit or seen.shutdown == _WINDOW_CLOSED) and exit_event is None and panic is None:
        return Verdict("quit", "the machine was ended from outside")
    if seen.garbage:
        stray = "the kernel writes other data there (docs/events.md)" if "carried a line" in seen.garbage else ""
        return _lost(seen, seen.garbage, stray)
    if panic is not None:
        return Verdict("failed", seen.describe_panic(panic), tail=seen.tail, panic=panic)
    if exit_event is None:
        return _no_verdict(seen)
    if not _ended_as_announced(seen, exit_event) and not _announced_reset(seen, exit_event):
        return _lost(
            seen,
            f"the guest announced code {exit_event.code}, but QEMU ended otherwise ({_how_qemu_ended(seen)})",
        )
    return _by_code(seen, exit_event)


def expected_status(exit_event: Exit) -> int:
    """QEMU's exit status after the guest wrote its code to the exit device: twice the number that it wrote, plus 1."""
    return 2 * (EXIT_BASE + exit_event.code) + 1


def _ended_as_announced(seen: Observed, exit_event: Exit) -> bool:
    if seen.powers_off:
        return seen.status == 0 and seen.shutdown == "guest-shutdown"
    return seen.status == expected_status(exit_event)


def panic_line(panic: Panic) -> str:
    """``panic: #PF error 0x2 at 0x1000``: the form without an ELF file to look up the address."""
    if panic.vector < 0:
        return f"panic: {panic.message}"
    return f"panic: {panic.name} error {panic.error:#x} at {panic.rip:#x}"


def _by_options(hint: str) -> str:
    """A guest's hint with options of kgpt in the place of its own: "a larger --ctx" for "a larger ctx="."""
    return _KEY.sub(lambda key: f"--{key[1].replace('_', '-')}{' ' if key[2] else ''}{key[2]}", hint)


def _by_code(seen: Observed, exit_event: Exit) -> Verdict:
    if exit_event.code == OK:
        return Verdict("ok", f"the guest ended well ({exit_event.reason})")
    if exit_event.code == REFUSED:
        error = _last(seen, Error)
        if error is None:
            return Verdict("refused", "the kernel refused to go on, and did not say why", tail=seen.tail)
        return Verdict("refused", error.message, _by_options(error.hint), from_guest=True)
    if exit_event.code == FAILED:
        failed = [test for test in seen.events if isinstance(test, SelfTest) and not test.ok]
        lines = "\n".join(f"{test.name}: {test.message}" for test in failed)
        if failed:
            return Verdict("failed", f"{counted(len(failed), 'self-test')} failed", lines)
        if error := _last(seen, Error):
            return Verdict("failed", error.message, _by_options(error.hint), from_guest=True)
        return Verdict("failed", f"the guest failed ({exit_event.reason})", tail=seen.tail)
    return _lost(seen, f"the guest ended with the unknown code {exit_event.code}")


def _no_verdict(seen: Observed) -> Verdict:
    if not seen.started:
        said = seen.stderr.strip().splitlines()
        reason = without_program(said[-1]) if said else _how_qemu_ended(seen)
        if seen.status > 0:
            if unknown := re.match(r"(\S+): unable to find CPU model '(.*)'", said[-1] if said else ""):
                return Verdict("refused", f"QEMU has no processor {unknown[2]}", f"{unknown[1]} -cpu help lists them")
            return Verdict("refused", f"QEMU did not start the machine: {reason}")
        return _lost(seen, f"QEMU broke while it started: {reason}")
    if seen.broken:
        return _lost(
            seen,
            f"QEMU stopped the machine ({seen.broken}): the accelerator cannot run this guest",
            "give --accel tcg",
        )
    if seen.shutdown == "guest-reset":
        return _lost(seen, "the guest reset without a verdict: a triple fault, or a reboot that it did not announce")
    return _lost(seen, f"the run ended without the kernel's verdict ({_how_qemu_ended(seen)})")


def without_program(line: str) -> str:
    """A line of QEMU's standard error without the name of the program, which begins it."""
    return re.sub(r"\Aqemu-system-\w+: ", "", line)


def _announced_reset(seen: Observed, exit_event: Exit) -> bool:
    return exit_event.reason == "reboot" and seen.status == 0 and seen.shutdown == "guest-reset"


def _how_qemu_ended(seen: Observed) -> str:
    if seen.shutdown:
        return f"shutdown: {seen.shutdown}"
    return f"QEMU: {describe_status(seen.status)}"


def _lost(seen: Observed, message: str, hint: str = "") -> Verdict:
    said = "\n".join(seen.stderr.strip().splitlines()[:_STDERR_LINES])  # a dump of registers follows
    hints = [hint, f"QEMU said:\n{said}" if said else ""]
    return Verdict("lost", message, "\n".join(part for part in hints if part), tail=seen.tail)


def _last(seen: Observed, kind: type[_E]) -> _E | None:
    return next((event for event in reversed(seen.events) if isinstance(event, kind)), None)
