"""``kgpt test``."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.arch import DEFAULT, Arch
from kgpt_build.cli.shared.machines import find_qemu, memory_for, resolve_accel
from kgpt_build.cli.shared.options import arch_option, json_option, verbose_option
from kgpt_build.errors import GuestFailed, UsageError
from kgpt_build.vm.settings import ACCELS, RunSettings, default_timeout

if TYPE_CHECKING:
    from kgpt_build.kernel.settings import Progress
    from kgpt_build.proof.axes import Case, DeviceCase, NotRun, VirtCase
    from kgpt_build.proof.images import Expected
    from kgpt_build.proof.matrix import Job
    from kgpt_build.proof.report import Report
    from kgpt_build.proof.soak import SoakReport

ROUND_SECONDS = 60.0
"""Seconds for one generation with the boot before it; multiplied under TCG."""
_TELL_SECONDS = 60.0
_FILE = click.Path(path_type=Path)


@click.command("test")
@click.argument("named", metavar="[KERNEL|MODEL]", required=False, type=_FILE)
@click.option("--matrix", is_flag=True, help="Boot many machines: all must generate the same names.")
@click.option("--reduced", is_flag=True, help="With --matrix: few machines, which have every value at least once.")
@click.option(
    "--only",
    multiple=True,
    metavar="WORD",
    help="With --matrix: machines with axis=value (loader=pvh, disk=nvme) or a part of a name; repeatable, all must "
    "hold.",
)
@click.option("--list", "listed", is_flag=True, help="With --matrix: list the machines, and run none.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 64),
    metavar="N",
    help="With --matrix: how many machines run at once. [default: half the CPUs]",
)
@click.option(
    "--markdown",
    type=_FILE,
    metavar="FILE",
    help="With --matrix: write the table of all runs between the marks in this document.",
)
@click.option("--junit", type=_FILE, metavar="FILE", help="With --matrix: write the results as JUnit XML.")
@click.option(
    "--soak",
    type=float,
    metavar="MINUTES",
    help="Run one machine for so many minutes, with a generation every few seconds.",
)
@click.option(
    "--every",
    type=float,
    default=3.0,
    show_default=True,
    metavar="S",
    help="With --soak: seconds from one generation to the next.",
)
@click.option(
    "--accel", type=click.Choice(ACCELS), default="tcg", show_default=True, help="With --soak: QEMU's accelerator."
)
@arch_option
@json_option("Print the result as JSON.")
@verbose_option
def command(
    named: Path | None,
    matrix: bool,
    soak: float | None,
    every: float,
    accel: str,
    arch: Arch | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Test whole machines: that the kernel boots on all kinds of them, and runs for hours.

    --matrix boots the model that ships on machines of QEMU (and Bochs, if it is installed). They differ in loader,
    firmware, machine, processor, memory, screen, keyboard, serial port and timers, so that any two values meet at
    least once. The test reads the screen and presses keys. Without --arch it has machines of all architectures.
    --soak boots KERNEL, or else the model that ships.

    Exit codes: 0 if all passed, 2 usage, 3 a tool is missing, 4 if a test failed, 5 a machine was lost.
    """
    if matrix == (soak is not None):
        raise UsageError("there is one thing to test at a time", "give --matrix or --soak MINUTES")
    if matrix:
        if named is not None:
            raise UsageError("the matrix boots the model that ships", f"leave out {named}")
        _matrix(as_json=as_json, arch=arch, **options)
        return
    _check_soak(soak or 0.0, every, options)
    report = _soak(named, (soak or 0.0) * 60, every, accel, arch)
    click.echo(json.dumps(dataclasses.asdict(report)) if as_json else f"kgpt: soak passed: {report.line}")


def _check_soak(minutes: float, every: float, options: dict[str, Any]) -> None:
    if not (minutes > 0 and every >= 0):
        raise UsageError("a soak lasts longer than 0 minutes", "give --soak 120")
    given = [name for name, value in options.items() if value]
    if given:
        raise UsageError(f"--{given[0].replace('listed', 'list')} is for --matrix", "leave it out")


def _soak(named: Path | None, seconds: float, every: float, accel: str, asked: Arch | None) -> SoakReport:
    from kgpt_build.cli.shared.boot_file import arch_meant, boot_file_for
    from kgpt_build.proof.soak import Soak, soak_words
    from kgpt_build.vm.qemu.machine import Machine

    arch = arch_meant(named, named is None, asked)
    qemu = find_qemu(arch)
    path = boot_file_for(named, default=named is None, arch=arch)
    # The full machine has a screen, where there is one: more of the kernel works.
    settings = RunSettings(
        image=path,
        arch=arch,
        cmdline=soak_words(),
        memory=memory_for(path, None),
        machine=arch.qemu.full_machine,
        accel=accel,
    )
    settings = resolve_accel(settings, qemu)
    with Machine(settings, qemu=qemu, symbols=path) as running:
        patience = default_timeout(ROUND_SECONDS, settings.accel)
        return Soak(running, patience=patience).run(seconds, every, _teller())


def _teller() -> Callable[[SoakReport], None]:
    """Prints a report on standard error once a minute."""
    next_time = time.monotonic() + _TELL_SECONDS

    def tell(report: SoakReport) -> None:
        nonlocal next_time
        if time.monotonic() >= next_time:
            next_time += _TELL_SECONDS
            click.echo(f"kgpt: soak: {report.line}", err=True)

    return tell


