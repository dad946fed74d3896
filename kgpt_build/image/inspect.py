"""Reads an image of kgpt image: what each firmware boots, the menu, and whether each file is as written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from kgpt_build.arch import ALL, DEFAULT, Arch, of_name
from kgpt_build.errors import KgptError, ToolMissing
from kgpt_build.file_hash import sha256_of
from kgpt_build.image import manifest
from kgpt_build.image.contents import LM_KERNEL
from kgpt_build.image.disc import UEFI_PROGRAM
from kgpt_build.image.fs import iso9660, partitions
from kgpt_build.image.fs.fat import Fat
from kgpt_build.image.fs.iso9660 import Disc
from kgpt_build.image.fs.volumes import CHUNK, Volume, chunks, content
from kgpt_build.image.needs import FIRMWARE
from kgpt_build.media import is_iso
from kgpt_build.memory import TEXTS

_OURS = "give an image that kgpt image made, or a kernel"


@dataclass(frozen=True)
class Boot:
    """One way to boot: ``firmware`` loads ``what`` from a ``medium``; ``what`` empty: it finds nothing to boot."""

    firmware: str
    medium: str
    what: str


@dataclass(frozen=True)
class ImageInspection:
    """All that `kgpt inspect` shows of an image; ``size`` in bytes, ``problems`` empty where it is whole."""

    path: Path
    size: int
    sha256: str
    kind: str
    volume: str
    boots: tuple[Boot, ...]
    manifest: Mapping[str, Any]
    files: Mapping[str, int]
    """Path of each file -> size in bytes."""
    problems: tuple[str, ...]


def is_image(path: Path) -> bool:
    """Does the file look like a disc (ISO 9660) or a disk with partitions? Raises OSError."""
    with path.open("rb") as image:
        return is_iso(image) or has_partitions(image)


def inspect(path: Path) -> ImageInspection:
    """Inspect the image ``path``.

    Raises KgptError if it cannot be read or was not made by kgpt image, ToolMissing if mtools is needed and missing.
    """
    try:
        with path.open("rb") as image:
            opened = _open(image)
            described = _manifest(opened.volume)
            problems = tuple(_problems(image, opened, described))
            size = image.seek(0, 2)
        digest = sha256_of(path)
    except ToolMissing:
        raise
    except KgptError as error:
        raise KgptError(f"{path}: {error.message}", error.hint) from error
    except OSError as error:
        raise KgptError(f"cannot read {path}: {error.strerror}", _OURS) from error
    files, label = dict(sorted(opened.volume.files.items())), opened.volume.label
    if TEXTS["path"] not in files:  # else the kernel writes to it, and no SHA-256 of the whole stays true
        problems += tuple(_problems_beside(path, digest))
    return ImageInspection(path, size, digest, opened.kind, label, opened.boots, described, files, problems)


def memory_wanted(path: Path) -> int | None:
    """MiB for a machine that can boot every entry of the image; None without a manifest.

    Raises ToolMissing: only mtools can read the manifest of a stick.
    """
    try:
        wanted = [int(entry["memory"]) for entry in _entries(path)]
        return max(wanted) + FIRMWARE if wanted else None
    except (LookupError, TypeError, ValueError):
        return None


def boots_language_model(path: Path) -> bool:
    """Does the menu offer a language model? Raises ToolMissing, as memory_wanted does."""
    try:
        return any(entry["kernel"] == LM_KERNEL for entry in _entries(path))
    except (LookupError, TypeError):
        return False


def file_runs(image: BinaryIO, path: str) -> list[tuple[int, int]]:
    """Where the bytes of a file lie in the image of a stick: offset and size of each run. Raises KgptError.

    It is empty if the stick has no such file.
    """
    volume = _volume(image)
    if not isinstance(volume, Fat) or path not in volume.files:
        return []
    runs, left = [], volume.files[path]
    for offset, size in volume.extents(path):
        runs.append((offset, min(size, left)))
        left -= min(size, left)
    return runs


def arch_of_image(path: Path) -> Arch | None:
    """The architecture of the machines that boot the image; None: it is none of kgpt image.

    Raises ToolMissing, as memory_wanted does.
    """
    try:
        with path.open("rb") as image:
            return _arch_of(_manifest(_volume(image)))
    except ToolMissing:
        raise
    except (KgptError, OSError):
        return None


def _arch_of(described: Mapping[str, Any]) -> Arch:
    """The architecture in a manifest. Raises KgptError for an unknown one."""
    try:
        return of_name(described.get("arch", DEFAULT.name))
    except (KeyError, TypeError):
        raise KgptError(f"it is for the processor {described['arch']!r}, which kgpt does not know", _OURS) from None


def _entries(path: Path) -> list[Any]:
    """The entries of the manifest, which are only a hint: none if it is missing or damaged."""
    try:
        with path.open("rb") as image:
            return list(_manifest(_volume(image))["entries"])
    except ToolMissing:
        raise
    except (KgptError, OSError, LookupError, TypeError, ValueError):
        return []


def verify(path: Path, described: Mapping[str, Any]) -> list[str]:
    """The differences of the image ``path`` from the manifest ``described``, as texts. Raises KgptError, OSError."""
    with path.open("rb") as image:
        opened = _open(image)
        if _manifest(opened.volume) != described:
            return [f"{manifest.PLACE} is not the one that belongs to it"]
        return list(_problems(image, opened, described))


@dataclass(frozen=True)
class _Opened:
    kind: str
    volume: Volume
    boots: tuple[Boot, ...]
    system: Volume | None
    """The EFI system partition; None: the image is no disc."""


def has_partitions(image: BinaryIO) -> bool:
    """Does the file look like a disk with partitions?"""
    try:
        return bool(partitions.partitions(image))
    except KgptError:
        return False


def _volume(image: BinaryIO) -> Volume:
    """The file system that holds all files of the image."""
    if is_iso(image):
        return Disc(image)
    found = [part for part in partitions.partitions(image) if part.is_fat] if has_partitions(image) else []
    if not found:
        raise KgptError("it is neither a kernel, nor a disc or a disk with a FAT partition", _OURS)
    return Fat(image, found[0].offset)


def _open(image: BinaryIO) -> _Opened:
    volume = _volume(image)
    if isinstance(volume, Disc):
        return _open_disc(image, volume)
    program = next((arch.uefi.program for arch in ALL if arch.uefi.program in volume.files), "")
    bios = Boot("BIOS", "disk", "GRUB by the MBR" if partitions.has_boot_code(image) else "")
    uefi = Boot("UEFI", "disk", program)
    return _Opened("usb", volume, (bios, uefi) if _arch_of(_manifest(volume)).has_bios else (uefi,), None)


def _open_disc(image: BinaryIO, disc: Disc) -> _Opened:
    starts = disc.boots()
    bios, uefi = starts.get(iso9660.BIOS), starts.get(iso9660.EFI)
    core = disc.file_at(bios) if bios is not None else ""
    system = Fat(image, uefi) if uefi is not None else None
    esp = next((part.offset for part in partitions.partitions(image) if part.is_fat), None)
    program = UEFI_PROGRAM if system and UEFI_PROGRAM in system.files else ""
    boots = (
        Boot("BIOS", "disc", f"{core} by El Torito" if core else ""),
        Boot("BIOS", "disk", "GRUB by the MBR" if partitions.has_boot_code(image) else ""),
        Boot("UEFI", "disc", f"{program} by El Torito" if program else ""),
        Boot("UEFI", "disk", f"{program} of the EFI system partition" if program and esp == uefi else ""),
    )
    return _Opened("iso", disc, boots, system)


def _manifest(volume: Volume) -> dict[str, Any]:
    if manifest.PLACE not in volume.files:
        raise KgptError(f"it has no {manifest.PLACE}: it was not made by kgpt image", _OURS)
    return manifest.parse(content(volume, manifest.PLACE), manifest.PLACE)


def _problems(image: BinaryIO, opened: _Opened, described: Mapping[str, Any]) -> Iterator[str]:
    """Each difference from the manifest."""
    for wanted in described["files"]:
        yield from _file_problems(opened.volume, wanted)
        if wanted["path"] == UEFI_PROGRAM and opened.system and UEFI_PROGRAM in opened.system.files:
            yield from _file_problems(opened.system, wanted, "the EFI system partition's ")
    for part in described.get("outside", ()):
        if _digest_of_range(image, part["offset"], part["size"]) != part["sha256"]:
            yield f"{part['what']} (bytes {part['offset']:,} to {part['offset'] + part['size']:,}) is damaged"
    yield from (
        f"nothing for a {boot.firmware} that starts from a {boot.medium}" for boot in opened.boots if not boot.what
    )


def _file_problems(volume: Volume, wanted: Mapping[str, Any], whose: str = "") -> Iterator[str]:
    path = wanted["path"]
    if path not in volume.files:
        yield f"{whose}{path} is missing"
        return
    try:
        if wanted["role"] == "boot loader":
            digest = manifest.digest_of(path, content(volume, path))
        else:
            digest = _sha256(chunks(volume, path))
    except KgptError as error:
        yield f"{whose}{error.message}"
        return
    if volume.files[path] != wanted["size"]:
        yield f"{whose}{path} has {volume.files[path]:,} bytes instead of {wanted['size']:,}"
    elif digest != wanted["sha256"]:
        yield f"{whose}{path} is not what was written: its SHA-256 is {digest}, not {wanted['sha256']}"


def _problems_beside(path: Path, digest: str) -> Iterator[str]:
    """Check that a manifest beside the image, if there is one, describes this file."""
    beside = manifest.beside(path)
    if not beside.is_file():
        return
    try:
        said = manifest.parse(beside.read_bytes(), str(beside))["image"]["sha256"]
    except (KgptError, KeyError, TypeError) as error:
        yield f"{beside} cannot be used: {error}"
        return
    if said != digest:
        yield f"it is not the file that {beside.name} describes: that has the SHA-256 {said}"


def _sha256(parts: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _digest_of_range(image: BinaryIO, offset: int, size: int) -> str:
    image.seek(offset)
    digest = hashlib.sha256()
    while size and (data := image.read(min(CHUNK, size))):
        digest.update(data)
        size -= len(data)
    return digest.hexdigest()


def as_json(found: ImageInspection) -> dict[str, Any]:
    """``found`` in plain types, for `--json`."""
    return {
        "file": str(found.path),
        "size": found.size,
        "sha256": found.sha256,
        "kind": found.kind,
        "volume": found.volume,
        "whole": not found.problems,
        "problems": list(found.problems),
        "boots": [{"firmware": boot.firmware, "medium": boot.medium, "what": boot.what} for boot in found.boots],
        "files": [{"path": path, "size": size} for path, size in found.files.items()],
        "manifest": dict(found.manifest),
    }
