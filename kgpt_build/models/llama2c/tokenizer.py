"""llama2.c's tokenizer.bin: a longest length, then a score, a length and bytes for each token; a space is a space."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from math import isfinite
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.models.checkpoint import FieldValue
from kgpt_build.words import counted, shown_bytes

UNK, BOS, EOS = 0, 1, 2
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6  # llama_token_type
_MOST_BYTES = 4096  # KG_PIECE_MAX
_MOST_FILE = 1 << 28  # of a vocabulary: no file of a size beyond is read
_MOST_TOKENS = 1 << 20
_SPACE = "\u2581"  # SentencePiece's mark for a space
_ITEM = struct.Struct("<fi")
_HINT = "give the tokenizer.bin that llama2.c's tokenizer.py wrote for this model"


def read_tokenizer(path: Path, n_vocab: int) -> Mapping[str, FieldValue]:
    """The fields of a GGUF file for the tokenizer in ``path``. Raises KgptError if it is not one of ``n_vocab`` tokens.

    The messages name ``path``.
    """
    size = path.stat().st_size
    if size > _MOST_FILE:
        raise KgptError(f"the tokenizer {path} has {counted(size, 'byte')}: no vocabulary is that large", _HINT)
    pieces, scores = _read_items(path, path.read_bytes())
    if len(pieces) != n_vocab:
        raise KgptError(
            f"the tokenizer {path} has {counted(len(pieces), 'token')}, the model {n_vocab:,}",
            "give the one that the model was trained with: --tokenizer FILE",
        )
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [_gguf_piece(path, i, piece) for i, piece in enumerate(pieces)],
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": [_type(i, piece) for i, piece in enumerate(pieces)],
        "tokenizer.ggml.bos_token_id": BOS,
        "tokenizer.ggml.eos_token_id": EOS,
        "tokenizer.ggml.unknown_token_id": UNK,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.ggml.add_space_prefix": True,
    }


def _read_items(path: Path, data: bytes) -> tuple[list[bytes], list[float]]:
    if len(data) < 4:
        raise KgptError(f"the tokenizer {path} is truncated in its header", _HINT)
    longest = int.from_bytes(data[:4], "little", signed=True)
    if not 1 <= longest <= _MOST_BYTES:
        raise KgptError(f"the tokenizer {path} says that its longest token has {longest} bytes", _HINT)
    pieces: list[bytes] = []
    scores: list[float] = []
    at = 4
    while at < len(data):
        if len(pieces) == _MOST_TOKENS:  # a file of empty promises would take gigabytes
            raise KgptError(f"the tokenizer {path} has more than {_MOST_TOKENS:,} tokens", _HINT)
        piece = f"token {len(pieces)} of the tokenizer {path}"
        if at + _ITEM.size > len(data):
            raise KgptError(f"{piece} is truncated", _HINT)
        score, length = _ITEM.unpack_from(data, at)
        at += _ITEM.size
        if not 1 <= length <= longest:
            raise KgptError(f"{piece} has {length} bytes, and the file says 1 to {longest}", _HINT)
        if not isfinite(score):
            raise KgptError(f"{piece} has the score {score}", _HINT)
        if at + length > len(data):
            raise KgptError(f"{piece} is truncated", _HINT)
        pieces.append(data[at : at + length])
        scores.append(score)
        at += length
    return pieces, scores


def _gguf_piece(path: Path, token: int, piece: bytes) -> str:
    """A piece as GGUF has it. llama2.c puts line feeds around <s> and </s>."""
    try:
        text = piece.decode()
    except UnicodeDecodeError:
        raise KgptError(
            f"token {token} of the tokenizer {path} is no UTF-8: {shown_bytes(piece[:16])}", _HINT
        ) from None
    if "\0" in text:
        raise KgptError(f"token {token} of the tokenizer {path} holds a NUL", _HINT)
    return text.strip("\n") or text if token in (BOS, EOS) else text.replace(" ", _SPACE)


def _type(token: int, piece: bytes) -> int:
    if token == UNK:
        return _UNKNOWN
    if token in (BOS, EOS):
        return _CONTROL
    return _BYTE if re.fullmatch(rb"<0x[0-9A-Fa-f]{2}>", piece) else _NORMAL
