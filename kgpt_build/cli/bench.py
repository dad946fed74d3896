"""``kgpt bench``."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.cli.shared.names import ModelName
from kgpt_build.cli.shared.options import imported_first, json_option, toolchain_option, verbose_option
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.settings import Settings, check_whole, options
from kgpt_build.sizes import MIB

if TYPE_CHECKING:
    from kgpt_build.events import Event
    from kgpt_build.models import GgufModel


@click.command("bench")
@click.argument("model", type=ModelName())
@click.option("-p", "--n-prompt", "pp", default=options()["pp"].default, show_default=True, metavar="N",
              help="Tokens of the prompt; 0: none.")  # fmt: skip
@click.option("-n", "--n-gen", "tg", default=options()["tg"].default, show_default=True, metavar="N",
              help="Tokens decoded one by one; 0: none.")  # fmt: skip
@click.option("-d", "--n-depth", "depth", default=options()["depth"].default, show_default=True, metavar="N",
              help="Tokens that the context holds before each test.")  # fmt: skip
@click.option("-r", "--repetitions", "repeat", default=options()["repeat"].default, show_default=True, metavar="N",
              help="How often each test is measured.")  # fmt: skip
@click.option("--cpus", default=1, show_default=True, metavar="N", help="Processors; with --target hosted: threads.")
@click.option(
    "--target", type=click.Choice(["bare", "hosted"]), default="bare", show_default=True,
    help="bare: the kernel in QEMU. hosted: the same engine as a Linux process.",
)  # fmt: skip
@click.option(
    "--accel", type=click.Choice(["auto", "kvm", "tcg"]), default="auto", show_default=True, help="QEMU's accelerator."
)
@click.option("--cpu", default="", metavar="MODEL", help="QEMU's processor, such as qemu64. [default: all features]")
@toolchain_option
@json_option("Print JSON, one object for each test.")
@verbose_option
def command(
    model: Path, pp: int, tg: int, depth: int, repeat: int, cpus: int, toolchain: str, as_json: bool, **machine: Any
) -> None:
    """Measure the speed of a language model, with the tests of llama-bench.

    pp computes a prompt in batches; tg decodes tokens one by one. MODEL is a GGUF file, or the name of a pulled model.
    The engine measures the times with its own clock.
    """
    check_whole("cpus", cpus, 1, 255)
    asked = Settings(pp=pp, tg=tg, depth=depth, repeat=repeat).cmdline_words()
    if not (pp or tg):
        raise UsageError("there is nothing to measure", "give --n-prompt or --n-gen above 0")
    loaded = _load(model)
    ctx = min(max(depth + max(pp, tg), 256), loaded.hparams.n_ctx)
    words = " ".join(["mode=bench", f"cpus={cpus}", *asked, f"ctx={ctx}", "exit"])
    measure = _bare if machine["target"] == "bare" else _hosted
    events, backend = measure(loaded, words, cpus=cpus, toolchain=toolchain, machine=machine)
    rows = _rows(loaded, events, backend)
    if not rows:
        raise KgptError("nothing was measured: the run was stopped")
    click.echo("\n".join(json.dumps(row) for row in rows) if as_json else _table(rows))


def _load(name: Path) -> GgufModel:
    from kgpt_build.models import GgufModel, load
    from kgpt_build.models.catalog import resolve

    loaded = load(imported_first(resolve(name)))
    if not isinstance(loaded, GgufModel):
        raise KgptError(
            f"{name} is a microgpt, and bench measures language models", "the kernel's shell measures it: bench"
        )
    return loaded


def _hosted(
    model: GgufModel, words: str, *, cpus: int, toolchain: str, machine: dict[str, Any]
) -> tuple[list[Event], str]:
    """Run the tests in a process; its events and a name for the backend."""
    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.events import parse_event
    from kgpt_build.kernel.build import build_cached
    from kgpt_build.kernel.hosted import MEMORY_MB, run_hosted

    with shown_progress() as progress:
        program = build_cached(model, toolchain=toolchain, target="hosted", progress=progress)
    return [parse_event(line) for line in run_hosted(program, words, timeout=3600, memory=MEMORY_MB)], "hosted"


def _bare(
    model: GgufModel, words: str, *, cpus: int, toolchain: str, machine: dict[str, Any]
) -> tuple[list[Event], str]:
    """Run the tests in QEMU; its events and a name for the backend."""
    from kgpt_build.cli.shared.machines import find_qemu, memory_for, resolve_accel
    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.kernel.build import build_cached
    from kgpt_build.vm.qemu.machine import Machine
    from kgpt_build.vm.settings import RunSettings

    qemu = find_qemu()
    with shown_progress() as progress:
        image = build_cached(model, toolchain=toolchain, progress=progress)
    memory = memory_for(image, None, ctx=int(words.rpartition("ctx=")[2].split()[0]))
    settings = RunSettings(
        image=image, cmdline=words, cpus=cpus, memory=memory, accel=machine["accel"], cpu=machine["cpu"]
    )
    settings = resolve_accel(settings, qemu)
    with Machine(settings, qemu=qemu, symbols=image) as vm:
        failure = vm.wait().error()
        if failure is not None:
            raise failure
        return list(vm.events), f"QEMU {settings.accel}"


def _rows(model: GgufModel, events: Sequence[Event], backend: str) -> list[dict[str, Any]]:
    from kgpt_build.events import Bench

    return [
        {
            "model": f"{model.name} {model.type_text}",
            "size": model.size,
            "params": model.n_parameters,
            "backend": f"{backend} {event.isa}",
            "threads": event.cpus,
            "test": event.test,
            "tokens": event.tokens,
            "depth": event.depth,
            "us": list(event.us),
            "tokens_per_second": statistics.mean(event.tokens * 1e6 / us for us in event.us),
            "stddev": statistics.pstdev(event.tokens * 1e6 / us for us in event.us),
        }
        for event in events
        if isinstance(event, Bench) and all(event.us)
    ]


def _table(rows: Sequence[dict[str, Any]]) -> str:
    lines = ["| model | size | params | backend | threads | test | t/s |", "|---|---:|---:|---|---:|---|---:|"]
    for row in rows:
        lines.append(
            f"| {row['model']} | {row['size'] / MIB:.2f} MiB | {row['params'] / 1e6:.2f} M | {row['backend']} | "
            f"{row['threads']} | {row['test']} | {row['tokens_per_second']:.2f} ± {row['stddev']:.2f} |"
        )
    return "\n".join(lines)
