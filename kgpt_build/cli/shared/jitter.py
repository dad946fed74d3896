"""Times of single tokens: of the engine's events, of llama.cpp, and as text."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgpt_build.cli.shared.tables import columns
from kgpt_build.errors import KgptError
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.events import Event, Gaps, Sections

_BAR = 30


def percentile(ascending: Sequence[int], thousandths: int) -> int:
    """The smallest value that at least ``thousandths`` of the ascending values do not exceed (nearest rank)."""
    rank = -(-len(ascending) * thousandths // 1000)
    return ascending[max(rank, 1) - 1]


def histogram(durations: Iterable[int], median: int, bounds: Sequence[int]) -> list[int]:
    """How many durations each bar has. ``bounds``: the bars' ends in thousandths of the median; one more bar is above.

    kernel_c/app/jitter/summary.c counts the same way, and sends its bounds.
    """
    counts = [0] * (len(bounds) + 1)
    for duration in durations:
        counts[next((i for i, bound in enumerate(bounds) if duration <= median * bound // 1000), len(bounds))] += 1
    return counts


@dataclass(frozen=True)
class Series:
    """Durations of tokens that were decoded at the same depth, in their order.

    ``per_us``: as many of their unit make a microsecond; 0: they count instructions, or ticks of an unknown clock.
    """

    name: str
    load: int
    """Busy processes beside it."""
    tokens: int
    depth: int
    cpus: int
    durations: tuple[int, ...]
    per_us: float
    switches: tuple[int, ...] = ()
    """How often another task took a processor during each; empty: never, or nobody counted."""
    bounds: tuple[int, ...] = ()
    """Of the histogram; empty: those of the first series of the report."""
    gaps: tuple[Gaps, ...] = ()
    sections: Sections | None = None
    """What it costs to begin and end work on all processors."""
    smis: int | None = None
    smis_unknown: str = ""

    @property
    def undisturbed(self) -> Series | None:
        """The tokens during which no other task took a processor; None if these are all, or none, or nobody counted."""
        kept = tuple(ticks for ticks, switches in zip(self.durations, self.switches, strict=False) if not switches)
        return replace(self, tokens=len(kept), durations=kept, switches=()) if kept else None

    @property
    def figures(self) -> dict[str, float]:
        """Percentiles in microseconds, or in the durations' own unit; ``ratio`` is p99/p50."""
        ascending = sorted(self.durations)
        ranks = {"p50": 500, "p99": 990, "p99.9": 999, "max": 1000, "min": 0}
        raw = {name: percentile(ascending, rank) for name, rank in ranks.items()}
        return {name: value / (self.per_us or 1) for name, value in raw.items()} | {"ratio": raw["p99"] / raw["p50"]}

    @property
    def label(self) -> str:
        """``kgpt (hosted avx2), idle``."""
        return f"{self.name}, {counted(self.load, 'busy process', 'busy processes') if self.load else 'idle'}"

    @property
    def unit(self) -> str:
        """The unit of ``figures``."""
        return "µs" if self.per_us else "ticks"

    @property
    def as_json(self) -> dict[str, Any]:
        """For --json."""
        return {
            "name": self.name,
            "load": self.load,
            "tokens": self.tokens,
            "depth": self.depth,
            "cpus": self.cpus,
            "unit": self.unit,
            **self.figures,
            "undisturbed": {"tokens": kept.tokens, **kept.figures} if (kept := self.undisturbed) else None,
            "smis": self.smis,
            "smis_unknown": self.smis_unknown,
            "sections": asdict(self.sections) if self.sections else None,
            "gaps": [asdict(gap) for gap in self.gaps],
            "durations": [round(value / self.per_us, 3) if self.per_us else value for value in self.durations],
        }


def series_of(events: Sequence[Event], backend: str, *, load: int, icount: bool) -> Series:
    """The series of a run with mode=jitter. Raises KgptError with the engine's own message if it refused."""
    from kgpt_build.events import Durations, Error, Gaps, Jitter, Sections

    if refusal := next((event for event in reversed(events) if isinstance(event, Error)), None):
        raise KgptError(refusal.message, refusal.hint)
    summary = next((event for event in events if isinstance(event, Jitter)), None)
    if summary is None:
        raise KgptError("nothing was measured: the run was stopped")
    parts = [event for event in events if isinstance(event, Durations)]
    return Series(
        name=f"kgpt ({backend} {summary.isa})",
        load=load,
        tokens=summary.tokens,
        depth=summary.depth,
        cpus=summary.cpus,
        durations=tuple(tick for part in parts for tick in part.ticks),
        switches=tuple(count for part in parts for count in part.switches),
        per_us=0 if icount else summary.ticks_hz / 1e6,
        bounds=summary.bounds,
        gaps=tuple(event for event in events if isinstance(event, Gaps)),
        sections=next((event for event in events if isinstance(event, Sections)), None),
        smis=None if summary.smis_unknown else summary.smis,
        smis_unknown=summary.smis_unknown,
    )


