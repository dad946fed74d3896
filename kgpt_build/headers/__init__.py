"""Generates C headers: three from a model for app/model_data.c, and one from a corpus for app/corpus_data.c.

Others do not depend on the model: the classes of characters for tokenizers (tokenizer/unicode.c), the font of the
screen (console/font.c), and the chat page of the server (app/server/page.c)."""

from __future__ import annotations

import contextlib
from pathlib import Path

from kgpt_build.headers import config, corpus, font, interleaved, lm_text, page, unicode, vocab, weights
from kgpt_build.headers.corpus import BROUGHT, Corpus
from kgpt_build.headers.lm import LmBlob
from kgpt_build.models import GgufModel, Model
from kgpt_build.paths import make_dir, write_atomically, write_errors

__all__ = ["BROUGHT", "Corpus", "LmBlob", "generate"]


def generate(
    model: Model | LmBlob, directory: Path, *, cmdline: str = "", version: str, training: Corpus | None = None
) -> list[Path]:
    """Write the headers to ``directory`` and return their paths; the same input gives the same bytes.

    ``training``: the corpus of a kernel that can train; if its text is empty, the loader brings one. A file that
    already has these bytes keeps its time stamp. Raises KgptError if a file cannot be written.
    """
    files = {
        config.NAME: config.text(model, cmdline, version).encode(),
        **_model_files(model, version),
        font.NAME: font.text(version).encode(),
    }
    if training is not None:
        files[corpus.NAME] = corpus.text(training, version).encode()
        if not training.is_literal:
            files[corpus.BINARY_NAME] = training.data
    make_dir(directory)
    for name in {weights.BINARY_NAME, lm_text.PREFILL_NAME, corpus.NAME, corpus.BINARY_NAME} - files.keys():
        (directory / name).unlink(missing_ok=True)
    for name, content in files.items():
        path = directory / name
        if not (path.is_file() and path.read_bytes() == content):
            write_atomically(path, content, durable=False)  # each build compares the file again
    written = [directory / name for name in files]
    if isinstance(model, LmBlob) and isinstance(model.model, GgufModel):
        written.append(_linked(directory / weights.BINARY_NAME, interleaved.file_of(model.model)))
    return written


def _model_files(model: Model | LmBlob, version: str) -> dict[str, bytes]:
    if isinstance(model, LmBlob):
        prefill = {lm_text.PREFILL_NAME: model.prefill} if model.prefill else {}
        return {
            **prefill,
            vocab.NAME: lm_text.vocab_text(model, version).encode(),
            weights.NAME: lm_text.weights_text(model, version).encode(),
            unicode.NAME: unicode.text(version).encode(),
            page.NAME: page.text(version).encode(),
        }
    files = {vocab.NAME: vocab.text(model, version).encode(), weights.NAME: weights.text(model, version).encode()}
    if not weights.is_literal(model):
        files[weights.BINARY_NAME] = model.weight_bytes()
    return files


def _linked(path: Path, target: Path) -> Path:
    """Make ``path`` a link to the large file ``target``, instead of a copy."""
    with write_errors(str(path)), contextlib.suppress(FileExistsError):  # another process has made the link
        path.symlink_to(target)
    return path
