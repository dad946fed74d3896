"""SHA-256 of files. The cache keeps the hash of a large file while its size, times and inode do not change."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from kgpt_build import paths
from kgpt_build.errors import KgptError

_SETTLED_NS = 2_000_000_000
"""A file changed within this time is not cached: another write could get the same time stamp."""


def cached_sha256(path: Path) -> str:
    """The SHA-256 of ``path`` in hex, from the cache if the file looks unchanged. Raises OSError."""
    real = path.resolve()
    with real.open("rb") as file:
        looks = _looks(real)
        record = paths.cache_dir() / "hashes" / f"{hashlib.sha256(os.fsencode(real)).hexdigest()[:32]}.json"
        if known := _known(record, looks):
            return known
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if looks == _looks(real) and time.time_ns() - looks[1] > _SETTLED_NS:
        _keep(record, looks, digest)
    return digest


def sha256_of(path: Path) -> str:
    """The SHA-256 of ``path`` in hex, always computed. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def combined(digests: Mapping[str, str]) -> str:
    """One SHA-256 (hex) for many: name -> SHA-256."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def require_sha256(what: str, found: str, expected: str) -> None:
    """Raise KgptError if the hash ``found`` of a downloaded file is not the expected one."""
    if found != expected:
        raise KgptError(
            f"{what} has the SHA-256 {found}, not {expected}",
            "it is damaged, or not the file that was asked for: pull it again; nothing was kept",
        )


def _looks(path: Path) -> list[int]:
    """Properties that change with the file: size, mtime, ctime, inode."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _known(record: Path, looks: list[int]) -> str | None:
    try:
        kept = json.loads(record.read_bytes())
        digest = kept["sha256"] if kept["looks"] == looks else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return digest if isinstance(digest, str) and len(digest) == 64 else None


def _keep(record: Path, looks: list[int], digest: str) -> None:
    with contextlib.suppress(KgptError):  # without a cache the hash is computed each time
        paths.make_cache_dir(record.parent.name)
        paths.write_atomically(record, json.dumps({"looks": looks, "sha256": digest}).encode())
