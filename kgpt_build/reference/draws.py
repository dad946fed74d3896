"""What a training on a running text draws: first weights, windows of the text, and which values dropout keeps.

``kernel_c/train/dense/dense_draws.c`` computes the same bits. Every number is a function of the seed and its own place
(tensor and element, step and window), so neither the order of the work nor the number of processors changes it.

The words of a stream are those of splitmix64, whose state begins with the first word of ``Xoshiro(seed, stream)``.
Logarithm and cosine are the series below, so that they do not depend on the machine's libm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from kgpt_build.reference.rng import Xoshiro

KINDS: Final = ("nanogpt", "microgpt", "llama")
NORM_EPS: Final = 1e-5
ROPE_BASE: Final = 10000.0
INIT_STD: Final = 0.02

_WEIGHTS, _WINDOWS, _DROPOUT = 1 << 32, 2 << 32, 3 << 32  # the first stream of each use
_STREAMS_A_LAYER = 64
_SITES_A_STEP = 1 << 16
_GOLDEN = 0x9E3779B97F4A7C15
_DRAWN = (  # a matrix's place is its stream
    "token_embd.weight",
    "position_embd.weight",
    "output.weight",
    "attn_qkv.weight",
    "attn_q.weight",
    "attn_k.weight",
    "attn_v.weight",
    "attn_output.weight",
    "ffn_gate.weight",
    "ffn_up.weight",
    "ffn_down.weight",
)
_RESIDUAL = ("attn_output.weight", "ffn_down.weight")  # their outputs are added to the residual stream

Floats = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class TextShape:
    """The sizes of a model that is trained on a running text.

    ``kind``: ``nanogpt`` (LayerNorm, learned positions, GELU by erf, fused qkv), ``microgpt`` (RMSNorm without gain,
    also after the embedding, learned positions, ReLU) or ``llama`` (RMSNorm with gain, RoPE on neighbours, SwiGLU).
    ``bias``: linear layers and norms of ``nanogpt`` have biases. ``tied``: the embedding is the output matrix too; a
    ``microgpt`` has an output matrix of its own. Dropout applies to the residual stream behind the embedding (and its
    norm), to attention weights, and to the outputs of attention and feed-forward layer.
    """

    kind: str
    n_layer: int
    n_head: int
    n_embd: int
    n_ctx: int
    n_vocab: int
    bias: bool = True
    dropout: float = 0.0
    tied: bool = True

    @property
    def n_ff(self) -> int:
        """4 * n_embd; of ``llama`` two thirds of it, up to a multiple of 32, because it has three such matrices."""
        return (8 * self.n_embd // 3 + 31) // 32 * 32 if self.kind == "llama" else 4 * self.n_embd

    @property
    def is_tied(self) -> bool:
        """The output matrix is the embedding."""
        return self.tied and self.kind != "microgpt"

    @property
    def has_bias(self) -> bool:
        """Linear layers and norms have biases."""
        return self.bias and self.kind == "nanogpt"


def tensor_shapes(shape: TextShape) -> dict[str, tuple[int, ...]]:
    """Shapes by GGUF name, (rows, columns) or (n,), in the order of the C trainer's parameters."""
    width = shape.n_embd
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (shape.n_vocab, width)}
    if shape.kind != "llama":
        shapes["position_embd.weight"] = (shape.n_ctx, width)
    for i in range(shape.n_layer):
        shapes |= {f"blk.{i}.{name}": size for name, size in _layer_shapes(shape).items()}
    shapes |= _norm(shape, "output_norm")
    if not shape.is_tied:
        shapes["output.weight"] = (shape.n_vocab, width)
    return shapes


def _layer_shapes(shape: TextShape) -> dict[str, tuple[int, ...]]:
    width, hidden = shape.n_embd, shape.n_ff
    linear = (
        [("attn_qkv", 3 * width, width)] if shape.kind == "nanogpt" else [(f"attn_{x}", width, width) for x in "qkv"]
    )
    linear.append(("attn_output", width, width))
    before_ff = len(linear)
    linear += [("ffn_gate", hidden, width)] if shape.kind == "llama" else []
    linear += [("ffn_up", hidden, width), ("ffn_down", width, hidden)]
    shapes = _norm(shape, "attn_norm")
    for i, (name, rows, columns) in enumerate(linear):
        if i == before_ff:
            shapes |= _norm(shape, "ffn_norm")
        shapes[f"{name}.weight"] = (rows, columns)
        if shape.has_bias:
            shapes[f"{name}.bias"] = (rows,)
    return shapes


def _norm(shape: TextShape, name: str) -> dict[str, tuple[int, ...]]:
    if shape.kind == "microgpt":
        return {}
    vectors: dict[str, tuple[int, ...]] = {f"{name}.weight": (shape.n_embd,)}
    if shape.has_bias:
        vectors[f"{name}.bias"] = (shape.n_embd,)
    return vectors


def initial_weights(shape: TextShape, seed: int) -> dict[str, Floats]:
    """The first weights by GGUF name, float32, in the order of ``tensor_shapes``.

    Matrices are normal with standard deviation 0.02, those that end in the residual stream 0.02 / sqrt(2 n_layer), as
    in GPT-2. Gains are 1, biases 0. ``seed``: 0 to 2^64 - 1.
    """
    return {name: _first_tensor(shape, seed, name, size) for name, size in tensor_shapes(shape).items()}


