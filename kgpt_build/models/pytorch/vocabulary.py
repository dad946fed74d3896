"""The vocabulary of a checkpoint: characters from the checkpoint or a file, or a tokenizer.json; and its padding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.models.char_fields import char_fields
from kgpt_build.models.checkpoint import FieldValue, TypedValue
from kgpt_build.models.hf.pieces import UNUSED
from kgpt_build.models.hf.tokenizer import tokenizer_fields
from kgpt_build.models.pytorch.characters import is_tokenizer_json, read_characters

_TOKENS, _TYPES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
_BESIDE = ("meta.pkl", "chars.json", "tokenizer.json")
_PADDED_TO = (64, 128)  # nanoGPT pads 50,257 tokens to 50,304, a multiple of both


@dataclass(frozen=True)
class Vocabulary:
    """``n_tokens`` tokens, and the fields that describe them in GGUF."""

    n_tokens: int
    fields: Mapping[str, FieldValue | TypedValue]


def find_tokenizer(source: Path, given: Path | None) -> Path | None:
    """The file of the tokenizer: the one that was given, or one beside ``source``. Raises KgptError."""
    if given is not None and not given.is_file():
        raise KgptError(f"the tokenizer {given} is no file", "check the path of --tokenizer")
    beside = (source.parent / name for name in _BESIDE)
    return given or next((path for path in beside if path.is_file()), None)


def read_vocabulary(source: Path, given: Path | None, chars: list[str] | None, n_rows: int) -> Vocabulary:
    """The vocabulary for an embedding of ``n_rows``. Raises KgptError if it does not fit, or there is none.

    A file that was given counts before ``chars`` of the checkpoint, and these before a file beside it.
    """
    path = find_tokenizer(source, given)
    if given is None and chars is not None:
        return _characters(chars, "the checkpoint", n_rows)
    if path is None:
        raise KgptError(
            f"the vocabulary of its {n_rows:,} tokens is missing",
            "give it: --tokenizer meta.pkl, a JSON list of characters, or tokenizer.json (GPT-2's for a nanoGPT that "
            "was trained on its tokens); beside the checkpoint they are found by these names: " + ", ".join(_BESIDE),
        )
    if is_tokenizer_json(path):
        return _pieces(path, n_rows)
    return _characters(read_characters(path), path.name, n_rows)


def _characters(chars: list[str], what: str, n_rows: int) -> Vocabulary:
    _require_fit(len(chars), what, n_rows)
    return Vocabulary(len(chars), char_fields(chars))


def _pieces(path: Path, n_rows: int) -> Vocabulary:
    """Of a tokenizer.json. Its importer names rows without a token; those behind the last token are cut."""
    fields = tokenizer_fields(path, n_rows)
    types = fields[_TYPES]
    assert isinstance(types, list)
    n_tokens = max(i for i, kind in enumerate(types) if kind != UNUSED) + 1
    _require_fit(n_tokens, path.name, n_rows)
    cut = {
        key: value[:n_tokens] for key, value in fields.items() if key in (_TOKENS, _TYPES) and isinstance(value, list)
    }
    return Vocabulary(n_tokens, {**fields, **cut})


def _require_fit(n_tokens: int, what: str, n_rows: int) -> None:
    """Rows behind the last token are padding, which stands for no text: at most up to a multiple of 64 or 128."""
    if n_tokens != n_rows and all(-(-n_tokens // to) * to != n_rows for to in _PADDED_TO):
        raise KgptError(
            f"the vocabulary of {what} has {n_tokens:,} tokens, and the embedding {n_rows:,} rows",
            "give the vocabulary that the model was trained with",
        )
