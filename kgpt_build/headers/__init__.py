"""A ``Model`` becomes C: the three headers that app/model_data.c includes."""

from __future__ import annotations

from pathlib import Path

from kgpt_build.headers import config, vocab, weights
from kgpt_build.models import Model
from kgpt_build.paths import make_dir, write_atomically

__all__ = ["generate"]


def generate(model: Model, directory: Path, *, cmdline: str = "", version: str) -> list[Path]:
    """Write the headers of ``model`` to ``directory`` and return their paths; the same input gives the same bytes.

    A file that already holds these bytes keeps its time stamp. Raises KgptError if one cannot be written.
    """
    files = {
        config.NAME: config.text(model, cmdline, version).encode(),
        vocab.NAME: vocab.text(model, version).encode(),
        weights.NAME: weights.text(model, version).encode(),
    }
    if not weights.is_literal(model):
        files[weights.BINARY_NAME] = model.weight_bytes()
    make_dir(directory)
    for name, content in files.items():
        path = directory / name
        if not (path.is_file() and path.read_bytes() == content):
            write_atomically(path, content)
    if weights.is_literal(model):
        (directory / weights.BINARY_NAME).unlink(missing_ok=True)
    return [directory / name for name in files]
