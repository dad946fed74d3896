"""Shows a training: a live display on a terminal, plain lines elsewhere, or the machine channel."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from kgpt_build.events import Cpus, Eval, Event, Preview, Sample, Step
from kgpt_build.training.curve import draw
from kgpt_build.training.runs import Run
from kgpt_build.training.session import Session
from kgpt_build.vm.terminal import as_written
from kgpt_build.words import counted

PLAIN_LINES = 20
"""Of losses in a whole training."""
_REFRESHES = 5.0  # a second
_CURVE_HEIGHT = 8
_MOST_COLUMNS = 100
_BAR_COLUMNS = 28
_BESIDE_BAR = 36
_BETWEEN = " | "


class View(Protocol):
    """The interface of the views."""

    def show(self, events: Sequence[Event]) -> None:
        """Show new events, which the session has processed already."""

    def stopping(self) -> None:
        """The user has asked the training to stop."""


class JsonView:
    """Prints only the lines of the machine channel."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._printed = 0

    def show(self, events: Sequence[Event]) -> None:
        """Print the lines of ``events``."""
        for line in self._run.lines[self._printed : self._printed + len(events)]:
            click.echo(line)
        self._printed += len(events)

    def stopping(self) -> None:
        """Say so on standard error."""
        click.echo("kgpt: stopping after this step; Ctrl-C again ends it at once", err=True)


class PlainView:
    """Prints a plain line from time to time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        last = session.settings.last_step
        self._every = max(1, last // PLAIN_LINES)
        self._last = last

    def show(self, events: Sequence[Event]) -> None:
        """Print lines for the important events."""
        for event in events:
            if isinstance(event, Step):
                if event.step % self._every == 0 or event.step in (1, self._last):
                    click.echo(step_line(event, self._session.settings.steps or 0))
            elif isinstance(event, Cpus) and cpus_line(event):
                click.echo(cpus_line(event), err=True)
            elif isinstance(event, Eval):
                click.echo(f"validation after step {event.step} | loss {event.loss:.4f}")
            elif isinstance(event, Sample):
                click.echo(sample_line(event))

    def stopping(self) -> None:
        """Say so on standard error."""
        click.echo("kgpt: stopping after this step; Ctrl-C again ends it at once", err=True)


class LiveView:
    """Redraws a bar, the losses, their curve and the last text in one place of the terminal."""

    def __init__(self, session: Session, console: Console) -> None:
        self._session = session
        self._console = console
        self._start: float | None = None
        self._seconds = 0.0
        self._first = 0
        self._stopping = False
        bar = max(min(_BAR_COLUMNS, console.width - _BESIDE_BAR), 4)
        columns = (BarColumn(bar), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console)
        self._task = self._bar.add_task("", total=session.settings.last_step)

    def show(self, events: Sequence[Event]) -> None:
        """Measure the rate of steps. The final texts stay on the screen."""
        session = self._session
        for event in events:
            if isinstance(event, Cpus) and cpus_line(event):
                self._console.print(cpus_line(event), markup=False, highlight=False)
        if session.step is None:
            return
        if self._start is None:
            self._start = time.monotonic()
            self._first = session.training.first_step if session.training else 0
        if any(isinstance(event, Step) for event in events):
            self._seconds = time.monotonic() - self._start
            self._bar.update(self._task, completed=session.step.step)
        if samples := [sample_line(event) for event in events if isinstance(event, Sample)]:
            self._console.print("\n".join(samples), markup=False, highlight=False)

    def stopping(self) -> None:
        """The next drawing says that the training stops."""
        self._stopping = True

    def draw(self) -> RenderableType:
        """The display as it is now."""
        history, settings = self._session.history, self._session.settings
        width = min(self._console.width - 1, _MOST_COLUMNS)
        rows = draw(history.training, list(history.validation), settings.last_step, width=width, height=_CURVE_HEIGHT)
        lines = join_parts(self._figures(), width)
        if self._session.preview:
            lines.append(preview_line(self._session.preview, width))
        if self._stopping:
            lines.append("stopping after this step; Ctrl-C again ends it at once")
        return Group(self._bar, Text("\n".join(lines), style="bold"), Text("\n".join(rows), style="cyan"))

    def _figures(self) -> list[str]:
        step, history = self._session.step, self._session.history
        if step is None:
            return ["starting"]
        parts = [f"loss {step.exact_loss:.4f}"]
        if history.validation:
            best = min(history.validation, key=lambda point: point.loss)
            parts += [f"validation {history.validation[-1].loss:.4f}", f"best {best.loss:.4f} after step {best.step}"]
        if self._seconds > 0:
            documents = (step.step - self._first) * self._session.settings.documents_a_step
            parts.append(f"{documents / self._seconds:,.0f} samples/s")
        return parts


def join_parts(parts: Sequence[str], width: int) -> list[str]:
    """Join the parts into lines of at most ``width`` characters. A longer part has a line of its own."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(_BETWEEN) + len(part) <= width:
            lines[-1] += _BETWEEN + part
        else:
            lines.append(part)
    return lines


def cpus_line(cpus: Cpus) -> str:
    """A note about processors that did not start; empty if all did."""
    return f"kgpt: {cpus.started} of {counted(cpus.found, 'processor')} work: {cpus.note}" if cpus.note else ""


def step_line(step: Step, steps: int) -> str:
    """In the format of microgpt."""
    return f"step {step.step:4d} / {steps:4d} | loss {step.exact_loss:.4f}"


def sample_line(sample: Sample) -> str:
    """In the format of microgpt."""
    return f"sample {sample.index + 1:2d}: {as_written(sample.text, terminal=sys.stdout.isatty())}"


def preview_line(preview: Preview, width: int) -> str:
    """The last preview of the model, in at most ``width`` characters."""
    text = "".join(char if char.isprintable() else " " for char in preview.text)
    line = f"after step {preview.step}: {text}"
    return line if len(line) <= width else f"{line[: max(width - 1, 0)]}…"


@contextmanager
def shown(session: Session, run: Run, *, as_json: bool) -> Iterator[View]:
    """The view for standard output: live on a terminal, else lines."""
    if as_json:
        yield JsonView(run)
        return
    console = Console()
    if not console.is_terminal or console.is_dumb_terminal:
        yield PlainView(session)
        return
    view = LiveView(session, console)
    with Live(get_renderable=view.draw, console=console, refresh_per_second=_REFRESHES):
        yield view
