"""llama2.c's run.c once more, in Python: its forward pass, its sampler, its tokenizer and its loop.

Written from the facts of run.c, without the code of kgpt. Products are summed one after the other in single precision,
as run.c compiled for x86-64 without -ffast-math does it; exp, pow, sin and cos are those of the C library.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from llama2c_files import Floats, Piece, Shape

F32 = np.float32
_LIBM = ctypes.CDLL(ctypes.util.find_library("m"))


def _function(name: str, n_arguments: int = 1) -> Callable[..., float]:
    found = getattr(_LIBM, name)
    found.restype, found.argtypes = ctypes.c_float, [ctypes.c_float] * n_arguments
    return cast(Callable[..., float], found)


_expf, _sinf, _cosf, _powf = _function("expf"), _function("sinf"), _function("cosf"), _function("powf", 2)


def _exp(values: Floats) -> Floats:
    return np.array([_expf(value) for value in values.tolist()], F32)


def _matmul(matrix: Floats, x: Floats) -> Floats:
    """Each row times ``x``, one product after the other."""
    total = np.zeros(len(matrix), F32)
    for column, value in zip(matrix.T, x, strict=True):
        total += column * value
    return total


def _in_turn(values: Floats) -> np.float32:
    return F32(np.cumsum(values, dtype=F32)[-1])


def _rmsnorm(x: Floats, weight: Floats) -> Floats:
    mean = _in_turn(x * x) / F32(len(x)) + F32(1e-5)
    normed: Floats = weight * (F32(1) / np.sqrt(mean) * x)
    return normed


def _softmax(x: Floats) -> Floats:
    weights = _exp(x - x.max())
    probabilities: Floats = weights / _in_turn(weights)
    return probabilities


@dataclass
class Transformer:
    """The forward pass, position by position."""

    shape: Shape
    weights: dict[str, Floats]
    keys: list[list[Floats]] = field(default_factory=list)
    values: list[list[Floats]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all positions."""
        self.keys = [[] for _ in range(self.shape.n_layers)]
        self.values = [[] for _ in range(self.shape.n_layers)]

    def forward(self, token: int, pos: int) -> Floats:
        """The logits behind ``token``."""
        weights, of_layer = self.weights, self._of_layer
        x = weights["tok_embeddings"][token].copy()
        for layer in range(self.shape.n_layers):
            normed = _rmsnorm(x, of_layer("attention_norm", layer))
            q, k, v = (_matmul(of_layer(name, layer), normed) for name in ("wq", "wk", "wv"))
            self._rotate(q, pos)
            self._rotate(k, pos)
            self.keys[layer].append(k)
            self.values[layer].append(v)
            x = x + _matmul(of_layer("wo", layer), self._attend(layer, q))
            normed = _rmsnorm(x, of_layer("ffn_norm", layer))
            gate, up = _matmul(of_layer("w1", layer), normed), _matmul(of_layer("w3", layer), normed)
            gate = gate * (F32(1) / (F32(1) + _exp(-gate)))
            x = x + _matmul(of_layer("w2", layer), gate * up)
        output = weights["tok_embeddings" if self.shape.shared else "output"]
        return _matmul(output, _rmsnorm(x, weights["norm"]))

    def _of_layer(self, name: str, layer: int) -> Floats:
        found: Floats = self.weights[name][layer]
        return found

    def _rotate(self, vector: Floats, pos: int) -> None:
        """RoPE, on neighbours, in place."""
        head_size = self.shape.dim // self.shape.n_heads
        for i in range(0, len(vector), 2):
            frequency = F32(1) / F32(_powf(10000.0, float(F32(i % head_size) / F32(head_size))))
            angle = float(F32(pos) * frequency)
            cos, sin = F32(_cosf(angle)), F32(_sinf(angle))
            first, second = vector[i], vector[i + 1]
            vector[i], vector[i + 1] = first * cos - second * sin, first * sin + second * cos

    def _attend(self, layer: int, q: Floats) -> Floats:
        head_size = self.shape.dim // self.shape.n_heads
        shared_by = self.shape.n_heads // self.shape.n_kv_heads
        out = np.zeros(self.shape.dim, F32)
        for head in range(self.shape.n_heads):
            at, kv_at = head * head_size, head // shared_by * head_size
            query = q[at : at + head_size]
            keys = np.array([key[kv_at : kv_at + head_size] for key in self.keys[layer]], F32)
            scores = _matmul(keys, query) / np.sqrt(F32(head_size))
            mixed = np.zeros(head_size, F32)
            for weight, value in zip(_softmax(scores), self.values[layer], strict=True):
                mixed += weight * value[kv_at : kv_at + head_size]
            out[at : at + head_size] = mixed
        return out


