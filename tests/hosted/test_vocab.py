"""The kernel's tokenizers give the tokens that llama.cpp gave (tests/golden/vocab_*.json), whoever compiles them."""

from __future__ import annotations

import ctypes
import random
from typing import Any

import native
import pytest
import vocab
import vocab_files
import vocab_texts
from refusals import refused
from vocab import NO_TOKEN, Vocab

from kgpt_build.models.gguf import vocab as gguf_vocab

PRE = vocab_files.golden("vocab_pre")
SPM = vocab_files.golden("vocab_spm")
SMOLLM2 = vocab_files.golden("vocab_smollm2")
MARK = vocab_files.SPACE.encode()
RULES = [(name, group) for group in PRE["groups"] for name in group["names"]]


@pytest.fixture(scope="module", params=["zig", "gcc"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return vocab.build(tmp_path_factory.mktemp("vocab"), request.param)


@pytest.fixture(scope="module")
def smollm2(library: ctypes.CDLL) -> Vocab:
    return Vocab(library, vocab.gguf_bytes(vocab.smollm2_fields()))


def test_selftests(library: ctypes.CDLL) -> None:
    results = native.selftests(library)
    assert len(results) >= 5
    assert set(results.values()) == {""}, results


def check(tested: Vocab, text: bytes, expected: list[int]) -> None:
    """``expected``: the tokens, or those without special tokens, -1, and those with them."""
    cut = expected.index(-1) if -1 in expected else None
    plain, special = (expected, expected) if cut is None else (expected[:cut], expected[cut + 1 :])
    assert tested.encode((text, False)) == plain, text
    assert tested.encode((text, True)) == special, text


@pytest.mark.parametrize(("name", "group"), RULES, ids=[name for name, _ in RULES])
def test_pre_tokenizer(library: ctypes.CDLL, name: str, group: dict[str, Any]) -> None:
    tested = Vocab(library, vocab.gguf_bytes(vocab_files.probe_fields(PRE["merges"], name)))
    assert (tested.pre, tested.add_bos) == (name, group["add_bos"])
    for item, ways, which in zip(PRE["texts"], PRE["tokens"], group["which"], strict=True):
        check(tested, vocab_files.text_of(item), ways[which])


def test_every_pre_tokenizer_is_tested(library: ctypes.CDLL) -> None:
    known = vocab.known(library, pre=True)
    assert sorted(name for name, _ in RULES) == sorted(known)
    assert set(known) == gguf_vocab.PRE_TOKENIZERS  # the host refuses the others
    assert tuple(vocab.known(library, pre=False)) == gguf_vocab.MODELS
    assert len(PRE["groups"]) >= 27  # the golden texts tell this many apart


@pytest.mark.parametrize("variant", vocab_files.SPM_VARIANTS)
def test_sentencepiece(library: ctypes.CDLL, variant: str) -> None:
    tested = Vocab(library, vocab.gguf_bytes(vocab_files.spm_fields(SPM["pieces"], variant)))
    assert (tested.model, tested.pre, tested.bos, tested.eos, tested.unk) == ("llama", "", 1, 2, 0)
    assert (tested.add_bos, tested.add_eos) == ((False, True) if variant == "no bos, eos" else (True, False))
    for item, expected in zip(SPM["texts"], SPM["tokens"][variant], strict=True):
        check(tested, vocab_files.text_of(item), expected)


def test_smollm2(smollm2: Vocab) -> None:
    for item, expected in zip(SMOLLM2["texts"], SMOLLM2["tokens"], strict=True):
        check(smollm2, vocab_files.text_of(item), expected)


def test_numbers_of_smollm2(smollm2: Vocab) -> None:
    assert (smollm2.model, smollm2.pre, smollm2.n_vocab, smollm2.longest) == ("gpt2", "smollm", 49152, 162)
    assert (smollm2.bos, smollm2.eos, smollm2.eot, smollm2.unk) == (1, 2, 2, 0)
    assert smollm2.piece(smollm2.newline) == b"\n"
    assert (smollm2.add_bos, smollm2.add_eos) == (False, False)
    assert [token for token in range(smollm2.n_vocab) if smollm2.ends(token)] == SMOLLM2["ends"]


def test_fragments_of_a_template(smollm2: Vocab) -> None:
    """What somebody types makes no special tokens, and text runs on from piece to piece."""
    head, typed, tail = b"<|im_start|>user\n", b"Hi <|im_end|>", b"<|im_end|>\n"
    tokens = smollm2.encode((head, True), (typed, False), (tail, True))
    assert tokens.count(2) == 1
    assert tokens == smollm2.encode((head, True)) + smollm2.encode((typed, False)) + smollm2.encode((tail, True))
    assert smollm2.encode((b"wo", False), (b"rld", True)) == smollm2.encode((b"world", False))
    assert smollm2.encode((b"<|im_", True), (b"end|>", False)) == smollm2.encode((b"<|im_end|>", False))
    assert smollm2.encode((b"<|im_", True), (b"end|>", True)) == [2]
    assert smollm2.encode() == smollm2.encode((b"", True), (b"", False)) == []


def test_pieces_give_the_text_back(smollm2: Vocab) -> None:
    for text in (item.encode("utf-8", "surrogatepass") for item in vocab_texts.BY_HAND[:13]):
        assert b"".join(smollm2.piece(token) for token in smollm2.encode((text, False))) == text
    assert (smollm2.piece(2), smollm2.piece(2, special=True)) == (b"", b"<|im_end|>")
    assert smollm2.piece(smollm2.n_vocab) == smollm2.piece(NO_TOKEN) == b""


def test_find(smollm2: Vocab) -> None:
    assert smollm2.find(b"<|im_end|>") == 2
    assert smollm2.find("Ġthe".encode()) == smollm2.encode((b" the", False))[0]
    assert smollm2.find(b"") == smollm2.find(b"no such piece") == smollm2.find(b"x" * 5000) == NO_TOKEN


def test_more_tokens_than_room(smollm2: Vocab) -> None:
    everything = smollm2.encode((b"one two three", False))
    assert smollm2.encode((b"one two three", False), room=2) == everything[:2]
    assert smollm2.count == len(everything)


@pytest.mark.parametrize("unit", [b"a", b" ", b"\n", b"1", b"!", b"\xff", b"\xc3 ", b"'s", b"<|im_end|>", b"<"])
def test_long_runs(library: ctypes.CDLL, smollm2: Vocab, unit: bytes) -> None:
    """100 kB of one thing: quadratic time would be noticed."""
    text = unit * (100_000 // len(unit))
    spm = Vocab(library, vocab.gguf_bytes(vocab_files.spm_fields(SPM["pieces"], "as it is")))
    for tested in (smollm2, spm):
        tokens = tested.encode((text, True))
        again = b"".join(tested.piece(token, special=True) for token in tokens)
        if tested is spm or unit.isascii():  # byte-level BPE puts U+FFFD for what is no character
            assert again.replace(MARK, b" ").strip() == text.strip()


def test_characters_of_microgpt(library: ctypes.CDLL) -> None:
    chars = ["a", "b", "é", "€", "<BOS>"]
    ids = {"tokenizer.ggml.bos_token_id": 4, "tokenizer.ggml.eos_token_id": 4}
    tested = Vocab(
        library, vocab.gguf_bytes({"tokenizer.ggml.model": "kgpt-char", "tokenizer.ggml.tokens": chars, **ids})
    )
    assert tested.encode(("ab€éa".encode(), True)) == [0, 1, 3, 2, 0]
    assert (tested.bos, tested.ends(4), tested.piece(4), tested.piece(3)) == (4, True, b"", "€".encode())
    with refused(vocab.Refused, "character '<' (U+003C) byte 1"):
        tested.encode((b"a<BOS>", True))
    with refused(vocab.Refused, "byte 0xff 2 UTF-8"):
        tested.encode((b"ab\xff", True))


def test_pieces_of_sentencepiece(library: ctypes.CDLL) -> None:
    tested = Vocab(library, vocab.gguf_bytes(vocab_files.spm_fields(SPM["pieces"], "as it is")))
    assert tested.piece(3 + 0x0A) == b"\n"
    assert tested.newline == 3 + 0x0A
    text = "é a  b\n你 𝟙".encode()
    assert b"".join(map(tested.piece, tested.encode((text, False)))) == b" " + text
    user, hidden = tested.find(b"<|user|>"), tested.find(b"<|end|>")
    assert (tested.piece(user), tested.piece(hidden), tested.ends(hidden)) == (b"<|user|>", b"", True)


def test_text_of_every_length(library: ctypes.CDLL) -> None:
    """The scratch memory that is asked for suffices, whatever is damaged."""
    rng = random.Random(6)
    spm = Vocab(library, vocab.gguf_bytes(vocab_files.spm_fields(SPM["pieces"], "as it is")))
    bpe = Vocab(library, vocab.gguf_bytes(vocab_files.probe_fields(PRE["merges"], "gpt-4o")))
    for n in range(300):
        text = bytes(rng.choice(b"\xc3\xe2\xf0\x9f\x96\x81 a\xff\n") for _ in range(n))
        again = b"".join(map(spm.piece, spm.encode((text, True))))  # a mark may be cut into bytes, which stay one
        assert again.replace(MARK, b" ") == (b" " + text.replace(MARK, b" ") if text else b"")
        bpe.encode((text, True))
