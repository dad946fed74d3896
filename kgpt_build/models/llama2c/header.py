"""Headers of llama2.c checkpoints: versions 0 (no magic), 1 (f32) and 2 (int8 with a scale for each group)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from kgpt_build.errors import KgptError

MAGIC = 0x616B3432  # "24ka" in the file
LEGACY, FLOATS, INT8 = 0, 1, 2
HEADER = 256
"""Bytes before the weights of versions 1 and 2."""

_SIZES = struct.Struct("<7i")
_VERSIONED = struct.Struct("<Ii7iBi")  # the last one is the group size, of version 2
LEAST = _VERSIONED.size
"""Bytes that ``looks_like`` and ``read_header`` want."""

_LIMITS = {
    "dim": 1 << 20,
    "hidden_dim": 1 << 20,
    "n_layers": 1 << 10,
    "n_heads": 1 << 10,
    "n_kv_heads": 1 << 10,
    "vocab_size": 1 << 20,
    "seq_len": 1 << 20,
}
_HINT = "the file is damaged, or is no llama2.c checkpoint"


@dataclass(frozen=True)
class Header:
    """The sizes, with llama2.c's names.

    ``group``: how many values have one scale, in version 2; ``start``: the first byte of the weights.
    """

    version: int
    dim: int
    hidden_dim: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    vocab_size: int
    seq_len: int
    shared: bool
    group: int = 0
    start: int = HEADER

    @property
    def head_dim(self) -> int:
        """Values of one head."""
        return self.dim // self.n_heads

    @property
    def kv_dim(self) -> int:
        """Values of all keys of a position."""
        return self.n_kv_heads * self.head_dim


def looks_like(beginning: bytes) -> bool:
    """Does a file begin like a checkpoint: with the magic number, or with seven sizes of a model?"""
    if len(beginning) < LEAST:
        return False
    if _has_magic(beginning):
        return True
    sizes = _SIZES.unpack_from(beginning)
    return _fault((*sizes[:5], abs(sizes[5]), sizes[6])) is None


def read_header(beginning: bytes) -> Header:
    """The header in the first LEAST bytes. Raises KgptError that names the impossible size."""
    if len(beginning) < LEAST:
        raise KgptError(f"truncated in the header: {len(beginning)} bytes of {LEAST}", "copy the file again")
    if not _has_magic(beginning):
        sizes = _SIZES.unpack_from(beginning)
        return _checked(LEGACY, (*sizes[:5], abs(sizes[5]), sizes[6]), shared=sizes[5] > 0, start=_SIZES.size)
    _, version, *numbers, shared, group = _VERSIONED.unpack_from(beginning)
    if version not in (FLOATS, INT8):
        raise KgptError(
            f"the llama2.c checkpoint has version {version}", "supported: version 1 and 2, and files without a version"
        )
    if shared > 1:
        raise KgptError(f"the header says {shared} for a shared classifier, not 0 or 1", _HINT)
    header = _checked(version, tuple(numbers), shared=shared == 1, group=group if version == INT8 else 0)
    if version == INT8 and not (0 < group <= header.dim and header.dim % group == 0):
        raise KgptError(f"the header says group size {group}, which does not divide dim {header.dim}", _HINT)
    return header


def _has_magic(beginning: bytes) -> bool:
    return beginning.startswith(MAGIC.to_bytes(4, "little"))


def _checked(version: int, sizes: tuple[int, ...], *, shared: bool, group: int = 0, start: int = HEADER) -> Header:
    if (fault := _fault(sizes)) is not None:
        raise KgptError(f"the header says {fault}", _HINT)
    return Header(version, **dict(zip(_LIMITS, sizes, strict=True)), shared=shared, group=group, start=start)


def _fault(sizes: tuple[int, ...]) -> str | None:
    """What is impossible about the seven sizes; None if nothing is."""
    for (name, most), size in zip(_LIMITS.items(), sizes, strict=True):
        if not 1 <= size <= most:
            return f"{name} {size}, not from 1 to {most}"
    dim, _, _, n_heads, n_kv_heads, _, _ = sizes
    if dim % n_heads or dim // n_heads % 2:
        return f"dim {dim} for {n_heads} heads, which makes no even number of values a head"
    if n_heads % n_kv_heads:
        return f"n_kv_heads {n_kv_heads}, which does not divide n_heads {n_heads}"
    return None
