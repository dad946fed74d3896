"""GGUF files for tests: by the gguf library's writer, or byte by byte where no writer would write them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType, GGUFWriter

TYPES = (
    *("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"),
    *("IQ4_NL", "IQ4_XS", "MXFP4"),
)
NUMBERS: dict[str, tuple[int | float | bool, ...]] = {
    "UINT8": (0, 7, 255),
    "INT8": (-128, 0, 127),
    "UINT16": (0, 65535),
    "INT16": (-32768, 32767),
    "UINT32": (0, 4294967295),
    "INT32": (-2147483648, 2147483647),
    "FLOAT32": (0.5, -1.25, 3.0),
    "BOOL": (True, False, True),
    "UINT64": (0, (1 << 64) - 1),
    "INT64": (-(1 << 63), (1 << 63) - 1),
    "FLOAT64": (0.1, -1e300),
}
TEXTS = ("", "a", "Grüße", "😀" * 20, "eight by", "nul\0inside", "x" * 300)


def write_everything(path: Path, *, alignment: int = 32, tensors: Sequence[str] = TYPES) -> Path:
    """A file with each kind of value, alone and in arrays, and a tensor of each type and number of dimensions."""
    rng = np.random.default_rng(4)
    writer = GGUFWriter(path, "everything")
    if alignment != 32:
        writer.add_custom_alignment(alignment)
    for kind, values in NUMBERS.items():
        for i, value in enumerate(values):
            writer.add_key_value(f"number.{kind}.{i}", value, GGUFValueType[kind])
        writer.add_key_value(f"array.{kind}", list(values), GGUFValueType.ARRAY, sub_type=GGUFValueType[kind])
    for i, text in enumerate(TEXTS):
        writer.add_key_value(f"text.{i}", text, GGUFValueType.STRING)
    writer.add_key_value("array.STRING", list(TEXTS), GGUFValueType.ARRAY)
    writer.add_key_value("schlüssel.größe", 1, GGUFValueType.UINT8)
    for i, name in enumerate(tensors):
        quantization = GGMLQuantizationType[name]
        block, size = GGML_QUANT_SIZES[quantization]
        shape = (*((2, 3, 2)[: i % 4]), size * (1 + 32 // block))
        writer.add_tensor(f"tensor.{name}", rng.integers(0, 256, shape, np.uint8), raw_dtype=quantization)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def text(value: bytes | str) -> bytes:
    """A string as it lies in a file."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def field(key: bytes | str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def u32_field(key: str, value: int) -> bytes:
    return field(key, 4, struct.pack("<I", value))


def array_field(key: str, kind: int, count: int, items: bytes) -> bytes:
    return field(key, 9, struct.pack("<IQ", kind, count) + items)


@dataclass(frozen=True)
class RawTensor:
    """A description, true or not."""

    name: bytes | str = "t"
    dims: tuple[int, ...] = (4,)
    type: int = 0
    offset: int = 0
    n_dims: int | None = None

    def bytes(self) -> bytes:
        dims = struct.pack(f"<{len(self.dims)}Q", *self.dims)
        n_dims = len(self.dims) if self.n_dims is None else self.n_dims
        return text(self.name) + struct.pack("<I", n_dims) + dims + struct.pack("<IQ", self.type, self.offset)


def raw_file(
    fields: Sequence[bytes] = (),
    tensors: Sequence[RawTensor] = (),
    *,
    data: int = 64,
    alignment: int = 32,
    n_fields: int | None = None,
    n_tensors: int | None = None,
    version: int = 3,
) -> bytes:
    """A file with these parts, and ``data`` bytes for tensors. The counts lie where they are given."""
    counts = (
        len(tensors) if n_tensors is None else n_tensors,
        len(fields) if n_fields is None else n_fields,
    )
    head = b"GGUF" + struct.pack("<IQQ", version, *counts) + b"".join(fields)
    head += b"".join(tensor.bytes() for tensor in tensors)
    return head + bytes(-len(head) % alignment + data)