@dataclass
class Tokenizer:
    """encode and decode, with pieces as bytes."""

    pieces: list[Piece]

    def __post_init__(self) -> None:
        self._ids = {piece: i for i, (_, piece) in enumerate(self.pieces)}

    def encode(self, text: bytes) -> list[int]:
        """The tokens of a prompt, with BOS."""
        tokens = [1, self._ids[b" "]] if text else [1]
        for character in _characters(text):
            found = self._ids.get(character)
            tokens += [byte + 3 for byte in character] if found is None else [found]
        while True:
            best_score, best = -1e10, -1
            for i in range(len(tokens) - 1):
                joined = self._ids.get(self.pieces[tokens[i]][1] + self.pieces[tokens[i + 1]][1])
                if joined is not None and self.pieces[joined][0] > best_score:
                    best_score, best, token = self.pieces[joined][0], i, joined
            if best < 0:
                return tokens
            tokens[best : best + 2] = [token]

    def printed(self, before: int, token: int) -> bytes:
        """What run.c prints of ``token``, which comes behind ``before``."""
        piece = self.pieces[token][1]
        if before == 1 and piece.startswith(b" "):
            piece = piece[1:]
        if len(piece) == 6 and piece.startswith(b"<0x"):
            piece = bytes([int(piece[3:5], 16)])
        if len(piece) == 1 and not (32 <= piece[0] < 127 or piece in b"\t\n\v\f\r"):
            return b""
        return piece


def _characters(text: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(text):
        end = at + 1
        while end < len(text) and end - at < 4 and text[end] & 0xC0 == 0x80:
            end += 1
        yield text[at:end]
        at = end


@dataclass
class Sampler:
    """argmax, the whole distribution, or top-p; ``margins`` gets how near each draw was to another result."""

    temperature: float
    top_p: float
    seed: int
    margins: list[float] = field(default_factory=list)

    def sample(self, logits: Floats) -> int:
        """The next token."""
        if self.temperature == 0:
            best = int(np.argmax(logits))
            self.margins.append(float(logits[best] - np.partition(logits, -2)[-2]))
            return best
        p = _softmax(logits / F32(self.temperature))
        coin = self._coin()
        ids = np.arange(len(p))
        if 0 < self.top_p < 1:
            ids = ids[p >= (F32(1) - F32(self.top_p)) / F32(len(p) - 1)]
            ids = ids[np.argsort(-p[ids], kind="stable")]
            running = np.cumsum(p[ids], dtype=F32)
            above = np.flatnonzero(running > F32(self.top_p))
            last = int(above[0]) if len(above) else len(ids) - 1
            self.margins.append(float(np.abs(running - F32(self.top_p)).min()))
            ids = ids[: last + 1]
            coin = coin * running[last]
        running = np.cumsum(p[ids], dtype=F32)
        self.margins.append(float(np.abs(running - coin).min()))
        above = np.flatnonzero(running > coin)
        return int(ids[above[0] if len(above) else -1])

    def _coin(self) -> np.float32:
        mask = (1 << 64) - 1
        self.seed ^= self.seed >> 12
        self.seed ^= (self.seed << 25) & mask
        self.seed ^= self.seed >> 27
        return F32((((self.seed * 0x2545F4914F6CDD1D) & mask) >> 32 >> 8) / 16777216.0)


def run(
    transformer: Transformer, tokenizer: Tokenizer, sampler: Sampler, prompt: bytes = b"", steps: int = 256
) -> bytes:
    """What ``./run model.bin`` prints, without the line feed at the end."""
    transformer.reset()
    if steps == 0 or steps > transformer.shape.seq_len:
        steps = transformer.shape.seq_len
    tokens = tokenizer.encode(prompt)
    token, out = tokens[0], b""
    for pos in range(steps):
        logits = transformer.forward(token, pos)
        following = tokens[pos + 1] if pos + 1 < len(tokens) else sampler.sample(logits)
        if following == 1:
            break
        out += tokenizer.printed(token, following)
        token = following
    return out
