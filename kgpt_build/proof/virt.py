"""Machines of the matrix that are QEMU's virt: processors, their number, interrupt controllers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kgpt_build.arch import ALL
from kgpt_build.errors import ToolMissing
from kgpt_build.image.efi_folder import write_efi_folder
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.settings import Progress
from kgpt_build.media import EFI_NAME
from kgpt_build.proof.axes import NotRun, VirtCase
from kgpt_build.proof.drive import run_with
from kgpt_build.proof.images import WORDS, Expected
from kgpt_build.proof.matrix import Job
from kgpt_build.toolchain.qemu import Qemu
from kgpt_build.vm.firmware import UEFI, Firmware, find_firmware
from kgpt_build.vm.settings import RunSettings

MACHINE = "virt"
ARCH = next(arch for arch in ALL if MACHINE in arch.qemu.machines)


@dataclass(frozen=True)
class VirtFiles:
    """What the machines boot; ``firmware`` None: there is none on this host."""

    kernel: Path
    drive: Path
    """A folder with kgpt.efi."""
    firmware: Firmware | None


def virt_settings(case: VirtCase, files: VirtFiles) -> RunSettings:
    """The machine of a case."""
    by_uefi = case["start"] == "uefi"
    return RunSettings(
        image=files.kernel,
        arch=ARCH,
        machine=MACHINE,
        cmdline="" if by_uefi else WORDS,
        efi_folder=files.drive if by_uefi else None,
        firmware=files.firmware if by_uefi else None,
        cpus=int(case["cpus"]),
        memory=int(case["memory"]),
        accel="tcg",
        cpu=case["cpu"],
        extra=("-machine", f"gic-version={case['gic']}"),
    )


def virt_jobs(
    folder: Path, cases: Sequence[VirtCase], expected: Expected, progress: Progress
) -> tuple[list[Job], list[VirtCase], list[NotRun]]:
    """Jobs for the machines that this host can make, whose files are below ``folder`` and in the cache; these machines;
    and those that it cannot make.
    """
    if not cases:
        return [], [], []
    qemu = Qemu(ARCH)
    try:
        program = str(qemu.require())
    except ToolMissing as error:
        return [], [], [NotRun(MACHINE, f"{error.message} ({qemu.install})")]
    files, without = _prepare(folder, progress)
    made = [case for case in cases if files.firmware or case["start"] != "uefi"]
    missing = [NotRun(f"{MACHINE} start=uefi", without)] if len(made) < len(cases) else []
    return (
        [(case.name, partial(run_with, virt_settings(case, files), case, expected, program)) for case in made],
        made,
        missing,
    )


def _prepare(folder: Path, progress: Progress) -> tuple[VirtFiles, str]:
    """The files, and why there is no firmware."""
    kernel = build_cached(arch=ARCH, with_efi=True, progress=progress)
    drive = folder / "virt"
    drive.mkdir()
    write_efi_folder(drive, kernel.with_name(EFI_NAME), ARCH, WORDS)
    try:
        return VirtFiles(kernel, drive, find_firmware(UEFI, arch=ARCH)), ""
    except ToolMissing as error:
        return VirtFiles(kernel, drive, None), f"{error.message} ({error.hint})"
