"""The corpus that a user names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kgpt_build.training.corpus import CorpusText


def read_shown(path: Path | None, block: int = 0) -> CorpusText:
    """The corpus in ``path``, as training.corpus.read_corpus reads it. Warnings go to standard error."""
    from kgpt_build.training.corpus import read_corpus

    corpus = read_corpus(path, block)
    for doubt in corpus.doubts:
        click.echo(f"kgpt: warning: {doubt}", err=True)
    return corpus
