"""Kept conversations: kernel_c/include/kgpt/kept.h describes their bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from kgpt_build.errors import KgptError
from kgpt_build.memory.shared import KEPT_NUMBERS, KEPT_TEXTS

_HEAD = struct.Struct("<4s11I32s32s32s")
_PREFILL = struct.Struct("<4sIQIIIIIIII64x")
_MAGIC, _VERSION, _ALIGN = KEPT_TEXTS["magic"].encode(), KEPT_NUMBERS["VERSION"], KEPT_NUMBERS["ALIGN"]
_CACHES = ("f16", "q8", "f32")


@dataclass(frozen=True)
class Conversation:
    """What is told of a kept conversation."""

    tokens: tuple[int, ...]
    system: str
    last_reply: str
    kv: str
    model: str
    """SHA-256 of the model's file."""
    settings: tuple[str, ...]
    """Words of a command line."""


def read_conversation(data: bytes) -> Conversation:
    """Read a record of the store. Raises KgptError if it is none, or damaged."""
    bad = KgptError("the conversation is damaged, or of another version of kgpt", "forget it: /forget NAME in the chat")
    if len(data) < _HEAD.size:
        raise bad
    magic, version, settings_n, reply_n, *_, n, model, _, _ = _HEAD.unpack_from(data)
    start = _HEAD.size + settings_n
    at = -(-(start + reply_n) // _ALIGN) * _ALIGN
    if (magic, version) != (_MAGIC, _VERSION) or at + _PREFILL.size > len(data):
        raise bad
    prefill_n, kv, *_, system_n = _PREFILL.unpack_from(data, at)[4:]
    tokens = at + _PREFILL.size
    if prefill_n != n or kv >= len(_CACHES) or tokens + 4 * n + system_n > len(data):
        raise bad
    system = data[tokens + 4 * n : tokens + 4 * n + system_n]
    return Conversation(
        struct.unpack_from(f"<{n}I", data, tokens),
        system.decode(errors="replace"),
        data[start : start + reply_n].decode(errors="replace"),
        _CACHES[kv],
        model.hex(),
        tuple(word.decode(errors="replace") for word in data[_HEAD.size : start].split(b"\0")[:-1]),
    )