def _first_tensor(shape: TextShape, seed: int, name: str, size: tuple[int, ...]) -> Floats:
    if len(size) == 1:
        return np.full(size, 1.0 if name.endswith(".weight") else 0.0, dtype=np.float32)
    layer, slot = 0, name
    if name.startswith("blk."):
        _, number, slot = name.split(".", 2)
        layer = int(number) + 1
    std = INIT_STD / float(np.sqrt(2.0 * shape.n_layer)) if slot in _RESIDUAL else INIT_STD
    stream = _WEIGHTS + layer * _STREAMS_A_LAYER + _DRAWN.index(slot)
    words = random_words(seed, stream, 0, size[0] * size[1])
    return (normals(words) * std).astype(np.float32).reshape(size)


def window_starts(seed: int, step: int, batch: int, n_tokens: int, n_ctx: int) -> npt.NDArray[np.int64]:
    """Where the windows of a step begin, (batch,), uniform.

    A window has ``n_ctx`` + 1 tokens: the inputs, and the targets one further. ``step`` counts from 0; ``n_tokens``
    (n_ctx < n_tokens < 2^32) is the length of the part that is trained on.
    """
    words = random_words(seed, _WINDOWS, step * batch, batch)
    return ((words >> np.uint64(32)) * np.uint64(n_tokens - n_ctx) >> np.uint64(32)).astype(np.int64)


def evaluation_starts(n_tokens: int, n_ctx: int, most: int) -> npt.NDArray[np.int64]:
    """Where the windows of an evaluation begin: side by side, at most ``most`` of them, evenly spread."""
    n = (n_tokens - 1) // n_ctx
    taken = min(n, most)
    return np.arange(taken, dtype=np.int64) * n // max(taken, 1) * n_ctx


def kept(seed: int, step: int, site: int, n: int, rate: float) -> npt.NDArray[np.bool_]:
    """Which elements 0 .. n - 1 of a tensor dropout keeps, (n,); the kept ones are multiplied by 1 / (1 - rate).

    ``site``: 0 the residual stream behind the embedding; of layer i, 3 i + 1 the attention weights (batch, head,
    query, key), 3 i + 2 the output of the attention, 3 i + 3 that of the feed-forward layer. ``step`` counts from 0.
    """
    key = int(random_words(seed, _DROPOUT, step * _SITES_A_STEP + site, 1)[0])
    x = np.arange(n, dtype=np.uint32) ^ np.uint32(key & 0xFFFFFFFF)
    x ^= x >> np.uint32(16)
    x = x * np.uint32(0x7FEB352D) + np.uint32(key >> 32)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return (x >> np.uint32(1)) >= np.uint32(int(rate * 2.0**31))


def random_words(seed: int, stream: int, first: int, n: int) -> Words:
    """Words ``first`` to ``first`` + n - 1 of a stream of ``seed``, (n,) of 64 bits."""
    key = Xoshiro(seed, stream).state[0]
    start = np.uint64((key + (first + 1) * _GOLDEN) & (1 << 64) - 1)
    z = np.arange(n, dtype=np.uint64) * np.uint64(_GOLDEN) + start
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def normals(words: Words) -> npt.NDArray[np.float64]:
    """A standard normal number from each word: its high half gives the radius, its low half the angle (Box, Muller)."""
    radius = np.sqrt(-2.0 * _logarithm(((words >> np.uint64(32)).astype(np.float64) + 0.5) * 2.0**-32))
    return radius * _cosine_of_turn((words & np.uint64(0xFFFFFFFF)).astype(np.float64) * 2.0**-32)


def _logarithm(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """ln x for 0 < x < 1: x = 2^e m with m from sqrt(1/2) to sqrt(2), ln m = 2 atanh s, s = (m - 1) / (m + 1)."""
    m, e = np.frexp(x)
    low = m < 0.7071067811865476
    m, e = np.where(low, m * 2.0, m), np.where(low, e - 1, e).astype(np.float64)
    s = (m - 1.0) / (m + 1.0)
    s2 = s * s
    series = s2 * 0.0 + 1.0 / 15.0
    for n in (13.0, 11.0, 9.0, 7.0, 5.0, 3.0):
        series = series * s2 + 1.0 / n
    return e * 0.6931471805599453 + (2.0 * s + 2.0 * s * s2 * series)


def _cosine_of_turn(turn: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """cos(2 pi turn) for 0 <= turn < 1, by the series of sine and cosine within an eighth of a turn."""
    quarter = np.floor(turn * 4.0 + 0.5)
    x = (turn - quarter * 0.25) * 6.283185307179586
    x2 = x * x
    cosine, sine = x2 * 0.0 + 1.0, x2 * 0.0 + 1.0
    for n in (14.0, 12.0, 10.0, 8.0, 6.0, 4.0, 2.0):
        cosine = 1.0 - cosine * x2 / (n * (n - 1.0))
        sine = 1.0 - sine * x2 / (n * (n + 1.0))
    sine = sine * x
    return np.select([quarter == 1.0, quarter == 2.0, quarter == 3.0], [-sine, -cosine, sine], cosine)
