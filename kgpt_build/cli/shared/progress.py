"""Progress on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bar

from kgpt_build.kernel.settings import Progress


class PlainLines:
    """Prints a line for each stage, and none for each file: a build can have two hundred."""

    def stage(self, text: str) -> None:
        """Print it."""
        click.echo(f"kgpt: {text}", err=True)

    def compiling(self, source: str, done: int, total: int) -> None:
        """Nothing."""


class MovingBar:
    """Keeps stages on the screen. The bar for compiling vanishes at the end."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None, visible=False)

    def stage(self, text: str) -> None:
        """Print it above the bar."""
        self._bar.console.print(f"kgpt: {text}", highlight=False, markup=False)

    def compiling(self, source: str, done: int, total: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, description=source, completed=done, total=total, visible=True)


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """The listener for a build: a bar if standard error is a terminal, else plain lines."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield PlainLines()
        return
    columns = (BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Bar(*columns, console=console, transient=True) as bar:
        yield MovingBar(bar)


class Amounts(Protocol):
    """The interface for progress of downloads and of writing disks."""

    def stage(self, text: str) -> None:
        """A new stage begins."""

    def amount(self, done: int, total: int) -> None:
        """``done`` of ``total`` bytes are carried. 0: the total is not known."""


class PlainAmounts:
    """Prints stages only: growing amounts would be many lines."""

    def stage(self, text: str) -> None:
        """Print it."""
        click.echo(f"kgpt: {text}", err=True)

    def amount(self, done: int, total: int) -> None:
        """Nothing."""


class MovingAmounts:
    """Keeps stages on the screen, above a bar with the rate and the remaining time."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def stage(self, text: str) -> None:
        """Print the stage above the bar. The bar starts again: a rate belongs to one stage."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task("", total=None, visible=False)
        self._bar.console.print(f"kgpt: {text}", highlight=False, markup=False)

    def amount(self, done: int, total: int) -> None:
        """Move the bar."""
        assert self._task is not None  # a stage goes before
        self._bar.update(self._task, completed=done, total=total or None, visible=True)


@contextmanager
def shown_amounts() -> Iterator[Amounts]:
    """The listener for transfers: a bar if standard error is a terminal, else plain lines."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield PlainAmounts()
        return
    columns = (BarColumn(32), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        yield MovingAmounts(bar)
