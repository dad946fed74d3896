"""Machines that QEMU's TCG does not have: Bochs' tigerlake, with AVX-512, and with an x2APIC enabled by firmware."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kgpt_build import process
from kgpt_build.errors import KgptError
from kgpt_build.proof.axes import NotRun
from kgpt_build.proof.drive import Result
from kgpt_build.proof.images import WORDS, Expected
from kgpt_build.proof.matrix import Job

SECONDS = 600.0
_PROGRAMS = {"bochs": "bochs", "grub-mkrescue": "grub-common xorriso mtools"}
_BIOS, _VGA_BIOS = Path("/usr/share/bochs/BIOS-bochs-latest"), Path("/usr/share/bochs/VGABIOS-lgpl-latest")

_CONFIGURATION = f"""
display_library: rfb, options="timeout=0"
romimage: file={_BIOS}
vgaromimage: file={_VGA_BIOS}
cpu: model=tigerlake, count={{cpus}}, ips=100000000, reset_on_triple_fault=0
memory: guest=256, host=256
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path={{disc}}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={{serial}}
port_e9_hack: enabled=1
log: {{log}}
panic: action=fatal
error: action=report
info: action=ignore
"""
_X2APIC_ON = "insmod wrmsr\n  wrmsr 0x1b 0xfee00d00\n"
"""The APIC base register as some firmware leaves it: enabled, x2APIC mode, boot processor."""
_TEXT = "  set gfxpayload=text\n"
"""Text mode, set after the kernel was read: its header asks for pixels, and GRUB crashes in an 8-bit mode of Bochs."""


@dataclass(frozen=True)
class BochsCase:
    """A machine of Bochs."""

    cpus: int
    x2apic: bool

    @property
    def name(self) -> str:
        """``bochs grub-bios tigerlake 2cpu x2apic``."""
        return f"bochs grub-bios tigerlake {self.cpus}cpu 256MB {'x2apic' if self.x2apic else 'plain'}"


CASES = (BochsCase(1, False), BochsCase(2, False), BochsCase(2, True))


def bochs_jobs(kernel: Path, expected: Expected, words: tuple[str, ...]) -> tuple[list[Job], list[NotRun]]:
    """The machines whose names contain all ``words``; or the reason why there are none."""
    chosen = [case for case in CASES if all(word in case.name for word in words)]
    missing = [f"{package}" for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    if not missing and not (_BIOS.is_file() and _VGA_BIOS.is_file()):
        missing = ["bochs, bochsbios and vgabios"]
    if missing:
        reason = f"it needs what is not installed: apt-get install {' '.join(missing)}"
        return [], [NotRun(case.name, reason) for case in chosen]
    return [(case.name, partial(run, case, kernel, expected)) for case in chosen], []


def run(case: BochsCase, kernel: Path, expected: Expected) -> Result:
    """Boot the machine, and judge it by its events and its serial port."""
    begun = time.monotonic()
    failures: list[str] = []
    text = ""
    with tempfile.TemporaryDirectory(prefix="kgpt-bochs-") as name:
        folder = Path(name)
        try:
            events = _boot(case, kernel, folder)
            text = (folder / "serial").read_text(errors="replace")
            failures = _failures(case, expected, events, text)
        except (KgptError, OSError) as error:
            failures.append(str(error))
    return Result(case.name, tuple(failures), time.monotonic() - begun, "serial", text[-4000:])


def _boot(case: BochsCase, kernel: Path, folder: Path) -> list[dict[str, Any]]:
    tree, disc = folder / "tree", folder / "disc.iso"
    (tree / "boot" / "grub").mkdir(parents=True)
    shutil.copy(kernel, tree / "boot" / "kernel.elf")
    before = _X2APIC_ON if case.x2apic else ""
    entry = f"set timeout=0\nmenuentry kgpt {{\n  {before}multiboot2 /boot/kernel.elf {WORDS} exit\n{_TEXT}}}\n"
    (tree / "boot" / "grub" / "grub.cfg").write_text(entry)
    process.run(["grub-mkrescue", "-o", disc, tree], timeout=SECONDS)
    settings = {"disc": disc, "serial": folder / "serial", "log": folder / "log", "cpus": case.cpus}
    (folder / "bochsrc").write_text(_CONFIGURATION.format(**settings))
    (folder / "debugger").write_text("c\n")  # Debian's Bochs waits in its debugger: continue
    try:
        words: list[str | Path] = ["bochs", "-q", "-f", folder / "bochsrc", "-rc", folder / "debugger"]
        environment = {**os.environ, "LC_ALL": "C"}  # Bochs 2.7 overflows a buffer where the locale's is UTF-8
        output = process.run(words, env=environment, timeout=SECONDS).output
    except process.CommandFailed as error:  # Bochs fails when the guest powers off; the events tell the result
        output = error.output
    return [json.loads(line) for line in output.splitlines() if line.startswith('{"event"')]


def _failures(case: BochsCase, expected: Expected, events: list[dict[str, Any]], text: str) -> list[str]:
    of: Mapping[str, dict[str, Any]] = {event["event"]: event for event in reversed(events)}
    absent = [name for name in ("boot", "cpu", "cpus", "exit") if name not in of]
    if absent:
        return [f"the machine channel has no {absent[0]}"]
    by = "" if case.cpus == 1 else "x2apic" if case.x2apic else "xapic"
    facts = {
        "loader": (of["boot"]["loader"], "multiboot2"),
        "AVX-512's state (XCR0)": (of["cpu"]["xcr0"], 0xE7),
        "instruction set": (of["cpu"]["isa"], "avx512"),
        "processors": ((of["cpus"]["found"], of["cpus"]["started"], of["cpus"]["by"]), (case.cpus, case.cpus, by)),
        "exit": (of["exit"]["code"], 0),
        "texts": (tuple(e["text"] for e in events if e["event"] == "sample"), expected.first),
    }
    failures = [f"{what}: {found}, not {right}" for what, (found, right) in facts.items() if found != right]
    lines = [f"sample {number:2d}: {name}" for number, name in enumerate(expected.first, 1)]
    shown = [line.rstrip() for line in text.splitlines()]
    return failures + [f"the serial port lacks: {line}" for line in lines if line not in shown]
