"""``kgpt bench``."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.cli.measure.measuring import load_for, measure_bare, measure_hosted, measured_on_options
from kgpt_build.cli.shared.names import ModelName
from kgpt_build.cli.shared.options import json_option, toolchain_option, verbose_option
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
@click.option("--slots", default=options()["slots"].default, show_default=True, metavar="N",
              help="Measure 1, 2, 4, … up to N sequences at once, a token of each in a pass.")  # fmt: skip
@click.option("-r", "--repetitions", "repeat", default=options()["repeat"].default, show_default=True, metavar="N",
              help="How often each test is measured.")  # fmt: skip
@measured_on_options
@toolchain_option
@json_option("Print JSON, one object for each test.")
@verbose_option
def command(
    model: Path,
    pp: int,
    tg: int,
    depth: int,
    slots: int,
    repeat: int,
    cpus: int,
    toolchain: str,
    as_json: bool,
    **machine: Any,
) -> None:
    """Measure the speed of a language model, with the tests of llama-bench.

    pp computes a prompt in batches; tg decodes tokens one by one, and with --slots those of several sequences (x8: the
    speed of all 8). MODEL is a GGUF file, or the name of a pulled model.
    The engine measures the times with its own clock.
    """
    check_whole("cpus", cpus, 1, 255)
    asked = Settings(pp=pp, tg=tg, depth=depth, slots=slots, repeat=repeat).cmdline_words()
    if not (pp or tg):
        raise UsageError("there is nothing to measure", "give --n-prompt or --n-gen above 0")
    loaded = load_for("bench", model)
    ctx = min(max(depth + max(pp, tg), 256), loaded.hparams.n_ctx)
    words = " ".join(["mode=bench", f"cpus={cpus}", *asked, f"ctx={ctx}", "exit"])
    measure = measure_bare if machine["target"] == "bare" else measure_hosted
    events, backend = measure(loaded, words, cpus=cpus, toolchain=toolchain, machine=machine)
    rows = _rows(loaded, events, backend)
    if not rows:
        raise KgptError("nothing was measured: the run was stopped")
    click.echo("\n".join(json.dumps(row) for row in rows) if as_json else _table(rows))


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
            "slots": event.slots,
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
