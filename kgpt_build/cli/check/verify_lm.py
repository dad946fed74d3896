"""``kgpt verify`` of a language model."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.arch import Arch, of_host
from kgpt_build.errors import GuestFailed, KgptError
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.models import GgufModel
    from kgpt_build.verify.lm import LmReport, LmRun

PROMPT = "The capital of France is"
TIMEOUT = 900.0  # seconds for one run: a model of billions takes minutes in an emulator


def run(model: GgufModel, prompt: str, *, toolchain: str, arch: Arch, cpu: str, accel: str, as_json: bool) -> None:
    """Build, run, compare, print. Raises GuestFailed if a value differs, and KgptError if a run is impossible."""
    from kgpt_build.reference.lm_file import load
    from kgpt_build.verify.lm import CTX, cmdline_words, verify

    ctx = min(CTX, model.hparams.n_ctx)
    runs = _runs(model, cmdline_words(prompt, ctx), ctx, toolchain, arch, cpu, accel)
    report = verify(load(model.path), model.name, runs, n_ctx=ctx)
    click.echo(_json(report, model) if as_json else _text(report, model, prompt))
    if not report.ok:
        raise GuestFailed("the kernel and the reference differ", "kgpt -v verify prints the commands of both runs")


def _runs(
    model: GgufModel, words: list[str], ctx: int, toolchain: str, arch: Arch, cpu: str, accel: str
) -> list[LmRun]:
    """The events of the kernel in QEMU and of the process.

    The process uses the same instruction set, if both have the same architecture.
    """
    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.kernel.build import build_cached
    from kgpt_build.kernel.hosted import run_hosted, same_instructions
    from kgpt_build.verify.lm import KV, read_run

    with shown_progress() as progress:
        kernel = build_cached(model, toolchain=toolchain, arch=arch, progress=progress)
        hosted = build_cached(model, toolchain=toolchain, target="hosted", arch=of_host(), progress=progress)
    in_qemu = read_run("qemu", _boot(kernel, words, ctx, KV, arch, cpu, accel))
    lines = run_hosted(hosted, " ".join([*words, *same_instructions(arch, in_qemu.isa)]), timeout=TIMEOUT)
    events = [json.loads(line) for line in lines]
    refused = next((event for event in events if event["event"] == "error"), None)
    if refused:
        raise KgptError(f"the kernel refused: {refused['message']}", refused["hint"])
    return [in_qemu, read_run("hosted", events)]


def _boot(kernel: Any, words: list[str], ctx: int, kv: str, arch: Arch, cpu: str, accel: str) -> list[Any]:
    """The events of ``kernel`` in QEMU. Raises the failure of a run that did not end well."""
    from kgpt_build.cli.shared.machines import memory_for
    from kgpt_build.toolchain.qemu import Qemu
    from kgpt_build.vm.qemu.machine import Machine
    from kgpt_build.vm.settings import RunSettings

    memory = memory_for(kernel, None, ctx=ctx, kv=kv)
    settings = RunSettings(
        image=kernel, arch=arch, cmdline=" ".join(words), cpu=cpu, accel=accel, memory=memory, timeout=TIMEOUT
    )
    with Machine(settings, qemu=str(Qemu(settings.arch).require()), symbols=kernel) as machine:
        failure = machine.wait().error()
        if failure is not None:
            raise failure
        return [json.loads(line) for line in machine.lines]


def _json(report: LmReport, model: GgufModel) -> str:
    described = {"ok": report.ok, "sha256": model.sha256, **asdict(report)}
    return json.dumps(_finite(described), indent=2)


def _finite(value: Any) -> Any:
    """``value`` with None for numbers that JSON does not have (NaN, infinity)."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(report: LmReport, model: GgufModel, prompt: str) -> str:
    lines = [f"model {report.model}, {model.arch}, sha256 {model.sha256}", f"prompt {prompt!r}"]
    for one in report.runs:
        worst = max(one.steps, key=lambda step: step.difference / step.allowed, default=None)
        share = f"at most {worst.difference / worst.allowed:.0%} of what rounding explains" if worst else "nothing seen"
        lines.append(
            f"{one.name:6} isa {one.isa}: {counted(one.positions, 'position')}, {counted(len(one.steps), 'step')} "
            f"each, {share}; logits diverge by {one.divergence:.1e} nats{'' if one.failures else ': ok'}"
        )
        lines += [f"  {failure}" for failure in one.failures]
    lines.append(
        f"{' and '.join(one.name for one in report.runs)}: {'the same bits' if report.same_bits else 'differ'}"
    )
    return "\n".join([*lines, *(f"  {failure}" for failure in report.failures)])
