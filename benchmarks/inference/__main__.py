"""``python -m benchmarks.inference [MODEL …]``: tokens per second for prompts and replies, beside other engines.

Every engine reads the same file with the same number of threads. They run in turn, so a disturbance meets all of them;
a ratio is the median of the rounds' ratios. ``make peers`` builds the other engines as their users do, and their own
llama-bench measures them. MODEL is a GGUF file, the name of a pulled model, MODEL:TYPE for a type that kgpt quantize
writes (smollm2-135m:Q8_0), or a synthetic one (see benchmarks/inference/synthetic.py).

Rates are the median (least – greatest) of the rounds. A decoded token reads all weights once, and the keys and values
before it: "of the bandwidth" are these bytes per second, divided by what the same threads could read in that round. The
tool itself marks figures during which something else ran.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.inference import after_prefill, bandwidth, files, first_token, report, slots, speculation, tables
from benchmarks.inference.figures import Conditions, Workload, weight_bytes
from benchmarks.inference.peers import NAMES, available
from benchmarks.inference.rounds import Plan, compare
from benchmarks.machine import Watch, load, machine_line
from kgpt_build.errors import KgptError
from kgpt_build.models import GgufModel

HEADLINE = tuple(f"smollm2-135m:{kind}" for kind in ("Q8_0", "Q4_0", "Q4_1", "Q4_K_M", "Q6_K"))


def main() -> None:
    """Parse the command line, measure, print Markdown."""
    before = load()
    with reported():
        measure(sys.argv[1:], before)


@contextmanager
def reported() -> Iterator[None]:
    """End the process with the message and the hint of a KgptError."""
    try:
        yield
    except KgptError as error:
        print(f"kgpt: {error}\n{error.hint}", file=sys.stderr)
        raise SystemExit(1) from error


def measure(words: Sequence[str], before: float) -> None:
    """Measure what the words of a command line say; ``before`` is the load at the start. Raises KgptError."""
    arguments = _arguments(words)
    with tempfile.TemporaryDirectory(prefix="kgpt-bench-") as folder, report.kept_in(arguments.into):
        print(report.prose(f"`{shlex.join(['python', '-m', 'benchmarks.inference', *_shown(words)])}`"))
        print(report.prose(machine_line()))
        _run(arguments, before, Path(folder))


def _run(arguments: argparse.Namespace, before: float, folder: Path) -> None:
    peers = available(arguments.peers)
    print("\n".join(map(report.prose, [f"kgpt: {_our_flags()}", *(f"{peer.name}: {peer.flags()}" for peer in peers)])))
    for name in arguments.peers:
        if name not in [peer.name for peer in peers]:
            print(report.prose(f"{name} was not built (make peers builds it)"))
    plan = Plan(peers, arguments.rounds, arguments.repeat, bandwidth.build(folder), bandwidth.Best(), before)
    for threads in arguments.threads:
        _print_bandwidth(plan, threads)
    found: dict[str, list[tables.Figure]] = {}
    for name in arguments.models:
        model = files.load(name)
        _print_model(model, arguments)
        if arguments.first_token or arguments.speculation:
            _print_whole(plan, model, arguments)
        elif arguments.slots:
            _print_slots(plan, model, arguments)
        else:
            found[name] = _print_figures(plan, model, arguments)
    if len(found) > 1 and peers:
        print(f"\nkgpt's speed divided by {peers[0].name}'s:\n")
        print("\n".join(tables.headline(found, peers[0].name)))


def _print_figures(plan: Plan, model: GgufModel, arguments: argparse.Namespace) -> list[tables.Figure]:
    names = [peer.name for peer in plan.peers]
    print(tables.header(names))
    found = []
    for threads in arguments.threads:
        figures = compare(plan, model, _tests(arguments), threads)
        found += figures
        print("\n".join(tables.row(figure, names) for figure in figures), flush=True)
    return found


def _print_whole(plan: Plan, model: GgufModel, arguments: argparse.Namespace) -> None:
    """A table whose rounds do not measure the bandwidth: one line below says whether all of it is disturbed."""
    threads = max(arguments.threads)
    now, watch = plan.bandwidth(threads), Watch()
    if arguments.first_token:
        first_token.run(model, plan.peers, arguments.threads, arguments.rounds)
        after_prefill.run(model, arguments.threads, arguments.rounds)
    else:
        print("\n".join(speculation.run(model, arguments.threads, arguments.rounds)), flush=True)
    mark = Conditions(plan.load, now, plan.best.update(threads, now), watch.foreign()).mark
    if mark:
        print(f"\nDisturbed: {mark}.")


def _print_slots(plan: Plan, model: GgufModel, arguments: argparse.Namespace) -> None:
    for threads in arguments.threads:
        figures = slots.run(plan, model, threads, max(arguments.decode))
        print("\n".join(slots.lines(figures, list(figures[0].theirs))), flush=True)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.inference",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("models", nargs="*", metavar="MODEL", default=HEADLINE, help="default: SmolLM2 in five types")
    add("--threads", type=int, nargs="+", default=sorted({1, os.cpu_count() or 1}))
    add("--prompt", type=int, nargs="*", default=[64, 512], help="tokens of prompts; default: 64 512")
    add("--decode", type=int, nargs="*", default=[64], help="tokens decoded one by one; default: 64")
    add("--depths", type=int, nargs="+", default=[0], help="tokens in the context before a test; default: 0")
    add("--kv", nargs="+", choices=["f16", "q8", "f32"], default=["f16"], help="types of the KV cache; default: f16")
    add("--rounds", type=int, default=5, help="turns of each engine; default: 5")
    add("--repeat", type=int, default=3, help="measurements of a turn, of which the median counts; default: 3")
    add("--peers", nargs="*", default=list(NAMES), help=f"engines to compare with; default: {' '.join(NAMES)}")
    add("--into", metavar="DOCUMENT:NAME", help="also put the output between <!-- NAME --> and <!-- /NAME --> there")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--first-token", action="store_true", help="measure start to first token and memory instead")
    what.add_argument("--slots", action="store_true", help="measure 1 to 16 sequences at once instead")
    what.add_argument("--speculation", action="store_true", help="measure speculate=ngram beside off instead")
    return parser.parse_args(words)


def _tests(arguments: argparse.Namespace) -> list[Workload]:
    sizes = [*(("pp", n) for n in arguments.prompt), *(("tg", n) for n in arguments.decode)]
    return [Workload(kind, n, depth, kv) for kv in arguments.kv for depth in arguments.depths for kind, n in sizes]


def _print_bandwidth(plan: Plan, threads: int) -> None:
    huge = bandwidth.measure(plan.reader, threads)
    small = bandwidth.measure(plan.reader, threads, huge=False)
    best = plan.best.update(threads, huge)
    count = "1 thread" if threads == 1 else f"{threads} threads"
    rates = f"{huge / 1e9:.1f} GB/s (in pages of 4 KiB {small / 1e9:.1f})"
    print(report.prose(f"memory read by {count}: {rates}; the best known here is {best / 1e9:.1f}"), flush=True)


def _print_model(model: GgufModel, arguments: argparse.Namespace) -> None:
    size = f"{model.size / 1e6:.0f} MB; a token reads {weight_bytes(model) / 1e6:.1f} MB of weights"
    rounds = f"{arguments.rounds} rounds of {arguments.repeat}"
    print(f"\n{report.prose(f'**{model.path.name}**: {model.type_text}, {size}; {rounds}', '')}\n", flush=True)


def _shown(words: Sequence[str]) -> list[str]:
    """The command line without --into."""
    at = words.index("--into") if "--into" in words else len(words)
    return [*words[:at], *words[at + 2 :]]


def _our_flags() -> str:
    from kgpt_build import toolchain

    versions: Sequence[str] = [f"{name} {version}" for name, version in toolchain.get("zig").versions().items()]
    return f"{', '.join(versions)}; flags: kernel_c/kernel.mk"


if __name__ == "__main__":
    main()
