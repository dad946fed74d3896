"""Rows of Markdown for figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.inference.figures import Conditions, Spread, Workload, ratios


@dataclass
class Figure:
    """A test's rates in every round, ours and each peer's, with what they say of the memory."""

    test: Workload
    threads: int
    ours: list[float] = field(default_factory=list)
    theirs: dict[str, list[float]] = field(default_factory=dict)
    bandwidths: list[float] = field(default_factory=list)
    conditions: list[Conditions] = field(default_factory=list)
    bytes_read: float = 0.0
    """Bytes that a token of the test reads; 0: the test does not stand for reading (a prompt)."""

    @property
    def mark(self) -> str:
        """Why rounds are disturbed, and how many."""
        bad = [condition.mark for condition in self.conditions if condition.mark]
        return f"disturbed in {len(bad)} of {len(self.conditions)} rounds: {bad[0]}" if bad else ""

    def share(self, rates: Sequence[float]) -> float:
        """Bytes read per second as a share of the bandwidth of the same round, the median."""
        pairs = zip(rates, self.bandwidths, strict=True)
        return Spread.of(self.bytes_read * rate / bandwidth for rate, bandwidth in pairs).median


def header(peers: Sequence[str]) -> str:
    """The head of a table of figures."""
    columns = ["test", "threads", "kgpt t/s", "of the bandwidth"]
    for peer in peers:
        columns += [f"{peer} t/s", "of the bandwidth", "ratio"]
    return _row([*columns, "marks"]) + "\n" + _row(["---"] * (len(columns) + 1))


def row(figure: Figure, peers: Sequence[str]) -> str:
    """A row: median (least – greatest) of each side, and the median of the rounds' ratios."""
    cells = [figure.test.name, str(figure.threads), spread(figure.ours), _share(figure, figure.ours)]
    for peer in peers:
        rates = figure.theirs.get(peer, [])
        ratio = ratios(figure.ours, rates) if rates else None
        cells += [spread(rates), _share(figure, rates)]
        cells.append(f"**{ratio.median:.2f}** ({ratio.least:.2f} – {ratio.greatest:.2f})" if ratio else "–")
    return _row([*cells, figure.mark])


def spread(rates: Sequence[float]) -> str:
    """Median and limits, with as many digits as they are worth."""
    if not rates:
        return "–"
    found = Spread.of(rates)
    return f"{digits(found.median)} ({digits(found.least)} – {digits(found.greatest)})"


def digits(value: float) -> str:
    """Three digits, or all before the point: 4.56, 45.6, 456, 4,560."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def headline(figures: Mapping[str, Sequence[Figure]], peer: str) -> list[str]:
    """The ratios alone: a row for each test and number of threads, a column for each file."""
    keys = list(dict.fromkeys((f.test.name, f.threads) for rows in figures.values() for f in rows))
    lines = [_row(["test", "threads", *figures]), _row(["---"] * (2 + len(figures)))]
    for name, threads in keys:
        cells = []
        for rows in figures.values():
            (figure,) = [f for f in rows if (f.test.name, f.threads) == (name, threads)]
            rates = figure.theirs.get(peer, [])
            mark = " (disturbed)" if figure.mark else ""
            cells.append(f"{ratios(figure.ours, rates).median:.2f}{mark}" if rates else "–")
        lines.append(_row([name, str(threads), *cells]))
    return lines


def _share(figure: Figure, rates: Sequence[float]) -> str:
    return f"{100 * figure.share(rates):.0f} %" if figure.bytes_read and rates else "–"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
