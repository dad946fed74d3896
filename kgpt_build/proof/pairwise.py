"""Pairwise covering: few rows that contain every allowed pair of values at least once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

Axes = Mapping[str, Sequence[str]]
Row = Mapping[str, str]
Pair = tuple[tuple[str, str], tuple[str, str]]
"""Two (axis, value)."""


_TRIES = 20


@dataclass(frozen=True)
class Rule:
    """A constraint on rows; checked as soon as the axes that it names have values."""

    axes: tuple[str, ...]
    holds: Callable[..., bool]
    """Gets the values of ``axes``, in this order."""


def rows_covering_pairs(axes: Axes, rules: Sequence[Rule]) -> list[dict[str, str]]:
    """Rows that obey ``rules`` and cover every pair that such rows can have; deterministic.

    Greedy: each row begins with the first uncovered pair, and is the best of several tries, which fill the other axes
    in different orders.
    """
    left = set(possible_pairs(axes, rules))
    order = sorted(left, key=lambda pair: _position(axes, pair))
    dice = random.Random(1)
    rows: list[dict[str, str]] = []
    for first in order:
        if first not in left:
            continue
        tries = [_filled(dict(first), left, axes, rules, dice) for _ in range(_TRIES)]
        row = max(tries, key=lambda row: len(left.intersection(pairs_of(row))))
        left.difference_update(pairs_of(row))
        rows.append(row)
    return rows


def _filled(
    row: dict[str, str], left: set[Pair], axes: Axes, rules: Sequence[Rule], dice: random.Random
) -> dict[str, str]:
    """Complete ``row`` axis by axis: with the value that covers most of ``left`` and leaves a completable row."""
    for axis in dice.sample(list(axes), len(axes)):
        if axis not in row:
            row[axis] = _best(axis, row, left, axes, rules, dice)
    return {axis: row[axis] for axis in axes}


def rows_covering_values(rows: Sequence[Row], *, at_least: int) -> list[Row]:
    """At least ``at_least`` of ``rows`` that contain every value of all rows; prefer rows with many new pairs."""
    values = {item for row in rows for item in row.items()}
    pairs = {pair for row in rows for pair in pairs_of(row)}
    chosen: list[Row] = []
    while values or len(chosen) < min(at_least, len(rows)):
        others = [row for row in rows if row not in chosen]
        best = max(others, key=lambda row: (len(values & set(row.items())), len(pairs & set(pairs_of(row)))))
        values -= set(best.items())
        pairs -= set(pairs_of(best))
        chosen.append(best)
    return chosen


def possible_pairs(axes: Axes, rules: Sequence[Rule]) -> Iterator[Pair]:
    """All pairs of values of two axes that an allowed row can have."""
    for one, other in combinations(axes, 2):
        for first in axes[one]:
            for second in axes[other]:
                if can_be_completed({one: first, other: second}, axes, rules):
                    yield (one, first), (other, second)


def pairs_of(row: Row) -> Iterator[Pair]:
    """All pairs of values in a row."""
    return combinations(row.items(), 2)


def can_be_completed(part: Row, axes: Axes, rules: Sequence[Rule]) -> bool:
    """Can ``part`` be completed to an allowed row?"""
    if not obeys(part, rules):
        return False
    missing = next((axis for axis in axes if axis not in part), None)
    if missing is None:
        return True
    return any(can_be_completed({**part, missing: value}, axes, rules) for value in axes[missing])


def obeys(part: Row, rules: Sequence[Rule]) -> bool:
    """Does ``part`` obey all rules whose axes have values?"""
    return all(
        rule.holds(*(part[axis] for axis in rule.axes)) for rule in rules if all(axis in part for axis in rule.axes)
    )


def _best(axis: str, row: Row, left: set[Pair], axes: Axes, rules: Sequence[Rule], dice: random.Random) -> str:
    def gain(value: str) -> int:
        return sum(_ordered(axes, (axis, value), item) in left for item in row.items())

    values = dice.sample(list(axes[axis]), len(axes[axis]))  # a different choice among equals for each try
    by_gain = sorted(values, key=lambda value: -gain(value))
    return next(value for value in by_gain if can_be_completed({**row, axis: value}, axes, rules))


def _ordered(axes: Axes, one: tuple[str, str], other: tuple[str, str]) -> Pair:
    names = list(axes)
    return (one, other) if names.index(one[0]) < names.index(other[0]) else (other, one)


def _position(axes: Axes, pair: Pair) -> tuple[int, ...]:
    """Sorts pairs of long axes first: they decide the number of rows."""
    (one, first), (other, second) = pair
    size = len(axes[one]) * len(axes[other])
    names = list(axes)
    return -size, names.index(one), names.index(other), axes[one].index(first), axes[other].index(second)
