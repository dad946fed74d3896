"""The second matrix: how a machine is started, with which keyboard, disk and memory, and with Secure Boot or without.

Each machine starts from a stick or disc with the model that ships, generates the names of the reference, and is told by
its keyboard, or else by its serial port, to read a disk of random bytes.
"""

from __future__ import annotations

import random
import re
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kgpt_build import models
from kgpt_build.errors import KgptError, ToolMissing
from kgpt_build.events import Boot, Sample, Shell, Stats
from kgpt_build.image.contents import Wanted, load_models
from kgpt_build.image.make import ImageSettings, make
from kgpt_build.image.menu import MenuSettings
from kgpt_build.kernel.settings import Progress
from kgpt_build.proof.axes import DeviceCase, NotRun
from kgpt_build.proof.drive import PATIENCE, Result, until
from kgpt_build.proof.images import PROMPT, WORDS, Expected
from kgpt_build.proof.matrix import Job
from kgpt_build.signing import keys
from kgpt_build.signing.sign import Signer, find_signer
from kgpt_build.sizes import MIB
from kgpt_build.toolchain import DEFAULT
from kgpt_build.training.corpus import read_corpus
from kgpt_build.vm.disks import Disk, disk_words
from kgpt_build.vm.firmware import Firmware, find_firmware, find_secure_firmware
from kgpt_build.vm.qemu.machine import Machine
from kgpt_build.vm.settings import RunSettings

_DISK_MB = 5
_KEY_SECONDS = 0.3
_LOADERS = {"grub-bios": "multiboot2", "grub-uefi": "multiboot2", "direct-uefi": "uefi"}


@dataclass(frozen=True)
class Stage:
    """What all these machines share: a disc that starts by GRUB, a signed stick that starts by kgpt.efi, a disk."""

    disc: Path
    stick: Path
    certificate: bytes
    disk: Path

    @property
    def crc(self) -> str:
        """The CRC-32 of the disk, as the kernel writes it."""
        return f"{zlib.crc32(self.disk.read_bytes()):08x}"


def _key(folder: Path) -> tuple[Signer | None, bytes, str]:
    """A signer with its certificate; None with the reason where a tool is missing."""
    try:
        made = keys.make(folder / "key", "kgpt test")
        certificate = keys.read_certificate(made.certificate)
        find_secure_firmware(certificate)
        return find_signer(made.key, made.certificate), certificate, ""
    except ToolMissing as error:
        return None, b"", error.message


def prepare_devices(folder: Path, signer: Signer | None, certificate: bytes, progress: Progress) -> Stage:
    """Make the files. Raises KgptError, ToolMissing."""
    wanted = Wanted(load_models([None]), read_corpus(None).embedded(), DEFAULT)
    menu = MenuSettings(WORDS, 0, f"{models.load(None).name}-generate")
    disc, stick, disk = (folder / name for name in ("disc.iso", "stick.img", "disk"))
    make(ImageSettings("iso", disc, wanted, menu), progress)
    make(ImageSettings("usb", stick, wanted, menu, signer=signer), progress)
    disk.write_bytes(random.Random(1).randbytes(_DISK_MB * MIB))
    return Stage(disc, stick, certificate, disk)


def device_settings(case: DeviceCase, stage: Stage) -> RunSettings:
    """The machine of a case."""
    direct = case["start"] == "direct-uefi"
    return RunSettings(
        image=stage.stick if direct else stage.disc,
        medium="usb" if direct else "cdrom",
        firmware=_firmware(case, stage),
        memory=int(case["memory"]),
        accel="tcg",
        machine="q35",
        keyboard=case["keyboard"],
        extra=_disk(case["disk"], stage.disk),
    )


def _firmware(case: DeviceCase, stage: Stage) -> Firmware | None:
    if case["secure"] == "on":
        return find_secure_firmware(stage.certificate)
    return None if case["start"] == "grub-bios" else find_firmware("uefi")


def _disk(kind: str, path: Path) -> tuple[str, ...]:
    if kind == "none":
        return ()
    if kind == "cd":
        return (
            "-drive",
            f"if=none,id=disc,format=raw,readonly=on,file={path}",
            "-device",
            "ide-cd,drive=disc,bus=ide.4",
        )
    return tuple(disk_words([Disk(path, kind)]))


