"""``python -m benchmarks.inference.synthetic NAME…``: models of real shapes with random weights, to measure speed.

A speed does not depend on what the weights are, as long as no number overflows. So the codes of the blocks are random
bytes, tiled from a small pool, and scales are chosen so that a row's values have a standard deviation of 1 over the
root of its length. The files have a small SentencePiece vocabulary, so every engine loads them. They are written tensor
by tensor, into build/bench or the folder that KGPT_BENCH names, and a run with ``--delete`` removes them.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.models.gguf.types import TYPES
from kgpt_build.paths import replaced_atomically

Bytes = npt.NDArray[np.uint8]
_POOL_BLOCKS = 1 << 16
_VOCAB = 32000
_BYTE_TOKENS = 256
_CONTEXT = 4096


@dataclass(frozen=True)
class Shape:
    """A Llama's sizes."""

    n_layer: int
    n_embd: int
    n_head: int
    n_head_kv: int
    n_ff: int

    def matrices(self) -> Iterator[tuple[str, int, int]]:
        """(name, rows, columns) of each matrix, in the file's order."""
        kv = self.n_embd // self.n_head * self.n_head_kv
        yield "token_embd", _VOCAB, self.n_embd
        for i in range(self.n_layer):
            yield f"blk.{i}.attn_q", self.n_embd, self.n_embd
            yield f"blk.{i}.attn_k", kv, self.n_embd
            yield f"blk.{i}.attn_v", kv, self.n_embd
            yield f"blk.{i}.attn_output", self.n_embd, self.n_embd
            yield f"blk.{i}.ffn_gate", self.n_ff, self.n_embd
            yield f"blk.{i}.ffn_up", self.n_ff, self.n_embd
            yield f"blk.{i}.ffn_down", self.n_embd, self.n_ff
        yield "output", _VOCAB, self.n_embd

    def norms(self) -> Iterator[str]:
        """The names of the norms' weights."""
        for i in range(self.n_layer):
            yield f"blk.{i}.attn_norm"
            yield f"blk.{i}.ffn_norm"
        yield "output_norm"


SHAPES = {"1b": Shape(22, 2048, 32, 4, 5632), "7b": Shape(32, 4096, 32, 32, 11008)}
"""TinyLlama's shape (1.1 B parameters) and Llama 2's (6.7 B)."""
KINDS = {"q4_k": 12, "q8_0": 8}
NAMES = tuple(f"synthetic-{shape}-{kind}" for shape in SHAPES for kind in KINDS)


def path_of(name: str, folder: Path) -> Path:
    """The file of ``name``, one of NAMES; it is written if it is not there."""
    path = folder / f"{name}.gguf"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _, shape, kind = name.split("-")
        write(path, SHAPES[shape], KINDS[kind])
    return path


def write(path: Path, shape: Shape, kind: int) -> None:
    """Write a model with matrices of the type ``kind``; at most one matrix is in memory."""
    import gguf

    generator = np.random.default_rng(1)
    pool = _random_blocks(kind, generator)
    with replaced_atomically(path) as part:
        writer = gguf.GGUFWriter(part, "llama")
        _add_fields(writer, shape)
        matrices = list(shape.matrices())
        for name, rows, columns in matrices:
            size = rows * TYPES[kind].row_bytes(columns)
            kept = gguf.GGMLQuantizationType(kind)
            writer.add_tensor_info(f"{name}.weight", [rows, columns], np.dtype(np.float32), size, kept)
        for name in shape.norms():
            writer.add_tensor_info(f"{name}.weight", [shape.n_embd], np.dtype(np.float32), 4 * shape.n_embd)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for _, rows, columns in matrices:
            writer.write_tensor_data(_matrix(pool, kind, rows, columns, generator))
        for _ in shape.norms():
            writer.write_tensor_data(np.ones(shape.n_embd, np.float32))
        writer.close()


def _matrix(pool: Bytes, kind: int, rows: int, columns: int, generator: np.random.Generator) -> Bytes:
    """A matrix of the pool's blocks from a random one on, with scales that fit the length of the rows."""
    count = rows * columns // TYPES[kind].block
    blocks = np.take(pool, np.arange(count) + int(generator.integers(len(pool))), axis=0, mode="wrap")
    for at, factor in _scales(kind):
        value = np.float16(factor / math.sqrt(columns))
        blocks[:, at : at + 2] = np.frombuffer(value.tobytes(), np.uint8)
    return blocks.reshape(rows, -1)


def _random_blocks(kind: int, generator: np.random.Generator) -> Bytes:
    pool = generator.integers(0, 256, (_POOL_BLOCKS, TYPES[kind].size), np.uint8)
    if TYPES[kind].name == "Q4_K":  # all scales and minima of the eight parts are 32
        pool[:, 4:16] = [160] * 8 + [0] * 4
    return pool


def _scales(kind: int) -> list[tuple[int, float]]:
    """(offset of an F16 scale in a block, its value for rows of length 1).

    Q8_0 is d q with q from -128 to 127, whose deviation is 74. Q4_K is 32 (d q - m) with q from 0 to 15, whose
    deviation is 4.6 and mean 7.5; m makes the mean 0.
    """
    if TYPES[kind].name == "Q8_0":
        return [(0, 1 / 74)]
    return [(0, 1 / (32 * 4.61)), (2, 7.5 / (32 * 4.61))]


def _add_fields(writer: Any, shape: Shape) -> None:
    writer.add_name(f"Synthetic {shape.n_layer} layers of {shape.n_embd}")
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(shape.n_embd)
    writer.add_block_count(shape.n_layer)
    writer.add_feed_forward_length(shape.n_ff)
    writer.add_head_count(shape.n_head)
    writer.add_head_count_kv(shape.n_head_kv)
    writer.add_rope_dimension_count(shape.n_embd // shape.n_head)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(_VOCAB)
    normal, unknown, control, byte = 1, 2, 3, 6
    words = _VOCAB - 3 - _BYTE_TOKENS
    writer.add_tokenizer_model("llama")
    writer.add_token_list(
        ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(_BYTE_TOKENS)), *(f"▁w{i}" for i in range(words))]
    )
    writer.add_token_scores([0.0] * (3 + _BYTE_TOKENS) + [-float(i) for i in range(words)])
    writer.add_token_types([unknown, control, control, *([byte] * _BYTE_TOKENS), *([normal] * words)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def main() -> None:
    """Write the named models, or delete them."""
    from benchmarks.inference.files import FOLDER

    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference.synthetic", description=__doc__)
    parser.add_argument("names", nargs="+", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--delete", action="store_true", help="remove the files instead")
    arguments = parser.parse_args()
    for name in arguments.names:
        if arguments.delete:
            (FOLDER / f"{name}.gguf").unlink(missing_ok=True)
        else:
            path = path_of(name, FOLDER)
            print(f"{path}: {path.stat().st_size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
