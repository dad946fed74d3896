"""Rounds in which all engines take turns on the same tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from benchmarks.inference import bandwidth
from benchmarks.inference.figures import Conditions, Workload, bytes_per_token
from benchmarks.inference.ours import Ours
from benchmarks.inference.peers import Peer
from benchmarks.inference.tables import Figure
from benchmarks.machine import Watch
from kgpt_build.models import GgufModel


@dataclass(frozen=True)
class Plan:
    """What a comparison has in common: its peers, rounds, repetitions of a round, and the machine's state."""

    peers: Sequence[Peer]
    rounds: int
    repeat: int
    reader: Path
    best: bandwidth.Best
    load: float

    def bandwidth(self, threads: int) -> float:
        """Bytes per second that so many threads read now."""
        return bandwidth.measure(self.reader, threads)


def compare(plan: Plan, model: GgufModel, tests: Sequence[Workload], threads: int) -> list[Figure]:
    """A figure for each test. Each round measures the bandwidth first; who begins changes from round to round."""
    ours = Ours(model)
    figures = {test: Figure(test, threads) for test in tests}
    for figure in figures.values():
        figure.bytes_read = bytes_per_token(model, figure.test) if figure.test.kind == "tg" else 0.0
    for number in range(plan.rounds):
        for _, group in groupby(sorted(tests, key=_context), key=_context):
            _round(plan, ours, model, [figures[test] for test in group], number)
    return list(figures.values())


def _context(test: Workload) -> tuple[str, int]:
    return test.kv, test.depth


def _round(plan: Plan, ours: Ours, model: GgufModel, figures: Sequence[Figure], number: int) -> None:
    """One round of tests with the same context, which each engine measures in one process or a few."""
    tests, threads = [figure.test for figure in figures], figures[0].threads
    now = plan.bandwidth(threads)
    peers = [peer for peer in plan.peers if peer.has_depth or not tests[0].depth]
    sides: list[Ours | Peer] = [ours, *peers]
    watch = Watch()
    for side in sides if number % 2 == 0 else reversed(sides):
        if isinstance(side, Peer):
            for figure, rate in zip(figures, side.rates(model.path, tests, threads, plan.repeat), strict=True):
                figure.theirs.setdefault(side.name, []).append(rate)
        else:
            for figure, rate in zip(figures, side.rates(tests, threads, plan.repeat), strict=True):
                figure.ours.append(rate)
    conditions = Conditions(plan.load, now, plan.best.update(threads, now), watch.foreign())
    for figure in figures:
        figure.bandwidths.append(now)
        figure.conditions.append(conditions)
