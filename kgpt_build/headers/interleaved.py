"""GGUF files with their matrices interleaved, as the kernel multiplies with them (kernel_c/include/kgpt/quant.h).

It takes a moment, so the result is kept in the cache, by the SHA-256 of the original.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np

from kgpt_build import paths
from kgpt_build.headers import interleave
from kgpt_build.models import GgufModel
from kgpt_build.models.gguf_scan import Data, Scan

_KEPT = 8
_KEPT_BYTES = 2 << 30


def file_of(model: GgufModel) -> Path:
    """The file of ``model``, interleaved; it is written if it is not in the cache. Raises KgptError."""
    folder = paths.make_cache_dir("interleaved")
    path = folder / f"{model.sha256}-{_layout()}.gguf"
    if path.is_file() and path.stat().st_size == model.size:
        os.utime(path)
        return path
    with model.mapped() as data:
        paths.write_pieces_atomically(path, pieces(data, model.header))
    paths.prune(list(folder.glob("*.gguf")), most=_KEPT, most_bytes=_KEPT_BYTES)
    return path


def pieces(data: Data, header: Scan) -> Iterator[bytes]:
    """The bytes of the file ``data``, of the same length, in pieces: everything but matrices stays as it is."""
    at = 0
    for tensor in sorted(header.tensors, key=lambda tensor: tensor.offset):
        start = header.start + tensor.offset
        yield bytes(data[at:start])
        at = start + tensor.size
        rows = np.frombuffer(bytes(data[start:at]), np.uint8).reshape(prod(tensor.dims[1:]), -1)
        yield interleave.interleave(rows, tensor.kind).tobytes()
    yield bytes(data[at:])


def _layout() -> str:
    """Changes with the layout, so that what the cache has in an older one is not taken."""
    return hashlib.sha256(Path(interleave.__file__).read_bytes()).hexdigest()[:8]
