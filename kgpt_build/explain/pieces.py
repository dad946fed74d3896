"""The tokens of a vocabulary: their bytes, and the merges that a tokenizer makes them by."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kgpt_build.explain.trace import Merge, Token
from kgpt_build.models import GgufModel
from kgpt_build.models.hf.pieces import BYTE, CONTROL, byte_chars
from kgpt_build.models.hf.pre_tokenizers import MARK

_PREFIX = "tokenizer.ggml."
Rank = Callable[[str, str], int | None]  # of the merge of two pieces; None: there is none


class Pieces:
    """The vocabulary of ``model``."""

    def __init__(self, model: GgufModel) -> None:
        fields: Mapping[str, Any] = model.header.fields
        self._kind = model.vocabulary.model
        self._tokens = model.vocabulary.tokens
        self._special = frozenset(model.vocabulary.special.values())
        types = fields.get(f"{_PREFIX}token_type")
        self._types: Sequence[int] = [] if types is None else types.array()
        self._bytes = {char: byte for byte, char in enumerate(byte_chars())}
        self._rank = _ranks(fields, self._kind, self._tokens)

    def token(self, token: int, *, merges: bool = False) -> Token:
        """Token number ``token``; with ``merges`` those inside it."""
        piece = self._tokens[token]
        return Token(token, self.data(token), piece, self._merges(piece) if merges else ())

    def text(self, token: int) -> str:
        """The piece as the vocabulary writes it."""
        return self._tokens[token]

    def data(self, token: int) -> bytes:
        """The bytes of a token in a text; none of a control token."""
        piece = self._tokens[token]
        if self._type(token) == CONTROL:
            return b""
        return self._piece_bytes(piece, is_byte=self._type(token) == BYTE)

    def _type(self, token: int) -> int:
        if self._kind == "kgpt-char":
            return CONTROL if token in self._special else 1
        return int(self._types[token]) if len(self._types) else 1

    def _piece_bytes(self, piece: str, *, is_byte: bool = False) -> bytes:
        if is_byte:
            return bytes([int(piece[3:5], 16)])
        if self._kind == "gpt2" and all(char in self._bytes for char in piece):
            return bytes(self._bytes[char] for char in piece)
        return (piece.replace(MARK, " ") if self._kind == "llama" else piece).encode()

    def _merges(self, piece: str) -> tuple[Merge, ...]:
        """Byte-pair encoding of a piece alone. The merges inside a token of a text are these: none crosses its ends.

        None if they lead elsewhere: a special token, or a word that the tokenizer took whole.
        """
        if self._rank is None:
            return ()
        parts, found = list(piece), []
        while len(parts) > 1:
            ranks = [self._rank(*pair) for pair in itertools.pairwise(parts)]
            possible = [(rank, i) for i, rank in enumerate(ranks) if rank is not None]
            if not possible:
                return ()
            rank, i = min(possible)
            found.append(Merge(self._piece_bytes(parts[i]), self._piece_bytes(parts[i + 1]), rank))
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        return tuple(found)


def _ranks(fields: Mapping[str, Any], kind: str, tokens: Sequence[str]) -> Rank | None:
    """The rank of each merge: the order of the file's merges, or of SentencePiece the place by score."""
    merges = fields.get(f"{_PREFIX}merges")
    if kind == "gpt2" or (kind == "llama" and fields.get("tokenizer.kgpt.by_merges", False)):
        order = {_pair(merge): rank for rank, merge in enumerate(merges or ())}
        return lambda left, right: order.get((left, right))
    if kind == "llama":
        scores = fields[f"{_PREFIX}scores"].array()
        places = np.empty(len(tokens), np.int64)
        places[np.argsort(-scores, kind="stable")] = np.arange(len(tokens))
        by_piece = {piece: int(place) for piece, place in zip(tokens, places, strict=True)}
        return lambda left, right: by_piece.get(left + right)
    return None


def _pair(merge: str) -> tuple[str, str]:
    space = merge.find(" ", 1)  # a piece may begin with a space
    return merge[:space], merge[space + 1 :]
