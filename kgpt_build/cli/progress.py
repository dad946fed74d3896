"""How far a build is: one moving line on a terminal, plain lines elsewhere, on standard error both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from kgpt_build.kernel.settings import Progress


class PlainLines:
    """A line for each thing that begins."""

    def stage(self, text: str) -> None:
        """Print it."""
        click.echo(f"kgpt: {text}", err=True)

    def compiling(self, source: str, done: int, total: int) -> None:
        """Print it with its number."""
        click.echo(f"  [{done}/{total}] {source}", err=True)


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
