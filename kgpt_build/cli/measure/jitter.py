"""``kgpt jitter``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import click

from kgpt_build.cli.measure.measuring import load_for, measure_bare, measure_hosted, measured_on_options
from kgpt_build.cli.shared.names import ModelName
from kgpt_build.cli.shared.options import json_option, toolchain_option, verbose_option
from kgpt_build.errors import ToolMissing, UsageError
from kgpt_build.settings import Settings, check_whole, options

_LEAST_CTX = 256
_ICOUNT = ("-icount", "shift=0,sleep=off")


@click.command("jitter")
@click.argument("model", type=ModelName())
@click.option("-n", "--tokens", "times", default=options()["times"].default, show_default=True, metavar="N",
              help="Tokens to measure.")  # fmt: skip
@click.option("-d", "--depth", default=64, show_default=True, metavar="N",
              help="Tokens in the context before each of them.")  # fmt: skip
@measured_on_options
@click.option("--icount", is_flag=True, help="Count instructions instead of time: QEMU without KVM, one processor.")
@click.option("--watch", is_flag=True, help="One processor decodes, and the others look for gaps meanwhile.")
@click.option("--load", default=0, show_default=True, metavar="N",
              help="Measure again beside N busy processes.")  # fmt: skip
@click.option("--peer", type=click.Path(path_type=Path, dir_okay=False), metavar="LLAMA-BENCH",
              help="Measure llama.cpp too, by this program of it, in turn; with --target hosted.")  # fmt: skip
@click.option("--rounds", default=1, show_default=True, metavar="N",
              help="Measure everything N times, in turn, and put the times together.")  # fmt: skip
@toolchain_option
@json_option("Print one JSON object, with all times.")
@verbose_option
def command(
    model: Path, times: int, depth: int, cpus: int, load: int, peer: Path | None, rounds: int, toolchain: str,
    as_json: bool, **machine: Any,
) -> None:  # fmt: skip
    """Measure how evenly a language model takes time for its tokens.

    Each token is decoded behind the same number of others, since a token costs more in a longer context. Loops that
    read the clock show gaps, in which something else ran on a processor. MODEL is a GGUF file, or the name of a pulled
    model.
    """
    from kgpt_build.cli.shared.jitter import Series, busy, measure_peer, series_of, text_of

    for name, value, least in (("cpus", cpus, 1), ("load", load, 0), ("rounds", rounds, 1)):
        check_whole(name, value, least, 255)
    asked = Settings(times=times, depth=depth, watch=machine["watch"]).cmdline_words()
    machine |= _check_machine(cpus, peer, machine)
    loaded = load_for("jitter", model)
    if depth >= loaded.hparams.n_ctx:
        raise UsageError(f"--depth {depth} leaves no room in a context of {loaded.hparams.n_ctx}", "choose less")
    ctx = min(max(depth + 1, _LEAST_CTX), loaded.hparams.n_ctx)
    words = " ".join(["mode=jitter", f"cpus={cpus}", *asked, f"ctx={ctx}", "exit"])
    measure = measure_bare if machine["target"] == "bare" else measure_hosted
    found: list[Series] = []
    for busy_processes in (0, load) if load else (0,):
        with busy(busy_processes):
            for _ in range(rounds):
                events, backend = measure(loaded, words, cpus=cpus, toolchain=toolchain, machine=machine)
                found.append(series_of(events, backend, load=busy_processes, icount=machine["icount"]))
                if peer:
                    found.append(
                        measure_peer(peer, loaded.path, tokens=times, depth=depth, threads=cpus, load=busy_processes)
                    )
    title = f"{loaded.name} {loaded.type_text}"
    click.echo(json.dumps({"model": title, "series": [one.as_json for one in found]}) if as_json else
               "\n".join(text_of(title, found)))  # fmt: skip


def _check_machine(cpus: int, peer: Path | None, machine: dict[str, Any]) -> dict[str, Any]:
    """What the options imply for the machine. Raises UsageError for those that exclude each other."""
    hosted = machine["target"] == "hosted"
    if machine["watch"] and cpus < 2:
        raise UsageError("--watch needs a processor besides the one that decodes", "give --cpus 2")
    if peer and not hosted:
        raise UsageError("--peer compares processes of this machine", "give --target hosted")
    if peer and not shutil.which(peer):
        raise ToolMissing(f"{peer} is no program that can be run", "make peers builds llama-bench")
    if not machine["icount"]:
        return {}
    if hosted or machine["accel"] == "kvm" or cpus > 1:
        raise UsageError("--icount counts the instructions of one processor in QEMU without KVM",
                         "leave out --target hosted, --accel kvm and --cpus")  # fmt: skip
    return {"accel": "tcg", "extra": _ICOUNT}