def measure_peer(program: Path, model: Path, *, tokens: int, depth: int, threads: int, load: int) -> Series:
    """The same tokens by llama.cpp's llama-bench, which times each repetition of a test of one token.

    It puts the context back before each repetition, outside of the measured time. Raises KgptError.
    """
    from kgpt_build.process import stream

    words = ["-m", str(model), "-p", "0", "-n", "1", "-d", str(depth), "-r", str(tokens), "-t", str(threads)]
    command = [str(program), *words, "-o", "json"]
    try:
        (row,) = json.loads(b"".join(stream(command)))
        durations = tuple(int(value) for value in row["samples_ns"])
    except (ValueError, KeyError, TypeError) as error:
        raise KgptError(
            f"{program} did not print the times of {counted(tokens, 'token')}",
            f"give llama.cpp's llama-bench; this was run: {shlex.join(command)}",
        ) from error
    return Series("llama.cpp", load, len(durations), depth, threads, durations, per_us=1e3)


@contextmanager
def busy(n: int) -> Iterator[None]:
    """``n`` processes that keep a processor busy each, until the end."""
    from kgpt_build.bound_process import start_bound

    with ExitStack() as stack:
        for _ in range(n):
            process = start_bound([sys.executable, "-I", "-S", "-c", "while True: pass"])
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


def _counts(series: Series) -> tuple[int, ...]:
    """Its switches, one for each token: rounds without any are put together with others."""
    return series.switches or (0,) * len(series.durations)


def together(series: Sequence[Series]) -> list[Series]:
    """One series for the rounds of each, in the order of the first ones."""
    joined: dict[str, Series] = {}
    for one in series:
        before = joined.get(one.label)
        joined[one.label] = one if before is None else replace(
            before, tokens=before.tokens + one.tokens, durations=before.durations + one.durations,
            switches=_counts(before) + _counts(one),
            gaps=before.gaps + one.gaps,
            smis=None if before.smis is None or one.smis is None else before.smis + one.smis,
        )  # fmt: skip
    return list(joined.values())


def text_of(title: str, series: Sequence[Series]) -> Iterator[str]:
    """The lines of a report: percentiles, a histogram for each series, gaps, SMIs."""
    shown = together(series)
    first = shown[0]
    yield f"{title}: {counted(first.tokens, 'token')} at depth {first.depth}, {counted(first.cpus, 'processor')}"
    yield ""
    names = ("p50", "p99", "p99.9", "max")
    rows = [[f"{first.unit} a token", *names, "p99/p50"]]
    for one in shown:
        rows.append([one.label, *_cells(one, names)])
        if (kept := one.undisturbed) and kept.tokens < one.tokens:
            rows.append([f"… {kept.tokens:,} undisturbed", *_cells(kept, names)])
    yield from columns(rows)
    for one in shown:
        yield ""
        yield from _bars(one, first.bounds)
    for one in shown:
        yield from _stolen(one)


def _cells(series: Series, names: Sequence[str]) -> list[str]:
    """Percentiles, and the ratio of two of them."""
    figures = series.figures
    return [*(f"{figures[name]:,.{1 if series.per_us else 0}f}" for name in names), f"{figures['ratio']:.3f}"]


def _bars(series: Series, bounds: Sequence[int]) -> Iterator[str]:
    """A histogram; a bar that counts anything has at least one mark."""
    counts = histogram(series.durations, percentile(sorted(series.durations), 500), bounds)
    edges = [f"{bound / 1000:.2f}" for bound in (0, *bounds)]
    labels = [*(f"{low} to {high}" for low, high in pairwise(edges)), f"above {edges[-1]}"]
    yield f"{'time / p50':>14} {series.label}"
    for label, count in zip(labels, counts, strict=True):
        marks = "#" * -(-count * _BAR // len(series.durations))
        yield f"{label:>14} {count:>8,} {marks}".rstrip()


def _stolen(series: Series) -> Iterator[str]:
    """The cost of sections of work, what the loops found, and the SMIs."""
    if series.sections and series.per_us:
        each = 1000 / series.per_us / series.sections.repeats
        yield (
            f"{series.label}: an empty section of work on {counted(series.sections.cpus, 'processor')}: "
            f"p50 {series.sections.p50 * each:,.0f} ns, p99 {series.sections.p99 * each:,.0f} ns"
        )
    for gap in series.gaps if series.per_us else ():
        us = {name: getattr(gap, name) / series.per_us for name in ("ticks", "stolen", "longest")}
        yield (
            f"{series.label}, CPU {gap.cpu}, {gap.when}: {counted(gap.gaps, 'gap')} in {us['ticks'] / 1000:.0f} ms, "
            f"{us['stolen']:,.1f} µs stolen, the longest {us['longest']:,.1f} µs"
        )
    if series.smis is not None:
        yield f"{series.label}: {counted(series.smis, 'SMI')}"
    elif series.smis_unknown:
        yield f"{series.label}: SMIs are not counted: {series.smis_unknown}"
