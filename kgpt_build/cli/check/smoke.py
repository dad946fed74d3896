"""``kgpt smoke``."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.cli.check.junit import Case, Suite, junit_xml
from kgpt_build.cli.shared.boot_file import arch_meant
from kgpt_build.cli.shared.hosted import HostedMachine, is_hosted, refuse_qemu_options
from kgpt_build.cli.shared.machines import (
    LEAST_MEMORY,
    boot_options,
    choose_medium,
    find_qemu,
    firmware_for,
    machine_options,
    memory_for,
    resolve_accel,
)
from kgpt_build.cli.shared.options import arch_option, boot_file_argument, verbose_option
from kgpt_build.errors import GuestFailed, UsageError
from kgpt_build.kernel.hosted import MEMORY_MB
from kgpt_build.vm.settings import TCG_TIMEOUT_FACTOR, RunSettings, default_timeout
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.arch import Arch
    from kgpt_build.vm.guest_run import GuestRun
    from kgpt_build.vm.verdict import Verdict

DEFAULT_TIMEOUT = 30.0
_EXIT = "exit"


@dataclass(frozen=True)
class Outcome:
    """The result of a smoke test; ``seconds``: from the start of QEMU to its end."""

    verdict: Verdict
    cases: tuple[Case, ...]
    console: str
    seconds: float


@click.command("smoke")
@boot_file_argument
@click.option(
    "--expect", "expected", multiple=True, metavar="REGEX", help="A pattern that the console must show; repeatable."
)
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the result as JUnit XML.")
@arch_option
@machine_options
@boot_options
@click.option(
    "--timeout",
    type=float,
    metavar="S",
    help=f"End the run after S seconds. [default: {DEFAULT_TIMEOUT:g}; under TCG {TCG_TIMEOUT_FACTOR:g} times as long]",
)
@verbose_option
def command(
    boot_file: Path,
    expected: tuple[str, ...],
    junit: Path | None,
    timeout: float | None,
    cmdline: str,
    memory: int | None,
    medium: str,
    arch: Arch | None,
    **machine: Any,
) -> None:
    """Boot a kernel or an image without a terminal, and pass or fail.

    KERNEL is a kernel or a hosted program of kgpt build, IMAGE a disc or stick of kgpt image. The test passes if the
    kernel itself ends well and the console has shown every --expect, in any order. kgpt smoke ends the shell of an
    image. Exit codes are those of kgpt run; 4 if an --expect was not seen.
    """
    if is_hosted(boot_file):
        refuse_qemu_options()
    patterns = {text: _compiled(text) for text in expected}
    words = " ".join(word for word in (_EXIT, cmdline) if word)
    asked = LEAST_MEMORY if memory is None else memory
    arch = arch_meant(boot_file, False, arch)
    machine["firmware"] = firmware_for(machine["firmware"], arch, boot_file)
    settings = RunSettings(image=boot_file, cmdline=words, timeout=timeout, memory=asked, arch=arch, **machine)
    if is_hosted(boot_file):
        settings = replace(settings, memory=memory or MEMORY_MB, timeout=timeout or DEFAULT_TIMEOUT)
        outcome = _watch(HostedMachine(settings, symbols=boot_file), patterns)
    else:
        outcome = _boot(settings, memory, medium, patterns)
    if junit is not None:
        from kgpt_build.paths import write_atomically

        suite = Suite("kgpt.smoke", f"kgpt smoke {boot_file.name}", outcome.cases, outcome.console, outcome.seconds)
        write_atomically(junit, junit_xml(suite))
    _conclude(outcome)


def _compiled(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.MULTILINE)
    except re.error as error:
        raise UsageError(f"--expect {text!r} is no regular expression: {error}") from error


def _boot(settings: RunSettings, memory: int | None, medium: str, patterns: dict[str, re.Pattern[str]]) -> Outcome:
    from kgpt_build.vm.qemu.machine import Machine

    image = settings.image
    qemu = find_qemu(settings.arch)
    memory = memory_for(image, memory)
    settings = replace(settings, memory=memory, medium=choose_medium(image, medium, settings.firmware))
    if settings.medium != "kernel" and settings.cmdline != _EXIT:
        raise UsageError(f"{image} brings its own command line", "leave out --cmdline")
    settings = resolve_accel(settings, qemu)
    if settings.timeout is None:
        settings = replace(settings, timeout=default_timeout(DEFAULT_TIMEOUT, settings.accel))
    symbols = image if settings.medium == "kernel" else None
    return _watch(Machine(settings, qemu=qemu, symbols=symbols), patterns)


def _watch(machine: GuestRun, patterns: dict[str, re.Pattern[str]]) -> Outcome:
    from kgpt_build.vm.console import leaver, stream

    start = time.monotonic()
    with machine:
        verdict = stream(machine, lambda text: click.echo(text, nl=False), leaver(machine))
        seconds = time.monotonic() - start
        return Outcome(verdict, _cases(machine, verdict, patterns), machine.console.text, seconds)


def _cases(machine: GuestRun, verdict: Verdict, patterns: dict[str, re.Pattern[str]]) -> tuple[Case, ...]:
    from kgpt_build.events import SelfTest

    tests = [event for event in machine.events if isinstance(event, SelfTest)]
    text = machine.console.text
    return (
        Case("boot", "" if verdict.ok else verdict.message),
        *(Case(f"test {test.name}", "" if test.ok else test.message or "failed") for test in tests),
        *(
            Case(f"expect {name}", "" if pattern.search(text) else "not seen on the console")
            for name, pattern in patterns.items()
        ),
    )


def _conclude(outcome: Outcome) -> None:
    failed = [case for case in outcome.cases if case.failure]
    error = outcome.verdict.error()
    if error is not None:
        raise error
    if failed:
        lines = "\n".join(f"{case.name}: {case.failure}" for case in failed)
        raise GuestFailed(f"the guest ended well, but {len(failed)} of {len(outcome.cases)} checks failed", lines)
    click.echo(f"kgpt: smoke test passed: {counted(len(outcome.cases), 'check')} in {outcome.seconds:.1f} s", err=True)
