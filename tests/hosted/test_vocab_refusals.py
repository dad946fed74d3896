"""Vocabularies that do not fit together are refused, with the field that is wrong; damaged files harm nobody."""

from __future__ import annotations

import ctypes
import random
from typing import Any

import pytest
import vocab
import vocab_files
from gguf_reader import Refused as HeaderRefused
from refusals import lacks
from vocab import Refused, Vocab

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.scan import scan
from kgpt_build.models.gguf.vocab import read_vocabulary

TOKENS, TYPES, MERGES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges"
SCORES, MODEL, PRE = "tokenizer.ggml.scores", "tokenizer.ggml.model", "tokenizer.ggml.pre"
BOS, EOS = "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"

BPE: vocab_files.Fields = {
    MODEL: "gpt2",
    PRE: "gpt-2",
    TOKENS: ["a", "b", "c", "ab", "abc", "<|end|>"],
    TYPES: [1, 1, 1, 1, 1, 3],
    MERGES: ["a b", "ab c"],
    BOS: 5,
    EOS: 5,
}
LLAMA: vocab_files.Fields = {
    MODEL: "llama",
    TOKENS: ["<unk>", "<s>", "</s>", "<0x41>", "a", "▁a"],
    TYPES: [2, 3, 3, 6, 1, 1],
    SCORES: [0.0, 0.0, 0.0, 0.0, -1.0, -2.0],
}
KGPT = "tokenizer.kgpt."
NFC: vocab_files.Fields = {
    **BPE,
    f"{KGPT}nfc_decompositions": [0xE9, 0x65, 0x301, 0, 0, 0x1E69, 0x73, 0x323, 0x307, 0],
    f"{KGPT}nfc_compositions": [0x65, 0x301, 0xE9, 0x73, 0x323, 0x1E63, 0x1E63, 0x307, 0x1E69],
    f"{KGPT}nfc_classes": [0x301, 230, 0x307, 230, 0x323, 220],
}
ABSENT = object()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return vocab.build(tmp_path_factory.mktemp("refusals"))


def opened(library: ctypes.CDLL, fields: vocab_files.Fields, **changes: Any) -> Vocab:
    changed = {**fields, **changes}
    return Vocab(library, vocab.gguf_bytes({key: value for key, value in changed.items() if value is not ABSENT}))


def test_as_they_are(library: ctypes.CDLL) -> None:
    assert opened(library, BPE).encode((b"abcab", False)) == [4, 3]
    assert opened(library, LLAMA).encode((b"aA", False)) == [5, 3]
    assert opened(library, BPE, **{PRE: ABSENT}).pre == "default"
    assert opened(library, BPE, **{TYPES: ABSENT, BOS: ABSENT, EOS: ABSENT}).ends(5)  # <|end|> is known by its name
    assert opened(library, LLAMA, **{TYPES: ABSENT}).bos == 1


def test_typed_text_makes_no_control_token(library: ctypes.CDLL) -> None:
    """Not even where pieces could be joined to one."""
    bpe = opened(library, BPE, **{TYPES: [1, 1, 1, 1, 3, 3]})
    assert [bpe.encode((b"abc", flag)) for flag in (False, True)] == [[3, 2], [4]]
    whole = opened(library, BPE, **{TYPES: [1, 1, 1, 1, 3, 3], PRE: "llama-bpe", MERGES: ["a b"]})
    assert whole.encode((b"abc", False)) == [3, 2]
    spm = opened(library, LLAMA, **{TOKENS: ["<unk>", "<s>", "</s>", "<0x41>", "a", "aa"], TYPES: [2, 3, 3, 6, 1, 3]})
    assert [spm.encode((b"aa", flag)) for flag in (False, True)] == [[4, 4], [5]]


