"""Reads and checks a prefill (kernel_c/include/kgpt/prefill.h): the computed tokens with which every chat begins."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass

from kgpt_build.errors import KgptError
from kgpt_build.models import LmSizes
from kgpt_build.sizes import rounded_up, units_of

MAGIC = b"KGPF"
VERSION = 1
KINDS = ("f16", "q8", "f32")
"""The types of the KV cache, in the order of enum kg_kv_type."""

_HEADER = struct.Struct("<4sIQI7I32s32s")
_CRC_START = 20
_ALIGN = 64
_MOST_HEAD_DIM = 512  # KG_LM_MOST_HEAD_DIM
_MAX_SYSTEM = 1 << 24  # KG_PREFILL_MAX_SYSTEM
_HINT = "compute it again: kgpt build --prefill"


@dataclass(frozen=True)
class Prefill:
    """A prefill whose bytes are whole.

    ``tokens`` are the first ones of every chat with the system prompt ``system`` (empty: the template's own), ``kv`` is
    the type of their keys and values, ``size`` is in bytes, ``model`` and ``chat`` are the SHA-256 (hex) of the model's
    file and of its chat template in pieces.
    """

    tokens: tuple[int, ...]
    system: str
    kv: str
    size: int
    model: str
    chat: str
    n_layer: int
    n_head_kv: int
    head_dim: int

    def require(self, sizes: LmSizes, model: str, chat: bytes) -> None:
        """Raise KgptError unless it was computed for the file with the SHA-256 ``model`` and the chat blob ``chat``."""
        ours = hashlib.sha256(chat).hexdigest()
        for what, made_for, given in (("model", self.model, model), ("chat template", self.chat, ours)):
            if made_for != given:
                message = f"the prefill was computed for another {what}: SHA-256 {made_for[:8]}…, not {given[:8]}…"
                raise KgptError(message, _HINT)
        if (self.n_layer, self.n_head_kv, self.head_dim) != (sizes.n_layer, sizes.n_head_kv, sizes.head_dim):
            raise _damaged("its keys and values are not of the model's shape")
        if len(self.tokens) > sizes.n_ctx:
            raise _damaged("its number of tokens or its system prompt is not possible")
        if any(token >= sizes.n_vocab for token in self.tokens):
            raise _damaged("a token is not one of the model's")


def read_prefill(data: bytes | memoryview) -> Prefill:
    """The prefill in the whole blob ``data``. Raises KgptError for a damaged one."""
    if len(data) < _HEADER.size:
        raise _damaged("it is too short")
    magic, version, size, crc, *shape, model, chat = _HEADER.unpack_from(data)
    n, kv, vector, n_layer, n_head_kv, head_dim, system_size = shape
    if magic != MAGIC:
        raise _damaged("it does not begin with KGPF")
    if version != VERSION:
        raise _damaged(f"its version is not {VERSION}")
    if size != len(data):
        raise _damaged("its size is not that of its bytes")
    if zlib.crc32(data[_CRC_START:]) != crc:
        raise _damaged("its CRC does not match")
    if kv >= len(KINDS) or head_dim > _MOST_HEAD_DIM or vector != kv_vector(KINDS[kv], head_dim):
        raise _damaged("its keys and values are not of the model's shape")
    if n == 0 or system_size > _MAX_SYSTEM:
        raise _damaged("its number of tokens or its system prompt is not possible")
    system_at = _HEADER.size + 4 * n
    keys_at = (system_at + system_size) // _ALIGN * _ALIGN + _ALIGN
    if keys_at + 2 * n_layer * n_head_kv * n * vector != size:
        raise _damaged("its parts have not its size")
    tokens = struct.unpack_from(f"<{n}I", data, _HEADER.size)
    system = bytes(data[system_at : system_at + system_size + 1])
    if system.find(b"\0") != system_size:
        raise _damaged("its system prompt does not end where it should")
    text = system[:-1].decode("utf-8", "replace")
    return Prefill(tokens, text, KINDS[kv], size, model.hex(), chat.hex(), n_layer, n_head_kv, head_dim)


def kv_vector(kv: str, dim: int) -> int:
    """Bytes of a key or value of a head of ``dim`` elements at one position in the cache (kg_kv_size)."""
    if kv == "q8":
        return 4 * units_of(dim, 32) + rounded_up(dim, 4)
    return dim * (2 if kv == "f16" else 4)


def _damaged(what: str) -> KgptError:
    return KgptError(f"the prefill is damaged: {what}", _HINT)
