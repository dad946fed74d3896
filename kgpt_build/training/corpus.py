"""Reads and checks the training text before a machine is started. The kernel gets the same bytes."""

from __future__ import annotations

import codecs
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.headers import Corpus
from kgpt_build.models import tensor_shapes
from kgpt_build.models.model import Hyperparameters
from kgpt_build.sizes import MIB, memory_text, units_of
from kgpt_build.training.doubts import odd_characters
from kgpt_build.training.settings import TrainSettings
from kgpt_build.words import as_utf8, counted

_LINE_END = re.compile(r"\r\n|\r|\n")  # the line ends of Python's open(), which microgpt uses
_FORM = "a corpus is UTF-8 text, one document a line"
STANDARD_INPUT = Path("-")


EMBEDDED_BYTES = 1 << 20
"""The loader brings a longer corpus, instead of compiling it into the kernel."""


@dataclass(frozen=True)
class CorpusText:
    """A corpus that passed the checks.

    ``source`` is a name for messages, ``path`` the file, if there is one; ``lengths`` maps characters to documents.
    """

    source: str
    data: bytes
    n_vocab: int
    lengths: Mapping[int, int]
    path: Path | None = None
    doubts: tuple[str, ...] = ()
    """Warnings for the user, one sentence each."""

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the bytes."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def characters(self) -> tuple[str, ...]:
        """The different characters of a running text, in the order of their code points."""
        return tuple(sorted(set(_LINE_END.sub("\n", self.data.decode("utf-8")))))

    @property
    def n_documents(self) -> int:
        """How many documents: lines that are not empty, or blocks."""
        return sum(self.lengths.values())

    @property
    def n_characters(self) -> int:
        """Characters of all documents."""
        return sum(length * count for length, count in self.lengths.items())

    def embedded(self) -> Corpus:
        """The corpus for a kernel. Its source has no folder, because a folder would change the bytes of the kernel."""
        return Corpus(as_utf8(self.path.name) if self.path else self.source, self.data, self.path)

    def longer_than(self, block_size: int) -> int:
        """How many documents a block cuts: a block holds BOS and ``block_size`` - 1 characters."""
        return sum(count for length, count in self.lengths.items() if length + 1 > block_size)


def read_corpus(path: Path | None, block: int = 0) -> CorpusText:
    """Read the corpus from ``path``, from standard input (``-``), or the corpus of the default model (None).

    A byte order mark at the beginning is skipped. ``block`` as in ``examine``.

    Raises KgptError naming file and line, ToolMissing if the default is not installed.
    """
    if path is None:
        from kgpt_build.reference.corpus import first_names

        names = first_names()
        return examine(names.source, "".join(f"{name}\n" for name in names.documents).encode(), block)
    if path == STANDARD_INPUT:
        return examine("standard input", sys.stdin.buffer.read().removeprefix(codecs.BOM_UTF8), block)
    if path.is_dir():
        raise KgptError(f"{path}: is a folder, not a corpus", _FORM)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise KgptError(f"{path}: no such file", "check the path, or leave it out to train on first names") from None
    except OSError as error:
        raise KgptError(f"{path}: cannot be read: {error.strerror or error}", "check the permissions") from None
    text = examine(as_utf8(str(path)), data.removeprefix(codecs.BOM_UTF8), block)
    return replace(text, path=path if path.is_file() else None)


def examine(source: str, data: bytes, block: int = 0) -> CorpusText:
    """Check ``data`` as a corpus: one document a line, or running text in documents of ``block`` characters.

    Raises KgptError with the number of the line.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        lines = _LINE_END.split(data[: error.start].decode("utf-8"))
        raise KgptError(
            f"{source}: line {len(lines)}: byte 0x{data[error.start]:02x} at byte {len(lines[-1].encode()) + 1} of the "
            "line is not UTF-8",
            "save the corpus as UTF-8",
        ) from None
    documents = _blocks(text, block) if block else _lines(text)
    if not documents:
        raise KgptError(f"{source}: {'every line is' if data else 'the file is'} empty", _FORM)
    chars = {char for document in documents for char in document}
    if len(chars) == 1:
        raise KgptError(
            f"{source}: its one distinct character is {chars.pop()!r}", "there is nothing to learn: give another text"
        )
    doubts = odd_characters(source, text, data)
    return CorpusText(source, data, len(chars) + 1, Counter(map(len, documents)), doubts=doubts)


def _lines(text: str) -> list[str]:
    return [document for line in _LINE_END.split(text) if (document := line.strip())]


def _blocks(text: str, block: int) -> list[str]:
    text = _LINE_END.sub("\n", text)
    return [text[at : at + block] for at in range(0, len(text), block)]


@dataclass(frozen=True)
class Needs:
    """The memory that a training is known to need, in bytes; the kernel works out the rest to the byte."""

    image: int
    modules: int
    documents: int
    parameters: int

    @property
    def total(self) -> int:
        """The sum."""
        return self.image + self.modules + self.documents + self.parameters


def memory_needs(settings: TrainSettings, corpus: CorpusText, *, image: int = 0, state: int = 0) -> Needs:
    """The memory for ``settings`` beside a kernel that ends at ``image``, resuming a state of ``state`` bytes."""
    n_parameters = count_parameters(settings.hyperparameters(corpus.n_vocab))
    held_twice = 2 if settings.val_fraction else 1  # the split copies the documents
    documents = 4 * (corpus.n_characters + corpus.n_documents) * held_twice
    # Weights, gradients, both moments of Adam, and two copies of the weights for the host.
    parameters = n_parameters * (4 * (8 if settings.exact else 4) + 2 * 4)
    return Needs(image, len(corpus.data) + state, documents, parameters)


def count_parameters(hparams: Hyperparameters) -> int:
    """The number of weights. Raises KgptError for sizes that no kernel can hold."""
    hparams.validate()
    return sum(rows * columns for rows, columns in tensor_shapes(hparams).values())


def check_split(settings: TrainSettings, corpus: CorpusText) -> None:
    """Refuse a ``val_fraction`` that holds no document back. Raises KgptError."""
    n = corpus.n_documents
    if settings.val_fraction and not int(n * settings.val_fraction):
        raise KgptError(
            f"--val-fraction {settings.val_fraction:g} of {counted(n, 'document')} holds none back",
            "give more, or leave it out" if n > 1 else "leave it out: the corpus is one document",
        )


def check_window(corpus: CorpusText, val_fraction: float, n_ctx: int) -> None:
    """Refuse a running text of which a part has no window of ``n_ctx`` + 1 characters. Raises KgptError."""
    n = corpus.n_characters
    n_train = n - int(n * val_fraction)
    parts = {"to train on": n_train, **({"of validation": n - n_train} if val_fraction else {})}
    for what, size in parts.items():
        if size <= n_ctx:
            raise KgptError(
                f"{corpus.source}: {counted(size, 'character')} {what} are too few for a context of {n_ctx}",
                "give a longer text, a smaller --block-size, or another --val-fraction",
            )


def check_memory(needs: Needs, memory: int) -> None:
    """Refuse a training that needs more than ``memory`` MiB. Raises KgptError with the numbers."""
    if needs.total <= memory * MIB:
        return
    image = f"the image reaches up to {memory_text(needs.image)}, " if needs.image else ""
    raise KgptError(
        f"{memory} MB of memory are too little for this training: {image}the corpus takes "
        f"{memory_text(needs.modules)} and its documents {memory_text(needs.documents)}, "
        f"weights and optimizer {memory_text(needs.parameters)}",
        f"give at least --memory {units_of(needs.total, MIB) + 1}, or train a smaller model",
    )
