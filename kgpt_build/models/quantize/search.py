"""Finds scales and minima of blocks by weighted least squares.

Rounding values to a grid leaves a scale free, and in some types a minimum. For fixed levels the best ones follow from
a linear system; the levels in turn follow from the scale by rounding. The search tries a row of scales near the one
that maps the extreme value to the end of the grid, solves the system for each, and keeps the solution with the least
weighted square error. All functions work on many blocks at once: the last axis holds the values of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

TINY = np.float32(1e-15)
"""Blocks whose values are all smaller than this in magnitude become zeros."""


@dataclass(frozen=True)
class Grid:
    """The whole numbers from ``low`` to ``high``."""

    low: int
    high: int

    @property
    def ends(self) -> tuple[int, ...]:
        """The levels that the value of largest magnitude can have: both ends, as a scale may be negative."""
        return (self.low, self.high) if self.low else (self.high,)

    def nearest(self, values: Array) -> Array:
        """The nearest levels of ``values``, as floats; overwrites ``values``."""
        np.rint(values, out=values)
        np.clip(values, self.low, self.high, out=values)
        return values


class Table(Grid):
    """Levels that are whole numbers from -128 to 127, in ascending order, but not all of them."""

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__(levels[0], levels[-1])
        ordered = np.array(levels, np.float32)
        halves = np.arange(-256, 257, dtype=np.float32) / 2
        # Middles between two levels are multiples of a half, so rounding up to halves finds the level.
        object.__setattr__(self, "_levels", ordered[np.searchsorted((ordered[1:] + ordered[:-1]) / 2, halves)])

    def nearest(self, values: Array) -> Array:
        """The nearest levels."""
        np.multiply(values, 2, out=values)
        np.clip(np.ceil(values, out=values), -256, 256, out=values)
        found: Array = self._levels[values.astype(np.int32) + 256]  # type: ignore[attr-defined]
        return found


def total(a: Array, b: Array) -> Array:
    """The sums of products over the last axis."""
    sums: Array = np.einsum("...i,...i->...", a, b)
    return sums


def inverse(values: Array) -> Array:
    """1 / ``values``, and 0 where that is 0."""
    return np.divide(1, values, out=np.zeros_like(values), where=np.abs(values) > TINY)


def fit_scale(x: Array, weights: Array, grid: Grid, offsets: Sequence[float], rounds: int = 1) -> Array:
    """The scales d (...) with the least sum of weights * (x - d * level)**2 that the search finds, x (..., n).

    Candidates map the value of largest magnitude to each of the grid's ``ends`` + each of ``offsets``. The best one is
    then rounded and solved ``rounds`` times more.
    """
    peak = np.take_along_axis(x, np.abs(x).argmax(-1, keepdims=True), -1)[..., 0]
    per_peak = inverse(peak)
    wx = weights * x
    best = np.zeros_like(peak)
    scale = np.zeros_like(peak)

    def improve(factor: Array) -> None:
        levels = grid.nearest(x * factor[..., None])
        along = total(wx, levels)
        size = total(weights * levels, levels)
        found = along * inverse(size)
        gain = found * along
        better = gain > best
        np.copyto(best, gain, where=better)
        np.copyto(scale, found, where=better)

    for end in grid.ends:
        for offset in offsets:
            improve((end + np.float32(offset)) * per_peak)
    for _ in range(rounds):
        improve(inverse(scale))
    return scale


def fit_affine(x: Array, weights: Array, high: int, offsets: Sequence[float], rounds: int = 1) -> tuple[Array, Array]:
    """Scales a >= 0 and minima m >= 0 (...) with the least sum of weights * (x - (a * level - m))**2, levels 0 to high.

    Candidates map the range of values to ``high`` + each of ``offsets``.
    """
    low = np.minimum(x.min(-1), 0)
    span = inverse(x.max(-1) - low)
    wx = weights * x
    sum_w, sum_x = weights.sum(-1), wx.sum(-1)
    # Without levels: a block of equal values is its minimum alone, if that is not positive.
    minimum = np.maximum(-sum_x * inverse(sum_w), 0)
    best = minimum * np.maximum(-sum_x, 0)
    scale = np.zeros_like(low)
    grid = Grid(0, high)

    def improve(factor: Array, offset: Array) -> None:
        levels = grid.nearest((x + offset[..., None]) * factor[..., None])
        sum_l, sum_xl = total(weights, levels), total(wx, levels)
        sum_ll = total(weights * levels, levels)
        a, m = solve(sum_ll, sum_l, sum_w, sum_xl, sum_x)
        gain = a * sum_xl - m * sum_x
        better = gain > best
        np.copyto(best, gain, where=better)
        np.copyto(scale, a, where=better)
        np.copyto(minimum, m, where=better)

    for offset in offsets:
        improve((high + np.float32(offset)) * span, -low)
    for _ in range(rounds):
        improve(inverse(scale), minimum)
    return scale, minimum


def solve(sum_ll: Array, sum_lm: Array, sum_mm: Array, sum_xl: Array, sum_xm: Array) -> tuple[Array, Array]:
    """The a, m >= 0 with the least sum of weights * (x - (a * l - m * k))**2 for fixed l and k (k is 1 in a block).

    The sums are weighted: of l*l, l*k, k*k, x*l, x*k.
    """
    per = inverse(sum_ll * sum_mm - sum_lm * sum_lm)
    a = (sum_xl * sum_mm - sum_xm * sum_lm) * per
    m = (sum_xl * sum_lm - sum_xm * sum_ll) * per
    alone = (m < 0) | (per == 0)
    np.copyto(a, sum_xl * inverse(sum_ll), where=alone)
    np.copyto(m, 0, where=alone)
    return np.maximum(a, 0), m