@pytest.mark.parametrize(
    ("fields", "changes", "message"),
    [
        (BPE, {MODEL: ABSENT}, 'the field "tokenizer.ggml.model" is missing'),
        (BPE, {MODEL: "bert"}, 'the tokenizer "bert" is not supported'),
        (BPE, {PRE: "klingon"}, 'the pre-tokenizer "klingon" is not supported'),
        (BPE, {PRE: 7}, 'the field "tokenizer.ggml.pre" is a u32'),
        (BPE, {TOKENS: ABSENT}, 'the field "tokenizer.ggml.tokens" is missing'),
        (BPE, {TOKENS: [1, 2]}, 'the field "tokenizer.ggml.tokens" is an array of i32'),
        (
            BPE,
            {TOKENS: ["a", "b", "c", "ab", "abc", "b"]},
            'items 1 and 5 of the field "tokenizer.ggml.tokens" are the',
        ),
        (
            BPE,
            {TOKENS: ["a", "b", "c", "ab", "abc", "x" * 4097]},
            'item 5 of the field "tokenizer.ggml.tokens" has 4097',
        ),
        (BPE, {TYPES: [1, 1, 1, 1, 1]}, 'the field "tokenizer.ggml.token_type" has 5 items, but there are 6 tokens'),
        (BPE, {TYPES: [1, 1, 1, 1, 1, 7]}, 'item 5 of the field "tokenizer.ggml.token_type" is 7, not from 0 to 6'),
        (BPE, {TYPES: [1, 1, -1, 1, 1, 3]}, 'item 2 of the field "tokenizer.ggml.token_type" is -1, not from 0 to 6'),
        (
            BPE,
            {TYPES: [1, 1, 6, 1, 1, 3]},
            'the field "tokenizer.ggml.token_type" makes token 2 a byte, but it is not like <0x0A>',
        ),
        (BPE, {MERGES: ABSENT}, 'the field "tokenizer.ggml.merges" is missing'),
        (BPE, {MERGES: ["a b", "ab"]}, 'item 1 of the field "tokenizer.ggml.merges" is not two pieces'),
        (BPE, {MERGES: ["a b", "ab "]}, 'item 1 of the field "tokenizer.ggml.merges" is not two pieces'),
        (BPE, {MERGES: ["a b", " ab"]}, 'item 1 of the field "tokenizer.ggml.merges" is not two pieces'),
        (BPE, {MERGES: ["a b", "", "ab c"]}, 'item 1 of the field "tokenizer.ggml.merges" is not two pieces'),
        (BPE, {MERGES: ["x b"]}, 'item 0 of the field "tokenizer.ggml.merges": its first piece is no token'),
        (BPE, {MERGES: ["a x"]}, 'item 0 of the field "tokenizer.ggml.merges": its second piece is no token'),
        (BPE, {MERGES: ["b a"]}, 'item 0 of the field "tokenizer.ggml.merges": what it makes is no token'),
        (BPE, {MERGES: ["a b", "ab c", "a b"]}, 'items 0 and 2 of the field "tokenizer.ggml.merges" are the same'),
        (BPE, {MERGES: ["a " + "b" * 4096]}, 'item 0 of the field "tokenizer.ggml.merges" makes a piece of more than'),
        (BPE, {BOS: 6}, 'the field "tokenizer.ggml.bos_token_id" is 6, but there are 6 tokens'),
        (BPE, {"tokenizer.ggml.fim_pad_token_id": 99}, 'the field "tokenizer.ggml.fim_pad_token_id" is 99'),
        (BPE, {BOS: ABSENT, PRE: "llama-bpe"}, 'the field "tokenizer.ggml.bos_token_id" is missing, but texts are to'),
        (
            BPE,
            {EOS: ABSENT, "tokenizer.ggml.add_eos_token": True},
            'the field "tokenizer.ggml.eos_token_id" is missing',
        ),
        (BPE, {"tokenizer.ggml.add_bos_token": 1}, 'the field "tokenizer.ggml.add_bos_token" is a u32'),
        (LLAMA, {SCORES: ABSENT}, 'the field "tokenizer.ggml.scores" is missing'),
        (LLAMA, {SCORES: [0.0, 0.0, 0.0]}, 'the field "tokenizer.ggml.scores" has 3 items, but there are 6 tokens'),
        (
            LLAMA,
            {SCORES: [0.0, 0.0, 0.0, 0.0, 0.0, float("nan")]},
            'item 5 of the field "tokenizer.ggml.scores" is not',
        ),
        (
            LLAMA,
            {TYPES: [2, 3, 3, 6, 6, 1]},
            'the field "tokenizer.ggml.token_type" makes token 4 a byte, but it is not like <0x0A>',
        ),
    ],
)
def test_refused(library: ctypes.CDLL, fields: vocab_files.Fields, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused) as refused:
        opened(library, fields, **changes)
    assert str(refused.value).startswith(message)
    assert refused.value.hint


