"""GGUF files for the tests of language models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGUFReader

from kgpt_build.headers.interleave import interleave
from kgpt_build.models.gguf.types import TYPES


def interleaved(path: Path) -> bytes:
    """The file with its matrices in the kernel's layout."""
    reader, data = GGUFReader(path), bytearray(path.read_bytes())
    for tensor in reader.tensors:
        kind = TYPES[int(tensor.tensor_type)]
        if len(tensor.shape) > 1 and kind.fields:
            raw = np.frombuffer(data, np.uint8, tensor.n_bytes, tensor.data_offset)
            rows = raw.reshape(int(np.prod(tensor.shape[1:])), -1)
            data[tensor.data_offset : tensor.data_offset + tensor.n_bytes] = interleave(
                rows.copy(), int(tensor.tensor_type)
            ).tobytes()
    return bytes(data)
