"""Compares the events of a microgpt's kernel with the NumPy reference, and two runs bit by bit.

It gets decoded events (docs/events.md), from any way to run the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kgpt_build.models import FloatArray, Model
from kgpt_build.reference.forward import logits
from kgpt_build.reference.ordered import Array
from kgpt_build.reference.sampler import generate
from kgpt_build.settings import Settings

TOLERANCE = 1e-5  # relative to the largest |logit| of the position
SAMPLES, SEED = 20, 42  # sampled documents to compare
MAX_FAILURES = 10  # per run; a faulty kernel fails at every position

Events = Iterable[Mapping[str, Any]]


@dataclass(frozen=True)
class RunReport:
    """One kernel against the reference: ``difference`` is the largest |difference| / max|logit| of a position.

    ``samples`` counts the sampled documents for which the reference draws the same tokens from the same logits.
    """

    name: str
    isa: str
    positions: int
    difference: float
    samples: int
    failures: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """The results. ``text`` is the reference's greedy document; ``same_bits``: the runs' logits have equal bits."""

    model: str
    sha256: str
    prompt: str
    text: str
    tokens: tuple[int, ...]
    runs: tuple[RunReport, ...]
    same_bits: bool
    failures: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Did everything agree?"""
        return not self.failures and not any(run.failures for run in self.runs)


@dataclass(frozen=True)
class _Step:
    """A reported forward step: the token fed in, and the resulting logits (n_vocab,)."""

    token: int
    values: FloatArray


@dataclass(frozen=True)
class _Run:
    """The compared parts of a run's events; ``complaints`` are faults of the events themselves."""

    name: str
    isa: str
    steps: tuple[_Step, ...]
    sampled: tuple[int, ...]
    complaints: tuple[str, ...]


def cmdline_words(prompt: str) -> list[str]:
    """The words of the kernel's command line for a verifiable run: one greedy document with its logits."""
    settings = Settings(prompt=prompt, samples=1, max_tokens=0, temperature=0.0)
    return ["mode=generate", *settings.cmdline_words(), "exit", "logits"]


def sampled_words(prompt: str) -> list[str]:
    """The words for SAMPLES sampled documents, at the kernel's default temperature."""
    return [
        "mode=generate",
        *Settings(prompt=prompt, samples=SAMPLES, seed=SEED).cmdline_words(),
        "exit",
        "logits",
    ]


def verify(
    model: Model, prompt: str, runs: Mapping[str, Events], sampled: Mapping[str, Events] | None = None
) -> Report:
    """Compare ``runs`` (name -> events of a run with ``cmdline_words(prompt)``) with the reference and with each other.

    ``sampled``: by the same names, events of runs with ``sampled_words(prompt)``, which test how tokens are drawn.
    Raises KgptError for a prompt that the model cannot accept; all faults of the runs are in the report.
    """
    tokens, expected = greedy(model, prompt)
    read = [_read(name, events, model) for name, events in runs.items()]
    n_prompt = len(model.prompt_tokens(prompt))
    reports = tuple(_compare(run, tokens, expected, n_prompt) for run in read)
    if sampled is not None:
        reports = tuple(_with_samples(report, model, prompt, sampled[report.name]) for report in reports)
    failures = [failure for other in read[1:] for failure in _bit_failures(read[0], other)]
    text = model.tokenizer.decode(tokens)
    same_bits = bool(read and read[0].steps) and not failures
    return Report(model.name, model.sha256, prompt, text, tuple(tokens), reports, same_bits, tuple(failures))


def greedy(model: Model, prompt: str) -> tuple[list[int], Array]:
    """The reference's greedy document: BOS, prompt and sampled tokens, and the logits (T, n_vocab) of all but the last.

    Raises KgptError for a prompt that the model cannot accept.
    """
    tokens = model.prompt_tokens(prompt)
    while True:
        values = logits(model, tokens, np.float64)
        tokens.append(int(values[-1].argmax()))
        if tokens[-1] == model.tokenizer.bos_id or len(tokens) > model.hparams.n_ctx:
            return tokens, values


def _read(name: str, events: Events, model: Model) -> _Run:
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        by_kind.setdefault(str(event.get("event")), []).append(event)
    steps, complaints = [], _complaints(by_kind, model)
    for position, event in enumerate(by_kind.get("logits", [])):
        values = _decode(event.get("f32"), model.hparams.n_vocab)
        if values is None or event.get("pos") != position:
            complaints.append(f"the logits event {position} is damaged: pos {event.get('pos')!r}")
            break
        steps.append(_Step(_token(event), values))
    sampled = tuple(_token(event) for event in by_kind.get("token", []))
    isa = str(by_kind.get("cpu", [{}])[-1].get("isa", "unknown"))
    return _Run(name, isa, tuple(steps), sampled, tuple(complaints))


