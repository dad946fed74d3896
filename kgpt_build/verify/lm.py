"""Compares the residual stream and logits of a language model in a kernel with the NumPy reference.

Products quantize their inputs to 8 bits, so a difference in the last bit of a value can select the next quantization
step: deep in a model, two correct computations differ by some per cent. So the reference computes twice, with exact and
with quantized inputs. The distance between both bounds the distance of a correct kernel from the exact one. The first
step beyond this bound names the faulty layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.reference.lm import Computed, Stream, forward
from kgpt_build.reference.lm_file import Array, LanguageModel
from kgpt_build.settings import Settings

TOKENS = 8  # tokens of a verified reply
FLOOR = 3e-4  # relative to a step's length: for sums in single precision, and keys and values in halves
TIMES_ROUNDING = 4.0  # factor of the reference's own rounding that is still correct
KV = "f16"
CTX = 512  # positions, but not more than the model was trained for

Events = Iterable[Mapping[str, Any]]


@dataclass(frozen=True)
class LmRun:
    """The reports of a run: the ``tokens`` fed in; at positions ``at`` streams (n_embd,) and logits (n_vocab,)."""

    name: str
    isa: str
    tokens: tuple[int, ...]
    at: tuple[int, ...]
    streams: tuple[Mapping[Stream, Array], ...]
    logits: tuple[Array, ...]
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """A step of the forward pass at the position with the largest relative distance from the reference."""

    what: str
    layer: int
    position: int
    difference: float
    allowed: float

    @property
    def strays(self) -> bool:
        """Is the distance from the reference larger than rounding explains?"""
        return not self.difference <= self.allowed

    def __str__(self) -> str:
        return (
            f"{step_name(self.what, self.layer)} strays from the reference at position {self.position}: "
            f"by {self.difference:.1e} of its length, where {self.allowed:.1e} is rounding"
        )


@dataclass(frozen=True)
class LmRunReport:
    """A run against the reference: ``divergence`` is the mean KL(reference | run) in nats."""

    name: str
    isa: str
    positions: int
    steps: tuple[Step, ...]
    divergence: float
    allowed_divergence: float
    strays: Step | None
    failures: tuple[str, ...]


@dataclass(frozen=True)
class LmReport:
    """The results of all comparisons."""

    model: str
    tokens: tuple[int, ...]
    runs: tuple[LmRunReport, ...]
    same_bits: bool
    failures: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Did everything agree?"""
        return not self.failures and not any(run.failures for run in self.runs)


def cmdline_words(prompt: str, ctx: int) -> list[str]:
    """The words of the kernel's command line for a short greedy reply with all reports."""
    settings = Settings(prompt=prompt, samples=1, max_tokens=TOKENS, temperature=0.0, kv=KV, ctx=ctx)
    return ["mode=generate", *settings.cmdline_words(), "exit", "logits", "layers"]


def step_name(what: str, layer: int) -> str:
    """The name of a step in messages."""
    names = {"embed": "the embedding", "norm": "the final norm"}
    return names.get(what, f"layer {layer}, {'attention' if what == 'attn' else 'feed-forward'},")


def read_run(name: str, events: Events) -> LmRun:
    """Make a run of its events (docs/events.md), for the forward steps with reported logits."""
    tokens: list[int] = []
    at: list[int] = []
    streams: list[Mapping[Stream, Array]] = []
    logits: list[Array] = []
    step: dict[Stream, Array] = {}
    complaints, isa = [], "unknown"
    for event in events:
        kind = event.get("event")
        if kind == "cpu":
            isa = str(event.get("isa"))
        elif kind in ("error", "panic"):
            complaints.append(f"it ended with {kind}: {event.get('message')}")
        elif kind == "layer":  # a prompt of several batches reports each batch; the last one counts
            step[str(event.get("what")), int(event.get("layer", -1))] = _numbers(event.get("f32"), "<f4")
        elif kind == "fed":
            tokens = tokens[: int(event.get("pos", 0))] + [int(token) for token in _numbers(event.get("u32"), "<u4")]
        elif kind == "logits":
            if int(event.get("pos", -1)) == len(tokens):
                tokens.append(int(event.get("id", -1)))
            at.append(len(tokens) - 1)
            streams.append(step)
            logits.append(_numbers(event.get("f32"), "<f4"))
            step = {}
    if not logits:
        complaints.append("it has reported no logits")
    return LmRun(name, isa, tuple(tokens), tuple(at), tuple(streams), tuple(logits), tuple(complaints))


