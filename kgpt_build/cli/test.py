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

from kgpt_build.cli.shared.machines import find_qemu, memory_for, resolve_accel
from kgpt_build.cli.shared.options import json_option, verbose_option
from kgpt_build.errors import GuestFailed, UsageError
from kgpt_build.vm.settings import ACCELS, RunSettings, default_timeout

if TYPE_CHECKING:
    from kgpt_build.proof.axes import Case, DeviceCase, NotRun
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
@json_option("Print the result as JSON.")
@verbose_option
def command(
    named: Path | None, matrix: bool, soak: float | None, every: float, accel: str, as_json: bool, **options: Any
) -> None:
    """Test whole machines: that the kernel boots on all kinds of them, and runs for hours.

    --matrix boots the model that ships on machines of QEMU (and Bochs, if it is installed). They differ in loader,
    firmware, machine, processor, memory, screen, keyboard, serial port and timers, so that any two values meet at
    least once. The test reads the screen and presses keys. --soak boots KERNEL, or else the model that ships.

    Exit codes: 0 if all passed, 2 usage, 3 a tool is missing, 4 if a test failed, 5 a machine was lost.
    """
    if matrix == (soak is not None):
        raise UsageError("there is one thing to test at a time", "give --matrix or --soak MINUTES")
    if matrix:
        if named is not None:
            raise UsageError("the matrix boots the model that ships", f"leave out {named}")
        _matrix(as_json=as_json, **options)
        return
    _check_soak(soak or 0.0, every, options)
    report = _soak(named, (soak or 0.0) * 60, every, accel)
    click.echo(json.dumps(dataclasses.asdict(report)) if as_json else f"kgpt: soak passed: {report.line}")


def _check_soak(minutes: float, every: float, options: dict[str, Any]) -> None:
    if not (minutes > 0 and every >= 0):
        raise UsageError("a soak lasts longer than 0 minutes", "give --soak 120")
    given = [name for name, value in options.items() if value]
    if given:
        raise UsageError(f"--{given[0].replace('listed', 'list')} is for --matrix", "leave it out")


def _soak(named: Path | None, seconds: float, every: float, accel: str) -> SoakReport:
    from kgpt_build.cli.shared.boot_file import boot_file_for
    from kgpt_build.proof.soak import Soak, soak_words
    from kgpt_build.vm.qemu.machine import Machine

    qemu = find_qemu()
    path = boot_file_for(named, default=named is None)
    # pc has a screen: more of the kernel works.
    settings = RunSettings(image=path, cmdline=soak_words(), memory=memory_for(path, None), machine="pc", accel=accel)
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
    reduced: bool,
    only: tuple[str, ...],
    listed: bool,
    jobs: int | None,
    markdown: Path | None,
    junit: Path | None,
) -> None:
    from kgpt_build.proof import axes
    from kgpt_build.toolchain.program import version_tuple
    from kgpt_build.toolchain.qemu import Qemu

    axes.check_words(only)
    every, not_run = axes.cases(version_tuple(Qemu().version()))
    chosen = axes.only(axes.reduced(every) if reduced else every, only)
    plan = _Plan(chosen, [] if reduced else axes.only(axes.device_cases(), only), only, reduced)
    start = time.monotonic()
    if listed:
        _list([*plan.cases, *plan.devices], as_json=as_json)
        return
    workers = jobs or max(1, (os.cpu_count() or 2) // 2)
    report = _run_matrix(plan, not_run, workers, quiet=as_json)
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
    """The machines to run: ``cases``, PCs with ``devices``, and other machines whose names have all ``words``."""

    cases: list[Case]
    devices: list[DeviceCase]
    words: tuple[str, ...]
    reduced: bool


def _run_matrix(plan: _Plan, not_run: list[NotRun], workers: int, *, quiet: bool) -> Report:
    import tempfile

    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.proof import report as reports
    from kgpt_build.proof.bochs import bochs_jobs
    from kgpt_build.proof.devices import device_jobs
    from kgpt_build.proof.images import expected, prepare
    from kgpt_build.proof.matrix import case_jobs, run_all
    from kgpt_build.proof.refusals import REFUSALS, refusal_jobs

    qemu = find_qemu()
    refusals = [each for each in REFUSALS if all(word in each.name for word in plan.words)]
    with tempfile.TemporaryDirectory(prefix="kgpt-matrix-") as folder:
        with shown_progress() as progress:
            images = prepare(Path(folder), [*plan.cases, *(each.case for each in refusals)], progress)
        right = expected()
        jobs = case_jobs(plan.cases, images, right, qemu) + refusal_jobs(images, qemu, refusals)
        rows: list[Case] = list(plan.cases)
        if not plan.reduced:
            of_bochs, without = bochs_jobs(images.kernel, right, plan.words)
            with shown_progress() as progress:
                of_devices, made, unsigned = device_jobs(Path(folder), plan.devices, right, qemu, progress)
            jobs, not_run, rows = jobs + of_bochs + of_devices, not_run + without + unsigned, [*rows, *made]
        if not jobs:
            raise UsageError(
                f"no machine that can be run here has {' and '.join(plan.words)}", "kgpt test --matrix --list"
            )
        results = run_all(jobs, workers, lambda result: click.echo(reports.line(result), err=quiet))
    for item in not_run:
        click.echo(reports.not_run_line(item), err=quiet)
    return reports.Report(rows, results, not_run)


def _write_reports(report: Report, markdown: Path | None, junit: Path | None, seconds: float) -> None:
    from kgpt_build.cli.shared.junit import Case, Suite, junit_xml
    from kgpt_build.paths import write_atomically
    from kgpt_build.proof import report as reports

    if markdown is not None:
        document = markdown.read_text(encoding="utf-8") if markdown.is_file() else ""
        write_atomically(markdown, reports.inserted(document, reports.markdown(report)).encode())
    if junit is not None:
        cases = [Case(each.name, "\n".join(each.failures), each.seconds) for each in report.results]
        cases += [Case(item.name, skipped=item.reason) for item in report.not_run]
        output = "\n".join(f"--- {each.name}\n{each.console}" for each in report.results if not each.ok)
        write_atomically(junit, junit_xml(Suite("kgpt.matrix", "kgpt test --matrix", cases, output, seconds)))
