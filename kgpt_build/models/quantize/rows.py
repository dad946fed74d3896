"""Quantises a matrix row by row, and back: every type that the engine reads."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.types import TYPES, TensorType
from kgpt_build.models.quantize import small_blocks, superblocks
from kgpt_build.models.quantize.pack import Bytes
from kgpt_build.models.quantize.search import Array, inverse

BY_NAME = {kind.name: kind for kind in TYPES.values()}
_PIECE = 1 << 16  # values that a thread takes at once; the arrays of the search then stay in its cache


def quantize_rows(x: Array, kind: str, importance: Array | None = None) -> npt.NDArray[Any]:
    """The matrix x (rows, columns) in GGML's type ``kind``: bytes (rows, bytes of a row); F32 and F16 as floats.

    ``importance`` (columns): how much an error counts in each column, such as the mean square of what it multiplies.
    The number of columns must be a multiple of the type's block. Raises KgptError for values beyond an F16.
    """
    if kind == "F32":
        return x
    if kind == "F16":
        return _as_f16(x)
    n_rows = max(1, _PIECE // x.shape[1])
    pieces = [x[start : start + n_rows] for start in range(0, len(x), n_rows)]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        done = list(pool.map(lambda piece: _quantize_piece(piece, BY_NAME[kind], importance), pieces))
    return np.concatenate(done)


def dequantize_rows(raw: npt.NDArray[Any], kind: str) -> Array:
    """The values (rows, columns) of what quantize_rows returned, or of a file's rows."""
    from gguf import GGMLQuantizationType, quants

    if raw.dtype != np.uint8:
        return raw.astype(np.float32)
    return np.asarray(quants.dequantize(raw, GGMLQuantizationType[kind]), np.float32)


def _as_f16(x: Array) -> npt.NDArray[Any]:
    with np.errstate(over="ignore"):
        halves = x.astype(np.float16)
    if not np.isfinite(halves).all():
        raise KgptError(f"it holds {x[~np.isfinite(halves)][0]:g}, which F16 cannot hold", "choose BF16 or F32")
    return halves


def _quantize_piece(x: Array, kind: TensorType, importance: Array | None) -> Bytes:
    is_searched = kind.name in superblocks.TYPES or kind.name == "IQ4_NL"
    if not (is_searched or (importance is not None and kind.name in small_blocks.SEARCHED)):
        return _by_library(x, kind.name)
    squares = np.square(x)
    weights = np.sqrt(1 + squares * inverse(squares.mean(1, keepdims=True)))
    if importance is not None:
        weights *= importance
    quantize = superblocks.quantize if kind.name in superblocks.TYPES else small_blocks.quantize
    blocks = quantize(x.reshape(-1, kind.block), weights.reshape(-1, kind.block), kind.name)
    return blocks.reshape(len(x), kind.row_bytes(x.shape[1]))


def _by_library(x: Array, kind: str) -> Bytes:
    from gguf import GGMLQuantizationType, quants

    return np.asarray(quants.quantize(x, GGMLQuantizationType[kind])).view(np.uint8).reshape(len(x), -1)
