"""Arithmetic whose order is written down: sums, products of matrices, and exp, from single IEEE-754 operations only.

NumPy's own ``@``, ``sum`` and ``exp`` take the order, and so the last bits, from the BLAS, the number of threads, and
the vector width of the machine. These do not: the same input gives the same bits wherever NumPy's elementwise + - * /
and sqrt are IEEE-754's.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.floating[Any]]

_LOG2_E = 1.4426950408889634
# ln 2 in two parts, the first with trailing zeros, so that n * _LN2_HIGH is exact (Cody and Waite, 1980).
_LN2_HIGH = {8: 0.693147180369123816490, 4: 0.693359375}
_LN2_LOW = {8: 1.90821492927058770002e-10, 4: -2.12194440e-4}
_SMALLEST = {8: -708.0, 4: -87.0}  # below, the result is not a normal number: it becomes 0
_TERMS = {8: 13, 4: 7}


def total(x: Array) -> Array:
    """Sum over the first axis: halves are added to each other until one is left. Shape (n, …) -> (…)."""
    while (n := x.shape[0]) > 1:
        half = n // 2
        head = x[:half] + x[half : 2 * half]
        x = np.concatenate((head, x[2 * half :])) if n % 2 else head
    result: Array = x[0]
    return result


def matmul(w: Array, x: Array) -> Array:
    """``w @ x``, terms added from the first column of ``w`` to the last. Shapes (o, i), (i, …) -> (o, …)."""
    columns = w.reshape(*w.shape, *(1,) * (x.ndim - 1))
    result: Array = columns[:, 0] * x[0]
    term = np.empty_like(result)
    for i in range(1, w.shape[1]):
        np.multiply(columns[:, i], x[i], out=term)
        result += term
    return result


def outer_total(a: Array, b: Array) -> Array:
    """Sum over all positions of the outer product. Shapes (o, …), (i, …) with the same rest -> (o, i)."""
    first, second = a.reshape(a.shape[0], -1).T, b.reshape(b.shape[0], -1).T
    if first.shape[1] < second.shape[1]:
        return outer_total(b, a).T
    first = np.ascontiguousarray(first)
    return np.stack([total(first * second[:, i, None]) for i in range(second.shape[1])], axis=1)


def exp(x: Array) -> Array:
    """e to the ``x``: x = n ln 2 + r, Taylor's series of r, times 2 to the n; 0 where that is not a normal number."""
    size = x.dtype.itemsize
    n = np.rint(np.maximum(x, _SMALLEST[size]) * _LOG2_E)
    r = (np.maximum(x, _SMALLEST[size]) - n * _LN2_HIGH[size]) - n * _LN2_LOW[size]
    series = np.ones_like(r)
    for k in range(_TERMS[size], 0, -1):
        series = 1.0 + series * (r / k)
    result: Array = np.where(x < _SMALLEST[size], 0.0, np.ldexp(series, n.astype(np.int32))).astype(x.dtype)
    return result
