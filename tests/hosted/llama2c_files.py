"""Random llama2.c checkpoints in each version of the format, and a small tokenizer.bin."""

from __future__ import annotations

import os
import struct
from collections import Counter
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data" / "llama2c-tokenizer.bin"
BIG_TOKENIZER = Path(os.environ.get("KGPT_LLAMA2C_TOKENIZER", _BESIDE))
"""The tokenizer of Llama 2 with its 32,000 tokens."""


@dataclass(frozen=True)
class Shape:
    """llama2.c's sizes."""

    dim: int = 48
    hidden_dim: int = 96
    n_layers: int = 2
    n_heads: int = 4
    n_kv_heads: int = 2
    vocab_size: int = 400
    seq_len: int = 64
    shared: bool = True

    @property
    def kv_dim(self) -> int:
        return self.dim // self.n_heads * self.n_kv_heads


STORIES15M = Shape(288, 768, 6, 6, 6, 32000, 256)

_NORMS = ("attention_norm", "ffn_norm", "norm")
_IN_LAYERS = ("attention_norm", "wq", "wk", "wv", "wo", "ffn_norm", "w1", "w2", "w3")


def shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Every tensor of a layer or of the model, by llama2.c's names."""
    dim, kv_dim, hidden = shape.dim, shape.kv_dim, shape.hidden_dim
    found: dict[str, tuple[int, ...]] = {
        "tok_embeddings": (shape.vocab_size, dim),
        "attention_norm": (dim,),
        "wq": (dim, dim),
        "wk": (kv_dim, dim),
        "wv": (kv_dim, dim),
        "wo": (dim, dim),
        "ffn_norm": (dim,),
        "w1": (hidden, dim),
        "w2": (dim, hidden),
        "w3": (hidden, dim),
        "norm": (dim,),
    }
    return found if shape.shared else {**found, "output": (shape.vocab_size, dim)}


def random_weights(shape: Shape, seed: int = 1, spread: float = 4.0) -> dict[str, Floats]:
    """f32; tensors of layers have (n_layers, …). ``spread``: the standard deviation of logits, about."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, size in shapes(shape).items():
        full = (shape.n_layers, *size) if name in _IN_LAYERS else size
        scale = 0.1 if name in _NORMS else spread / shape.dim**0.5 if name in _EMBEDDINGS else size[-1] ** -0.5
        values = rng.normal(1 if name in _NORMS else 0, scale, full)
        weights[name] = values.astype(np.float32)
    return weights


_EMBEDDINGS = ("tok_embeddings", "output")


def legacy(shape: Shape, weights: dict[str, Floats]) -> bytes:
    """Version 0."""
    vocab = shape.vocab_size if shape.shared else -shape.vocab_size
    sizes = (shape.dim, shape.hidden_dim, shape.n_layers, shape.n_heads, shape.n_kv_heads, vocab, shape.seq_len)
    order = ("tok_embeddings", *_IN_LAYERS, "norm")
    head_size = shape.dim // shape.n_heads
    frequencies = 10000.0 ** (-np.arange(0, head_size, 2) / head_size)
    angles = np.outer(np.arange(shape.seq_len), frequencies)  # of RoPE; only early versions of run.c read them
    tables = (np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32))
    return b"".join(
        [struct.pack("<7i", *sizes), *(array.tobytes() for array in (*(weights[name] for name in order), *tables))]
        + ([] if shape.shared else [weights["output"].tobytes()])
    )


def version1(shape: Shape, weights: dict[str, Floats]) -> bytes:
    """Version 1: f32 behind a header of 256 bytes."""
    return _header(shape, 1) + b"".join(weights[name].tobytes() for name in (*_NORMS, *_matrices(shape)))


def version2(shape: Shape, weights: dict[str, Floats], group: int = 64) -> tuple[bytes, dict[str, Floats]]:
    """Version 2, and the values that it holds."""
    while shape.dim % group:
        group //= 2
    data, held = [_header(shape, 2, group), *(weights[name].tobytes() for name in _NORMS)], dict(weights)
    for name in _matrices(shape):
        tensors = weights[name] if name in _IN_LAYERS else weights[name][None]
        values = []
        for tensor in tensors:
            groups = tensor.reshape(-1, group)
            scales = (np.abs(groups).max(axis=1) / np.float32(127)).astype(np.float32)
            quants = np.round(groups / scales[:, None]).astype(np.int8)
            data += [quants.tobytes(), scales.tobytes()]
            values.append((quants.astype(np.float32) * scales[:, None]).reshape(tensor.shape))
        held[name] = np.stack(values).reshape(weights[name].shape)
    return b"".join(data), held


def _matrices(shape: Shape) -> tuple[str, ...]:
    names = ("tok_embeddings", "wq", "wk", "wv", "wo", "w1", "w2", "w3")
    return names if shape.shared else (*names, "output")


def _header(shape: Shape, version: int, group: int | None = None) -> bytes:
    sizes = (shape.dim, shape.hidden_dim, shape.n_layers, shape.n_heads, shape.n_kv_heads)
    head = struct.pack("<Ii7iB", 0x616B3432, version, *sizes, shape.vocab_size, shape.seq_len, shape.shared)
    return (head + (b"" if group is None else struct.pack("<i", group))).ljust(256, b"\0")


Piece = tuple[float, bytes]

_TEXT = """Once upon a time, there was a little girl named Lily. She loved to play outside in the park with her
friends. One day, the sun was hot and the sky was blue. "Look, Mom!" said Lily. "I see a big red ball." Her mom
smiled and said, "Yes, it is very big. Do you want to play with it?" Lily was happy. She ran to the ball and kicked
it far away. Then a dog came, and the dog and the girl played together until the day was over. Tom's café is near."""


