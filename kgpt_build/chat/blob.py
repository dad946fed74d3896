"""The layout of include/kgpt/chat.h: pieces ↔ bytes."""

from __future__ import annotations

import struct
import zlib

from kgpt_build.chat.template import FAMILY_BYTES, ChatTemplate, Piece, known_flags, known_step_flags
from kgpt_build.errors import KgptError
from kgpt_build.words import counted

MAGIC = b"KGCT"
VERSION = 3
MAX_BLOB = 1 << 20  # KG_CHAT_MAX_BLOB

_START = struct.Struct("<4sIII")  # magic, version, size, crc32 of what follows
_HEAD = struct.Struct("<III")  # flags, n_pieces, step_flags
_PIECE = struct.Struct("<II")  # offset, length
_TEXTS = _START.size + _HEAD.size + len(Piece) * _PIECE.size + FAMILY_BYTES
_HINT = "build the kernel again"


def pack(template: ChatTemplate) -> bytes:
    """The blob of ``template``. The same template gives the same bytes."""
    texts = [piece.encode() for piece in template.pieces]
    table, offset = b"", _TEXTS
    for text in texts:
        table += _PIECE.pack(offset, len(text))
        offset += len(text)
    family = template.family.encode()[:FAMILY_BYTES].ljust(FAMILY_BYTES, b"\0")
    body = _HEAD.pack(template.flags, len(Piece), template.step_flags) + table + family + b"".join(texts)
    size = _START.size + len(body)
    if size > MAX_BLOB:
        raise KgptError(f"the pieces of the chat template take {counted(size, 'byte')}, more than {MAX_BLOB}", _HINT)
    return _START.pack(MAGIC, VERSION, size, zlib.crc32(body)) + body


def read_chat_blob(data: bytes) -> ChatTemplate:
    """The template in the blob ``data``. Raises KgptError for a damaged blob."""
    if len(data) < _TEXTS or data[:4] != MAGIC:
        raise KgptError("no chat template in pieces: it does not begin with 'KGCT' or is too short", _HINT)
    _, version, size, crc = _START.unpack_from(data)
    if version != VERSION:
        raise KgptError(f"the chat template has the version {version}, supported is {VERSION}", _HINT)
    if size != len(data):
        raise KgptError(f"the chat template should have {counted(size, 'byte')}, not {len(data)}", _HINT)
    if zlib.crc32(data[_START.size :]) != crc:
        raise KgptError("the chat template is damaged: its CRC does not match", _HINT)
    flags, n_pieces, step_flags = _HEAD.unpack_from(data, _START.size)
    if n_pieces != len(Piece) or not known_flags(flags) or not known_step_flags(step_flags):
        raise KgptError(
            f"the chat template has {counted(n_pieces, 'piece')}, flags 0x{flags:x}: not of this version", _HINT
        )
    pieces = tuple(_text(data, i) for i in range(n_pieces))
    family = data[_TEXTS - FAMILY_BYTES : _TEXTS].rstrip(b"\0").decode("ascii", "replace")
    return ChatTemplate(family, pieces, flags, step_flags)


def _text(data: bytes, piece: int) -> str:
    offset, length = _PIECE.unpack_from(data, _START.size + _HEAD.size + piece * _PIECE.size)
    if offset < _TEXTS or offset + length > len(data):
        raise KgptError(f"piece {Piece(piece).name} of the chat template lies outside of it", _HINT)
    try:
        return data[offset : offset + length].decode()
    except UnicodeDecodeError:
        raise KgptError(f"piece {Piece(piece).name} of the chat template is not UTF-8", _HINT) from None