def device_jobs(
    folder: Path, cases: Sequence[DeviceCase], expected: Expected, qemu: str, progress: Progress
) -> tuple[list[Job], list[DeviceCase], list[NotRun]]:
    """Jobs for the machines that this host can make, these machines, and those that it cannot make."""
    if not cases:
        return [], [], []
    signer, certificate, reason = _key(folder)
    stage = prepare_devices(folder, signer, certificate, progress)
    made = [case for case in cases if signer or case["secure"] == "off"]
    missing = [] if len(made) == len(cases) else [NotRun("secure=on", reason)]
    return [(case.name, partial(run_devices, case, stage, expected, qemu)) for case in made], made, missing


def run_devices(case: DeviceCase, stage: Stage, expected: Expected, qemu: str) -> Result:
    """Boot a case and judge it. Failures are in the result, and never raised."""
    begun = time.monotonic()
    with Machine(device_settings(case, stage), qemu=qemu) as machine:
        drive = _Devices(machine, case, stage)
        try:
            drive.run(expected)
        except KgptError as error:
            drive.failures.append(error.message)
        seconds = time.monotonic() - begun
        return Result(case.name, tuple(drive.failures), seconds, ", ".join(drive.saw), machine.console.tail(40))


class _Devices:
    """The steps of a run; each adds its failures."""

    def __init__(self, machine: Machine, case: DeviceCase, stage: Stage) -> None:
        self._machine, self._case, self._stage = machine, case, stage
        self.failures: list[str] = []
        self.saw: list[str] = []

    def run(self, expected: Expected) -> None:
        """Run all steps."""
        self._machine.expect_event(Shell, PATIENCE)
        self._check_boot()
        self._check_names(expected.first)
        self._find_keyboard()
        self._machine.forget()
        self._enter(f"generate {PROMPT}")
        self._machine.expect_event(Stats, PATIENCE)
        self._check_names(expected.answer)
        self._read_disk()
        self._machine.send(b"halt\r")
        verdict = self._machine.wait()
        self._check(verdict.ok, verdict.message)

    def _check(self, good: bool, failure: str) -> None:
        if not good:
            self.failures.append(failure)

    def _check_boot(self) -> None:
        boot = next(event for event in self._machine.events if isinstance(event, Boot))
        loader, found, memory = _LOADERS[self._case["start"]], boot.memory // MIB, int(self._case["memory"])
        self._check(boot.loader == loader, f"it was started by {boot.loader}, not {loader}")
        self._check(memory - 128 <= found <= memory, f"{found} MB of {memory} MB of memory were found")

    def _check_names(self, names: tuple[str, ...]) -> None:
        said = tuple(event.text for event in self._machine.events if isinstance(event, Sample))
        self._check(said == names, f"it generated {said}, not {names}")

    def _prompts(self) -> int:
        return sum(isinstance(event, Shell) for event in self._machine.events)

    def _find_keyboard(self) -> None:
        """Press Enter until a prompt answers: a USB keyboard is found a moment after the start."""
        if self._case["keyboard"] == "none":
            return
        before, end = self._prompts(), time.monotonic() + PATIENCE
        while self._prompts() == before and time.monotonic() < end:
            self._machine.type_keys("\n")
            time.sleep(_KEY_SECONDS)
        self._check(self._prompts() > before, "its keyboard types nothing")
        self.saw.append("keyboard")

    def _enter(self, line: str) -> None:
        """Type a line by the keyboard, or without one on the serial port; its end always there.

        USB keyboards of QEMU keep 16 keys: each waits for its echo.
        """
        if self._case["keyboard"] == "none":
            self._machine.send(line.encode() + b"\r")
            return
        for key in line:
            self._machine.type_keys(key)
            self._machine.console.expect(re.escape(key) + "$", PATIENCE)
        self._machine.send(b"\r")

    def _read_disk(self) -> None:
        if self._case["disk"] == "none":
            return
        text = until(self._names_of_disks, bool)
        found = [self._crc_of(name) for name in text]
        self._check(self._stage.crc in found, f"of {', '.join(text) or 'no disk'} none has the contents of the disk")
        self.saw.append(", ".join(text))

    def _names_of_disks(self) -> list[str]:
        before = self._prompts()
        at = len(self._machine.console.text)
        self._enter("disks")
        until(self._prompts, lambda n: n > before)
        self._machine.catch_up()
        return re.findall(r"^(\w+) +[\d,]+ MB  sectors", self._machine.console.text[at:], re.MULTILINE)

    def _crc_of(self, name: str) -> str:
        self._enter(f"disks {name} {_DISK_MB}")
        return str(self._machine.console.expect(f"^{name}: [0-9]+ bytes, CRC-32 ([0-9a-f]+),", PATIENCE)[1])