def _complaints(by_kind: Mapping[str, Sequence[Mapping[str, Any]]], model: Model) -> list[str]:
    """Faults of a run that show without comparing numbers."""
    complaints = [f"it refused: {event.get('message')}" for event in by_kind.get("error", [])]
    complaints += [f"it panicked: {event.get('message')}" for event in by_kind.get("panic", [])]
    for event in by_kind.get("model", []):
        if event.get("sha256") != model.sha256:
            complaints.append(f"it holds another model: SHA-256 {event.get('sha256')}, not {model.sha256}")
    for kind in ("model", "logits", "token", "exit"):
        if kind not in by_kind:
            complaints.append(f"it has sent no {kind} event")
    codes = [event.get("code") for event in by_kind.get("exit", [])]
    if any(code != 0 for code in codes):
        complaints.append(f"it ended with the code {codes[-1]}")
    return complaints


def _token(event: Mapping[str, Any]) -> int:
    token = event.get("id")
    return token if isinstance(token, int) else -1


def _decode(text: object, n_vocab: int) -> FloatArray | None:
    """The logits (n_vocab,) from the hexadecimal digits of an event, or None."""
    try:
        raw = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        return None
    return np.frombuffer(raw, dtype="<f4").astype(np.float32) if len(raw) == 4 * n_vocab else None


def _compare(run: _Run, tokens: Sequence[int], expected: Array, n_prompt: int) -> RunReport:
    """Compare ``run`` with the reference's ``tokens`` and their logits ``expected`` (T, n_vocab)."""
    failures = list(run.complaints)
    fed = [step.token for step in run.steps]
    if fed != list(tokens[:-1]):
        failures.append(f"it fed the tokens {fed}, the reference {list(tokens[:-1])}")
    if list(run.sampled) != list(tokens[n_prompt:]):
        failures.append(f"it chose the tokens {list(run.sampled)}, the reference {list(tokens[n_prompt:])}")
    largest = 0.0
    for position, (step, values) in enumerate(zip(run.steps, expected, strict=False)):
        difference = _relative_difference(step.values, values)
        largest = max(largest, difference)
        if difference > TOLERANCE:
            failures.append(f"position {position}: the logits differ by {difference:.2e} of the largest")
    return RunReport(run.name, run.isa, len(run.steps), largest, 0, tuple(failures[:MAX_FAILURES]))


def _with_samples(report: RunReport, model: Model, prompt: str, events: Events) -> RunReport:
    """``report``, with the results for sampled documents of the same kernel."""
    values: dict[object, list[FloatArray]] = {}
    tokens: dict[object, list[int]] = {}
    for event in events:
        if event.get("event") == "logits" and (row := _decode(event.get("f32"), model.hparams.n_vocab)) is not None:
            values.setdefault(event.get("sample"), []).append(row)
        elif event.get("event") == "token":
            tokens.setdefault(event.get("sample"), []).append(_token(event))
    failures = []
    for index in range(SAMPLES):
        drawn = _redraw(model, prompt, index, values.get(index, []))
        if drawn is None or drawn != tokens.get(index):
            failures.append(
                f"document {index}: it drew {tokens.get(index)}, the reference {drawn} from the same logits"
            )
    return replace(
        report,
        samples=SAMPLES - len(failures),
        failures=(*report.failures, *failures)[:MAX_FAILURES],
    )


def _redraw(model: Model, prompt: str, index: int, values: Sequence[FloatArray]) -> list[int] | None:
    """The tokens that the reference draws from a kernel's logits; None if logits are missing before its end."""
    try:
        return list(generate(model, prompt, seed=SEED, index=index, logits_of=lambda fed: values[len(fed) - 1]).tokens)
    except IndexError:
        return None


def _relative_difference(values: FloatArray, expected: Array) -> float:
    """Largest |difference| / largest |expected|; infinite if a value is not finite."""
    if not np.isfinite(values).all():
        return math.inf
    difference, scale = float(np.abs(values - expected).max()), float(np.abs(expected).max())
    return difference / scale if scale else (math.inf if difference else 0.0)


def _bit_failures(first: _Run, second: _Run) -> list[str]:
    """The first places where the logits of two runs have different bits."""
    if len(first.steps) != len(second.steps):
        return [f"{first.name} reported {len(first.steps)} positions, {second.name} {len(second.steps)}"]
    failures = []
    for position, (a, b) in enumerate(zip(first.steps, second.steps, strict=True)):
        different = np.flatnonzero(a.values.view(np.uint32) != b.values.view(np.uint32))
        if different.size:
            token = int(different[0])
            failures.append(
                f"position {position}: {different.size} logits differ in their bits, the first is token {token}: "
                f"{first.name} {a.values[token]!r}, {second.name} {b.values[token]!r}"
            )
    return failures[:MAX_FAILURES]
