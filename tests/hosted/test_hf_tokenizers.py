"""A tokenizer.json gives in the kernel the tokens that it gives in the tokenizers library."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
import vocab

from kgpt_build.models.hf.tokenizer import tokenizer_fields

hf_tokenizers = pytest.importorskip(
    "hf_tokenizers", reason="needs tokenizers: pip install tokenizers", exc_type=ImportError
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return vocab.build(tmp_path_factory.mktemp("vocab"))


@pytest.mark.parametrize("kind", hf_tokenizers.KINDS)
def test_tokens(library: ctypes.CDLL, tmp_path: Path, kind: str) -> None:
    peer = hf_tokenizers.KINDS[kind]()
    path = tmp_path / "tokenizer.json"
    peer.save(str(path))
    tested = vocab.Vocab(library, vocab.gguf_bytes(tokenizer_fields(path, peer.get_vocab_size() + 7)))
    texts = hf_tokenizers.texts()
    expected = [found.ids for found in peer.encode_batch(list(texts), add_special_tokens=False)]
    wrong = [
        (text, tokens)
        for text, tokens in zip(texts, expected, strict=True)
        if tested.encode((text.encode(), True)) != tokens
    ]
    assert not wrong, (len(wrong), ascii(wrong[0][0]))
    used = {token for tokens in expected for token in tokens}
    assert kind == "random merges" or len(used) > 0.7 * peer.get_vocab_size()  # the texts show most of the vocabulary
