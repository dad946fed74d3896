"""How far the logits of two runs are from each other."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def divergence(expected: Array, found: Array) -> npt.NDArray[np.float64]:
    """(T,): Kullback-Leibler divergence (nats) of the distributions that logits (T, n_vocab) mean."""
    p, q = _log_softmax(expected), _log_softmax(found)
    return np.asarray((np.exp(p) * (p - q)).sum(axis=1), np.float64)


def relative(expected: Array, found: Array) -> float:
    """Largest |difference| over all, by the largest |expected|."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def sha256(values: Array) -> str:
    """Of the bits."""
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def _log_softmax(logits: Array) -> npt.NDArray[np.float64]:
    x = logits.astype(np.float64)
    x = x - x.max(axis=1, keepdims=True)
    return np.asarray(x - np.log(np.exp(x).sum(axis=1, keepdims=True)), np.float64)
