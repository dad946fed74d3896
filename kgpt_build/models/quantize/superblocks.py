"""Quantises rows to the types with blocks of 256 values: K-quants and IQ4_XS.

A block has sub-blocks, each with a whole number as its scale (and, in some types, another as its minimum) in units of
the block's own F16 values. The search goes from the inside out: the best scale of each sub-block alone; whole numbers
for all of them, weighted by how much each matters; the levels for these; then the block's F16 values once more for
the levels as they are, which takes back a part of what rounding the scales lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kgpt_build.models.quantize import pack
from kgpt_build.models.quantize.pack import Bytes
from kgpt_build.models.quantize.search import Array, Grid, Table, fit_affine, fit_scale, inverse, solve, total

BLOCK = 256
IQ4_LEVELS = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
"""The levels of IQ4_NL and IQ4_XS."""


def steps(reach: float, count: int) -> tuple[float, ...]:
    """``count`` offsets from -``reach`` to ``reach``, for the search."""
    return tuple(float(value) for value in np.linspace(-reach, reach, count))


@dataclass(frozen=True)
class Scaled:
    """A type x = d * scale * level: ``size`` values in a sub-block, its levels, its whole scales; how it is packed."""

    size: int
    levels: Grid
    scales: Grid
    offsets: Sequence[float]
    pack: Callable[[Bytes, Bytes, Bytes], Bytes]
    """From d (n, 2), scales (n, sub-blocks) and levels (n, 256), the last two without sign."""


@dataclass(frozen=True)
class Affine:
    """A type x = d * scale * level - dmin * minimum; ``highest`` level, and ``highest_scale`` of scales and minima."""

    size: int
    highest: int
    highest_scale: int
    offsets: Sequence[float]
    pack: Callable[[Bytes, Bytes, Bytes, Bytes, Bytes], Bytes]
    """From d, dmin (n, 2), scales, minima (n, sub-blocks) and levels (n, 256)."""


def _q2_k(d: Bytes, dmin: Bytes, scales: Bytes, minima: Bytes, levels: Bytes) -> Bytes:
    return np.concatenate([scales | minima << 4, pack.quarters(levels), d, dmin], axis=1)


def _q3_k(d: Bytes, scales: Bytes, levels: Bytes) -> Bytes:
    high = pack.planes((levels >> 2).reshape(-1, 8, 32))
    return np.concatenate([high, pack.quarters(levels & 3), pack.six_bits_alone(scales), d], axis=1)


def _q4_k(d: Bytes, dmin: Bytes, scales: Bytes, minima: Bytes, levels: Bytes) -> Bytes:
    low = pack.nibbles(levels.reshape(-1, 4, 2, 32))
    return np.concatenate([d, dmin, pack.six_bits(scales, minima), low], axis=1)


def _q5_k(d: Bytes, dmin: Bytes, scales: Bytes, minima: Bytes, levels: Bytes) -> Bytes:
    high = pack.planes((levels >> 4).reshape(-1, 8, 32))
    low = pack.nibbles((levels & 15).reshape(-1, 4, 2, 32))
    return np.concatenate([d, dmin, pack.six_bits(scales, minima), high, low], axis=1)


def _q6_k(d: Bytes, scales: Bytes, levels: Bytes) -> Bytes:
    low = pack.nibbles((levels & 15).reshape(-1, 2, 2, 64))
    return np.concatenate([low, pack.quarters(levels >> 4), scales ^ 128, d], axis=1)


def _iq4_xs(d: Bytes, scales: Bytes, levels: Bytes) -> Bytes:
    high = np.bitwise_or.reduce((scales >> 4).astype("<u2") << np.arange(0, 16, 2, dtype="<u2"), axis=1)
    low = scales[:, 0::2] & 15 | (scales[:, 1::2] & 15) << 4
    indices = np.searchsorted(np.array(IQ4_LEVELS) + 127, levels).astype(np.uint8)
    return np.concatenate(
        [d, high.astype("<u2").view(np.uint8).reshape(-1, 2), low, pack.nibbles(indices.reshape(-1, 8, 2, 16))], axis=1
    )


TYPES: dict[str, Scaled | Affine] = {
    "Q2_K": Affine(16, 3, 15, steps(0.9, 19), _q2_k),
    "Q3_K": Scaled(16, Grid(-4, 3), Grid(-32, 31), steps(1.2, 25), _q3_k),
    "Q4_K": Affine(32, 15, 63, steps(0.9, 13), _q4_k),
    "Q5_K": Affine(32, 31, 63, steps(0.9, 9), _q5_k),
    "Q6_K": Scaled(16, Grid(-32, 31), Grid(-128, 127), steps(0.9, 9), _q6_k),
    "IQ4_XS": Scaled(32, Table(IQ4_LEVELS), Grid(-32, 31), steps(7, 15), _iq4_xs),
}


def quantize(x: Array, weights: Array, kind: str) -> Bytes:
    """Blocks x (n, 256) as bytes (n, size of a block); errors count by ``weights`` (n, 256)."""
    of = TYPES[kind]
    shape = (len(x), BLOCK // of.size, of.size)
    x, weights = x.reshape(shape), weights.reshape(shape)
    return _quantize_scaled(x, weights, of) if isinstance(of, Scaled) else _quantize_affine(x, weights, of)


def _as_half(values: Array) -> Array:
    return np.clip(values, -65504, 65504).astype(np.float16).astype(np.float32)


def _quantize_scaled(x: Array, weights: Array, of: Scaled) -> Bytes:
    fitted = fit_scale(x, weights, of.levels, of.offsets)
    levels = of.levels.nearest(x * inverse(fitted)[..., None])
    matter = total(weights * levels, levels)
    d = _as_half(fit_scale(fitted, matter, of.scales, steps(0.9, 19)))
    best: tuple[Array, ...] | None = None
    for _ in range(3):
        scales = of.scales.nearest(fitted * inverse(d)[:, None])
        unit = d[:, None] * scales
        levels = of.levels.nearest(x * inverse(unit)[..., None])
        wrong = x - unit[..., None] * levels
        loss = np.einsum("nsi,nsi,nsi->n", weights, wrong, wrong)
        best = _better(best, (loss, d, scales, levels))
        along = np.einsum("nsi,nsi,nsi,ns->n", weights, x, levels, scales)
        size = np.einsum("nsi,nsi,nsi,ns,ns->n", weights, levels, levels, scales, scales)
        d = _as_half(along * inverse(size))
    assert best is not None
    _, d, scales, levels = best
    return of.pack(
        pack.half(d),
        (scales - of.scales.low).astype(np.uint8),
        (levels - of.levels.low).astype(np.uint8).reshape(-1, BLOCK),
    )


def _better(best: tuple[Array, ...] | None, found: tuple[Array, ...]) -> tuple[Array, ...]:
    """The arrays of the solution with the smaller loss, block by block; the loss (n,) comes first."""
    if best is None:
        return found
    lower = found[0] < best[0]
    return tuple(
        np.where(lower.reshape(-1, *[1] * (new.ndim - 1)), new, old) for new, old in zip(found, best, strict=True)
    )


def _quantize_affine(x: Array, weights: Array, of: Affine) -> Bytes:
    fitted, fitted_minima = fit_affine(x, weights, of.highest, of.offsets)
    grid, whole = Grid(0, of.highest), Grid(0, of.highest_scale)
    levels = grid.nearest((x + fitted_minima[..., None]) * inverse(fitted)[..., None])
    sum_w, sum_x = weights.sum(-1), total(weights, x)
    d = _as_half(fit_scale(fitted, total(weights * levels, levels), whole, steps(0.9, 19)))
    dmin = _as_half(fit_scale(fitted_minima, sum_w, whole, steps(0.9, 19)))
    best: tuple[Array, ...] | None = None
    for _ in range(3):
        scales = whole.nearest(fitted * inverse(d)[:, None])
        unit = d[:, None] * scales
        levels = grid.nearest((x + fitted_minima[..., None]) * inverse(unit)[..., None])
        suited = (unit * total(weights, levels) - sum_x) * inverse(sum_w)  # the minima that suit the rounded scales
        minima = whole.nearest(suited * inverse(dmin)[:, None])
        offset = dmin[:, None] * minima
        levels = grid.nearest((x + offset[..., None]) * inverse(unit)[..., None])
        wrong = x - unit[..., None] * levels + offset[..., None]
        loss = np.einsum("nsi,nsi,nsi->n", weights, wrong, wrong)
        best = _better(best, (loss, d, dmin, scales, minima, levels))
        d, dmin = (_as_half(value) for value in _refit(x, weights, levels, scales, minima))
    assert best is not None
    _, d, dmin, scales, minima, levels = best
    return of.pack(
        pack.half(d),
        pack.half(dmin),
        scales.astype(np.uint8),
        minima.astype(np.uint8),
        levels.astype(np.uint8).reshape(-1, BLOCK),
    )


def _refit(x: Array, weights: Array, levels: Array, scales: Array, minima: Array) -> tuple[Array, Array]:
    """The block's scale and minimum for levels, scales and minima as they are."""
    sum_w, sum_x = weights.sum(-1), total(weights, x)
    sum_l, sum_ll, sum_xl = total(weights, levels), total(weights * levels, levels), total(weights * x, levels)
    return solve(
        total(sum_ll * scales, scales),
        total(sum_l * scales, minima),
        total(sum_w * minima, minima),
        total(sum_xl, scales),
        total(sum_x, minima),
    )
