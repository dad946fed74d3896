"""What a training tells: plain lines, and rows of a CSV file. PyTorch is not imported here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from kgpt_build.paths import write_errors
from kgpt_build.training.history import Point
from kgpt_build.words import counted

LINES: Final = 20
"""Of losses in a whole training."""
CHINCHILLA: Final = 20
"""Training tokens per parameter, by Hoffmann et al., 2022."""
_RISE = 0.01
"""By more than this share validation has to rise to be called overfitting."""


@dataclass(frozen=True)
class Banner:
    """The training begins. ``rows``: what it is about."""

    rows: Mapping[str, str]


@dataclass(frozen=True)
class Step:
    """A step from 1 on, its loss in nats, and the learning rate; steps, characters and seconds since the run began."""

    step: int
    loss: float
    rate: float
    done: int
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Validation:
    """The validation loss after ``step``, the lowest one so far, and the mean training loss since the one before."""

    step: int
    loss: float
    best: float
    best_step: int
    training: float


@dataclass(frozen=True)
class Sample:
    """What the model writes after ``step``."""

    step: int
    text: str


@dataclass(frozen=True)
class Note:
    """A line about the training."""

    text: str


Told: TypeAlias = Banner | Step | Validation | Sample | Note


class Report(Protocol):
    """Where a training is shown or written."""

    def tell(self, told: Told) -> None:
        """Show or write it, or leave it."""

    def close(self) -> None:
        """The training has ended."""


class PlainReport:
    """Lines of text, which ``write`` prints."""

    def __init__(self, write: Callable[[str], None], n_steps: int, last_step: int) -> None:
        self._write = write
        self._n_steps = n_steps
        self._last = last_step
        self._every = max(1, last_step // LINES)

    def tell(self, told: Told) -> None:
        """Print it; of the steps the first, the last, and LINES others."""
        match told:
            case Step():
                if told.step % self._every == 0 or told.step == self._last or told.done == 1:
                    loss = f"step {told.step:4d} / {self._n_steps:4d} | loss {told.loss:.4f}"
                    self._write(f"{loss} | {pace(told, self._last)}")
            case Banner():
                for line in banner_lines(told):
                    self._write(line)
            case Validation():
                self._write(validation_line(told))
            case Sample():
                self._write(f"--- sample after step {told.step}\n{told.text}\n---")
            case Note():
                self._write(told.text)

    def close(self) -> None:
        """Nothing is left to print."""


class CsvReport:
    """A row for each step: ``step,loss,validation,rate,tokens,seconds``; validation is empty where there is none."""

    HEAD = "step,loss,validation,rate,tokens,seconds"

    def __init__(self, path: Path, *, goes_on: bool) -> None:
        """``goes_on``: add to the rows of the training that is resumed. Raises KgptError."""
        self._path = path
        with write_errors(str(path)):
            self._file = path.open("a" if goes_on else "w", encoding="utf-8", newline="\n")
            if self._file.tell() == 0:
                self._file.write(self.HEAD + "\n")
                self._file.flush()
        self._waiting: Step | None = None

    def tell(self, told: Told) -> None:
        """Write the step before; the last one may be followed by its validation."""
        if isinstance(told, Step):
            self._write_waiting("")
            self._waiting = told
        elif isinstance(told, Validation):
            self._write_waiting(f"{told.loss:.6f}")

    def _write_waiting(self, validation: str) -> None:
        if step := self._waiting:
            row = f"{step.step},{step.loss:.6f},{validation},{step.rate:.6g},{step.tokens},{step.seconds:.3f}\n"
            with write_errors(str(self._path)):
                self._file.write(row)
                self._file.flush()
            self._waiting = None

    def close(self) -> None:
        """Write the last step."""
        self._write_waiting("")
        self._file.close()


class Reports:
    """Tells several reports."""

    def __init__(self, reports: Sequence[Report]) -> None:
        self._reports = reports

    def tell(self, told: Told) -> None:
        """Tell all of them."""
        for report in self._reports:
            report.tell(told)

    def close(self) -> None:
        """Close all of them."""
        for report in self._reports:
            report.close()


def banner_lines(banner: Banner) -> list[str]:
    """A line for each row."""
    width = max(map(len, banner.rows))
    return [f"{name:<{width}}  {value}" for name, value in banner.rows.items()]


def pace(step: Step, last_step: int) -> str:
    """The throughput of the run so far, and the time left until ``last_step``."""
    left = step.seconds / step.done * (last_step - step.step)
    return f"{step.tokens / max(step.seconds, 1e-9):,.0f} tokens/s | {duration(left)} left"


def validation_line(validation: Validation) -> str:
    """The losses of a validation; a new best is marked."""
    is_best = validation.step == validation.best_step
    mark = "new best" if is_best else f"best {validation.best:.4f} after step {validation.best_step}"
    losses = f"validation {validation.loss:.4f} | training {validation.training:.4f}"
    return f"after step {validation.step} | {losses} | {mark}"


def duration(seconds: float) -> str:
    """``41 s``, ``3:05``, ``2:10:00``."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def overfitting(training: Sequence[Point], validation: Sequence[Point]) -> str:
    """A sentence if validation rose after its lowest value while the training loss fell; "" otherwise."""
    if len(validation) < 2 or not training:
        return ""
    best = min(validation, key=lambda point: point.loss)
    last = validation[-1]
    then, now = _mean_near(training, best.step), _mean_near(training, last.step)
    if last.loss <= best.loss * (1 + _RISE) or now >= then:
        return ""
    return (
        f"overfitting: validation rose from {best.loss:.4f} (step {best.step}) to {last.loss:.4f} (step {last.step}), "
        f"while the training loss fell from {then:.4f} to {now:.4f}; more text, more dropout or fewer steps help"
    )


def _mean_near(training: Sequence[Point], step: int, n: int = 20) -> float:
    """The mean of the ``n`` losses up to ``step``."""
    losses = [point.loss for point in training if point.step <= step][-n:]
    return sum(losses) / max(len(losses), 1)


def tokens_line(n_seen: int, n_text: int, n_parameters: int) -> str:
    """Tokens per parameter, beside Chinchilla's."""
    return (
        f"tokens per parameter: {n_seen / n_parameters:.2f} seen, {n_text / n_parameters:.2f} in the text of "
        f"{counted(n_text, 'character')} (compute-optimal for fresh text: {CHINCHILLA}, Chinchilla, 2022)"
    )
