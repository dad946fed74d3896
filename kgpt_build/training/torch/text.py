"""A running text as tokens: each character is one, the end of the text is held back for validation."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kgpt_build.training.corpus import CorpusText, check_window

_LINE_END = re.compile(r"\r\n|\r|\n")
Tokens = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TokenText:
    """``tokens`` (n,): ids into ``chars``, which are sorted; the first ``n_train`` of them are trained on."""

    source: str
    sha256: str
    chars: tuple[str, ...]
    tokens: Tokens
    n_train: int

    def decode(self, ids: list[int]) -> str:
        """The text of ``ids``."""
        return "".join(self.chars[i] for i in ids)


def tokens_of(corpus: CorpusText, val_fraction: float, n_ctx: int) -> TokenText:
    """The characters of ``corpus`` as tokens. Raises KgptError if a part has no window of ``n_ctx`` + 1 tokens."""
    text = _LINE_END.sub("\n", corpus.data.decode("utf-8"))
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    distinct, tokens = np.unique(codes, return_inverse=True)
    n_train = len(tokens) - int(len(tokens) * val_fraction)
    check_window(corpus, val_fraction, n_ctx)
    chars = tuple(chr(code) for code in distinct.tolist())
    return TokenText(corpus.source, corpus.sha256, chars, tokens.astype(np.int64).reshape(-1), n_train)
