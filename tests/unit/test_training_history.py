"""The losses of a training in a bounded number of points, and their curve in characters."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from kgpt_build.cli.training.training_view import preview_line
from kgpt_build.events import Preview
from kgpt_build.training.curve import draw
from kgpt_build.training.history import History, Point


def test_few_steps_are_kept_as_they_are() -> None:
    history = History(limit=10)
    for step in range(1, 21):
        history.add(step, float(step))
    assert history.training == [Point(step, float(step)) for step in range(1, 21)]


@pytest.mark.parametrize("steps", [21, 40, 41, 1000, 12345])
def test_many_steps_are_averaged_in_equal_runs(steps: int) -> None:
    history = History(limit=10)
    for step in range(1, steps + 1):
        history.add(step, float(step))
    points = history.training
    assert 10 <= len(points) <= 20
    assert points[-1].step == steps
    starts = [0, *(point.step for point in points)]
    widths = {end - start for start, end in pairwise(starts[:-1])}
    assert len(widths) == 1, "only the last run may be shorter"
    for start, point in zip(starts, points, strict=False):
        assert point.loss == (start + 1 + point.step) / 2


def test_a_curve_is_as_large_as_it_may_be() -> None:
    points = [Point(step, 3 - step / 100) for step in range(1, 101)]
    for width, height in [(60, 8), (20, 3), (12, 1), (200, 20)]:
        rows = draw(points, [], 100, width=width, height=height)
        assert len(rows) == height
        assert all(len(row) <= width for row in rows)
        assert max(map(len, rows)) == width
    rows = draw(points, [], 100, width=60, height=8)
    assert rows[0].split()[0] == "2.990"
    assert rows[-1].split()[0] == "2.000"


def test_a_large_loss_has_a_short_label() -> None:
    rows = draw([Point(1, 12345.6), Point(2, 2.5)], [], 2, width=20, height=2)
    assert [row.split()[0] for row in rows] == ["1.2e+04", "2.500"]


def test_a_curve_falls_from_left_to_right() -> None:
    """Each column of cells has dots, and they are never above those before."""
    rows = draw([Point(step, 101.0 - step) for step in range(1, 101)], [], 100, width=58, height=10)
    tops = []
    for column in range(8, 58):
        dotted = [y for y, row in enumerate(rows) if column < len(row) and row[column] != " "]
        assert dotted, f"nothing is drawn in column {column}"
        tops.append(dotted[0])
    assert tops == sorted(tops)
    assert (tops[0], tops[-1]) == (0, 9)


def test_half_a_training_is_half_a_curve() -> None:
    rows = draw([Point(step, 101.0 - step) for step in range(1, 51)], [], 100, width=58, height=8)
    assert max(map(len, rows)) == 8 + 25  # of 50


def test_a_preview_is_one_line_however_long_the_text() -> None:
    assert preview_line(Preview(7, "anna"), 40) == "after step 7: anna"
    assert preview_line(Preview(7, "to be,\nor \x1bnot"), 40) == "after step 7: to be, or  not"
    assert preview_line(Preview(7, "annaanna"), 18) == "after step 7: ann…"


def test_validation_is_drawn_where_it_was() -> None:
    rows = draw([Point(1, 1.0), Point(100, 0.0)], [Point(50, 1.0), Point(100, 0.0)], 100, width=58, height=5)
    assert rows[0].index("o") == 8 + 24
    assert rows[4].endswith("o")
    assert sum(row.count("o") for row in rows) == 2


@pytest.mark.parametrize("points", [[], [Point(1, 2.0)], [Point(1, 2.0), Point(2, 2.0)], [Point(7, 2.0)]])
def test_little_to_draw(points: list[Point]) -> None:
    rows = draw(points, [], 5, width=30, height=4)
    assert len(rows) == (4 if points else 0)
    assert any(char > "⠀" for row in rows for char in row) == bool(points)


def test_a_width_of_nothing_is_no_error() -> None:
    assert len(draw([Point(1, 1.0), Point(2, math.pi)], [], 2, width=0, height=2)) == 2
