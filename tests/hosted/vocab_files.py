"""Vocabularies whose tokens show where a text was cut: trained without a pre-tokenizer, pieces span every border."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import vocab_texts

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
SPACE = "▁"
WORDS = ("Hello", "Ġworld", "123", "12", "'ll", "'S", "ĠA", "ĊĊ", "Ã©cole", "ä½łå¥½", "11", "22")
"""Pieces that no merge makes: they show where words are looked up whole."""

AFTER_CONTRACTIONS = ("s x", "l x", "E r", "S A", "s a", "t b", "e a", "d b")
"""Merges that show whether 's and its like end where they do."""

_SHAPE = {
    "general.architecture": "llama",
    "llama.context_length": 8,
    "llama.embedding_length": 8,
    "llama.block_count": 1,
    "llama.feed_forward_length": 8,
    "llama.attention.head_count": 1,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
}
"""What llama.cpp wants to know of a model before it looks at its vocabulary."""

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
Fields = dict[str, Any]


@cache
def byte_chars() -> tuple[str, ...]:
    """The characters that byte-level BPE writes for the 256 bytes."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = iter(range(0x100, 0x200))
    return tuple(chr(byte if byte in plain else next(moved)) for byte in range(256))


def trained(corpus: Sequence[str], n: int) -> list[tuple[str, str]]:
    """The ``n`` first merges of a sequence: the commonest pair each, of equals the last by text."""
    merges: list[tuple[str, str]] = []
    pieces = list(corpus)
    while len(merges) < n:
        counts = Counter(pairwise(pieces))
        made = {left + right for left, right in merges}
        pair = max(
            (item for item in counts.items() if "".join(item[0]) not in made), key=lambda item: (item[1], item[0])
        )[0]
        merges.append(pair)
        pieces = _merged(pieces, pair)
    return merges


def _merged(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    i = 0
    while i < len(pieces):
        both = i + 1 < len(pieces) and (pieces[i], pieces[i + 1]) == pair
        out.append(pieces[i] + pieces[i + 1] if both else pieces[i])
        i += 2 if both else 1
    return out


def probe_merges() -> list[str]:
    """Merges for byte-level BPE, anew; they are kept in the golden file."""
    text = vocab_texts.mixed(random.Random(1), 9000).encode()
    found = [f"{left} {right}" for left, right in trained([byte_chars()[byte] for byte in text], 1100)]
    return found + [merge for merge in AFTER_CONTRACTIONS if merge not in found]


def probe_pieces() -> list[str]:
    """Pieces for SentencePiece, anew, best first."""
    text = (
        vocab_texts.mixed(random.Random(2), 6000).replace(" ", SPACE).replace("\0", "")
    )  # llama.cpp's pieces end there
    merges = trained(text, 500)
    made = [left + right for left, right in merges if left + right != SPACE * 4]  # that one is user-defined
    return made + sorted({char for char in text if ord(char) < 0x2000} | {SPACE})


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def probe_fields(merges: Sequence[str], pre: str) -> Fields:
    """A vocabulary of byte-level BPE with these merges, some special tokens and WORDS."""
    made = [merge.replace(" ", "") for merge in merges]
    extra = [word for word in WORDS if word not in made]
    special = ["<|im_start|>", "<|im_end|>", "<tool>", "\n\n\n"]
    pieces = [*byte_chars(), *made, *extra, *special]
    types = [NORMAL] * (len(pieces) - len(special)) + [CONTROL, CONTROL, USER, USER]
    return {
        **_SHAPE,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": pieces,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": list(merges),
        "tokenizer.ggml.bos_token_id": len(pieces) - 4,
        "tokenizer.ggml.eos_token_id": len(pieces) - 3,
    }


SPM_VARIANTS: dict[str, Fields] = {
    "as it is": {},
    "no space prefix": {"tokenizer.ggml.add_space_prefix": False},
    "named phi-3": {"general.name": "My Phi-3 mini"},
    "no bos, eos": {"tokenizer.ggml.add_bos_token": False, "tokenizer.ggml.add_eos_token": True},
}


def spm_fields(pieces: Sequence[str], variant: str) -> Fields:
    """A SentencePiece vocabulary: three tokens in a row have the same score, so that ties are met."""
    special = {"<unk>": UNKNOWN, "<s>": CONTROL, "</s>": CONTROL}
    added = {"<|end|>": CONTROL, "<|endoftext|>": CONTROL, "<|user|>": USER, SPACE * 4: USER, "[PAD]": UNUSED}
    tokens = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces, *added]
    types = [*special.values(), *[BYTE] * 256, *[NORMAL] * len(pieces), *added.values()]
    scores = [0.0] * 259 + [-float(i // 3) for i in range(len(pieces))] + [-1000.0] * len(added)
    return {
        **_SHAPE,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.scores": scores,
        **SPM_VARIANTS[variant],
    }


def text_of(item: str | dict[str, str]) -> bytes:
    """A text as golden files keep it: what is not UTF-8 is in hexadecimal."""
    return item.encode() if isinstance(item, str) else bytes.fromhex(item["hex"])


def item_of(text: bytes) -> str | dict[str, str]:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return {"hex": text.hex()}
