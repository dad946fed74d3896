"""Percentiles and histograms of kgpt jitter."""

from __future__ import annotations

import pytest

from kgpt_build.cli.shared.jitter import Series, histogram, percentile, text_of, together

BOUNDS = (900, 990, 1010, 2000)


@pytest.mark.parametrize(
    ("n", "thousandths", "expected"),
    [(1000, 500, 500), (1000, 990, 990), (1000, 999, 999), (1000, 1000, 1000), (1000, 0, 1), (10, 990, 10), (3, 500, 2),
     (1, 999, 1)],
)  # fmt: skip
def test_percentiles_are_nearest_ranks(n: int, thousandths: int, expected: int) -> None:
    assert percentile(range(1, n + 1), thousandths) == expected


def test_a_bar_holds_its_upper_end() -> None:
    assert histogram([90, 91, 99, 100, 101, 102, 200, 201], 100, BOUNDS) == [1, 2, 2, 2, 1]


def series(name: str, *durations: int, load: int = 0) -> Series:
    return Series(name, load, len(durations), 64, 1, durations, per_us=1e3, bounds=BOUNDS)


def test_rounds_are_put_together() -> None:
    joined = together([series("a", 1, 2), series("b", 5), series("a", 3), series("a", 9, load=2)])
    assert [(one.label, one.durations) for one in joined] == [
        ("a, idle", (1, 2, 3)),
        ("b, idle", (5,)),
        ("a, 2 busy processes", (9,)),
    ]
    assert joined[0].tokens == 3


def test_the_report() -> None:
    ours, theirs = series("kgpt", *[100_000] * 98, 104_000, 120_500), series("llama.cpp", 400_000, load=1)
    assert list(text_of("Tiny Q8_0", [ours, theirs])) == [
        "Tiny Q8_0: 100 tokens at depth 64, 1 processor",
        "",
        "µs a token                 p50    p99    p99.9  max    p99/p50",
        "kgpt, idle                 100.0  104.0  120.5  120.5  1.040",
        "llama.cpp, 1 busy process  400.0  400.0  400.0  400.0  1.000",
        "",
        "    time / p50 kgpt, idle",
        "  0.00 to 0.90        0",
        "  0.90 to 0.99        0",
        "  0.99 to 1.01       98 ##############################",
        "  1.01 to 2.00        2 #",
        "    above 2.00        0",
        "",
        "    time / p50 llama.cpp, 1 busy process",
        "  0.00 to 0.90        0",
        "  0.90 to 0.99        0",
        "  0.99 to 1.01        1 ##############################",
        "  1.01 to 2.00        0",
        "    above 2.00        0",
    ]
