"""The text that is trained on, checked before a machine is started for it. The kernel gets the bytes as they are."""

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
from kgpt_build.words import counted

_LINE_END = re.compile(r"\r\n|\r|\n")  # what Python's open() takes for one, as microgpt does
_FORM = "a corpus is UTF-8 text, one document a line"
STANDARD_INPUT = Path("-")


EMBEDDED_BYTES = 1 << 20
"""A longer corpus is brought by the loader, so that it is not compiled into each kernel."""


@dataclass(frozen=True)
class CorpusText:
    """A corpus that can be trained on.

    ``source`` says where it is from, ``path`` is its file, if it has one; ``lengths``: characters -> documents.
    """

    source: str
    data: bytes
    n_vocab: int
    lengths: Mapping[int, int]
    path: Path | None = None
    doubts: tuple[str, ...] = ()
    """Sentences about what is odd in it, for the user."""

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the bytes."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def n_documents(self) -> int:
        """Lines that are not empty."""
        return sum(self.lengths.values())

    @property
    def n_characters(self) -> int:
        """Of all documents."""
        return sum(length * count for length, count in self.lengths.items())

    def embedded(self) -> Corpus:
        """The same, for a kernel. It names no folder: that would make other bytes of it."""
        return Corpus(self.path.name if self.path else self.source, self.data, self.path)

    def longer_than(self, block_size: int) -> int:
        """How many documents lose their end: a block holds BOS and ``block_size`` - 1 characters to go on from."""
        return sum(count for length, count in self.lengths.items() if length + 1 > block_size)


def read_corpus(path: Path | None, block: int = 0) -> CorpusText:
    """The corpus in ``path``; ``-``: what comes on standard input; None: the one of the default model.

    A byte order mark at its beginning, as Windows writes it, is no part of the text. ``block`` as in ``examine``.

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
    text = examine(str(path), data.removeprefix(codecs.BOM_UTF8), block)
    return replace(text, path=path if path.is_file() else None)


def examine(source: str, data: bytes, block: int = 0) -> CorpusText:
    """``data`` as a corpus: one document a line, or one running text cut into documents of ``block`` characters.

    Raises KgptError with the line for what is neither.
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
        """All of it."""
        return self.image + self.modules + self.documents + self.parameters


def memory_needs(settings: TrainSettings, corpus: CorpusText, *, image: int = 0, state: int = 0) -> Needs:
    """What ``settings`` need beside a kernel that ends at ``image``, resuming a state of ``state`` bytes."""
    n_parameters = count_parameters(settings.hyperparameters(corpus.n_vocab))
    held_twice = 2 if settings.val_fraction else 1  # the split copies the documents
    documents = 4 * (corpus.n_characters + corpus.n_documents) * held_twice
    # Weights, gradients and both moments of Adam, and two copies that can be sent.
    parameters = n_parameters * (4 * (8 if settings.exact else 4) + 2 * 4)
    return Needs(image, len(corpus.data) + state, documents, parameters)


def count_parameters(hparams: Hyperparameters) -> int:
    """How many weights. Raises KgptError for sizes that no kernel can hold."""
    hparams.validate()
    return sum(rows * columns for rows, columns in tensor_shapes(hparams).values())


def check_split(settings: TrainSettings, corpus: CorpusText) -> None:
    """Refuse to hold back a fraction of the documents that is none of them. Raises KgptError."""
    n = corpus.n_documents
    if settings.val_fraction and not int(n * settings.val_fraction):
        raise KgptError(
            f"--val-fraction {settings.val_fraction:g} of {counted(n, 'document')} holds none back",
            "give more, or leave it out" if n > 1 else "leave it out: the corpus is one document",
        )


def check_memory(needs: Needs, memory: int) -> None:
    """Refuse a training that cannot fit ``memory`` MiB. Raises KgptError with the numbers."""
    if needs.total <= memory * MIB:
        return
    image = f"the image reaches up to {memory_text(needs.image)}, " if needs.image else ""
    raise KgptError(
        f"{memory} MB of memory are too little for this training: {image}the corpus takes "
        f"{memory_text(needs.modules)} and its documents {memory_text(needs.documents)}, "
        f"weights and optimizer {memory_text(needs.parameters)}",
        f"give at least --memory {units_of(needs.total, MIB) + 1}, or train a smaller model",
    )
