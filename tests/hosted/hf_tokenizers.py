"""Small tokenizers of every kind, trained by the tokenizers library, which is the peer of the kernel's."""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import vocab_texts
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from kgpt_build.models.hf.pre_tokenizers import EXPRESSIONS

END, TOOL = "<|end|>", "<tool>"


@cache
def corpus() -> tuple[str, ...]:
    rng = random.Random(7)
    return (
        *(vocab_texts.mixed(rng, 30) for _ in range(1000)),
        *(vocab_texts.BY_HAND * 2),
        *vocab_texts.every_block()[:200],
    )


@cache
def texts(n: int = 10_000) -> tuple[str, ...]:
    """Texts of every part of Unicode 14, runs of white space, digits, line breaks, special tokens."""
    rng = random.Random(8)
    return tuple(_text(rng) for _ in range(n))


def _text(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.1:
        return "".join(rng.choice("abc ") for _ in range(rng.randint(1, 40)))
    if kind < 0.13:
        return "".join(rng.choice(_CASED) for _ in range(rng.randint(1, 20)))
    if kind < 0.2:
        return "".join(rng.choice((*_composed(), "a", "E", " ")) for _ in range(rng.randint(1, 12)))
    if kind < 0.5:
        return vocab_texts.mixed(rng, rng.randint(1, 25))
    if kind < 0.8:
        return known(vocab_texts.scattered(rng, rng.randint(1, 8)).decode("utf-8", "ignore"))
    start, end = (rng.choice((END, TOOL, f" {END}\n", f"{TOOL}  ", " ", "  ▁")) for _ in range(2))
    end += rng.choice(("", " ", "\t \n", "\u3000\u00a0 ", "\u2028"))
    return f"{start}{vocab_texts.mixed(rng, 5)}{end}{vocab_texts.mixed(rng, 5)}"


_CASED = (*"aAéÉǅʰ你ßſЖж'", *("'s", "'S", "'ſ", "'ll", "'LL"), "\u0301", "\u0903", *"1 /\n.")
"""What expressions about cases and contractions tell apart."""


@cache
def _composed() -> tuple[str, ...]:
    """Characters that normal forms change or move: half of them marks, and parts of Hangul syllables.

    They are those of Unicode 3.2: the libraries' tables of normal forms have different versions.
    """
    chars = [chr(code) for code in range(0x20000) if unicodedata.ucd_3_2_0.category(chr(code)) != "Cn"]
    marks = [char for char in chars if unicodedata.combining(char)]
    changed = [char for char in chars if unicodedata.normalize("NFD", char) != char and not "가" <= char <= "힣"]
    return (*marks, *changed, *(chr(code) for code in (*range(0x1100, 0x1200), *range(0xAC00, 0xD7A4, 97))))


def known(text: str) -> str:
    """Without characters that Unicode 14 leaves unassigned: the libraries know different versions."""
    return "".join(char for char in text if unicodedata.category(char) != "Cn")


def _byte_level(pre_tokenizer: Any, normalizer: Any = None, **options: Any) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(**options))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=1200, initial_alphabet=alphabet, special_tokens=[END], show_progress=False
    )  # fmt: skip
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_tokens([AddedToken(TOOL, normalized=False)])
    return tokenizer


def _bytes(use_regex: bool) -> Any:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def _split(expression: str) -> Any:
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(expression), "isolated"), _bytes(False)])


def _characters(change: Callable[[dict[str, Any]], None], **parts: Any) -> Tokenizer:
    """A BPE of characters with byte_fallback; ``change`` edits the tokenizer.json of the trained one."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    names = ["<unk>", "<s>", "</s>", END]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=1200, limit_alphabet=250, special_tokens=[*names, *bytes_], show_progress=False
    )
    tokenizer.train_from_iterator([text[:60] for text in corpus()], trainer)
    root = json.loads(tokenizer.to_str())
    root["added_tokens"] = [{**item, "normalized": False} for item in root["added_tokens"] if item["id"] < len(names)]
    root["pre_tokenizer"] = None
    change(root)
    tokenizer = Tokenizer.from_str(json.dumps(root))
    for name, part in parts.items():
        setattr(tokenizer, name, part)
    tokenizer.add_tokens([AddedToken(TOOL, normalized=False)])
    return tokenizer


def _random_merges(root: dict[str, Any]) -> None:
    """Pieces of few letters, joined in an order that no training would find: scores are not enough for these."""
    rng, vocabulary = random.Random(9), root["model"]["vocab"]
    letters = ["a", "b", "c", "▁"]
    merges: list[list[str]] = []
    for letter in letters:
        vocabulary.setdefault(letter, len(vocabulary))
    pieces = list(letters)
    while len(merges) < 150:
        pair = [rng.choice(pieces), rng.choice(pieces)]
        if len("".join(pair)) <= 6 and pair not in merges:
            merges.append(pair)
            pieces.append("".join(pair))
            vocabulary.setdefault(pieces[-1], len(vocabulary))
    root["model"]["merges"] = merges


def _strips(root: dict[str, Any]) -> None:
    """White space after a special token is dropped."""
    _all_splits(root)
    root["added_tokens"][-1]["rstrip"] = True


def _keep(root: dict[str, Any]) -> None:
    """As it was trained."""


def _all_splits(root: dict[str, Any]) -> None:
    """Merges as for a tokenizer of SentencePiece: every pair of pieces that makes a piece."""
    vocabulary = root["model"]["vocab"]
    merges = []
    for piece in sorted(vocabulary, key=lambda piece: int(vocabulary[piece])):
        halves = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
        merges += [
            list(pair) for pair in reversed(halves) if vocabulary[piece] >= 260 and set(pair) <= vocabulary.keys()
        ]
    root["model"]["merges"] = merges


def _marks(prepend: bool) -> Any:
    replace = normalizers.Replace(" ", "▁")
    return normalizers.Sequence([normalizers.Prepend("▁"), replace]) if prepend else replace


def _metaspace(scheme: str, split: bool) -> Any:
    return pre_tokenizers.Metaspace("▁", scheme, split)


KINDS: Mapping[str, Callable[[], Tokenizer]] = {
    "gpt2": lambda: _byte_level(_bytes(True)),
    "smollm": lambda: _byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(True), _bytes(True)])),
    **{
        f"{name} {i}": lambda expression=expression: _byte_level(_split(expression))  # type: ignore[misc]
        for i, (expression, name) in enumerate(EXPRESSIONS.items())
    },
    "prefix space": lambda: _byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True)),
    "nfc": lambda: _byte_level(_split(list(EXPRESSIONS)[-1]), normalizer=normalizers.NFC()),
    "ignore merges": lambda: _byte_level(_split(list(EXPRESSIONS)[-1]), ignore_merges=True),
    "llama 2": lambda: _characters(_all_splits, normalizer=_marks(True)),
    "phi-3": lambda: _characters(_strips, normalizer=_marks(True)),
    "llama 2, trained merges": lambda: _characters(_keep, normalizer=_marks(True)),
    "random merges": lambda: _characters(_random_merges, normalizer=_marks(False)),
    "gemma": lambda: _characters(
        _all_splits, normalizer=_marks(False), pre_tokenizer=pre_tokenizers.Split(" ", "merged_with_previous")
    ),
    "metaspace first": lambda: _characters(_keep, pre_tokenizer=_metaspace("first", False)),
    "metaspace always": lambda: _characters(_keep, pre_tokenizer=_metaspace("always", True)),
    "metaspace never": lambda: _characters(_all_splits, pre_tokenizer=_metaspace("never", True)),
}
