"""Which layers a trace tells, so that its page stays small."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from kgpt_build.errors import KgptError, UsageError
from kgpt_build.explain.trace import MOST_CANDIDATES
from kgpt_build.models import GgufModel
from kgpt_build.models.gguf.model import LmSizes
from kgpt_build.sizes import MIB
from kgpt_build.words import counted

REST_BYTES = 500_000
"""Of a page: its own program, and the tables of tokens and draws."""
PAGE_BYTES = 5 * 10**6 - REST_BYTES
"""Of the trace and the tables of its layers in a page of at most 5 MB."""
TOKENS = 64
"""Positions of a trace, unless more are asked for (KG_CTX_EXPLAIN of kernel_c/app/lm_models.c)."""

_LENS, _ALL_NEURONS, _NEURONS, _SMALL_VOCAB = 8, 64, 16, 512  # kernel_c/app/explain/explain.h
_BASE64 = 4 / 3
_MERGES_AND_PIECES = 3000  # bytes for each token of the text and the texts of its candidates


@dataclass(frozen=True)
class Choice:
    """The layers that are told, and those of them whose vectors are told, ascending."""

    layers: tuple[int, ...]
    vectors: tuple[int, ...]


def choose(model: GgufModel, positions: int, asked: str | None) -> Choice:
    """The layers of a trace of at most so many positions: those ``asked`` for, else as many as a page holds.

    Raises UsageError for a text that is no list of layers, and KgptError if those asked for are too many.
    """
    h = model.hparams
    room = PAGE_BYTES - _fixed_bytes(h, positions, micro=model.arch == "microgpt")
    each, vector = _layer_bytes(h, positions), _vector_bytes(h, positions)
    if model.arch == "microgpt":
        each, vector = 2 * each, 2 * vector  # singles, not halves
    layers = read_layers(asked, h.n_layer) if asked is not None else spread(tuple(range(h.n_layer)), int(room // each))
    if not layers or room < len(layers) * each:
        n_layers = max(len(layers), 1)
        left_out = [f"layers (--layers {list_words(tuple(range(int(room // each))))})"] if room >= each else []
        if fitting := _fitting_positions(model, positions, n_layers):
            left_out.append(f"positions (--tokens {fitting})")
        raise KgptError(
            f"the trace of {counted(n_layers, 'layer')} and {counted(positions, 'position')} would take "
            f"{(PAGE_BYTES - room + n_layers * each) / MIB:.1f} MB, and a page has room for {PAGE_BYTES / MIB:.1f} MB",
            f"leave out {' or '.join(left_out)}" if left_out else "take a smaller model: one position is too much",
        )
    return Choice(layers, spread(layers, int((room - len(layers) * each) // vector)))


def _fitting_positions(model: GgufModel, positions: int, n_layers: int) -> int:
    """As many of ``positions`` as a page holds of so many layers."""
    micro, h = model.arch == "microgpt", model.hparams

    def is_too_much(n: int) -> bool:
        return _fixed_bytes(h, n, micro=micro) + n_layers * _layer_bytes(h, n) * (2 if micro else 1) > PAGE_BYTES

    return bisect_left(range(1, positions + 1), True, key=is_too_much)


def read_layers(text: str, n_layer: int) -> tuple[int, ...]:
    """The layers of a list such as ``0,3-5`` or ``all``. Raises UsageError."""
    found: set[int] = set()
    for part in (f"0-{n_layer - 1}" if text == "all" else text).split(","):
        first, dash, last = part.partition("-")
        ends = (first, last if dash else first)
        if not all(end.isascii() and end.isdigit() and len(end) < 6 for end in ends):
            raise UsageError(f"--layers {text!r} is no list of layers", "give numbers and ranges: 0,3-5, or all")
        if not int(ends[0]) <= int(ends[1]) < n_layer:
            raise UsageError(
                f"--layers {text!r}: the model's layers are 0 to {n_layer - 1}", "give numbers and ranges: 0,3-5"
            )
        found.update(range(int(ends[0]), int(ends[1]) + 1))
    return tuple(sorted(found))


def spread(layers: tuple[int, ...], most: int) -> tuple[int, ...]:
    """At most so many of ``layers``, evenly spread, the first and the last among them."""
    n = len(layers)
    if most >= n:
        return layers
    if most <= 1:
        return layers[-1:] if most == 1 else ()
    return tuple(layers[round(i * (n - 1) / (most - 1))] for i in range(most))


def list_words(layers: tuple[int, ...]) -> str:
    """``layers`` as the kernel reads them (kernel_c/app/explain/layer_list.h): 0-4,7."""
    ranges: list[list[int]] = []
    for layer in layers:
        if ranges and layer == ranges[-1][1] + 1:
            ranges[-1][1] = layer
        else:
            ranges.append([layer, layer])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in ranges) or "none"


def _fixed_bytes(h: LmSizes, positions: int, *, micro: bool) -> float:
    draws = positions * MOST_CANDIDATES * 5 * 4 if h.n_vocab > MOST_CANDIDATES else positions * h.n_vocab * 5 * 4
    logits = positions * h.n_vocab * 4 if h.n_vocab <= _SMALL_VOCAB else 0
    streams = positions * h.n_embd * 2 * 4
    weights = 4 * (2 * h.n_vocab + h.n_ctx + h.n_layer * (4 * h.n_embd + 2 * h.n_ff)) * h.n_embd if micro else 0
    return (draws + logits + streams + weights) * _BASE64 + positions * _MERGES_AND_PIECES


def _layer_bytes(h: LmSizes, positions: int) -> float:
    neurons = h.n_ff if h.n_ff <= _ALL_NEURONS else _NEURONS
    lists = positions * 4 * 2 * (neurons + _LENS + 1)
    return (h.n_head * positions * (positions + 1) / 2 * 2 + lists) * _BASE64 + table_bytes(h.n_head, positions)


def table_bytes(n_head: int, positions: int) -> int:
    """Of a layer's tables in the page of a language model (tables.py)."""
    return n_head * 150 + positions * 110


def _vector_bytes(h: LmSizes, positions: int) -> float:
    numbers = 3 * (h.n_head + h.n_head_kv) * h.head_dim + 2 * h.n_embd
    return positions * numbers * 2 * _BASE64
