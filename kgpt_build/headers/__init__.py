"""A ``Model`` becomes C: the three headers that app/model_data.c includes; a corpus, that of app/corpus_data.c."""

from __future__ import annotations

from pathlib import Path

from kgpt_build.headers import config, corpus, vocab, weights
from kgpt_build.headers.corpus import BROUGHT, Corpus
from kgpt_build.models import Model
from kgpt_build.paths import make_dir, write_atomically

__all__ = ["BROUGHT", "Corpus", "generate"]


def generate(
    model: Model, directory: Path, *, cmdline: str = "", version: str, training: Corpus | None = None
) -> list[Path]:
    """Write the headers to ``directory`` and return their paths; the same input gives the same bytes.

    ``training`` is what an image that can train is to train on; an empty text leaves that to the loader.
    A file that already holds these bytes keeps its time stamp. Raises KgptError if one cannot be written.
    """
    files = {
        config.NAME: config.text(model, cmdline, version).encode(),
        vocab.NAME: vocab.text(model, version).encode(),
        weights.NAME: weights.text(model, version).encode(),
    }
    if not weights.is_literal(model):
        files[weights.BINARY_NAME] = model.weight_bytes()
    if training is not None:
        files[corpus.NAME] = corpus.text(training, version).encode()
        if not training.is_literal:
            files[corpus.BINARY_NAME] = training.data
    make_dir(directory)
    for name, content in files.items():
        path = directory / name
        if not (path.is_file() and path.read_bytes() == content):
            write_atomically(path, content)
    for name in {weights.BINARY_NAME, corpus.NAME, corpus.BINARY_NAME} - files.keys():
        (directory / name).unlink(missing_ok=True)
    return [directory / name for name in files]
