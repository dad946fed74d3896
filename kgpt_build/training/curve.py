"""Draws a loss curve in characters: braille cells of eight dots, and circles for validation losses."""

from __future__ import annotations

from collections.abc import Sequence

from kgpt_build.training.history import Point

_BRAILLE = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of a cell, by column and row
_VALIDATION = "o"
_LABEL = 8


def draw(
    training: Sequence[Point], validation: Sequence[Point], last_step: int, *, width: int = 60, height: int = 8
) -> list[str]:
    """``height`` lines of at most ``width`` characters for steps 1 to ``last_step``; no lines without losses."""
    columns = max(width - _LABEL, 4)
    values = _columns(training, last_step, 2 * columns)
    losses = [value for value in values if value is not None] + [point.loss for point in validation]
    if not losses:
        return []
    low, high = min(losses), max(losses)
    cells = [[0] * columns for _ in range(height)]
    for x, value in enumerate(values):
        if value is not None:
            y = _row(value, low, high, 4 * height)
            cells[y // 4][x // 2] |= _DOTS[x % 2][y % 4]
    rows = [[chr(_BRAILLE + cell) if cell else " " for cell in row] for row in cells]
    for point in validation:
        rows[_row(point.loss, low, high, height)][_column(point.step, last_step, columns)] = _VALIDATION
    labels = {height - 1: _label(low), 0: _label(high)}
    return [f"{labels.get(y, ''):>{_LABEL - 1}} {''.join(row)}".rstrip() for y, row in enumerate(rows)]


def _columns(points: Sequence[Point], last_step: int, n: int) -> list[float | None]:
    """The mean of the points in each of ``n`` columns; columns without points are interpolated."""
    found: dict[int, list[float]] = {}
    for point in points:
        found.setdefault(_column(point.step, last_step, n), []).append(point.loss)
    values: list[float | None] = [None] * n
    before: tuple[int, float] | None = None
    for x, losses in sorted(found.items()):
        mean = sum(losses) / len(losses)
        values[x] = mean
        if before:
            for between in range(before[0] + 1, x):
                values[between] = before[1] + (mean - before[1]) * (between - before[0]) / (x - before[0])
        before = (x, mean)
    return values


def _column(step: int, last_step: int, n: int) -> int:
    """The column of a step: the first step is in the first column, the last step in the last."""
    return min(max(step - 1, 0) * (n - 1) // max(last_step - 1, 1), n - 1)


def _label(loss: float) -> str:
    text = f"{loss:.3f}"
    return text if len(text) < _LABEL else f"{loss:.1e}"


def _row(loss: float, low: float, high: float, n: int) -> int:
    share = (high - loss) / (high - low) if high > low else 0.5
    return min(int(share * n), n - 1)
