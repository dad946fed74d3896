"""The kernel's tokenizers beside llama.cpp's own, where llama-cpp-python is installed: random texts, all characters."""

from __future__ import annotations

import ctypes
import random
import struct
from pathlib import Path

import pytest
import vocab
import vocab_files
import vocab_peer
import vocab_texts
from vocab import Vocab

pytest.importorskip("llama_cpp", exc_type=ImportError)
pytestmark = pytest.mark.slow

MERGES = vocab_files.golden("vocab_pre")["merges"]
GROUPS = [group["names"][0] for group in vocab_files.golden("vocab_pre")["groups"]]
LLAMA2 = Path(__file__).resolve().parents[3] / "shared" / "data" / "llama2c-tokenizer.bin"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return vocab.build(tmp_path_factory.mktemp("live"))


def compare(library: ctypes.CDLL, fields: vocab_files.Fields, texts: list[bytes]) -> None:
    data = vocab.gguf_bytes(fields)
    ours = Vocab(library, data)
    with vocab_peer.peer_of(data) as peer:
        for text in texts:
            if not vocab_texts.beyond_unicode(text):
                for special in (False, True):
                    assert ours.encode((text, special)) == peer.encode(text, special), text


def random_texts(seed: int, n: int) -> list[bytes]:
    rng = random.Random(seed)
    pieces = ("<|im_end|>", "<tool>", "\n\n\n", "<s>", "</s>", "<|end|> ", "<|user|>", "    ", "<unk>", "<0x0A>")
    texts = [vocab_texts.mixed(rng, rng.randint(1, 30)).encode() for _ in range(n)]
    texts += [vocab_texts.scattered(rng, rng.randint(1, 12)) for _ in range(n)]
    texts += [
        b"".join(rng.choice(pieces).encode() + rng.choice(texts[:n])[:9] for _ in range(5)) for _ in range(n // 4)
    ]
    return texts


def every_character() -> list[bytes]:
    """Each code point, surrogates too, after and before characters that show what it is taken for."""
    codes = [chr(code).encode("utf-8", "surrogatepass") for code in range(0x110000)]
    return [
        b"".join(b"a" + code + b"1" + code + b" " + code + b"." for code in codes[start : start + 64])
        for start in range(0, 0x110000, 64)
        if start < 0x34000 or start >= 0xE0000
    ]


@pytest.mark.parametrize("name", GROUPS)
def test_pre_tokenizers(library: ctypes.CDLL, name: str) -> None:
    compare(library, vocab_files.probe_fields(MERGES, name), random_texts(GROUPS.index(name), 1500))


@pytest.mark.parametrize("name", ["gpt-2", "qwen35", "deepseek-coder", "deepseek-v3", "deepseek-llm", "afmoe"])
def test_every_character(library: ctypes.CDLL, name: str) -> None:
    """These six ask for letters, numbers, marks, punctuation, symbols and white space."""
    compare(library, vocab_files.probe_fields(MERGES, name), every_character())


@pytest.mark.parametrize("variant", vocab_files.SPM_VARIANTS)
def test_sentencepiece(library: ctypes.CDLL, variant: str) -> None:
    pieces = vocab_files.golden("vocab_spm")["pieces"]
    compare(library, vocab_files.spm_fields(pieces, variant), random_texts(100, 3000))


def test_smollm2(library: ctypes.CDLL) -> None:
    fields = vocab.smollm2_fields()
    compare(library, fields, random_texts(200, 10_000))
    data = vocab.gguf_bytes(fields)
    ours = Vocab(library, data)
    with vocab_peer.peer_of(data) as peer:
        for token in range(ours.n_vocab):
            assert [ours.piece(token, flag) for flag in (False, True)] == [
                peer.piece(token, flag) for flag in (False, True)
            ]
            assert ours.ends(token) == peer.ends(token)
        assert peer.numbers() == [ours.bos, ours.eos, ours.newline]


@pytest.mark.skipif(not LLAMA2.is_file(), reason=f"there is no {LLAMA2.name} beside the project")
def test_llama2(library: ctypes.CDLL) -> None:
    """The vocabulary of Llama 2, from the file of llama2.c: score, length and bytes of each piece."""
    data, pieces, scores = LLAMA2.read_bytes(), list[bytes](), list[float]()
    at = 4
    while at < len(data):
        score, n = struct.unpack_from("<fi", data, at)
        pieces.append(data[at + 8 : at + 8 + n].replace(b" ", vocab_files.SPACE.encode()))
        scores.append(score)
        at += 8 + n
    pieces[:3] = [b"<unk>", b"<s>", b"</s>"]
    fields = vocab_files.spm_fields([], "as it is")
    fields["tokenizer.ggml.tokens"] = pieces
    fields["tokenizer.ggml.token_type"] = [2, 3, 3] + [6] * 256 + [1] * (len(pieces) - 259)
    fields["tokenizer.ggml.scores"] = scores
    compare(library, fields, random_texts(300, 5000))


def test_golden_files_are_what_llama_cpp_says() -> None:
    for name, content in vocab_peer.made().items():
        golden = vocab_files.golden(name)
        assert {key: golden[key] for key in content} == content
