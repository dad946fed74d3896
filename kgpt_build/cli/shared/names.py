"""Names of models on the command line: shells complete them, and commands download them."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from kgpt_build.cli.shared.progress import shown_amounts
from kgpt_build.errors import KgptError

if TYPE_CHECKING:
    from kgpt_build.models.catalog import Pulled


class StoredFile(click.Path):
    """The type of an argument that is a file, a folder or a disk, and no pipe or device that may never end."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path. Raises KgptError."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        with contextlib.suppress(OSError):
            mode = path.stat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISBLK(mode)):
                raise KgptError(f"{path} is a pipe or a device, not a file", "write its content to a file first")
        return path


class ModelName(StoredFile):
    """The type of an argument that is a file or the name of a model. Shells complete both."""

    name = "model"

    def __init__(self, only: str = "") -> None:
        """``only``: complete names of the ``catalog``, or of ``pulled`` models, and no files."""
        super().__init__()
        self._only = only

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete files and names."""
        from kgpt_build.models import catalog

        pulled = [model.name for model in catalog.pulled()]
        names = {"catalog": list(catalog.KNOWN), "pulled": pulled}.get(self._only, catalog.names())
        files = [] if self._only else super().shell_complete(ctx, param, incomplete)
        return [*files, *(CompletionItem(name) for name in names if name.startswith(incomplete))]


def pull_first(model: Path, *, accepted: bool = False) -> Path:
    """``model``, after kgpt pull if it is the name of a model that is not here yet.

    ``accepted``: so are the terms that it may come under. Raises KgptError, ToolMissing.
    """
    from kgpt_build.models.catalog import to_pull

    wanted = to_pull(model)
    return get(wanted, accepted=accepted).path if wanted else model


def get(wanted: str, *, name: str = "", given: Path | None = None, accepted: bool = False) -> Pulled:
    """Pull a model: ask for its license terms, and show the progress."""
    from kgpt_build.models.pull.fetch import pull

    _ask_for_terms(wanted, accepted=accepted)
    with shown_amounts() as progress:
        return pull(wanted, progress, name=name, given=given)


def _ask_for_terms(wanted: str, *, accepted: bool) -> None:
    from kgpt_build.models import catalog
    from kgpt_build.models.pull import terms

    known = catalog.KNOWN.get(wanted)
    if known is None or known.terms is None or terms.is_accepted(known.terms):
        return
    if not (accepted or is_asked()):
        terms.require(known.terms, wanted)
    click.echo(f"{wanted} comes under {known.terms.name}:\n\n{known.terms.text}\n", err=True)
    if not (accepted or click.confirm("Do you accept them?", err=True)):
        raise KgptError(f"{known.terms.name} were not accepted", "nothing was downloaded")
    terms.accept(known.terms)


def is_asked() -> bool:
    """Can the user see a question and answer it?"""
    return sys.stdin.isatty() and sys.stderr.isatty()
