"""Reads and writes the layout of a model in a kernel, which kernel_c/include/kgpt/model_data.h defines in C."""

from __future__ import annotations

import itertools
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from kgpt_build.errors import KgptError
from kgpt_build.headers.prefill import Prefill, read_prefill
from kgpt_build.models import CharTokenizer, Hyperparameters, Model, tensor_shapes
from kgpt_build.models.gguf.model import Described, describe
from kgpt_build.models.gguf.scan import scan
from kgpt_build.models.model import NAME_BYTES
from kgpt_build.sizes import rounded_up

MAGIC = 0x5450474B  # "KGPT"
VERSION = 1
ALIGN = 64
HEADER_SIZE = 256
WEIGHT_F32 = 0  # GGML type id
WEIGHT_GGUF = 0xFFFFFFFF  # the types are in the file
INTERLEAVED = 1  # flag: the matrices of the GGUF are interleaved (kernel_c/include/kgpt/quant.h)
NO_TOKEN = 0xFFFFFFFF
ARCH_GGUF = "gguf"
ARCH_NONE = "none"

SIZES = ("n_vocab", "n_ctx", "n_embd", "n_layer", "n_head", "n_head_kv", "n_ff")
_HEADER = struct.Struct("<IIQ16s64s32s8IfIII6Q32x")
_HINT = "the kernel is damaged, or was made by another version of kgpt: build it again"


@dataclass(frozen=True)
class Layout:
    """Offsets of the parts from the start of the header, and their sizes without padding, in bytes."""

    vocab_offset: int
    vocab_size: int
    weights_offset: int
    weights_size: int
    size: int
    prefill_offset: int = 0
    prefill_size: int = 0


@dataclass(frozen=True)
class Fields:
    """The fields of a header except the layout; ``sizes`` are in the order of SIZES."""

    arch: str
    name: str
    sha256: str
    sizes: tuple[int, ...]
    bos_id: int
    norm_eps: float
    weight_type: int
    crc32: int
    flags: int = 0

    def packed(self, place: Layout) -> bytes:
        """The HEADER_SIZE bytes."""
        return _HEADER.pack(
            MAGIC,
            VERSION,
            place.size,
            self.arch.encode(),
            self.name.encode(),
            bytes.fromhex(self.sha256),
            *self.sizes,
            self.bos_id,
            self.norm_eps,
            self.weight_type,
            self.crc32,
            self.flags,
            place.vocab_offset,
            place.vocab_size,
            place.weights_offset,
            place.weights_size,
            place.prefill_offset,
            place.prefill_size,
        )


@dataclass(frozen=True)
class BlobInfo:
    """The fields of a checked header.

    ``tokens`` are the texts of a microgpt's tokens, BOS last and empty; ``lm`` describes the embedded GGUF file;
    ``chat`` is the chat blob beside it, and ``prefill`` the beginning of its chats, if that is computed.
    """

    size: int
    arch: str
    name: str
    sha256: str
    hparams: Hyperparameters
    bos_id: int
    weight_type: int
    crc32: int
    vocab_offset: int
    vocab_size: int
    weights_offset: int
    weights_size: int
    tokens: tuple[str, ...]
    lm: Described | None = None
    chat: bytes = b""
    prefill: Prefill | None = None

    @property
    def chat_family(self) -> str:
        """The family of the chat template in a kernel for language models; "" without one. Raises KgptError."""
        from kgpt_build.chat import read_chat_blob  # late: only a language model has one

        return read_chat_blob(self.chat).family if self.chat else ""

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return self.lm.n_parameters if self.lm else self.weights_size // 4

    @property
    def is_lm(self) -> bool:
        """Does the blob belong to a kernel for language models?"""
        return self.arch in (ARCH_GGUF, ARCH_NONE)


def layout(model: Model) -> Layout:
    """The layout of the blob of ``model``."""
    vocab_size = len(vocab_bytes(model))
    weights_offset = aligned(HEADER_SIZE + vocab_size)
    weights_size = 4 * model.n_parameters
    return Layout(HEADER_SIZE, vocab_size, weights_offset, weights_size, aligned(weights_offset + weights_size))


def vocab_offsets(model: Model) -> list[int]:
    """offset[n_vocab + 1]: token i is bytes offset[i] to offset[i + 1] of the vocabulary's text; BOS has no bytes."""
    offsets = [0]
    for char in model.tokenizer.chars:
        offsets.append(offsets[-1] + len(char.encode()))
    return [*offsets, offsets[-1]]


def vocab_text(model: Model) -> bytes:
    """The UTF-8 bytes of all tokens, one after the other."""
    return "".join(model.tokenizer.chars).encode()


def vocab_bytes(model: Model) -> bytes:
    """The bytes of the vocabulary in the blob, without padding."""
    offsets = vocab_offsets(model)
    return struct.pack(f"<{len(offsets)}I", *offsets) + vocab_text(model)


def body_bytes(model: Model) -> bytes:
    """The bytes behind the header: vocabulary and weights, each padded to ALIGN. The header has their CRC-32."""
    return _padded(vocab_bytes(model)) + _padded(model.weight_bytes())


def model_blob(model: Model) -> bytes:
    """The exact bytes of the kernel's section .kgpt.model."""
    body = body_bytes(model)
    return fields_of(model, zlib.crc32(body)).packed(layout(model)) + body


def fields_of(model: Model, crc32: int) -> Fields:
    """The fields of the header of ``model``, whose body has this CRC-32."""
    hparams = model.hparams
    return Fields(
        arch=model.arch,
        name=model.name,
        sha256=model.sha256,
        sizes=tuple(getattr(hparams, name) for name in SIZES),
        bos_id=model.tokenizer.bos_id,
        norm_eps=hparams.norm_eps,
        weight_type=WEIGHT_F32,
        crc32=crc32,
    )


