"""Runs one machine of the matrix: boots it, checks all its outputs, types to it, ends it."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from kgpt_build.errors import KgptError, MachineLost
from kgpt_build.events import Exit, Sample, Shell, Stats
from kgpt_build.headers.font import readable
from kgpt_build.proof.axes import Case
from kgpt_build.proof.images import PROMPT, WORDS, Expected, Images
from kgpt_build.sizes import MIB
from kgpt_build.vm.firmware import find_firmware
from kgpt_build.vm.qemu.machine import Machine
from kgpt_build.vm.settings import RunSettings

T = TypeVar("T")

PATIENCE = 300.0
"""Seconds for each step of a run: firmware is slow in an emulator on a busy host."""
_LOADERS = {
    "pvh": "pvh",
    "multiboot1": "multiboot1",
    "grub-bios": "multiboot2",
    "grub-uefi": "multiboot2",
    "linux": "linux",
    "uefi": "uefi",
}
_DISPLAYS = {"pixels": r"\d+x\d+x(24|32)", "text": "text 80x25", "no-screen": ""}
_FIRMWARE_MB = 64
"""MiB that firmware may reserve."""
_ABOVE_4G = 3 << 30
"""An arena of this size, less page tables, does not fit below 4 GiB, where the device hole and the kernel are."""
_SLACK = 16 << 20
_SPEED = "tokens/s"
"""The status line ends with the speed of the last generation."""
_EVENTS, _EVENT_BYTES = 4, 200
"""How much to show of the last events of a run that stopped."""
_SPECIAL_CPU = {"la57": ",la57=on", "x2apic": ",+x2apic"}
_SPECIAL_MACHINE = {"no-hpet": "hpet=off", "no-pit": "pit=off", "no-hpet-no-pit": "hpet=off,pit=off"}


@dataclass(frozen=True)
class Result:
    """A finished run; it has passed if there are no ``failures``."""

    name: str
    failures: tuple[str, ...]
    seconds: float
    saw: str = ""
    """The checked outputs, for the table: ``serial, screen 1280x800, keyboard``."""
    console: str = ""

    @property
    def ok(self) -> bool:
        """Passed?"""
        return not self.failures


def settings_of(case: Case, images: Images) -> RunSettings:
    """The machine of a case."""
    by_grub = case["loader"].startswith("grub")
    options = [_SPECIAL_MACHINE[case["special"]]] if case["special"] in _SPECIAL_MACHINE else []
    options += ["i8042=off"] if case["keyboard"] == "no-keyboard" and case["machine"] != "microvm" else []
    return RunSettings(
        image=images.of(case),
        medium=("usb" if case["machine"] == "q35" else "cdrom") if by_grub else "kernel",
        firmware=find_firmware("uefi") if case["loader"] == "grub-uefi" else None,
        cmdline="" if by_grub else WORDS,
        cpus=int(case["cpus"]),
        memory=int(case["memory"]),
        accel="tcg",
        cpu=case["cpu"] + _SPECIAL_CPU.get(case["special"], ""),
        machine=case["machine"],
        card=_card(case),
        serial=case["serial"] == "serial",
        keeps_screen=case.has_screen and not case.can_be_typed_to,
        extra=("-machine", ",".join(options)) if options else (),
    )


def _card(case: Case) -> str:
    if not case.has_screen:
        return ""
    # Under UEFI use a card without VGA registers.
    return "bochs-display" if case["loader"] == "grub-uefi" else "VGA"


def run(case: Case, images: Images, expected: Expected, qemu: str) -> Result:
    """Boot a case and judge it. Failures are in the result, and never raised."""
    return run_with(settings_of(case, images), case, expected, qemu)


def run_with(settings: RunSettings, case: Case, expected: Expected, qemu: str) -> Result:
    """Boot the machine ``settings``, which is that of ``case``, and judge it. Failures are in the result."""
    begun = time.monotonic()
    with Machine(settings, qemu=qemu) as machine:
        drive = _Drive(machine, case, expected)
        try:
            drive.run()
        except KgptError as error:
            ended = "" if machine.running else f" ({machine.wait().message})"
            last = b"\n".join(line[:_EVENT_BYTES] for line in machine.lines[-_EVENTS:]).decode(errors="replace")
            drive.failures.append(f"{error.message}{ended}; the last events:\n{last}")
        seconds = time.monotonic() - begun
        return Result(case.name, tuple(drive.failures), seconds, ", ".join(drive.saw), machine.console.tail(40))


class _Drive:
    """The steps of a run; each adds its failures."""

    def __init__(self, machine: Machine, case: Case, expected: Expected) -> None:
        self._machine = machine
        self._case = case
        self._expected = expected
        self.failures: list[str] = []
        self.saw: list[str] = []

    def run(self) -> None:
        """Run all steps."""
        if self._case.can_be_typed_to:
            self._machine.expect_event(Shell, PATIENCE)
        else:
            self._machine.expect_event(Exit, PATIENCE)
        self._check_boot()
        self._check_names(self._expected.first)
        if self._case.can_be_typed_to:
            self._type_prompt()
        self._end()

    def _check(self, good: bool, failure: str) -> None:
        if not good:
            self.failures.append(failure)

    def _check_boot(self) -> None:
        """Check that the kernel's events describe the machine correctly."""
        of = self._raw_events()
        boot, case = of["boot"], self._case
        facts = {
            "loader": _LOADERS[case["loader"]],
            "serial": case["serial"] == "serial",
            "screen": case.has_screen,
            "keyboard": case["keyboard"] == "ps2",
        }
        for key, value in facts.items():
            self._check(boot[key] == value, f"boot says {key} {boot[key]!r}, not {value!r}")
        display = boot.get("display", "")
        good = re.fullmatch(_DISPLAYS[case["screen"]], display)
        self._check(good is not None, f"boot says display {display!r}, and the screen is {case['screen']}")
        memory = int(case["memory"])
        found = boot["memory"] // MIB
        self._check(memory - _FIRMWARE_MB <= found <= memory, f"{found} MB of {memory} MB of memory were found")
        if memory >= 4096:
            arena = of["memory"]["arena"]
            self._check(arena >= _ABOVE_4G - _SLACK, f"the arena of {arena // MIB} MB is not above 4 GB")
        cpus = of["cpus"]
        said = f"{cpus['found']} processors found, {cpus['started']} started {cpus['note']}".rstrip()
        self._check((cpus["found"], cpus["started"]) == (int(case["cpus"]),) * 2, said)

    def _raw_events(self) -> dict[str, dict[str, Any]]:
        """The first event of each name, as a dictionary."""
        events = (json.loads(line) for line in reversed(self._machine.lines))
        return {event["event"]: event for event in events}

    def _check_names(self, names: tuple[str, ...]) -> None:
        """Check the texts on all outputs of the machine."""
        said = tuple(event.text for event in self._machine.events if isinstance(event, Sample))
        right = said == names  # wrong names are not waited for
        self._check(right, f"it generated {said}, not {names}")
        lines = [f"sample {number:2d}: {name}" for number, name in enumerate(names, 1)]
        if self._case["serial"] == "serial":
            self._see("serial")
            # The serial port is another channel: its text may arrive after the event.
            shown = until(
                lambda: self._machine.console.text.splitlines(), lambda text: not right or _holds(text, lines)
            )
            self._check(_holds(shown, lines), "the names are not on the serial port")
        if self._case.has_screen:
            # The status line is drawn last, so it is waited for, also with wrong names.
            screen = until(
                lambda: self._machine.screen(readable()),
                lambda screen: _SPEED in screen.status and (not right or _holds(screen.lines, lines)),
            )
            self._see(f"screen {len(screen.cells[0])}×{len(screen.cells)}")
            self._check(_holds(screen.lines, lines), f"the names are not on the screen:\n{screen.text}")
            self._check(_SPEED in screen.status, f"the status line says {screen.status!r}")

    def _type_prompt(self) -> None:
        """Type by the keyboard if there is one, else on the serial port, and check the answer."""
        self._machine.forget()
        self._enter(f"generate {PROMPT}")
        self._machine.expect_event(Stats, PATIENCE)
        self._check_names(self._expected.answer)

    def _enter(self, line: str) -> None:
        if self._case["keyboard"] == "ps2":
            self._see("keyboard")
            self._machine.type_keys(line + "\n")
        else:
            self._machine.send(line.encode() + b"\r")

    def _end(self) -> None:
        if self._case.can_be_typed_to:
            with contextlib.suppress(MachineLost):  # the machine ends with the key press of Enter
                self._enter("halt")
        if not self._machine.settings.keeps_screen:
            verdict = self._machine.wait()
            self._check(verdict.ok, verdict.message)
            return
        self._wait_until(self._is_off, "the machine was not switched off")
        codes = [event.code for event in self._machine.events if isinstance(event, Exit)]
        self._check(codes == [0], f"the guest ended with {codes}")
        self._machine.quit()

    def _is_off(self) -> bool:
        return any(event.get("event") == "SHUTDOWN" for event in self._machine.qmp_events)

    def _wait_until(self, holds: Callable[[], bool], failure: str) -> None:
        with self._machine.changed:
            self._machine.changed.wait_for(holds, PATIENCE)
        self._check(holds(), failure)

    def _see(self, what: str) -> None:
        if what not in self.saw:
            self.saw.append(what)


def until(look: Callable[[], T], good: Callable[[T], bool]) -> T:
    """Call ``look`` until its result is good or PATIENCE is over; returns the last result."""
    end = time.monotonic() + PATIENCE
    while not good(seen := look()) and time.monotonic() < end:
        time.sleep(0.1)
    return seen


def _holds(shown: Sequence[str], lines: Sequence[str]) -> bool:
    """Does ``shown`` contain ``lines`` in this order, possibly with other lines between them?"""
    left: Iterator[str] = iter(shown)
    return all(any(line == each.rstrip() for each in left) for line in lines)