def verify(
    model: LanguageModel, name: str, runs: Sequence[LmRun], *, kv: str = KV, n_ctx: int | None = None
) -> LmReport:
    """Compare ``runs`` of the same prompt with the reference, and with each other bit for bit.

    ``kv`` is the type of the runs' cache, ``n_ctx`` their context. All faults of the runs are in the report.
    """
    whole = [run for run in runs if run.tokens]
    if not whole:
        reports = tuple(LmRunReport(run.name, run.isa, 0, (), 0, 0, None, run.complaints) for run in runs)
        return LmReport(name, (), reports, False, () if reports else ("nothing was run",))
    tokens = max((run.tokens for run in whole), key=len)
    exact, rounded = (forward(model, tokens, act=act, kv=kv, n_ctx=n_ctx) for act in (False, True))
    failures = [failure for other in runs[1:] for failure in _bit_failures(runs[0], other)]
    reports = tuple(_compare(run, tokens, exact, rounded) for run in runs)
    return LmReport(name, tokens, reports, not failures, tuple(failures))


def _compare(run: LmRun, tokens: tuple[int, ...], exact: Computed, rounded: Computed) -> LmRunReport:
    failures = list(run.complaints)
    if run.tokens != tokens[: len(run.tokens)]:
        failures.append(f"it fed the tokens {list(run.tokens)}, another run {list(tokens)}")
    steps = tuple(_steps(run, exact, rounded))
    strays = next((step for step in steps if step.strays), None)
    if strays:
        failures.append(str(strays))
    if missing := [step_name(*stream) for stream in exact.streams if not all(stream in seen for seen in run.streams)]:
        failures.append(f"it did not report {missing[0]} at every position")
    allowed = TIMES_ROUNDING * float(_divergence(exact.logits, rounded.logits).mean()) + FLOOR * FLOOR
    found = _divergence(exact.logits[list(run.at)], np.stack(run.logits)) if run.logits else np.zeros(1)
    if not float(found.mean()) <= allowed:
        failures.append(
            f"its logits diverge by {found.mean():.1e} nats from the reference's; {allowed:.1e} is rounding"
        )
    failures += _choices(run)
    return LmRunReport(run.name, run.isa, len(run.at), steps, float(found.mean()), allowed, strays, tuple(failures))


def _steps(run: LmRun, exact: Computed, rounded: Computed) -> Iterable[Step]:
    """Each step in the order of the forward pass, at its largest distance."""
    for (what, layer), expected in exact.streams.items():
        noise = _distance(expected, rounded.streams[what, layer])
        found = [
            (_difference(expected[position], seen[what, layer]), position)
            for position, seen in zip(run.at, run.streams, strict=True)
            if (what, layer) in seen
        ]
        if found:
            difference, position = max(found)
            yield Step(what, layer, position, difference, FLOOR + TIMES_ROUNDING * float(noise.max()))


def _choices(run: LmRun) -> list[str]:
    """Check that each token of the greedy reply is the likeliest one."""
    failures = []
    for position, row in zip(run.at, run.logits, strict=True):
        chosen = run.tokens[position + 1] if position + 1 < len(run.tokens) else None
        if chosen is not None and row[chosen] != row.max():
            failures.append(f"position {position}: it chose the token {chosen}, its logits say {int(row.argmax())}")
    return failures


def _difference(expected: Array, found: Array) -> float:
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    return float(_distance(expected[None], found[None])[0])


def _distance(expected: Array, found: Array) -> npt.NDArray[np.float64]:
    """(T,): |found - expected| / |expected| of vectors (T, n)."""
    length = np.linalg.norm(expected, axis=-1)
    return np.asarray(np.linalg.norm(found - expected, axis=-1) / np.where(length > 0, length, 1), np.float64)


def _divergence(expected: Array, found: Array) -> npt.NDArray[np.float64]:
    """(T,): KL divergence in nats of the distributions of logits (T, n_vocab); infinite for NaN."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return np.full(len(expected), np.inf)
    p, q = (_log_softmax(np.asarray(x, np.float64)) for x in (expected, found))
    return np.asarray((np.exp(p) * (p - q)).sum(axis=1), np.float64)


def _log_softmax(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    x = x - x.max(axis=1, keepdims=True)
    return np.asarray(x - np.log(np.exp(x).sum(axis=1, keepdims=True)))


def _numbers(text: object, kind: str) -> Array:
    """The numbers of an event in hexadecimal digits. Raises KgptError for other characters."""
    try:
        return np.frombuffer(bytes.fromhex(str(text)), dtype=kind)
    except ValueError as error:
        raise KgptError("an event has damaged numbers", "run it again; the channel may have lost bytes") from error


def _bit_failures(first: LmRun, second: LmRun) -> list[str]:
    """The first places where two runs have reported different bits."""
    if first.at != second.at:
        return [f"{first.name} reported {len(first.at)} positions, {second.name} {len(second.at)}"]
    failures = []
    for position, a, b in zip(first.at, first.logits, second.logits, strict=True):
        if a.tobytes() != b.tobytes():
            failures.append(f"position {position}: the logits of {first.name} and {second.name} differ in their bits")
    return failures
