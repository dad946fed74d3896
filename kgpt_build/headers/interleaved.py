"""Interleaves the matrices of GGUF files, in the layout of the kernel's products (kernel_c/include/kgpt/quant.h).

The cache keeps the results by the SHA-256 of the original file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np

from kgpt_build import paths
from kgpt_build.file_hash import cached_sha256
from kgpt_build.headers import interleave
from kgpt_build.models import GgufModel
from kgpt_build.models.gguf import types
from kgpt_build.models.gguf.scan import Data, Scan

_KEPT = 8
_KEPT_BYTES = 2 << 30
_TOUCH_SECONDS = 1800
_whole: set[Path] = set()
"""Files that this process has checked already."""


def file_of(model: GgufModel) -> Path:
    """The interleaved file of ``model`` in the cache, written if it is not there or damaged. Raises KgptError."""
    path = paths.cache_dir() / "interleaved" / f"{model.sha256}-{_layout()}.gguf"
    if (path in _whole and path.is_file()) or _is_whole(path):
        _whole.add(path)
        return path
    folder, digest = paths.make_cache_dir(path.parent.name), hashlib.sha256()
    with model.mapped() as data:
        paths.write_pieces_atomically(path, _hashed(pieces(data, model.header), digest))
    _whole.add(path)
    paths.write_atomically(_seal(path), digest.hexdigest().encode())
    paths.prune(list(folder.glob("*.gguf")), most=_KEPT, most_bytes=_KEPT_BYTES)
    return path


def _seal(path: Path) -> Path:
    """The file that holds the SHA-256 of ``path``."""
    return path.with_suffix(".sha256")


def _is_whole(path: Path) -> bool:
    """Is ``path`` unchanged by its SHA-256? Damage that size and time do not show would enter every kernel."""
    try:
        is_whole = _seal(path).read_text() == cached_sha256(path)
    except OSError:
        return False
    with contextlib.suppress(OSError):  # the cache is read-only
        if time.time() - path.stat().st_mtime > _TOUCH_SECONDS:  # not each time: its hash is known by its time stamps
            os.utime(path)
    return is_whole


def _hashed(content: Iterator[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for piece in content:
        digest.update(piece)
        yield piece


def pieces(data: Data, header: Scan) -> Iterator[bytes]:
    """The bytes of the interleaved file, in pieces: as long as ``data``, and equal except for the matrices."""
    at = 0
    for tensor in sorted(header.tensors, key=lambda tensor: tensor.offset):
        start = header.start + tensor.offset
        yield bytes(data[at:start])
        at = start + tensor.size
        rows = np.frombuffer(bytes(data[start:at]), np.uint8).reshape(prod(tensor.dims[1:]), -1)
        yield interleave.interleave(rows, tensor.kind).tobytes()
    yield bytes(data[at:])


def _layout() -> str:
    """A hash of the code that defines the layout, so that cached files of an older layout are not used."""
    sources = (Path(module.__file__ or "").read_bytes() for module in (interleave, types))
    return hashlib.sha256(b"".join(sources)).hexdigest()[:8]
