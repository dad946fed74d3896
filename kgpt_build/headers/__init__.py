"""A ``Model`` becomes C: the three headers that app/model_data.c includes."""

from __future__ import annotations

import os
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.headers import config, vocab, weights
from kgpt_build.models import Model

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
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write_if_changed(directory / name, content)
        if weights.is_literal(model):
            (directory / weights.BINARY_NAME).unlink(missing_ok=True)
    except OSError as error:
        raise KgptError(f"cannot write {error.filename or directory}: {error.strerror or error}", "choose another directory") from None
    return [directory / name for name in files]


def _write_if_changed(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
