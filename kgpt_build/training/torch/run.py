"""A whole training with PyTorch: from the settings to the written files."""

from __future__ import annotations

import dataclasses
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from kgpt_build.errors import KgptError, UsageError
from kgpt_build.training.corpus import CorpusText
from kgpt_build.training.history import History
from kgpt_build.training.torch.export import write_model
from kgpt_build.training.torch.report import Banner, Note, Report, overfitting, tokens_line
from kgpt_build.training.torch.settings import BIGRAM, TorchSettings, resumed
from kgpt_build.training.torch.state import SUFFIX, TorchState, load_state, save_state, state_path
from kgpt_build.training.torch.text import tokens_of
from kgpt_build.training.torch.trainer import Trainer
from kgpt_build.training.torch.world import device_name, joined

ONE_PRESS = 1.0
"""Seconds in which several SIGINTs are one: torchrun sends its own beside the terminal's."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended: after ``step``, with the history of its losses. ``is_whole``: all steps were done."""

    step: int
    is_whole: bool
    history: History


def plan(resume: Path | None, given: Mapping[str, Any]) -> tuple[TorchSettings, TorchState | None]:
    """The settings from the options ``given``, and the state of the training to resume. Raises KgptError."""
    if resume is None:
        return TorchSettings(**given), None
    state = load_state(state_path(resume))
    settings = resumed(state.settings, given)
    if state.step >= settings.last_step:
        ended = settings.last_step < settings.n_steps
        raise KgptError(
            f"the training to resume has done {state.step} steps, and is to end after {settings.last_step}",
            f"give more with {'--until' if ended else '--steps'}, or train anew",
        )
    return settings, state


def train(
    settings: TorchSettings,
    state: TorchState | None,
    corpus: CorpusText,
    output: Path,
    make_report: Callable[[], Report],
) -> Outcome:
    """Train, and write ``output`` and its state. ``make_report`` is called in the process that logs and saves.

    The first SIGINT ends the training after the step, the second at once. Raises KgptError.
    """
    if output.suffix == SUFFIX:
        raise UsageError(f"{output} is the name of a state", "give -o a name that ends in .gguf")
    if state and state.corpus_sha256 != corpus.sha256:
        raise KgptError(f"{corpus.source} is not the corpus of the training to resume", "give the one it began with")
    text = tokens_of(corpus, settings.val_fraction, int(settings.block_size or 0))
    with joined(settings.device) as world, interrupts(world.is_first) as stopped:
        trainer = Trainer(settings, text, world, state)
        report = make_report() if world.is_first else _Silence()
        try:
            report.tell(Banner(_banner(trainer)))
            ended = _train_reported(trainer, report, stopped, output)
        finally:
            report.close()
    return Outcome(trainer.step, ended, trainer.history)


class _Silence:
    """The report of the other processes."""

    def tell(self, told: object) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def _train_reported(trainer: Trainer, report: Report, stopped: Callable[[], bool], output: Path) -> bool:
    def save(trainer: Trainer) -> None:
        if trainer.world.is_first:
            _save(trainer, output)

    try:
        ended = trainer.run(report, stopped, save)
    except torch._dynamo.exc.BackendCompilerFailed as error:
        raise KgptError(
            f"torch.compile failed: {str(error).splitlines()[0]}", "leave out --compile, or install a C++ compiler"
        ) from error
    save(trainer)
    for line in _last_lines(trainer, output):
        report.tell(Note(line))
    return ended


def _save(trainer: Trainer, output: Path) -> None:
    """Write the state, and the best weights; a training without a validation yet has no best ones."""
    if trainer.best.weights and trainer.settings.model != BIGRAM:
        write_model(output, trainer.shape, trainer.text.chars, trainer.best.weights, _facts(trainer))
    save_state(state_path(output), trainer.state())


def _facts(trainer: Trainer) -> dict[str, str | int | float]:
    """Everything that determines the best weights, as kgpt.training.* tells it."""
    settings, best = trainer.settings, trainer.best
    told = dataclasses.asdict(settings)
    for name in ("model", "until", "patience", "sample_every", "checkpoint_every", "device"):
        del told[name]
    validation = {"validation_loss": best.loss} if settings.eval_every else {}
    return {
        "method": f"torch {torch.__version__}",
        "corpus": trainer.text.source,
        "corpus_sha256": trainer.text.sha256,
        "step": best.step,
        **validation,
        **told,
    }


def _banner(trainer: Trainer) -> dict[str, str]:
    settings, shape, text = trainer.settings, trainer.shape, trainer.text
    sizes = f"{shape.n_layer} layers, {shape.n_head} heads, {shape.n_embd} wide, context {shape.n_ctx}"
    kind = "bigram, the base line" if settings.model == BIGRAM else f"{shape.kind}: {sizes}"
    size = trainer.world.size
    how = [settings.dtype, *(["compiled"] if settings.compile else []), *([f"{size} processes"] if size > 1 else [])]
    rates = f"lr {settings.lr:g} {settings.schedule}, warm-up {settings.warmup}, dropout {settings.dropout:g}"
    batch = f"batch {settings.n_batch}" + (f" in {settings.accumulate} parts" if settings.accumulate > 1 else "")
    return {
        "device": f"{device_name(trainer.world.device)}, PyTorch {torch.__version__}, {', '.join(how)}",
        "model": f"{kind}; {trainer.n_parameters:,} parameters",
        "corpus": f"{text.source}: {len(text.tokens):,} characters, {text.n_train:,} to train on",
        "vocabulary": f"{len(text.chars)} characters",
        "training": f"{settings.last_step - trainer.step:,} of {settings.n_steps:,} steps, {batch}, {rates}, "
        f"seed {settings.seed}",
    }


def _last_lines(trainer: Trainer, output: Path) -> list[str]:
    best, history = trainer.best, trainer.history
    lines = []
    if trainer.has_lost_patience:
        lines.append(f"stopped early: {trainer.best.since} validations without a new best")
    if history.validation:
        lines.append(f"best validation loss {best.loss:.4f} after step {best.step}")
    if sentence := overfitting(history.training, history.validation):
        lines.append(sentence)
    n_seen = trainer.step * trainer.tokens_a_step
    lines.append(tokens_line(n_seen, len(trainer.text.tokens), trainer.n_parameters))
    if trainer.settings.model == BIGRAM:
        lines.append("a bigram is a base line: it is not written, and does not boot")
    elif best.weights:
        lines.append(f"wrote {output}: {trainer.n_parameters:,} parameters, step {best.step}")
    lines.append(f"wrote {state_path(output)}: to go on after step {trainer.step}")
    return lines


@contextmanager
def interrupts(is_first: bool) -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether SIGINT came. A later SIGINT is a KeyboardInterrupt.

    ``is_first``: say on standard error that the training stops.
    """
    came: list[float] = []

    def handle(number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if came and now - came[0] > ONE_PRESS:
            raise KeyboardInterrupt
        came.append(now)
        if is_first and len(came) == 1:
            sys.stderr.write("kgpt: stopping after this step; Ctrl-C again ends it at once\n")

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGINT, before)
