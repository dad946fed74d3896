"""Tiny models of every architecture as files that can be edited: fields with their kinds, tensors of zeros."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gguf_files import RawTensor
from gguf_files import field as raw_field
from gguf_files import text as raw_text

from kgpt_build.models.char_fields import char_fields
from kgpt_build.models.gguf.tensors import ARCHITECTURES

U16, U32, I32, F32, BOOL, STRING, ARRAY, U64, F64 = 2, 4, 5, 6, 7, 8, 9, 10, 12
CODES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
N_EMBD, N_LAYER, N_HEAD, N_FF, N_CTX = 16, 2, 2, 16, 24
TOKENS = ("<s>", "</s>", "<|im_end|>", "a", "b", "c", "ab", "abc", "<0x41>")


@dataclass(frozen=True)
class Data:
    """A value: of an array ``kind`` is that of its items, and ``items`` may be any number of them."""

    kind: int
    items: tuple[Any, ...]
    is_array: bool = False

    def bytes(self, key: str) -> bytes:
        """The field as it lies in a file."""
        if self.kind == STRING:
            raw = b"".join(raw_text(item) for item in self.items)
        else:
            raw = struct.pack(f"<{len(self.items)}{CODES[self.kind]}", *self.items)
        if self.is_array:
            return raw_field(key, ARRAY, struct.pack("<IQ", self.kind, len(self.items)) + raw)
        return raw_field(key, self.kind, raw)


def one(kind: int, value: Any) -> Data:
    return Data(kind, (value,))


def many(kind: int, items: Sequence[Any]) -> Data:
    return Data(kind, tuple(items), is_array=True)


def plain(value: Any) -> Data:
    """The kind that a converter would choose."""
    if isinstance(value, list):
        return many(plain(value[0]).kind, value)
    kinds = {str: STRING, bool: BOOL, int: U32, float: F32}
    return value if isinstance(value, Data) else one(kinds[type(value)], value)


@dataclass(frozen=True)
class ModelFile:
    """``tensors``: name -> its dimensions, the length of a row first; all F32."""

    arch: str
    fields: dict[str, Data]
    tensors: dict[str, tuple[int, ...]]
    kinds: dict[str, int] = field(default_factory=dict)

    def with_fields(self, **changes: Any) -> ModelFile:
        """The same with other fields "ARCH.…", of which None leaves one out; a key may name its space itself."""
        fields = dict(self.fields)
        for name, value in changes.items():
            key = name if name.startswith(("general.", "tokenizer.", "split.")) else f"{self.arch}.{name}"
            fields.pop(key, None)
            if value is not None:
                fields[key] = plain(value)
        return replace(self, fields=fields)

    def bytes(self) -> bytes:
        raw, offset, described = b"", 0, b""
        for key, data in self.fields.items():
            raw += data.bytes(key)
        for name, dims in self.tensors.items():
            described += RawTensor(name, dims, self.kinds.get(name, 0), offset).bytes()
            size = 4
            for n in dims:
                size *= n
            offset += -(-size // 32) * 32
        head = b"GGUF" + struct.pack("<IQQ", 3, len(self.tensors), len(self.fields)) + raw + described
        return head + bytes(-len(head) % 32 + offset)


def model_file(arch: str, tokenizer: str = "gpt2") -> ModelFile:
    """A whole model that both sides take."""
    return ModelFile(arch, {"general.architecture": one(STRING, arch), **_sizes(arch), **_vocabulary(tokenizer)},
                     _tensors(arch))  # fmt: skip


def _sizes(arch: str) -> dict[str, Data]:
    eps = "attention.layer_norm_epsilon" if arch in ("phi2", "gpt2", "nanogpt") else "attention.layer_norm_rms_epsilon"
    values: dict[str, Any] = {
        "context_length": N_CTX,
        "embedding_length": N_EMBD,
        "block_count": N_LAYER,
        "feed_forward_length": N_FF,
        "attention.head_count": N_HEAD,
        "attention.head_count_kv": N_HEAD,
        eps: 1e-5,
        "vocab_size": len(TOKENS),
    }
    if arch not in ("gpt2", "nanogpt", "microgpt"):
        values |= {"rope.dimension_count": N_EMBD // N_HEAD, "rope.freq_base": 10000.0}
    if arch in ("llama", "gemma3", "phi3"):
        values["attention.sliding_window"] = 8
    return {f"{arch}.{key}": plain(value) for key, value in values.items()}


def _vocabulary(model: str) -> dict[str, Data]:
    """The fields of a tokenizer; "running" stands for the characters of a running text, without BOS and EOS."""
    if model == "running":
        return {key: plain(value) for key, value in char_fields(tuple("\n\tabcdé€ ")).items()}
    fields: dict[str, Any] = {
        "model": model,
        "tokens": list(TOKENS),
        "token_type": many(I32, [3, 3, 3, 1, 1, 1, 1, 1, 6]),
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    if model == "gpt2":
        fields |= {"pre": "gpt-2", "merges": ["a b", "ab c"]}
    if model == "llama":
        fields |= {"scores": [0.0] * len(TOKENS), "add_space_prefix": True}
    return {f"tokenizer.ggml.{key}": plain(value) for key, value in fields.items()}


def _tensors(arch: str) -> dict[str, tuple[int, ...]]:
    sizes = {"embd": N_EMBD, "vocab": len(TOKENS), "ctx": N_CTX, "ff": N_FF, "ff_twice": 2 * N_FF}
    sizes |= {"head": N_EMBD // N_HEAD, "q": N_EMBD, "kv": N_EMBD, "qkv": 3 * N_EMBD}
    found = {}
    for slot in ARCHITECTURES[arch].needs:
        shape = tuple(sizes[size] for size in slot.shape)
        for name in [f"blk.{i}.{slot.name}" for i in range(N_LAYER)] if slot.in_layer else [slot.name]:
            found[name] = shape
    return found