def read_blob(data: bytes | memoryview) -> BlobInfo:
    """Read the header of a blob, and its vocabulary or the header of its GGUF file; ``data`` may be longer.

    Raises KgptError for a damaged or incomplete blob.
    """
    if len(data) < HEADER_SIZE:
        raise KgptError(f"the embedded model has {len(data)} bytes, less than its header of {HEADER_SIZE}", _HINT)
    fields = _HEADER.unpack_from(data)
    magic, version, size, arch, name, sha256 = fields[:6]
    sizes, bos_id = fields[6:13], fields[13]
    norm_eps, weight_type, crc32, _, vocab_offset, vocab_size, weights_offset, weights_size = fields[14:22]
    prefill_offset, prefill_size = fields[22:]
    _require(magic == MAGIC, f"the embedded model has the magic 0x{magic:08x}, not 0x{MAGIC:08x}")
    _require(version == VERSION, f"the embedded model has the format {version}, not {VERSION}")
    _require(HEADER_SIZE <= size <= len(data), f"the embedded model claims {size} bytes of {len(data)}")
    _require(zlib.crc32(data[HEADER_SIZE:size]) == crc32, "the check sum of the embedded model is wrong")
    _require(
        vocab_offset >= HEADER_SIZE and vocab_offset + vocab_size <= weights_offset,
        "the vocabulary lies outside of its place",
    )
    _require(
        weights_offset % ALIGN == 0 and weights_offset + weights_size <= size,
        "the weights lie outside of the embedded model",
    )
    _require(
        not prefill_size or weights_offset + weights_size <= prefill_offset <= size - prefill_size,
        "the prefill lies outside of the embedded model",
    )
    n_vocab, n_ctx, n_embd, n_layer, n_head, n_head_kv, n_ff = sizes
    hparams = Hyperparameters(n_vocab, n_ctx, n_embd, n_layer, n_head, n_head_kv, n_ff, norm_eps)
    kind = _read_text(arch, "architecture")
    is_lm = kind in (ARCH_GGUF, ARCH_NONE)
    tokens = () if is_lm else _read_tokens(bytes(data[vocab_offset : vocab_offset + vocab_size]), n_vocab)
    file = memoryview(data)[weights_offset : weights_offset + weights_size]
    lm = describe(scan(file), "model") if kind == ARCH_GGUF else None
    chat = bytes(data[vocab_offset : vocab_offset + vocab_size]) if is_lm else b""
    prefill = None
    if lm and prefill_size:
        prefill = read_prefill(memoryview(data)[prefill_offset : prefill_offset + prefill_size])
        prefill.require(lm.hparams, sha256.hex(), chat)
    return BlobInfo(
        size=size,
        arch=kind,
        name=_read_text(name, "name"),
        sha256=sha256.hex(),
        hparams=hparams,
        bos_id=bos_id,
        weight_type=weight_type,
        crc32=crc32,
        vocab_offset=vocab_offset,
        vocab_size=vocab_size,
        weights_offset=weights_offset,
        weights_size=weights_size,
        tokens=tokens,
        lm=lm,
        chat=chat,
        prefill=prefill,
    )


def read_model(data: bytes, name: str) -> Model:
    """The model in a blob, called ``name``. The SHA-256 in its header may be zero. Raises KgptError."""
    info = read_blob(data)
    shapes = tensor_shapes(info.hparams)
    info.hparams.validate()
    _require(info.weight_type == WEIGHT_F32, f"the weights have the type {info.weight_type}, not F32")
    _require(info.bos_id == info.hparams.n_vocab - 1, f"BOS is the token {info.bos_id}, not the last")
    expected = 4 * sum(rows * columns for rows, columns in shapes.values())
    _require(info.weights_size == expected, f"the weights take {info.weights_size:,} bytes, not {expected:,}")
    tensors, at = {}, info.weights_offset
    for tensor, (rows, columns) in shapes.items():
        values = np.frombuffer(data, dtype="<f4", count=rows * columns, offset=at)
        tensors[tensor] = values.astype(np.float32).reshape(rows, columns)
        at += 4 * rows * columns
    return Model(name, info.arch, info.hparams, CharTokenizer(info.tokens[:-1]), tensors)


def _read_tokens(vocab: bytes, n_vocab: int) -> tuple[str, ...]:
    table = 4 * (n_vocab + 1)
    _require(table <= len(vocab), f"the vocabulary has no room for {n_vocab} tokens")
    offsets = struct.unpack_from(f"<{n_vocab + 1}I", vocab)
    ordered = all(before <= after for before, after in itertools.pairwise(offsets))
    _require(ordered and table + offsets[-1] <= len(vocab), "the offsets of the vocabulary are wrong")
    pairs = itertools.pairwise(offsets)
    return tuple(_decoded(vocab[table + start : table + end], "a token") for start, end in pairs)


def _read_text(raw: bytes, what: str) -> str:
    return _decoded(raw.rstrip(b"\0"), what)


def _decoded(raw: bytes, what: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise KgptError(f"{what} of the embedded model is not UTF-8", _HINT) from None


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise KgptError(message, _HINT)


def aligned(size: int) -> int:
    """``size`` rounded up to ALIGN."""
    return rounded_up(size, ALIGN)


def _padded(data: bytes) -> bytes:
    return data.ljust(aligned(len(data)), b"\0")


assert _HEADER.size == HEADER_SIZE
assert NAME_BYTES < 64
