"""What is in an image of kgpt image: what would boot where, what the menu offers, and whether all of it is whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from kgpt_build.errors import KgptError
from kgpt_build.image import fat_read, iso9660, manifest, partitions
from kgpt_build.image.needs import FIRMWARE
from kgpt_build.image.volumes import CHUNK, File, chunks, content
from kgpt_build.kernel.sources import file_sha256

UEFI_PROGRAM = "/EFI/BOOT/BOOTX64.EFI"
_OURS = "give an image that kgpt image made, or a kernel"


@dataclass(frozen=True)
class Boot:
    """How a machine would start from it: ``firmware`` of a ``medium`` would load ``what``; empty: nothing."""

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
    files: tuple[File, ...]
    problems: tuple[str, ...]


def is_image(path: Path) -> bool:
    """Is there anything that looks like a disc, or a disk? Raises OSError."""
    with path.open("rb") as image:
        return iso9660.is_iso(image) or _has_partitions(image)


def inspect(path: Path) -> ImageInspection:
    """Look into the image ``path``. Raises KgptError for what no image of ours is, or where that cannot be told."""
    try:
        with path.open("rb") as image:
            opened = _open(image)
            described = _manifest(image, opened.files)
            problems = tuple(_problems(image, opened, described))
            size = image.seek(0, 2)
        digest = file_sha256(path)
    except KgptError as error:
        raise KgptError(f"{path}: {error.message}", error.hint) from error
    except OSError as error:
        raise KgptError(f"cannot read {path}: {error.strerror}", _OURS) from error
    files = tuple(opened.files[name] for name in sorted(opened.files))
    problems += tuple(_problems_beside(path, digest))
    return ImageInspection(path, size, digest, opened.kind, opened.volume, opened.boots, described, files, problems)


def memory_wanted(path: Path) -> int | None:
    """MiB for a machine that boots the hungriest entry of the image; None where there is no manifest to ask."""
    try:
        with path.open("rb") as image:
            entries = _manifest(image, _open(image).files)["entries"]
        return max((int(entry["memory"]) for entry in entries), default=0) + FIRMWARE
    except (KgptError, OSError, LookupError, TypeError, ValueError):  # whoever wrote it: it is only a hint
        return None


def verify(path: Path, described: Mapping[str, Any]) -> list[str]:
    """What of the image ``path`` is not as ``described``, in words; nothing if all is. Raises KgptError, OSError."""
    with path.open("rb") as image:
        opened = _open(image)
        if _manifest(image, opened.files) != described:
            return [f"{manifest.PLACE} is not the one that belongs to it"]
        return list(_problems(image, opened, described))


@dataclass(frozen=True)
class _Opened:
    kind: str
    volume: str
    files: Mapping[str, File]
    boots: tuple[Boot, ...]
    system: Mapping[str, File]
    """What UEFI sees."""


def _has_partitions(image: BinaryIO) -> bool:
    try:
        return bool(partitions.partitions(image))
    except KgptError:
        return False


def _open(image: BinaryIO) -> _Opened:
    if iso9660.is_iso(image):
        return _open_disc(image)
    found = [part for part in partitions.partitions(image) if part.is_fat] if _has_partitions(image) else []
    if not found:
        raise KgptError("it is neither a kernel, nor a disc or a disk with a FAT partition", _OURS)
    fat = fat_read.open_fat(image, found[0].offset)
    files = fat_read.files(image, fat)
    boots = (
        Boot("BIOS", "disk", "GRUB by the MBR" if partitions.has_boot_code(image) else ""),
        Boot("UEFI", "disk", UEFI_PROGRAM if UEFI_PROGRAM in files else ""),
    )
    return _Opened("usb", fat.label, files, boots, files)


def _open_disc(image: BinaryIO) -> _Opened:
    files = iso9660.files(image)
    entries = iso9660.boot_entries(image)
    bios = next((entry.offset for entry in entries if entry.platform == iso9660.BIOS), None)
    uefi = next((entry.offset for entry in entries if entry.platform == iso9660.EFI), None)
    core = next((name for name, file in files.items() if bios in [extent.offset for extent in file.extents]), "")
    system = fat_read.files(image, fat_read.open_fat(image, uefi)) if uefi is not None else {}
    esp = next((part.offset for part in partitions.partitions(image) if part.is_fat), None)
    program = UEFI_PROGRAM if UEFI_PROGRAM in system else ""
    boots = (
        Boot("BIOS", "disc", f"{core} by El Torito" if core else ""),
        Boot("BIOS", "disk", "GRUB by the MBR" if partitions.has_boot_code(image) else ""),
        Boot("UEFI", "disc", f"{program} by El Torito" if program else ""),
        Boot("UEFI", "disk", f"{program} of the EFI system partition" if program and esp == uefi else ""),
    )
    return _Opened("iso", iso9660.volume_id(image), files, boots, system)


def _manifest(image: BinaryIO, files: Mapping[str, File]) -> dict[str, Any]:
    file = files.get(manifest.PLACE)
    if file is None:
        raise KgptError(f"it has no {manifest.PLACE}: it was not made by kgpt image", _OURS)
    return manifest.parse(content(image, file), manifest.PLACE)


def _problems(image: BinaryIO, opened: _Opened, described: Mapping[str, Any]) -> Iterator[str]:
    """Each thing that is not as the manifest says."""
    for wanted in described["files"]:
        yield from _file_problems(image, opened.files.get(wanted["path"]), wanted)
        if wanted["path"] == UEFI_PROGRAM and opened.kind == "iso" and UEFI_PROGRAM in opened.system:
            yield from _file_problems(image, opened.system[UEFI_PROGRAM], wanted, "the EFI system partition's ")
    for part in described.get("outside", ()):
        if _digest_of_range(image, part["offset"], part["size"]) != part["sha256"]:
            yield f"{part['what']} (bytes {part['offset']:,} to {part['offset'] + part['size']:,}) is damaged"
    yield from (
        f"nothing for a {boot.firmware} that starts from a {boot.medium}" for boot in opened.boots if not boot.what
    )


def _file_problems(image: BinaryIO, file: File | None, wanted: Mapping[str, Any], whose: str = "") -> Iterator[str]:
    path = f"{whose}{wanted['path']}"
    if file is None:
        yield f"{path} is missing"
        return
    try:
        if wanted["role"] == "boot loader":
            digest = manifest.digest_of(file.path, content(image, file))
        else:
            digest = _sha256(chunks(image, file))
    except KgptError as error:
        yield error.message
        return
    if file.size != wanted["size"]:
        yield f"{path} has {file.size:,} bytes instead of {wanted['size']:,}"
    elif digest != wanted["sha256"]:
        yield f"{path} is not what was written: its SHA-256 is {digest}, not {wanted['sha256']}"


def _problems_beside(path: Path, digest: str) -> Iterator[str]:
    """The manifest beside it, if there is one, is of the same file."""
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
        "files": [{"path": file.path, "size": file.size} for file in found.files],
        "manifest": dict(found.manifest),
    }
