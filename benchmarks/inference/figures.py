"""The arithmetic of a comparison: tests, rates of rounds, ratios, bytes that a token reads, and marks."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kgpt_build.models import GgufModel
from kgpt_build.models.gguf.types import TYPES

MOST_LOAD = 0.5
"""A higher load average at the start marks a measurement as disturbed."""
LEAST_BANDWIDTH = 0.8
"""A bandwidth below this share of the machine's best marks a measurement as disturbed."""
MOST_FOREIGN = 0.1
"""So does other work, or stolen time, of more than this many processors."""

_KV_BYTES = {"f16": 2.0, "q8": 34 / 32, "f32": 4.0}
"""Bytes of a value in the KV cache; q8 as GGML's Q8_0 stores it (kgpt's scale has two bytes more for 32 values)."""


@dataclass(frozen=True)
class Workload:
    """One measurement: ``pp`` computes ``tokens`` as a prompt, ``tg`` one by one, ``depth`` tokens being there.

    ``slots`` sequences are computed together, each with so many tokens.
    """

    kind: str
    tokens: int
    depth: int = 0
    kv: str = "f16"
    slots: int = 1

    @property
    def name(self) -> str:
        """llama-bench's name, and the type of the KV cache if it is not f16."""
        depth = f" @ d{self.depth}" if self.depth else ""
        slots = f" x{self.slots}" if self.slots > 1 else ""
        return f"{self.kind}{self.tokens}{slots}{depth}" + ("" if self.kv == "f16" else f", {self.kv} KV")


@dataclass(frozen=True)
class Spread:
    """Least, median and greatest of several values."""

    least: float
    median: float
    greatest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of at least one value."""
        ordered = sorted(values)
        return cls(ordered[0], statistics.median(ordered), ordered[-1])


def rate(tokens: int, nanoseconds: Sequence[float]) -> float:
    """Tokens per second of a round: of the median of its repetitions."""
    return tokens * 1e9 / statistics.median(nanoseconds)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Ours divided by theirs, round by round. Both sides ran in turn, so a round's load meets both."""
    return Spread.of(mine / other for mine, other in zip(ours, theirs, strict=True))


def weight_bytes(model: GgufModel) -> int:
    """Bytes of the weights that one token reads: all tensors, except an embedding that is not the output too."""
    tensors = model.header.tensors
    has_output = any(tensor.name == "output.weight" for tensor in tensors)
    total = 0
    for tensor in tensors:
        columns, *others = tensor.dims
        rows = 1
        for size in others:
            rows *= size
        is_lookup = has_output and tensor.name == "token_embd.weight"
        total += TYPES[tensor.kind].row_bytes(columns) * (1 if is_lookup else rows)
    return total


def kv_bytes(model: GgufModel, kv: str, positions: float) -> float:
    """Bytes of keys and values of ``positions`` positions."""
    sizes = model.hparams
    return 2 * sizes.n_layer * sizes.n_head_kv * sizes.head_dim * _KV_BYTES[kv] * positions


def bytes_per_token(model: GgufModel, test: Workload) -> float:
    """Bytes that a decoded token reads on the average of ``test``: the weights once, and the KV cache before it."""
    return weight_bytes(model) + kv_bytes(model, test.kv, test.depth + (test.tokens + 1) / 2)


@dataclass(frozen=True)
class Conditions:
    """What tells whether something else ran: rates in bytes per second, ``foreign`` in processors."""

    load: float
    bandwidth: float
    best_bandwidth: float
    foreign: float = 0.0

    @property
    def mark(self) -> str:
        """Why a figure of these conditions is disturbed; empty if it is not."""
        reasons = []
        if self.load > MOST_LOAD:
            reasons.append(f"load {self.load:.1f} at the start")
        if self.bandwidth < LEAST_BANDWIDTH * self.best_bandwidth:
            reasons.append(f"bandwidth {100 * self.bandwidth / self.best_bandwidth:.0f} % of the best")
        if self.foreign > MOST_FOREIGN:
            reasons.append(f"other work took {self.foreign:.1f} CPUs")
        return ", ".join(reasons)
