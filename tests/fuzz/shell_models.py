"""Writes the two tiny models of the target "shell", in tests/fuzz/shell; tokenizers for other tiny models, too."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import lm_tiny
from fuzz_build import SHELL_MODELS
from gguf_files import field, text
from vocab import gguf_bytes

from kgpt_build.chat import chat_blob
from kgpt_build.models.gguf.scan import scan


def write_shell_models() -> None:
    """As small as can be: the fuzzer's time goes into tokens.

    One has a template, whose words are few tokens, and lacks most bytes, which are lost; the other has them all.
    """
    SHELL_MODELS.mkdir(exist_ok=True)
    bytes_of_chat = sorted({*b"abcdehilmnorstuy .0\n", *"é€😀".encode(), 0xFF})
    shape: dict[str, Any] = {"n_embd": 4, "n_layer": 1, "n_head": 2, "n_head_kv": 1, "n_ff": 3, "head_dim": 4}
    chat = bpe_tokenizer(bytes_of_chat, ["user", "assistant", "system", "ab", " a"])
    plain = bpe_tokenizer(range(256), ["ab", " a"])
    _write_shell_model("chat", "llama", chat, shape | {"fields": {"context_length": 32}})
    _write_shell_model("plain", "gpt2", plain, shape | {"n_head_kv": 2})
    (SHELL_MODELS / "chat.kgct").write_bytes(chat_blob("", "", "", family="chatml").blob())


def _write_shell_model(name: str, arch: str, tokenizer: Mapping[str, Any], replaced: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        n_vocab = len(tokenizer["tokenizer.ggml.tokens"])
        path = lm_tiny.write(Path(folder) / "m.gguf", lm_tiny.TINY[arch], n_vocab=n_vocab, **replaced)
        (SHELL_MODELS / f"{name}.gguf").write_bytes(with_tokenizer(path.read_bytes(), tokenizer))


def bpe_tokenizer(alphabet: Iterable[int], words: Iterable[str]) -> dict[str, Any]:
    """A tokenizer: the tokens of ChatML, the bytes of ``alphabet``, and each of ``words``, joined from the left."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    printed = [chr(byte if byte in printable else 256 + others.index(byte)) for byte in range(256)]
    pieces, merges = [printed[byte] for byte in alphabet], []
    for word in words:
        letters = [printed[byte] for byte in word.encode()]
        for n in range(1, len(letters)):
            pieces.append("".join(letters[: n + 1]))
            merges.append("".join(letters[:n]) + " " + letters[n])
    ggml = "tokenizer.ggml."
    return {
        ggml + "model": "gpt2",
        ggml + "pre": "smollm",
        ggml + "tokens": ["<|im_start|>", "<|im_end|>", *pieces],
        ggml + "token_type": [3, 3] + [1] * len(pieces),
        ggml + "merges": merges,
        ggml + "eos_token_id": 1,
        ggml + "bos_token_id": 0,
    }


def with_tokenizer(data: bytes, tokenizer: Mapping[str, Any]) -> bytes:
    """The file of ``lm_tiny`` with a real tokenizer."""
    header, none = scan(data), field("tokenizer.ggml.model", 8, text("no_vocab"))
    tensors = data.index(text("token_embd.weight"))
    end = tensors + sum(24 + len(tensor.name) + 8 * len(tensor.dims) for tensor in header.tensors)
    fields = data[24:tensors].replace(none, b"") + gguf_bytes(tokenizer)[24:]
    head = data[:16] + struct.pack("<Q", len(header.fields) - 1 + len(tokenizer)) + fields + data[tensors:end]
    return head + bytes(-len(head) % 32) + data[header.start :]
