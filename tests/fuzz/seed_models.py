"""Inputs that every fuzz target of models begins with: GGUF files, tokenizers, templates, caches."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lm_tiny
from gguf_files import RawTensor, array_field, field, raw_file, text, u32_field, write_everything
from test_chat_thoughts import LIKE, SWITCH
from vocab import gguf_bytes

from kgpt_build.chat import BUILTIN_TEMPLATES, chat_blob


def _chats() -> Iterator[bytes]:
    said = " \n<think>so</think>\n\nGrüße \u3000".encode()
    templates = [chat_blob("", "<s>", "</s>", family=family) for family in BUILTIN_TEMPLATES]
    templates += [chat_blob(text, "<s>", "</s>") for text in (*LIKE.values(), SWITCH)]
    for template in templates:
        yield template.blob() + said + bytes([len(said)])


def _stores() -> Iterator[bytes]:
    """Records and chains, and behind them a kept conversation: whole, foreign, and with numbers that do not match."""

    def record(name: bytes, kind: int, size: int, first: int) -> bytes:
        return struct.pack("<4sBBBBBBBB", name, kind, size & 255, size >> 8 & 255, size >> 16, 0, first, 0, 0)

    def area(flags: int, shift: int, units: int, *records: bytes, chain: bytes = b"") -> bytes:
        rows = b"".join(records).ljust(48, b"\0")
        return bytes((flags, shift, units, len(records))) + rows + chain.ljust(14, b"\xff")

    kept = _kept()
    chains = bytes((1, 2, 255, 4, 255))
    yield area(3, 12, 14, record(b"a", 1, 9000, 0), record(b"b", 2, 5, 3), chain=chains) + kept
    yield area(3, 12, 14, record(b"kept", 1, 9000, 0), chain=chains) + kept
    yield area(7, 12, 14) + kept
    yield area(15, 12, 14) + kept
    yield area(3, 13, 6, record(b"a", 1, 60000, 0), chain=bytes((1, 2, 3, 0))) + b"x"
    yield area(3, 12, 200, record(b"a", 1, 1 << 20, 13)) + b"x" * 300
    yield area(2, 31, 255, record(b"", 0, 0, 200)) + kept[:100]
    yield area(15, 12, 14) + kept[:20] + b"\xff" * 8 + kept[28:]


def _kept() -> bytes:
    """A conversation of two tokens of the model of fuzz_store.c, with settings and a reply."""
    settings, reply = b"temperature=0.5\0", b"reply"
    head = struct.pack("<4s11I96x", b"KGCV", 2, len(settings), len(reply), 1, 0, 0, 1, 0xFFFFFFFF, 0, 0xFFFFFFFF, 2)
    start = (head + settings + reply).ljust(-(-(len(head) + len(settings) + len(reply)) // 64) * 64, b"\0")
    vectors = bytes(range(2 * 2 * 2 * 8))
    origin = bytes((1,)) + bytes(31) + bytes((2,)) + bytes(31)
    text = struct.pack("<2I", 3, 4)
    body = (112 + len(text)) // 64 * 64 + 64
    size = body + 2 * len(vectors)
    prefill = struct.pack("<4sIQI7I", b"KGPF", 1, size, 0, 2, 0, 8, 2, 2, 4, 0) + origin + text
    return start + prefill.ljust(body, b"\0") + 2 * vectors


def _prefills() -> Iterator[bytes]:
    """Of the model of fuzz_prefill.c, behind a byte that says which fields are corrected."""
    layers, heads, dim = 2, 2, 4
    for kv, vector in enumerate((2 * dim, 4 + dim, 4 * dim)):
        for tokens, system in (((3,), b""), ((1, 2, 3), b"be brief"), (tuple(range(8)), b"x" * 70)):
            shape = (len(tokens), kv, vector, layers, heads, dim, len(system))
            head = b"KGPF" + struct.pack("<IQI7I64x", 1, 0, 0, *shape) + struct.pack(f"<{len(tokens)}I", *tokens)
            texts = head + system
            texts += bytes(64 - len(texts) % 64)
            cache = bytes(i % 256 for i in range(2 * layers * heads * len(tokens) * vector))
            yield b"\7" + texts + cache
    yield b"\6" + texts + cache
    yield b"\7" + texts + cache[:-1]


def _ggufs() -> Iterator[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        yield write_everything(Path(folder) / "m.gguf", alignment=8, tensors=("F32", "Q4_1")).read_bytes()
    yield raw_file(data=0)
    yield raw_file(version=2, data=0)
    yield raw_file(
        [u32_field("general.alignment", 64)], [RawTensor("a"), RawTensor("b", offset=64)], alignment=64, data=80
    )
    yield raw_file([field("general.architecture", 8, text("llama")), array_field("a", 8, 2, text("x") + text("é"))])
    yield raw_file(
        [field("k", 7, b"\1"), field("f", 6, struct.pack("<f", 0.5)), field("d", 12, struct.pack("<d", 1e300))]
    )
    for kind, columns, size in ((0, 1, 4), (1, 1, 2), (2, 32, 18), (8, 32, 34), (14, 256, 210), (30, 1, 2)):
        yield raw_file([], [RawTensor("t", (columns, 2), kind)], data=2 * size)
    yield raw_file([], [RawTensor("t", (1, 1, 1, 1))], data=4)


def _vocabs() -> Iterator[bytes]:
    said = "a ab <|im_end|>\n é\r\n".encode()
    ggml = "tokenizer.ggml."
    tokens = ["a", "b", "ab", "Ġ", "Ġa", "Ċ", "<|im_end|>", "Ã", "©", "Ã©", "<|tool|>"]
    bpe: dict[str, Any] = {
        ggml + "model": "gpt2",
        ggml + "tokens": tokens,
        ggml + "token_type": [1] * 6 + [3] + [1] * 3 + [4],
        ggml + "merges": ["a b", "Ġ a", "Ã ©"],
        ggml + "eos_token_id": 6,
    }
    spm = {
        ggml + "model": "llama",
        ggml + "tokens": ["<unk>", "<s>", "</s>", "<0x0A>", "<0x61>", "▁", "▁a", "a", "b", "ab", "é"],
        ggml + "scores": [0.0, 0.0, 0.0, 0.0, 0.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0],
        ggml + "token_type": [2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1],
        ggml + "add_space_prefix": True,
    }
    char = {ggml + "model": "kgpt-char", ggml + "tokens": ["\n", "a", "é", "<BOS>"], ggml + "bos_token_id": 3}
    files = [bpe | {ggml + "pre": pre} for pre in ("smollm", "qwen2", "gpt-4o")]
    nfc = {"decompositions": [0xE9, 0x65, 0x301, 0, 0], "compositions": [0x65, 0x301, 0xE9], "classes": [0x301, 230]}
    files.append(files[1] | {f"tokenizer.kgpt.nfc_{name}": rows for name, rows in nfc.items()})
    details = ("by_merges", "splits_words", "prefix_once", "prefix_words")
    files.append(spm | {ggml + "merges": ["▁ a"]} | {f"tokenizer.kgpt.{name}": True for name in details})
    files += [spm, spm | {"general.name": "Phi-3"}, char | {ggml + "eos_token_id": 3}]
    for fields in files:
        yield gguf_bytes(fields) + said + bytes([len(said)])


def _models() -> Iterator[bytes]:
    small: dict[str, Any] = {
        "n_embd": 4,
        "n_layer": 1,
        "n_head": 2,
        "n_head_kv": 1,
        "n_ff": 3,
        "head_dim": 4,
        "n_vocab": 3,
    }
    wide: dict[str, Any] = {
        "n_embd": 32,
        "n_layer": 1,
        "n_head": 1,
        "n_head_kv": 1,
        "n_ff": 32,
        "head_dim": 32,
        "n_vocab": 9,
    }
    widely = [f"llama-{kind}" for kind in ("Q4_0", "Q5_1", "Q8_0", "F16", "IQ4_NL", "MXFP4")]
    for i, (name, tiny) in enumerate(lm_tiny.TINY.items()):
        shape = wide if name in widely else small
        if (tiny.kind == "F32" or shape is wide) and not tiny.more:
            fields = {key: 4 if key == "rope.dimension_count" else value for key, value in tiny.fields.items()}
            shape = shape | ({"n_head_kv": 2} if tiny.n_head_kv == tiny.n_head else {})
            with tempfile.TemporaryDirectory() as folder:
                path = lm_tiny.write(Path(folder) / "m.gguf", tiny, fields=fields, **shape)
                yield path.read_bytes() + bytes([i])


MAKERS: dict[str, Callable[[], Iterator[bytes]]] = {
    "chat": _chats,
    "gguf": _ggufs,
    "vocab": _vocabs,
    "model": _models,
    "prefill": _prefills,
    "store": _stores,
}