DETAILS: list[tuple[vocab_files.Fields, dict[str, Any], str]] = [
    (BPE, {f"{KGPT}ignore_merges": 1}, f"{KGPT}ignore_merges"),
    (BPE, {f"{KGPT}drops_missing": "yes"}, f"{KGPT}drops_missing"),
    (BPE, {f"{KGPT}long_s": "yes"}, f"{KGPT}long_s"),
    (BPE, {f"{KGPT}cases": [65, 90, 1, 97]}, f"{KGPT}cases 3"),
    (BPE, {f"{KGPT}cases": [65, 90, 1, 90, 97, 2]}, f"row 1 {KGPT}cases"),
    (BPE, {f"{KGPT}cases": [65, 64, 1]}, f"row 0 {KGPT}cases"),
    (BPE, {f"{KGPT}cases": [65, 0x110000, 1]}, f"row 0 {KGPT}cases"),
    (BPE, {f"{KGPT}cases": [65, 90, 3]}, f"row 0 {KGPT}cases"),
    (BPE, {f"{KGPT}cases": [0.5]}, f"{KGPT}cases"),
    (BPE, {f"{KGPT}strips": [1]}, f"{KGPT}strips 1 6"),
    (LLAMA, {f"{KGPT}by_merges": 1}, f"{KGPT}by_merges"),
    (LLAMA, {f"{KGPT}by_merges": True}, MERGES),
    (LLAMA, {f"{KGPT}by_merges": True, MERGES: ["a b"]}, f"item 0 {MERGES}"),
    (LLAMA, {f"{KGPT}prefix_once": [1]}, f"{KGPT}prefix_once"),
    (LLAMA, {f"{KGPT}prefix_words": 0.5}, f"{KGPT}prefix_words"),
    (LLAMA, {f"{KGPT}splits_words": ["x"]}, f"{KGPT}splits_words"),
    (NFC, {f"{KGPT}nfc_classes": ABSENT}, f"{KGPT}nfc_classes"),
    (NFC, {f"{KGPT}nfc_classes": [0.5]}, f"{KGPT}nfc_classes"),
    (NFC, {f"{KGPT}nfc_classes": [0x301]}, f"{KGPT}nfc_classes 2"),
    (NFC, {f"{KGPT}nfc_classes": [0x301, 230, 0x300, 230]}, f"row 1 {KGPT}nfc_classes"),
    (NFC, {f"{KGPT}nfc_classes": [0x301, 255]}, f"row 0 {KGPT}nfc_classes"),
    (NFC, {f"{KGPT}nfc_classes": [0x301, 0]}, f"row 0 {KGPT}nfc_classes"),
    (NFC, {f"{KGPT}nfc_classes": [-5, 1]}, f"row 0 {KGPT}nfc_classes"),
    (NFC, {f"{KGPT}nfc_compositions": [0x65, 0x301, 0xE9] * 2}, f"row 1 {KGPT}nfc_compositions"),
    (NFC, {f"{KGPT}nfc_compositions": [0x65, 0x301, 0x110000]}, f"row 0 {KGPT}nfc_compositions"),
    (NFC, {f"{KGPT}nfc_compositions": [0x65, 0x301, 0]}, f"row 0 {KGPT}nfc_compositions"),
    (NFC, {f"{KGPT}nfc_decompositions": [0x65, 0x1F600, 0, 0, 0]}, f"row 0 {KGPT}nfc_decompositions"),
    (NFC, {f"{KGPT}nfc_decompositions": [0x65, 0, 0, 0, 0]}, f"row 0 {KGPT}nfc_decompositions"),
    (NFC, {f"{KGPT}nfc_decompositions": [0x65, 0x66, 0, 0]}, f"{KGPT}nfc_decompositions 5"),
]


@pytest.mark.parametrize(("fields", "changes", "facts"), DETAILS)
def test_details_are_refused_by_both_sides(
    library: ctypes.CDLL, fields: vocab_files.Fields, changes: dict[str, Any], facts: str
) -> None:
    changed = {key: value for key, value in {**fields, **changes}.items() if value is not ABSENT}
    with pytest.raises(Refused) as kernel:
        Vocab(library, vocab.gguf_bytes(changed))
    with pytest.raises(KgptError) as host:
        read_vocabulary(scan(vocab.gguf_bytes(changed)).fields)
    assert not lacks(str(kernel.value), facts), kernel.value
    assert not lacks(host.value.message, facts), host.value


def test_normal_form(library: ctypes.CDLL) -> None:
    """Marks are ordered and joined; a mark of a class that is there already stays outside."""
    pieces = [*vocab_files.byte_chars(), "<|end|>"]
    tested = opened(library, NFC, **{TOKENS: [*pieces, "ab"], TYPES: ABSENT, MERGES: ["a b"], BOS: 256, EOS: 256})
    assert read_vocabulary(scan(vocab.gguf_bytes(NFC)).fields).model == "gpt2"
    for text, normal in (("e\u0301", "\xe9"), ("s\u0307\u0323", "\u1e69"), ("\u0301e", "\u0301e"), ("가", "가")):
        assert b"".join(map(tested.piece, tested.encode((text.encode(), False)))) == normal.encode()


def test_damaged_files(library: ctypes.CDLL) -> None:
    """Bytes of a file changed at random: it is refused, or it encodes."""
    rng = random.Random(7)
    merged = {**LLAMA, TOKENS: [*LLAMA[TOKENS], "▁"], TYPES: [*LLAMA[TYPES], 1], SCORES: [*LLAMA[SCORES], 0.0]}
    merged |= {MERGES: ["▁ a"], f"{KGPT}by_merges": True}
    whole = [vocab.gguf_bytes(fields) for fields in (BPE, LLAMA, NFC, merged)]
    refused = 0
    for _ in range(3000):
        data = bytearray(rng.choice(whole))
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            Vocab(library, bytes(data)).encode(
                ("abc <|end|> A\udcffse\u0301\u0323".encode("utf-8", "surrogateescape"), True)
            )
        except (Refused, HeaderRefused):
            refused += 1
    assert 1500 < refused < 3000
