"""The pieces of a tokenizer.json by id, with GGUF's types of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from kgpt_build.errors import KgptError
from kgpt_build.words import shown

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
_HINT = "the file is damaged, or belongs to another model"
_SAME_HINT = "the engine would find another one of them than the tokenizers library does"
_MOST = 1 << 20


@cache
def byte_chars() -> tuple[str, ...]:
    """The characters that stand for the 256 bytes in a byte-level BPE (Radford et al., 2019)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return tuple(chr(byte if byte in plain else next(others)) for byte in range(256))


@dataclass(frozen=True)
class Added:
    """An added token: found in a text before everything else."""

    id: int
    content: str
    special: bool
    strips: bool  # the white space after it
    normalized: bool  # it is looked for in the normalised text


@dataclass(frozen=True)
class Pieces:
    """``tokens`` (n_vocab) and ``types`` by id; ``ids`` by content, of the tokens that the file has."""

    tokens: list[str]
    types: list[int]
    ids: Mapping[str, int]
    added: tuple[Added, ...]


def vocabulary_of(model: Mapping[str, Any]) -> dict[str, int]:
    """``vocab`` of a model: piece -> id. Raises KgptError."""
    found = model.get("vocab")
    if not isinstance(found, dict) or not found:
        raise KgptError("tokenizer.json: the model has no vocabulary", _HINT)
    for piece, number in found.items():
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < _MOST:
            raise KgptError(f"tokenizer.json: the piece {piece[:64]!r} has the id {str(number)[:32]}", _HINT)
    return found


def merges_of(model: Mapping[str, Any], vocabulary: Mapping[str, int]) -> list[tuple[str, str]]:
    """The merges, which are strings with a space, or pairs; what they join and make has ids. Raises KgptError."""
    found = model.get("merges")
    if not isinstance(found, list) or not found:
        raise KgptError("tokenizer.json: the model has no merges", _HINT)
    merges = [_merge(i, item) for i, item in enumerate(found)]
    for i, (left, right) in enumerate(merges):
        missing = next((piece for piece in (left, right, left + right) if piece not in vocabulary), None)
        if missing is not None:
            raise KgptError(f"tokenizer.json: merge {i} needs the piece {missing[:64]!r}, which has no id", _HINT)
        if " " in left or " " in right:
            raise KgptError(f"tokenizer.json: merge {i} joins a piece with a space", "such merges are not supported")
    if len(set(merges)) < len(merges):
        raise KgptError("tokenizer.json: a merge is there twice", _HINT)
    return merges


def _merge(number: int, item: Any) -> tuple[str, str]:
    parts = item.split(" ") if isinstance(item, str) else item
    if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) and part for part in parts):
        raise KgptError(f"tokenizer.json: merge {number} is {str(item)[:64]!r}, not two pieces", _HINT)
    return parts[0], parts[1]


def added_tokens(root: Mapping[str, Any]) -> tuple[Added, ...]:
    """The added tokens. Raises KgptError for one that the engine would find at other places."""
    found = root.get("added_tokens") or []
    if not isinstance(found, list):
        raise KgptError("tokenizer.json: added_tokens is not a list", _HINT)
    tokens = tuple(_added(item) for item in found)
    _refuse_overlaps([token.content.encode("utf-8", "surrogatepass") for token in tokens])
    return tokens


def _refuse_overlaps(tokens: Sequence[bytes]) -> None:
    """Raise KgptError if a text exists in which the leftmost token is not the one that the engine takes.

    The tokenizers library takes the leftmost token, of several the longest. The engine takes the longest first. They
    differ if a token begins inside a shorter one and ends behind it.
    """
    longest: dict[bytes, bytes] = {}
    for token in sorted(tokens, key=len):
        longest.update({token[:end]: token for end in range(1, len(token))})
    for left in tokens:
        for start in range(1, len(left)):
            right = longest.get(left[start:], b"")
            if len(right) <= len(left):
                continue
            text = left[:start] + right
            if len(right) > max(len(token) for token in tokens if text.startswith(token)):
                names = " and ".join(shown(token.decode("utf-8", "replace")) for token in (left, right))
                raise KgptError(f"tokenizer.json: the added tokens {names} overlap in a text", _SAME_HINT)


def _added(item: Any) -> Added:
    if not isinstance(item, dict):
        raise KgptError(f"tokenizer.json: the added token {str(item)[:64]!r} is not an object", _HINT)
    number, content = item.get("id"), item.get("content")
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < _MOST:
        raise KgptError(f"tokenizer.json: an added token has the id {str(number)[:32]}", _HINT)
    if not isinstance(content, str) or not content:
        raise KgptError(f"tokenizer.json: the added token {number} has no content", _HINT)
    for flag in ("single_word", "lstrip"):
        if item.get(flag):
            raise KgptError(
                f"tokenizer.json: the added token {content[:64]!r} has {flag}, which is not supported",
                "it would be found at other places of a text",
            )
    return Added(number, content, *(bool(item.get(flag)) for flag in ("special", "rstrip", "normalized")))


def pieces_of(vocabulary: Mapping[str, int], added: tuple[Added, ...], n_vocab: int) -> Pieces:
    """All tokens by id, for an embedding of ``n_vocab`` rows; rows without a token get an unused one.

    Raises KgptError for tokens without a row, or with the same id.
    """
    ids = {**vocabulary, **{token.content: token.id for token in added}}
    last = max(ids, key=lambda piece: ids[piece])
    if ids[last] >= n_vocab:
        raise KgptError(
            f"tokenizer.json has the token {last[:64]!r} with the id {ids[last]}, but the embedding has only"
            f" {n_vocab} rows",
            "the tokenizer belongs to another model",
        )
    tokens: list[str | None] = [None] * n_vocab
    for piece, number in vocabulary.items():
        if tokens[number] is not None:
            raise KgptError(
                f"tokenizer.json: {shown(tokens[number])} and {shown(piece)} have the same id {number}", _HINT
            )
        tokens[number] = piece
    types = [NORMAL] * n_vocab
    for token in added:
        if tokens[token.id] not in (None, token.content):
            raise KgptError(
                f"tokenizer.json: {shown(tokens[token.id])} and {shown(token.content)} have the same id {token.id}",
                _HINT,
            )
        tokens[token.id] = token.content
        types[token.id] = CONTROL if token.special else USER
    for number, piece_or_none in enumerate(tokens):
        if piece_or_none is None:
            tokens[number], types[number] = _padding(number, ids), UNUSED
    return Pieces([token or "" for token in tokens], types, ids, added)


def _padding(number: int, taken: Mapping[str, int]) -> str:
    """A text for a row of the embedding that no token has."""
    text = f"[PAD{number}]"
    while text in taken:
        text = f"[{text}]"
    return text