def _matrix(
    *,
    as_json: bool,
    arch: Arch | None,
    reduced: bool,
    only: tuple[str, ...],
    listed: bool,
    jobs: int | None,
    markdown: Path | None,
    junit: Path | None,
) -> None:
    plan = _plan(arch, reduced, only)
    start = time.monotonic()
    if listed:
        _list([*plan.cases, *plan.devices, *plan.virt], as_json=as_json)
        return
    workers = jobs or max(1, (os.cpu_count() or 2) // 2)
    report = _run_matrix(plan, workers, quiet=as_json)
    _write_reports(report, markdown, junit, time.monotonic() - start)
    if as_json:
        from kgpt_build.proof.report import as_data

        click.echo(json.dumps(as_data(report), indent=1))
    if report.failed:
        raise GuestFailed(report.summary)
    click.echo(f"kgpt: {report.summary}", err=as_json)


def _list(chosen: list[Case], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([{"name": case.name, "machine": dict(case.values)} for case in chosen], indent=1))
    else:
        click.echo("\n".join(case.name for case in chosen))


@dataclass(frozen=True)
class _Plan:
    """The machines to run: PCs (``cases``, those with ``devices``, and others whose names have all ``words``), and
    ``virt``. ``pcs``: there are PCs at all. ``not_run``: what this QEMU cannot make.
    """

    cases: list[Case]
    devices: list[DeviceCase]
    virt: list[VirtCase]
    words: tuple[str, ...]
    reduced: bool
    pcs: bool
    not_run: list[NotRun]


def _plan(arch: Arch | None, reduced: bool, words: tuple[str, ...]) -> _Plan:
    """The machines of ``arch`` (None: all) that have all ``words``. Raises UsageError, ToolMissing."""
    from kgpt_build.proof import axes
    from kgpt_build.proof.virt import ARCH
    from kgpt_build.toolchain.program import version_tuple
    from kgpt_build.toolchain.qemu import Qemu

    axes.check_words(words)
    pcs = arch in (None, DEFAULT)
    every, not_run = axes.cases(version_tuple(Qemu().version())) if pcs else ([], [])
    virt = axes.virt_cases() if arch in (None, ARCH) else []
    return _Plan(
        axes.only(axes.reduced(every) if reduced and pcs else every, words),
        axes.only(axes.device_cases(), words) if pcs and not reduced else [],
        axes.only(axes.virt_reduced(virt) if reduced and virt else virt, words),
        words,
        reduced,
        pcs,
        not_run,
    )


def _pc_jobs(
    plan: _Plan, folder: Path, right: Expected, progress: Progress
) -> tuple[list[Job], list[Case], list[NotRun]]:
    """Jobs for PCs, those of them that have properties for a table, and machines that this host cannot make."""
    from kgpt_build.proof.bochs import bochs_jobs
    from kgpt_build.proof.devices import device_jobs
    from kgpt_build.proof.images import prepare
    from kgpt_build.proof.matrix import case_jobs
    from kgpt_build.proof.refusals import REFUSALS, refusal_jobs

    qemu = find_qemu()
    refusals = [each for each in REFUSALS if all(word in each.name for word in plan.words)]
    images = prepare(folder, [*plan.cases, *(each.case for each in refusals)], progress)
    jobs = case_jobs(plan.cases, images, right, qemu) + refusal_jobs(images, qemu, refusals)
    if plan.reduced:
        return jobs, plan.cases, []
    of_bochs, without = bochs_jobs(images.kernel, right, plan.words)
    of_devices, made, unsigned = device_jobs(folder, plan.devices, right, qemu, progress)
    return jobs + of_bochs + of_devices, [*plan.cases, *made], without + unsigned


def _run_matrix(plan: _Plan, workers: int, *, quiet: bool) -> Report:
    import tempfile

    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.proof import report as reports
    from kgpt_build.proof.images import expected
    from kgpt_build.proof.matrix import run_all
    from kgpt_build.proof.virt import virt_jobs

    right, not_run = expected(), list(plan.not_run)
    jobs: list[Job] = []
    rows: list[Case] = []
    with tempfile.TemporaryDirectory(prefix="kgpt-matrix-") as folder:
        with shown_progress() as progress:
            if plan.pcs:
                jobs, rows, missing = _pc_jobs(plan, Path(folder), right, progress)
                not_run += missing
            of_virt, made, missing = virt_jobs(Path(folder), plan.virt, right, progress)
            jobs, not_run, rows = jobs + of_virt, not_run + missing, [*rows, *made]
        if not jobs:
            raise UsageError(
                f"no machine that can be run here has {' and '.join(plan.words)}", "kgpt test --matrix --list"
            )
        results = run_all(jobs, workers, lambda result: click.echo(reports.line(result), err=quiet))
    for item in not_run:
        click.echo(reports.not_run_line(item), err=quiet)
    return reports.Report(rows, results, not_run)


def _write_reports(report: Report, markdown: Path | None, junit: Path | None, seconds: float) -> None:
    from kgpt_build.cli.check.junit import Case, Suite, junit_xml
    from kgpt_build.paths import write_atomically
    from kgpt_build.proof import report as reports

    if markdown is not None:
        document = markdown.read_text(encoding="utf-8") if markdown.is_file() else ""
        write_atomically(markdown, reports.with_tables(document, report).encode())
    if junit is not None:
        cases = [Case(each.name, "\n".join(each.failures), each.seconds) for each in report.results]
        cases += [Case(item.name, skipped=item.reason) for item in report.not_run]
        output = "\n".join(f"--- {each.name}\n{each.console}" for each in report.results if not each.ok)
        write_atomically(junit, junit_xml(Suite("kgpt.matrix", "kgpt test --matrix", cases, output, seconds)))