@cache
def small_pieces(n_vocab: int) -> list[Piece]:
    """A vocabulary as SentencePiece trains it: three special tokens, bytes, merges by score, characters."""
    words = Counter(" " + word for word in _TEXT.split())
    characters = sorted({char for word in words for char in word})
    parts = {word: list(word) for word in words}
    special = ["<unk>", "\n<s>\n", "\n</s>\n", *(f"<0x{byte:02X}>" for byte in range(256))]
    merges: list[str] = []
    while len(special) + len(merges) + len(characters) < n_vocab:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in words.items():
            for pair in zip(parts[word], parts[word][1:], strict=False):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append("".join(best))
        parts = {word: _joined(part, best) for word, part in parts.items()}
        merges = list(dict.fromkeys(merges))
    learnt = [*merges, *characters][: n_vocab - len(special)]
    return [(0.0, text.encode()) for text in special] + [(-float(i), text.encode()) for i, text in enumerate(learnt)]


def _joined(part: list[str], pair: tuple[str, str]) -> list[str]:
    joined: list[str] = []
    for piece in part:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def tokenizer_bytes(pieces: list[Piece]) -> bytes:
    """The file of these pieces."""
    longest = max(len(piece) for _, piece in pieces)
    items = (struct.pack("<fi", score, len(piece)) + piece for score, piece in pieces)
    return struct.pack("<i", longest) + b"".join(items)


def read_pieces(data: bytes) -> list[Piece]:
    """The pieces of a file."""
    pieces, at = [], 4
    while at < len(data):
        score, length = struct.unpack_from("<fi", data, at)
        pieces.append((score, data[at + 8 : at + 8 + length]))
        at += 8 + length
    return pieces


def write_model(folder: Path, shape: Shape, *, seed: int = 1, spread: float = 4.0, version: int = 0) -> Path:
    """model.bin and tokenizer.bin in ``folder``; a vocabulary of 32,000 is Llama 2's own."""
    weights = random_weights(shape, seed, spread)
    data = (legacy, version1, lambda *of: version2(*of)[0])[version](shape, weights)
    path = folder / "model.bin"
    path.write_bytes(data)
    big = shape.vocab_size == STORIES15M.vocab_size
    tokenizer = BIG_TOKENIZER.read_bytes() if big else tokenizer_bytes(small_pieces(shape.vocab_size))
    (folder / "tokenizer.bin").write_bytes(tokenizer)
    return path


def n_values(shape: Shape) -> int:
    """All weights of a model."""
    return sum(prod(size) * (shape.n_layers if name in _IN_LAYERS else 1) for name, size in shapes(shape).items())
