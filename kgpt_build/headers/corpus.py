"""kgpt_corpus.h: the text that a kernel trains on, as literals if it is short, else as an included file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from kgpt_build.headers.text import MAX_LITERAL_BYTES, c_bytes, framed, included

NAME = "kgpt_corpus.h"
BINARY_NAME = "kgpt_corpus.bin"
_LINE = 72
_ALIGN = 64


@dataclass(frozen=True)
class Corpus:
    """A corpus for a kernel, in UTF-8; ``source`` is its origin, ``path`` its file or None."""

    source: str
    data: bytes
    path: Path | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the text."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def is_literal(self) -> bool:
        """Is it written as literals?"""
        return len(self.data) <= MAX_LITERAL_BYTES


def text(corpus: Corpus, version: str) -> str:
    """The header: ``kgpt_corpus``, and its size without the NUL that ends it."""
    size = len(corpus.data)
    body = [f"#define KGPT_CORPUS_SIZE {size}", ""]
    if corpus.is_literal:
        body += [f"const char kgpt_corpus[{size + 1}] =", *_literals(corpus.data)]
    else:
        body += included("kgpt_corpus", ".rodata.kgpt_corpus", _ALIGN, BINARY_NAME)
    return framed(NAME, version, f"Corpus {_plain(corpus.source)}, SHA-256: {corpus.sha256}", body)


def _literals(data: bytes) -> list[str]:
    lines = [f"    {c_bytes(data[at : at + _LINE])}" for at in range(0, len(data), _LINE)] or ['    ""']
    return [*lines[:-1], f"{lines[-1]};"]


def _plain(source: str) -> str:
    """``source`` without characters that would end a C comment."""
    return "".join(char if char.isascii() and char.isprintable() and char not in "*/\\" else "_" for char in source)


BROUGHT = Corpus("brought by the loader", b"")
"""No text: the loader brings the corpus."""
