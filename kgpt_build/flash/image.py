"""Checks, before any disk is written, that a file is an image of a stick, and that it is whole."""

from __future__ import annotations

import hashlib
import stat
import struct
from collections.abc import Callable
from pathlib import Path

from kgpt_build.errors import KgptError, ToolMissing
from kgpt_build.flash.writer import BLOCK, Image
from kgpt_build.image import inspect, manifest
from kgpt_build.image.fs.partitions import PROTECTIVE
from kgpt_build.media import (
    DISC_DESCRIPTOR,
    DISC_SECTOR,
    ELF_MAGIC,
    PE_MAGIC,
    SECTOR,
    has_disc_mark,
    is_boot_sector,
    mbr_entries,
)

_MAKE = "make an image first: kgpt image usb -o kgpt.img"
_OTHERS = (
    (ELF_MAGIC, "is a kernel, not an image of a stick", _MAKE),
    (PE_MAGIC, "is a program for UEFI or a kernel, not an image of a stick", _MAKE),
    (b"GGUF", "is a model, not an image of a stick", "make an image of it first: kgpt image usb {path} -o kgpt.img"),
    (b"\x1f\x8b", "is compressed", "unpack it first: gunzip {path}"),
    (b"\xfd7zXZ", "is compressed", "unpack it first: unxz {path}"),
    (b"\x28\xb5\x2f\xfd", "is compressed", "unpack it first: unzstd {path}"),
    (b"PK\x03\x04", "is a zip archive", "unpack it first"),
    (b"QFI\xfb", "is a disk of QEMU (qcow2), not an image of a stick", _MAKE),
)

_VOLUME_BLOCKS = 80
_HEAD = DISC_DESCRIPTOR + DISC_SECTOR


def check(path: Path, amount: Callable[[int, int], None] = lambda done, total: None) -> Image:
    """Read the whole image at ``path`` and check it; ``amount`` gets the bytes read and the total.

    The SHA-256 must match the manifest beside the image. Without that manifest, each file in the image must match the
    manifest inside. Raises KgptError for a damaged image or one that kgpt image has not made, ToolMissing if mtools is
    needed to read it and is not there.
    """
    head, size = _head(path)
    for magic, what, hint in _OTHERS:
        if head.startswith(magic):
            raise KgptError(f"{path} {what}", hint.format(path=path))
    expected = _expected(path)
    beside = manifest.beside(path).name
    if not expected and not head:
        raise KgptError(f"{path} is empty", _MAKE)
    if expected and size != expected[0]:
        raise KgptError(
            f"{path} is damaged: it has {size:,} bytes, and {expected[0]:,} by {beside}",
            "copy it again, or make it again",
        )
    if not is_boot_sector(head):
        raise KgptError(f"{path} is not an image of a stick: it has no boot sector", _MAKE)
    if (needed := _size_by_content(head)) > size:
        raise KgptError(
            f"{path} is cut off: it has {size:,} bytes, and {needed:,} by its own tables",
            "copy it again, or make it again",
        )
    sha256 = _sha256(path, size, amount)
    if expected and sha256 != expected[1]:
        raise KgptError(
            f"{path} is damaged, or another image: its SHA-256 is {sha256}, and {expected[1]} by {beside}",
            "copy it again, or make it again",
        )
    if not expected:
        _check_within(path)
    return Image(path, size, sha256)


def _check_within(path: Path) -> None:
    """Check each file in the image against the manifest inside, as there is no manifest beside the image."""
    try:
        problems = inspect.inspect(path).problems
    except ToolMissing:
        raise
    except KgptError as error:
        raise KgptError(error.message, "kgpt flash writes what kgpt image made; for others there is dd") from error
    if problems:
        raise KgptError(f"{path} is damaged: {problems[0]}", "copy it again, or make it again: kgpt image usb")


def _head(path: Path) -> tuple[bytes, int]:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise KgptError(f"{path} is not a file", "IMAGE comes first, then DEVICE: kgpt flash kgpt.img /dev/sdX")
        with path.open("rb") as file:
            return file.read(_HEAD), status.st_size
    except OSError as error:
        raise KgptError(f"cannot read {path}: {error.strerror}", _MAKE) from error


def _expected(path: Path) -> tuple[int, str] | None:
    """Size and SHA-256 from the manifest beside ``path``; None without a manifest."""
    place = manifest.beside(path)
    try:
        image = manifest.parse(place.read_bytes(), str(place)).get("image")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KgptError(f"cannot read {place}: {error.strerror}", "it says what the image has to be") from error
    match image:
        case {"size": int(size), "sha256": str(sha256)}:
            return size, sha256
    raise KgptError(f"{place}: the manifest is damaged", "make the image again: kgpt image")


def _size_by_content(head: bytes) -> int:
    """Bytes that the image must have by its own tables: the volume of ISO 9660, and the partitions of the MBR."""
    reaches = [0]
    if has_disc_mark(head[DISC_DESCRIPTOR:]):
        (blocks,) = struct.unpack_from("<I", head, DISC_DESCRIPTOR + _VOLUME_BLOCKS)
        reaches.append(blocks * DISC_SECTOR)
    for entry in mbr_entries(head):
        if entry.kind not in (0, PROTECTIVE):  # a protective entry may cover more sectors than the disk has
            reaches.append((entry.start + entry.sectors) * SECTOR)
    return max(reaches)


def _sha256(path: Path, size: int, amount: Callable[[int, int], None]) -> str:
    digest = hashlib.sha256()
    done = 0
    try:
        with path.open("rb") as file:
            while data := file.read(BLOCK):
                digest.update(data)
                done += len(data)
                amount(done, size)
    except OSError as error:
        raise KgptError(f"cannot read {path}: {error.strerror}", "copy it again, or make it again") from error
    return digest.hexdigest()
