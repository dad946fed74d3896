"""Refuses NaN and infinity in weights, also as the scale or minimum of a quantized block.

Such a value makes all results NaN. The check compares exponents by NumPy: 0.1 s for 92 MB, once per file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build import paths
from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.scan import Data, Scan, ScannedTensor
from kgpt_build.models.gguf.types import TYPES, TensorType

_PIECE = 1 << 22  # values per step
_EXPONENTS = {"F32": ("<u4", 0x7F800000), "F16": ("<u2", 0x7C00), "BF16": ("<u2", 0x7F80)}
"""Type -> its integer type, and the mask of the exponent, which is all ones in NaN and infinity."""
_E8M0_NAN, _E8M0_BIAS = 255, 127
_E8M0_LARGEST = 252
"""The largest scale of MXFP4 with which its largest value, 6, is finite in F32."""

_Words = npt.NDArray[Any]


def require_finite(data: Data, header: Scan, sha256: str) -> None:
    """Check all weights of the file ``data``; a file whose ``sha256`` is in the cache has passed before.

    Raises KgptError that names the tensor and the first faulty place in it.
    """
    known = paths.cache_dir() / "finite" / sha256
    if known.is_file():
        return
    for tensor in header.tensors:
        complaint = _complaint(data, header.start + tensor.offset, tensor)
        if complaint:  # raised here, because a traceback through the arrays would keep the file mapped
            raise KgptError(
                f"the tensor {tensor.name!r} {complaint}",
                "the file is damaged, or its training has diverged: get the model again",
            )
    with contextlib.suppress(KgptError):  # without a cache the check runs each time
        paths.make_cache_dir("finite")
        paths.write_atomically(known, b"")


def _complaint(data: Data, start: int, tensor: ScannedTensor) -> str:
    """The first fault of the tensor and its place; "" without one."""
    kind = TYPES[tensor.kind]
    for column, mask, least in _columns(np.frombuffer(data, np.uint8, tensor.size, start), kind):
        place = _first(column, mask, least)
        if place is not None:
            return _described(tensor, kind, column, place)
    return ""


def _columns(raw: _Words, kind: TensorType) -> Iterator[tuple[_Words, int, int]]:
    """Integers that show a fault, each with a mask: if ``integer & mask`` is at least the third item, it is one.

    They are the values of a tensor; for a type with blocks, its scales and minima, field by field.
    """
    if kind.block == 1:
        words, mask = _EXPONENTS[kind.name]
        yield raw.view(words), mask, mask
    words, mask = _EXPONENTS["F16"]
    for byte in kind.halves:
        yield raw.view(words).reshape(-1, kind.size // 2)[:, byte // 2], mask, mask
    for byte in kind.exponents:
        yield raw.reshape(-1, kind.size)[:, byte], 0xFF, _E8M0_LARGEST + 1


def _first(words: _Words, mask: int, least: int) -> int | None:
    """The index of the first word that is at least ``least`` in the bits of ``mask``."""
    for start in range(0, len(words), _PIECE):
        bad = (words[start : start + _PIECE] & mask) >= least
        if bad.any():
            return start + int(bad.argmax())
    return None


def _described(tensor: ScannedTensor, kind: TensorType, words: _Words, place: int) -> str:
    row, column = divmod(place * kind.block, tensor.dims[0])
    if kind.block == 1:
        return f"holds {_value(words[place], kind)} in row {row}, column {column} of {_shape(tensor)}"
    where = f"in row {row}, columns {column} to {column + kind.block - 1} of {_shape(tensor)}"
    return f"has a {kind.name} block with a scale or minimum of {_value(words[place], kind)} {where}"


def _value(word: Any, kind: TensorType) -> str:
    """``nan``, ``inf`` or ``-inf``; for a scale of E8M0 also the power of two that is too large."""
    if kind.exponents:
        return "nan" if word == _E8M0_NAN else f"2^{int(word) - _E8M0_BIAS} (its values do not fit f32)"
    if kind.name == "BF16":
        return str(np.uint32(int(word) << 16).view(np.float32))
    return str(word.view(np.float32 if kind.name == "F32" else np.float16))


def _shape(tensor: ScannedTensor) -> str:
    return f"{prod(tensor.dims[1:])} x {tensor.dims[0]}"
