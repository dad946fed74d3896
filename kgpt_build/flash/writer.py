"""Writes an image to a disk, reads it back, and explains what went wrong.

The first block is zeroed first and written last: so a partly written disk does not boot, and no system mounts it. The
disk may reorder writes in its own cache, so it is flushed before and after the first block is written.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from kgpt_build.errors import KgptError
from kgpt_build.flash.disk import Disk
from kgpt_build.flash.doubt import Comparison, diagnose
from kgpt_build.sizes import rounded_up

BLOCK = 4 << 20
TAIL = 1 << 20
"""The end of a disk may hold the backup of a GPT, and the marks of RAID members (md, IMSM, DDF) and ZFS pools. Firmware
and systems would still follow them. All of them lie in the last MiB, so the part of it behind the image is zeroed. The
image's own backup GPT stays at the end of the image: moving it would change the checked bytes, and nothing needs it
elsewhere.
"""
_ALIGN = 4096


class Progress(Protocol):
    """Gets the progress of the work."""

    def stage(self, text: str) -> None:
        """A new stage begins."""

    def amount(self, done: int, total: int) -> None:
        """``done`` of ``total`` bytes are done."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, while the disk was being written or compared; ``message`` and ``hint`` as of a KgptError."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class Image:
    """The image to write: a file, with the size and SHA-256 that were checked."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class Flashed:
    """The result: ``doubt`` is a problem of the disk that does not concern the image on it; empty: none."""

    sha256: str
    doubt: str


def flash(image: Image, disk: Disk, name: str, progress: Progress) -> Flashed:
    """Write ``image`` to ``disk``, called ``name`` in messages, read the disk back, and compare.

    Raises KgptError, whose message says in which state the disk is left, and Interrupted.
    """
    with _interrupts(f"stopped while writing: {name} cannot be booted now, and what was on it is lost", "run it again"):
        progress.stage(f"writing {image.size:,} bytes to {name}")
        _write(image, disk, name, progress)
    with _interrupts(f"stopped while reading back: {name} was written, but not checked", "run it again to be sure"):
        progress.stage(f"reading {name} back")
        sha256 = _compare(image, disk, name, progress)
        return Flashed(sha256, _tail_doubt(image, disk, name))


@contextmanager
def _interrupts(message: str, hint: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(message, hint) from error


def _write(image: Image, disk: Disk, name: str, progress: Progress) -> None:
    start = _tail_start(image, disk)
    with _opened(image) as file:
        first = _read_image(file, image)
        digest = hashlib.sha256(first)
        # Zero the end before writing the image: on a disk with a false size these writes may land within the image.
        _put(disk, name, start, bytes(disk.size - start), "nothing of the image was written")
        _put(disk, name, 0, bytes(len(first)))
        _settle(disk, name)
        done = len(first)
        while data := _read_image(file, image):
            digest.update(data)
            _put(disk, name, done, data)
            done += len(data)
            progress.amount(done - len(first), image.size)
    if digest.hexdigest() != image.sha256:
        raise KgptError(f"{image.path} changed while it was written: {name} cannot be booted now", "run it again")
    _settle(disk, name)
    _put(disk, name, 0, first)
    _settle(disk, name)
    progress.amount(image.size, image.size)


def _settle(disk: Disk, name: str) -> None:
    with _write_errors(disk, name, 0):
        disk.settle()


def _compare(image: Image, disk: Disk, name: str, progress: Progress) -> str:
    """Read the disk back; returns its SHA-256, which must be the image's."""
    digest = hashlib.sha256()
    comparison = Comparison()
    done = 0
    with _opened(image) as file:
        while expected := _read_image(file, image):
            found = _get(disk, name, done, len(expected))
            digest.update(found)
            comparison.add(done, expected, found)
            done += len(expected)
            progress.amount(done, image.size)
    if comparison.first is not None:
        raise diagnose(comparison, image.path, name, disk.size)
    if digest.hexdigest() != image.sha256:
        raise KgptError(f"{image.path} changed while {name} was compared with it", "run it again")
    return digest.hexdigest()


def _tail_start(image: Image, disk: Disk) -> int:
    return min(disk.size, max(disk.size - TAIL, rounded_up(image.size, _ALIGN)))


def _tail_doubt(image: Image, disk: Disk, name: str) -> str:
    start = _tail_start(image, disk)
    try:
        wrong = any(disk.read(start, disk.size - start))
    except OSError:
        wrong = True
    if not wrong:
        return ""
    return (
        f"{name} does not keep data written to its end: it may hold less than the {disk.size:,} bytes that it claims. "
        "The image on it is whole, and boots; do not trust it with other data"
    )


def _put(disk: Disk, name: str, offset: int, data: bytes, state: str = "it cannot be booted now") -> None:
    if data:
        with _write_errors(disk, name, offset, state):
            disk.write(offset, data)


@contextmanager
def _write_errors(disk: Disk, name: str, offset: int, state: str = "it cannot be booted now") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not disk.present() or error.errno in (errno.ENODEV, errno.ENXIO):
            raise KgptError(f"{name} was unplugged while it was written: {state}", _AGAIN) from error
        reason = error.strerror or str(error)
        if error.errno == errno.ENOSPC:
            raise KgptError(
                f"{name} ends soon after byte {offset:,}, though it claims to have {disk.size:,} bytes: {state}",
                "it is smaller than it claims, or worn out: take another one",
            ) from error
        if error.errno in (errno.EROFS, errno.EPERM, errno.EACCES):
            raise KgptError(
                f"{name} became read-only at byte {offset:,} ({reason}): {state}",
                "sticks that are worn out do this: take another one; of a card, see the lock switch",
            ) from error
        raise KgptError(
            f"writing to {name} failed in the block at byte {offset:,} ({reason}): {state}",
            "try another port, without a hub; if it fails again, the stick is broken; `sudo dmesg | tail` says more",
        ) from error


_AGAIN = "plug it in again, see kgpt flash --list for its name, and run it again"


def _get(disk: Disk, name: str, offset: int, length: int) -> bytes:
    try:
        return disk.read(offset, length)
    except OSError as error:
        if not disk.present() or error.errno in (errno.ENODEV, errno.ENXIO):
            raise KgptError(f"{name} was unplugged before it was checked; it was written", _AGAIN) from error
        raise KgptError(
            f"reading {name} back failed in the block at byte {offset:,} ({error.strerror or error}): do not trust it",
            "try another port, without a hub; if it fails again, the stick is broken or holds less than it says",
        ) from error


@contextmanager
def _opened(image: Image) -> Iterator[IO[bytes]]:
    try:
        file = image.path.open("rb")
    except OSError as error:
        raise KgptError(f"cannot read {image.path}: {error.strerror}") from error
    with file:
        yield file


def _read_image(file: IO[bytes], image: Image) -> bytes:
    try:
        return file.read(BLOCK)
    except OSError as error:
        raise KgptError(
            f"cannot read {image.path} any further: {error.strerror}; the device cannot be booted now",
            "copy the image anew",
        ) from error
