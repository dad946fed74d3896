"""``kgpt test``."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.cli.machines import check_image, find_qemu, machine_options, resolve_accel
from kgpt_build.cli.options import json_option, verbose_option
from kgpt_build.errors import UsageError
from kgpt_build.vm.settings import RunSettings, default_timeout

if TYPE_CHECKING:
    from kgpt_build.proof.soak import SoakReport

ROUND_SECONDS = 60.0
"""That one generation may take, and the boot before it; multiplied under TCG."""
_TELL_SECONDS = 60.0


@click.command("test")
@click.argument("image", required=False, type=click.Path(path_type=Path))
@click.option("--soak", type=float, metavar="MINUTES", help="One machine for so long, a generation every few seconds.")
@click.option(
    "--every", type=float, default=3.0, show_default=True, metavar="S", help="Of --soak: from one to the next."
)
@machine_options
@json_option("Print the result as JSON.")
@verbose_option
def command(image: Path | None, soak: float | None, every: float, as_json: bool, **machine: Any) -> None:
    """Show of a whole machine that it goes on for hours.

    IMAGE is what kgpt build made; without it, the default model's. Exit codes: 0 if all passed, 4 if the kernel
    failed, else those of kgpt run.
    """
    if soak is None:
        raise UsageError("there is nothing to test", "give --soak MINUTES")
    if not (soak > 0 and every >= 0):
        raise UsageError("a soak lasts longer than 0 minutes", "give --soak 120")
    if not machine["serial"]:
        raise UsageError("a soak is typed on the serial port", "leave out --no-serial")
    report = _soak(image, soak * 60, every, machine)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(report)))
    else:
        click.echo(f"kgpt: soak passed: {report.line}")


def _soak(image: Path | None, seconds: float, every: float, machine: dict[str, Any]) -> SoakReport:
    from kgpt_build.cli.images import image_for
    from kgpt_build.proof.soak import Soak, soak_words
    from kgpt_build.vm.machine import Machine

    qemu = find_qemu()
    path = image_for(image, default=image is None)
    memory = check_image(path, machine.pop("memory"))
    words = soak_words(machine.pop("cmdline"))
    if machine["machine"] == "auto":
        machine["machine"] = "pc"  # with a screen: more of the kernel works
    settings = resolve_accel(RunSettings(image=path, cmdline=words, memory=memory, **machine), qemu)
    with Machine(settings, qemu=qemu, symbols=path) as running:
        patience = default_timeout(ROUND_SECONDS, settings.accel)
        return Soak(running, patience=patience).run(seconds, every, _teller())


def _teller() -> Callable[[SoakReport], None]:
    """Shows a report on standard error once a minute."""
    next_time = time.monotonic() + _TELL_SECONDS

    def tell(report: SoakReport) -> None:
        nonlocal next_time
        if time.monotonic() >= next_time:
            next_time += _TELL_SECONDS
            click.echo(f"kgpt: soak: {report.line}", err=True)

    return tell
