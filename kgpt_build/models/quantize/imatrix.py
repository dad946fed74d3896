"""Reads importance matrices of llama-imatrix: for each matrix the mean square of each of its inputs.

Two forms: GGUF, with the tensors NAME.in_sum2 and NAME.counts; and the older one without a magic (llama-imatrix
--output-format dat): whole numbers and floats, little-endian.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.scan import MAGIC, MAX_TENSORS, Numbers, Scan, ScannedTensor, scan
from kgpt_build.words import counted

_HINT = "make it with llama-imatrix, from the same model"
_FLOOR = 1e-4
"""The least importance, of the mean: an input that was zero in one text need not be so in another."""
_MAX_NAME = 1024
_SUMS, _COUNTS = ".in_sum2", ".counts"
_DATASETS, _CHUNKS = "imatrix.datasets", "imatrix.chunk_count"

Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ImportanceMatrix:
    """``values``: a tensor's name -> importance (columns) of its columns, with a mean of 1.

    ``path``: its file; ``n_chunks``: pieces of the text that it was computed from, 0 if unknown; ``dataset``: that
    text's name, or "".
    """

    path: Path
    values: Mapping[str, Values]
    n_chunks: int
    dataset: str

    @property
    def fields(self) -> dict[str, str | int]:
        """The fields that llama-quantize adds to a file that it quantises with it."""
        known: dict[str, str | int] = {
            "file": os.fsencode(self.path).decode(errors="replace"),
            "entries_count": len(self.values),
        }
        known |= {"dataset": self.dataset} if self.dataset else {}
        known |= {"chunks_count": self.n_chunks} if self.n_chunks else {}
        return {f"quantize.imatrix.{key}": value for key, value in known.items()}

    def missing(self, columns: Mapping[str, int]) -> list[str]:
        """Those of the tensors ``columns`` (name -> columns) that it has nothing for."""
        return [name for name in columns if name not in self.values]

    def strange(self, columns: Mapping[str, int]) -> list[str]:
        """Its names that are none of the tensors ``columns``."""
        return [name for name in self.values if name not in columns]

    def check(self, columns: Mapping[str, int]) -> None:
        """Raise KgptError if it is of another model than that with the tensors ``columns``."""
        if not set(self.values) & set(columns):
            first = next(iter(self.values))
            raise KgptError(f"it is of another model: none of its names, such as {first!r}, is there", _HINT)
        for name, values in self.values.items():
            if len(values) != columns.get(name, len(values)):
                raise KgptError(f"it has {len(values)} values for {name!r}, which has {columns[name]} columns", _HINT)


def read_imatrix(path: Path) -> ImportanceMatrix:
    """Read an importance matrix of either form. Raises KgptError that names ``path``."""
    try:
        with path.open("rb") as file:
            is_gguf = file.read(len(MAGIC)) == MAGIC
            if not path.stat().st_size:
                raise KgptError("the file is empty", _HINT)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                found = _read_gguf(path, data) if is_gguf else _read_dat(path, bytes(data))
        return _checked(found)
    except OSError as error:
        raise KgptError(f"cannot read {path}: {error.strerror}", "give the file of an importance matrix") from error
    except KgptError as error:
        raise KgptError(f"{path}: {error.message}", error.hint) from error


def _checked(found: ImportanceMatrix) -> ImportanceMatrix:
    """``found`` with means of 1. Raises KgptError for a value that is no mean of squares."""
    if not found.values:
        raise KgptError("it has no entries", _HINT)
    for name, values in found.values.items():
        if not np.isfinite(values).all() or (values < 0).any():
            bad = values[~(np.isfinite(values) & (values >= 0))][0]
            raise KgptError(f"it has {bad:g} for {name!r}, which is no mean of squares", _HINT)
    return replace(found, values={name: _normal(values) for name, values in found.values.items()})


def _normal(values: Values) -> Values:
    mean = values.mean(dtype=np.float64)
    if mean == 0:
        return np.ones_like(values)
    normal: Values = np.maximum(values / mean, _FLOOR).astype(np.float32)
    return normal


def _read_gguf(path: Path, data: mmap.mmap) -> ImportanceMatrix:
    header = scan(data)
    by_name = {tensor.name: tensor for tensor in header.tensors}
    names = [name.removesuffix(_SUMS) for name in by_name if name.endswith(_SUMS)]
    if not names:
        raise KgptError(f"it is a GGUF file without tensors NAME{_SUMS}, so no importance matrix", _HINT)
    values = {}
    for name in names:
        counts = by_name.get(name + _COUNTS)
        if counts is None:
            raise KgptError(f"the tensor {name + _COUNTS!r} is missing", _HINT)
        values[name] = _mean(_floats(data, header, by_name[name + _SUMS]), _floats(data, header, counts), name)
    chunks, datasets = header.fields.get(_CHUNKS), header.fields.get(_DATASETS)
    return ImportanceMatrix(
        path,
        values,
        chunks if isinstance(chunks, int) and not isinstance(chunks, bool) and chunks > 0 else 0,
        datasets[0] if isinstance(datasets, tuple) and datasets else "",
    )


def _floats(data: mmap.mmap, header: Scan, tensor: ScannedTensor) -> Values:
    if tensor.kind != 0:  # F32
        raise KgptError(f"the tensor {tensor.name!r} is not of the type F32", _HINT)
    start = header.start + tensor.offset
    return Numbers("f", data[start : start + tensor.size]).array().astype(np.float32)


def _mean(sums: Values, counts: Values, name: str) -> Values:
    """Sums over the number of tokens. There is one number, because mixtures of experts are not supported."""
    if counts.size != 1:
        raise KgptError(
            f"it has {counted(counts.size, 'expert')} for {name!r}", "mixtures of experts are not supported"
        )
    if not counts[0] > 0:
        return np.ones_like(sums)
    with np.errstate(over="ignore"):  # infinity is refused with the name
        mean: Values = sums / counts[0]
    return mean


class _Reader:
    """A position in ``data``; every step checks the bounds."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes behind the position."""
        return len(self._data) - self._at

    def take(self, size: int, what: str) -> bytes:
        """The next ``size`` bytes."""
        if not 0 <= size <= self.left:
            raise KgptError(f"truncated, or no importance matrix: {what} at byte {self._at} does not fit", _HINT)
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, what: str, most: int) -> int:
        """A whole number from 0 to ``most``."""
        (number,) = struct.unpack("<i", self.take(4, what))
        if not 0 <= number <= most:
            raise KgptError(f"truncated, or no importance matrix: {what} is {number}", _HINT)
        return int(number)

    def text(self, what: str) -> str:
        """A text of at most _MAX_NAME bytes, with its length before it."""
        return self.take(self.number(f"the length of {what}", _MAX_NAME), what).decode("utf-8", "replace")


def _read_dat(path: Path, data: bytes) -> ImportanceMatrix:
    reader = _Reader(data)
    values: dict[str, Values] = {}
    for i in range(reader.number("the number of entries", MAX_TENSORS)):
        name = reader.text(f"the name of entry {i + 1}")
        calls = reader.number(f"the number of calls of {name!r}", 1 << 30)
        size = reader.number(f"the size of {name!r}", reader.left // 4)
        sums = np.frombuffer(reader.take(4 * size, f"the values of {name!r}"), "<f4").astype(np.float32)
        values[name] = sums / np.float32(calls or 1)
    if any(not len(entry) for entry in values.values()):
        raise KgptError("an entry has no values", _HINT)
    n_chunks = reader.number("the number of chunks", 1 << 30) if reader.left else 0
    return ImportanceMatrix(path, values, n_chunks, reader.text("the name of the text") if reader.left else "")


def shown(names: Sequence[str], most: int = 3) -> str:
    """The first ``most`` of ``names``, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
