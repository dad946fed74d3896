"""Tiny models of a running text of characters."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tiny_lm import N_EMBD, write_lm

from kgpt_build.models.char_fields import char_fields

CHARS = ("\t", "\n", " ", "a", "b", "é", "€", "😀", "c")
_ABSENT = ("bos_token_id", "eos_token_id", "merges", "pre", "token_type")
NO_BOS: Mapping[str, Any] = {**{f"tokenizer.ggml.{key}": None for key in _ABSENT}, "tokenizer.chat_template": None}


def running_model(path: Path, arch: str = "nanogpt", chars: tuple[str, ...] = CHARS, n_ctx: int = 64) -> Path:
    """A model with random weights whose tokens are ``chars``."""
    positions = np.random.default_rng(2).standard_normal((n_ctx, N_EMBD)).astype(np.float32) / 8
    fields = {**NO_BOS, **char_fields(chars), f"{arch}.context_length": n_ctx}
    tensors = {"position_embd.weight": positions} if arch != "llama" else {}
    return write_lm(path, arch, fields=fields, tensors=tensors, kind="F32")


def first_bytes(process: subprocess.Popen[bytes], n: int) -> bytes:
    """At least ``n`` bytes of its output."""
    assert process.stdout is not None
    found = b""
    while len(found) < n:
        piece = os.read(process.stdout.fileno(), 4096)
        assert piece, f"it ended after {len(found)} bytes"
        found += piece
    return found
