"""How far a work is: one moving line on a terminal, plain lines elsewhere, on standard error both."""

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
    """A line for each thing that begins; none for each file, which may be two hundred."""

    def stage(self, text: str) -> None:
        """Print it."""
        click.echo(f"kgpt: {text}", err=True)

    def compiling(self, source: str, done: int, total: int) -> None:
        """Nothing."""


class MovingBar:
    """Stages stay on the screen; compiling is a bar that vanishes when it is done."""

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
    """A listener for a build that fits where standard error goes."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield PlainLines()
        return
    columns = (BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Bar(*columns, console=console, transient=True) as bar:
        yield MovingBar(bar)


class Amounts(Protocol):
    """Hears how much of something was carried; what downloads and what writes to disks report to."""

    def stage(self, text: str) -> None:
        """Something new begins."""

    def amount(self, done: int, total: int) -> None:
        """``done`` of ``total`` bytes; a total of 0 is not known."""


class PlainAmounts:
    """Only what begins: an amount that grows would be many lines."""

    def stage(self, text: str) -> None:
        """Print it."""
        click.echo(f"kgpt: {text}", err=True)

    def amount(self, done: int, total: int) -> None:
        """Nothing."""


class MovingAmounts:
    """Stages stay on the screen, with a bar below that has the rate, and the time left."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def stage(self, text: str) -> None:
        """Print it above the bar, which begins anew, as a rate is of one stage."""
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
    """A listener for what is carried, that fits where standard error goes."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield PlainAmounts()
        return
    columns = (BarColumn(32), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        yield MovingAmounts(bar)
