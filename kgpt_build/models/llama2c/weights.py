"""The weights of llama2.c checkpoints: where each lies in the file, and its values as f32."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from kgpt_build.errors import KgptError
from kgpt_build.models.checkpoint import Tensor
from kgpt_build.models.llama2c.header import INT8, LEGACY, Header
from kgpt_build.models.model import FloatArray
from kgpt_build.words import counted

_SIZE = 4  # bytes of an f32


@dataclass(frozen=True)
class _Place:
    """A tensor in the file: GGUF's ``name``, its first byte, and how its bytes become f32 of ``shape``."""

    name: str
    shape: tuple[int, ...]
    offset: int
    group: int  # 0: the values are f32


def tensors(source: Path, header: Header) -> list[Tensor]:
    """All tensors of ``source`` as F32. Raises KgptError if the size of the file is not that of the header's model.

    The values are those of the file. In version 2 a value is int8 × scale, rounded once to f32, as llama2.c's own
    ``dequantize`` computes it. Q8_0 would round each scale to f16, by up to 1 part in 2,048.
    """
    places, end = _places(header)
    _check_size(source.stat().st_size, end)
    return [Tensor(place.name, place.shape, "F32", partial(_read, source, place)) for place in places]


def _check_size(size: int, expected: int) -> None:
    if size < expected:
        raise KgptError(
            f"truncated: it has {counted(size, 'byte')}, and the sizes in its header make {expected:,}",
            "copy the file again",
        )
    if size > expected:
        raise KgptError(
            f"it has {counted(size - expected, 'byte')} more than the {expected:,} that the sizes in its header make",
            "the file is damaged, or is no llama2.c checkpoint",
        )


def _read(source: Path, place: _Place) -> FloatArray:
    count = prod(place.shape)
    if not place.group:
        values = np.fromfile(source, "<f4", count, offset=place.offset)
    else:
        quants = np.fromfile(source, np.int8, count, offset=place.offset)
        scales = np.fromfile(source, "<f4", count // place.group, offset=place.offset + count)
        values = quants.reshape(-1, place.group).astype(np.float32) * scales[:, None]
    return values.astype(np.float32, copy=False).reshape(place.shape)


class _Cursor:
    """Lays tensors one after the other."""

    def __init__(self, header: Header) -> None:
        self.header, self.offset = header, header.start
        self.places: dict[str, _Place] = {}

    def floats(self, name: str, *shape: int) -> None:
        self.places[name] = _Place(name, shape, self.offset, 0)
        self.offset += _SIZE * prod(shape)

    def matrix(self, name: str, rows: int, columns: int) -> None:
        """A matrix: f32, or in version 2 int8 values and then their scales."""
        group = self.header.group
        if self.header.version != INT8:
            self.floats(name, rows, columns)
            return
        self.places[name] = _Place(name, (rows, columns), self.offset, group)
        self.offset += rows * columns + _SIZE * (rows * columns // group)

    def layers(self, lay: Callable[[str], None], name: str) -> None:
        """The tensor ``name`` of each layer."""
        for layer in range(self.header.n_layers):
            lay(f"blk.{layer}.{name}.weight")

    def norms(self, name: str) -> None:
        self.layers(lambda full: self.floats(full, self.header.dim), name)

    def matrices(self, name: str, rows: int, columns: int) -> None:
        if self.header.group and rows * columns % self.header.group:
            raise KgptError(
                f"the header says group size {self.header.group}, which does not divide the {rows} × {columns} values"
                f" of {name}",
                "the file is damaged, or is no llama2.c checkpoint",
            )
        self.layers(lambda full: self.matrix(full, rows, columns), name)


def _places(header: Header) -> tuple[list[_Place], int]:
    """The tensors in GGUF's usual order, and the bytes of the file."""
    cursor = _Cursor(header)
    dim, kv_dim, hidden = header.dim, header.kv_dim, header.hidden_dim
    legacy = header.version == LEGACY
    if legacy:
        cursor.matrix("token_embd.weight", header.vocab_size, dim)
        cursor.norms("attn_norm")
    else:
        cursor.norms("attn_norm")
        cursor.norms("ffn_norm")
        cursor.floats("output_norm.weight", dim)
        cursor.matrix("token_embd.weight", header.vocab_size, dim)
    cursor.matrices("attn_q", dim, dim)
    cursor.matrices("attn_k", kv_dim, dim)
    cursor.matrices("attn_v", kv_dim, dim)
    cursor.matrices("attn_output", dim, dim)
    if legacy:
        cursor.norms("ffn_norm")
    cursor.matrices("ffn_gate", hidden, dim)
    cursor.matrices("ffn_down", dim, hidden)
    cursor.matrices("ffn_up", hidden, dim)
    if legacy:
        cursor.floats("output_norm.weight", dim)
        cursor.offset += 2 * _SIZE * header.seq_len * (header.head_dim // 2)  # cos and sin of RoPE: computed anew
    if not header.shared:
        cursor.matrix("output.weight", header.vocab_size, dim)
    return list(_in_order(cursor.places, header.n_layers)), cursor.offset


def _in_order(places: dict[str, _Place], n_layers: int) -> Iterator[_Place]:
    """Layer by layer, which is the order in which a forward pass reads."""
    yield places["token_embd.weight"]
    for layer in range(n_layers):
        prefix = f"blk.{layer}."
        yield from (place for name, place in places.items() if name.startswith(prefix))
    yield places["output_norm.weight"]
    if "output.weight" in places:
        yield places["output.weight"]
