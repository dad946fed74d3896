"""Several sequences in one pass: tokens per second of all together, beside llama-batched-bench."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.inference.figures import Conditions, Workload, rate
from benchmarks.inference.ours import Ours
from benchmarks.inference.peers import Peer, output_of
from benchmarks.inference.rounds import Plan
from benchmarks.inference.tables import Figure, digits, header, row
from benchmarks.machine import Watch
from kgpt_build.errors import KgptError
from kgpt_build.models import GgufModel

COUNTS = (1, 2, 4, 8, 16)
PROMPT = 64
"""Tokens that every sequence shares before its own."""
_TOOL = "llama-batched-bench"


def run(plan: Plan, model: GgufModel, threads: int, tokens: int) -> list[Figure]:
    """A figure for each number of sequences; the engines take turns."""
    ours, counts = Ours(model), [count for count in COUNTS if count == 1 or Ours.has_slots()]
    peers = [peer for peer in plan.peers if peer.tool(_TOOL).exists()]
    figures = {count: Figure(Workload("tg", tokens, PROMPT, slots=count), threads) for count in counts}
    for _ in range(plan.rounds):
        now = plan.bandwidth(threads)
        watch = Watch()
        mine = parse_ours(ours.sequences(tokens, PROMPT, max(counts), threads, plan.repeat))
        theirs = {peer.name: parse_theirs(_batched(peer, model.path, tokens, threads)) for peer in peers}
        conditions = Conditions(plan.load, now, plan.best.update(threads, now), watch.foreign())
        for count, figure in figures.items():
            figure.ours.append(mine[count])
            for name, rates in theirs.items():
                figure.theirs.setdefault(name, []).append(rates[count])
            figure.bandwidths.append(now)
            figure.conditions.append(conditions)
    return list(figures.values())


def lines(figures: Sequence[Figure], names: Sequence[str]) -> list[str]:
    """The table, and how many times the speed of one sequence ours have."""
    one = figures[0]
    gains = [f"{figure.test.slots}: {digits(_median(figure.ours) / _median(one.ours))}" for figure in figures[1:]]
    shown = ["", f"kgpt, times one sequence: {'; '.join(gains)}"] if gains else []
    return [header(names), *(row(figure, names) for figure in figures), *shown]


def parse_ours(output: Sequence[bytes]) -> dict[int, float]:
    """Tokens per second of all sequences, by their number, from the events of mode=bench."""
    events = [event for event in map(json.loads, output) if event["event"] == "bench"]
    return {
        event.get("slots", 1): rate(event["tokens"], [1000 * us for us in event["us"]])
        for event in events
        if event["test"].startswith("tg")
    }


def parse_theirs(output: str) -> dict[int, float]:
    """The same from llama-batched-bench's lines of JSON. Raises KgptError without any."""
    entries = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    found = {int(entry["pl"]): float(entry["speed_tg"]) for entry in entries}
    if not found:
        raise KgptError(f"{_TOOL} printed no result", "run it by hand to see why")
    return found


def _batched(peer: Peer, model: Path, tokens: int, threads: int) -> str:
    words: list[object] = [peer.tool(_TOOL), "-m", model, "-t", threads, "-c", max(COUNTS) * (PROMPT + tokens)]
    words += ["-npp", PROMPT, "-ntg", tokens, "-npl", ",".join(map(str, COUNTS)), "--output-format", "jsonl"]
    return output_of(words, f"{peer.name}'s {_TOOL}")


def _median(rates: Sequence[float]) -> float:
    return sorted(rates)[len(rates) // 2]
