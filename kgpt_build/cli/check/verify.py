"""``kgpt verify``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.arch import Arch, of_host
from kgpt_build.cli.shared.options import (
    arch_option,
    json_option,
    model_argument,
    model_or_here,
    toolchain_option,
    verbose_option,
)
from kgpt_build.errors import GuestFailed
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.models import Model
    from kgpt_build.verify.microgpt import Report

TIMEOUT = 120.0  # seconds for one run, of which a small model needs one


@click.command("verify")
@model_argument
@click.option("--prompt", default="", metavar="TEXT", help="The text that every document begins with.")
@arch_option
@click.option("--cpu", default="max", show_default=True, metavar="MODEL", help="QEMU's processor, such as qemu64.")
@click.option(
    "--accel", type=click.Choice(["tcg", "kvm"]), default="tcg", show_default=True, help="QEMU's accelerator."
)
@toolchain_option
@json_option("Print the report as JSON.")
@verbose_option
def command(
    model: Path | None,
    default: bool,
    prompt: str,
    arch: Arch | None,
    cpu: str,
    accel: str,
    toolchain: str,
    as_json: bool,
) -> None:
    """Compare what the kernel computes with the NumPy reference.

    kgpt verify builds MODEL (by default, the model that kgpt build would take) as a kernel and as a Linux process.
    Both must choose the reference's tokens, and draw the reference's tokens from their own logits. The logits must
    equal the reference's except for rounding, and each other's to the bit. Otherwise the exit code is 4. The process is
    always one of this machine: with --arch of another one, two processors give the same bits.

    A language model computes a short greedy reply. What each layer adds must equal the reference's except for the
    rounding of 8-bit products. Otherwise the report names the first layer that differs.
    """
    from kgpt_build import models
    from kgpt_build.cli.check import verify_lm
    from kgpt_build.verify.microgpt import verify

    loaded = models.load(model_or_here(model, default=default))
    if not isinstance(loaded, models.Model):
        prompt = prompt or verify_lm.PROMPT
        where = arch or of_host()
        verify_lm.run(loaded, prompt, toolchain=toolchain, arch=where, cpu=cpu, accel=accel, as_json=as_json)
        return
    loaded.prompt_tokens(prompt)  # a prompt that cannot be taken is refused before anything is built
    greedy, sampled = _runs(loaded, prompt, toolchain, arch or of_host(), cpu, accel)
    report = verify(loaded, prompt, greedy, sampled)
    click.echo(_json(report) if as_json else _text(report))
    if not report.ok:
        raise GuestFailed("the kernel and the reference differ", "kgpt -v verify prints the commands of both runs")


def _runs(
    model: Model, prompt: str, toolchain: str, arch: Arch, cpu: str, accel: str
) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """The events of the greedy and of the sampled runs, by name.

    The process uses the instruction set of QEMU's run, if both have the same architecture.
    """
    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.kernel.build import build_cached
    from kgpt_build.kernel.hosted import run_hosted, same_instructions
    from kgpt_build.verify.microgpt import cmdline_words, sampled_words

    with shown_progress() as progress:
        kernel = build_cached(model, toolchain=toolchain, arch=arch, progress=progress)
        hosted = build_cached(model, toolchain=toolchain, target="hosted", arch=of_host(), progress=progress)
    found: list[dict[str, list[Any]]] = []
    for words in (cmdline_words(prompt), sampled_words(prompt)):
        in_qemu = _boot(kernel, words, arch, cpu, accel)
        mask = [word for event in in_qemu if event["event"] == "cpu" for word in same_instructions(arch, event["isa"])]
        lines = run_hosted(hosted, " ".join([*words, *mask]), timeout=TIMEOUT)
        found.append({"qemu": in_qemu, "hosted": [json.loads(line) for line in lines]})
    return found[0], found[1]


def _boot(kernel: Path, words: Sequence[str], arch: Arch, cpu: str, accel: str) -> list[Any]:
    """The events of ``kernel`` in QEMU. Raises the failure of a run that did not end well."""
    from kgpt_build.toolchain.qemu import Qemu
    from kgpt_build.vm.qemu.machine import Machine
    from kgpt_build.vm.settings import RunSettings

    settings = RunSettings(image=kernel, arch=arch, cmdline=" ".join(words), cpu=cpu, accel=accel, timeout=TIMEOUT)
    with Machine(settings, qemu=str(Qemu(settings.arch).require()), symbols=kernel) as machine:
        failure = machine.wait().error()
        if failure is not None:
            raise failure
        return [json.loads(line) for line in machine.lines]


def _json(report: Report) -> str:
    described = {"ok": report.ok, **asdict(report)}
    for run in described["runs"]:
        if not math.isfinite(run["difference"]):
            run["difference"] = None  # JSON has no infinity
    return json.dumps(described, indent=2)


def _text(report: Report) -> str:
    lines = [f"model {report.model}, sha256 {report.sha256}", f"prompt {report.prompt!r}, greedy {report.text!r}"]
    for run in report.runs:
        lines.append(
            f"{run.name:6} isa {run.isa}: {counted(run.positions, 'position')}, largest difference "
            f"{run.difference:.1e} of the largest logit; "
            f"{counted(run.samples, 'document')} drawn alike{'' if run.failures else ': ok'}"
        )
        lines += [f"  {failure}" for failure in run.failures]
    lines.append(
        f"{' and '.join(run.name for run in report.runs)}: {'the same bits' if report.same_bits else 'differ'}"
    )
    return "\n".join([*lines, *(f"  {failure}" for failure in report.failures)])
