"""Machines of the matrix that are QEMU's virt: processors, their number, interrupt controllers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from kgpt_build.arch import ALL
from kgpt_build.errors import ToolMissing
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.settings import Progress
from kgpt_build.proof.axes import NotRun, VirtCase
from kgpt_build.proof.drive import run_with
from kgpt_build.proof.images import WORDS, Expected
from kgpt_build.proof.matrix import Job
from kgpt_build.toolchain.qemu import Qemu
from kgpt_build.vm.settings import RunSettings

MACHINE = "virt"
ARCH = next(arch for arch in ALL if MACHINE in arch.qemu.machines)


def virt_settings(case: VirtCase, kernel: Path) -> RunSettings:
    """The machine of a case."""
    return RunSettings(
        image=kernel,
        arch=ARCH,
        machine=MACHINE,
        cmdline=WORDS,
        cpus=int(case["cpus"]),
        memory=int(case["memory"]),
        accel="tcg",
        cpu=case["cpu"],
        extra=("-machine", f"gic-version={case['gic']}"),
    )


def virt_jobs(cases: Sequence[VirtCase], expected: Expected, progress: Progress) -> tuple[list[Job], list[NotRun]]:
    """Jobs for ``cases``, whose kernel is built; or the reason why this host cannot make them."""
    if not cases:
        return [], []
    qemu = Qemu(ARCH)
    try:
        program = str(qemu.require())
    except ToolMissing as error:
        return [], [NotRun(MACHINE, f"{error.message} ({qemu.install})")]
    kernel = build_cached(arch=ARCH, progress=progress)
    return [(case.name, partial(run_with, virt_settings(case, kernel), case, expected, program)) for case in cases], []
