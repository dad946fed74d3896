"""A tokenizer.json gives in the kernel the tokens that it gives in the tokenizers library."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hf_folders
import pytest
import vocab

from kgpt_build.models.hf.tokenizer import tokenizer_fields

hf_tokenizers = pytest.importorskip(
    "hf_tokenizers", reason="needs tokenizers: pip install tokenizers", exc_type=ImportError
)


tokenizers = pytest.importorskip("tokenizers")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return vocab.build(tmp_path_factory.mktemp("vocab"))


def check(library: ctypes.CDLL, path: Path, peer: Any, n_vocab: int, texts: Sequence[str]) -> set[int]:
    """Compare the tokens of ``texts``; returns those that occurred."""
    tested = vocab.Vocab(library, vocab.gguf_bytes(tokenizer_fields(path, n_vocab)))
    expected = [found.ids for found in peer.encode_batch(list(texts), add_special_tokens=False)]
    wrong = [
        (text, tokens)
        for text, tokens in zip(texts, expected, strict=True)
        if tested.encode((text.encode(), True)) != tokens
    ]
    assert not wrong, (len(wrong), ascii(wrong[0][0]))
    return {token for tokens in expected for token in tokens}


@pytest.mark.parametrize("kind", hf_tokenizers.KINDS)
def test_tokens(library: ctypes.CDLL, tmp_path: Path, kind: str) -> None:
    peer, path = hf_tokenizers.KINDS[kind](), tmp_path / "tokenizer.json"
    peer.save(str(path))
    used = check(library, path, peer, peer.get_vocab_size() + 7, hf_tokenizers.texts())
    assert kind == "random merges" or len(used) > 0.7 * peer.get_vocab_size()  # the texts show most of the vocabulary


def test_the_vocabulary_of_smollm2(library: ctypes.CDLL, tmp_path: Path, smollm2: Path) -> None:
    """49,152 pieces, of which none is for some control characters: these vanish, and their neighbours may join."""
    fields, root = vocab.smollm2_fields(), hf_folders.tokenizer()
    pieces, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    root["added_tokens"] = [
        {**root["added_tokens"][0], "id": i, "content": piece} for i, piece in enumerate(pieces) if types[i] == 3
    ]
    digits = {"type": "Digits", "individual_digits": True}
    root["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, root["pre_tokenizer"]]}
    root["model"] |= {"vocab": {piece: i for i, piece in enumerate(pieces)}, "merges": fields["tokenizer.ggml.merges"]}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(root))
    texts = (*hf_tokenizers.texts(), "t\x04h\x06e", "\x04", " \x13in\x14g")
    check(library, path, tokenizers.Tokenizer.from_file(str(path)), len(pieces), texts)
    assert tokenizer_fields(path, len(pieces))["tokenizer.ggml.pre"] == fields["tokenizer.ggml.pre"]
