"""An image, from what is wanted in it to a file that was read back. It is whole, or not there."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgpt_build import paths
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.image import disc, manifest
from kgpt_build.image.contents import Contents, Wanted, gather
from kgpt_build.image.loader import find_grub, image_id
from kgpt_build.image.menu import CONFIG, MenuSettings, grub_cfg, template, with_cmdline
from kgpt_build.kernel.settings import Progress
from kgpt_build.kernel.sources import file_sha256
from kgpt_build.toolchain import Xorriso

KINDS = ("iso", "usb")
EPOCH = 1735689600
"""The time of all files in an image, 2025-01-01 UTC, unless SOURCE_DATE_EPOCH says another one."""
_MB = 1_000_000


@dataclass(frozen=True)
class ImageSettings:
    """One image: its ``kind``, where to write it, what is in it, and its menu."""

    kind: str
    out: Path
    wanted: Wanted
    menu: MenuSettings


@dataclass(frozen=True)
class ImageResult:
    """What was written; ``size`` in bytes."""

    image: Path
    manifest: Path
    size: int
    sha256: str
    described: dict[str, Any]


def make(settings: ImageSettings, progress: Progress) -> ImageResult:
    """Make the image and its manifest beside it. Raises KgptError, ToolMissing, UsageError."""
    check_output(settings.out)
    epoch = source_date()
    xorriso, grub = Xorriso(), find_grub()
    program = xorriso.require()
    versions = {**grub.versions, xorriso.name: xorriso.version()}
    contents = gather(settings.wanted, progress)
    entries = with_cmdline(contents.entries, settings.menu.cmdline)
    config = grub_cfg(entries, settings.menu, template()).encode()
    parts = {item.path: item.sha256 for item in contents.items}
    ident = image_id({**parts, CONFIG: hashlib.sha256(config).hexdigest(), "time": str(epoch)})
    marker = f"/kgpt/{ident[:16]}.id"
    folder = settings.out.absolute().parent
    with (
        paths.write_errors(str(settings.out)),
        tempfile.TemporaryDirectory(dir=folder, prefix=f".{settings.out.name}.") as name,
    ):
        work = Path(name)
        boot = disc.boot_files(grub, marker, work)
        described = manifest.content(settings, ident, epoch, contents.items, boot, config, entries, versions)
        files = _files(contents, boot, {CONFIG: config, marker: b"", manifest.PLACE: manifest.encoded(described)})
        _check_room(folder, disc.size(files), progress)
        progress.stage(f"writing {settings.out.name}")
        part = work / "image"
        disc.write(part, files, ident, epoch, grub, program, work)
        part.chmod(0o644)
        size, digest = part.stat().st_size, file_sha256(part)
        beside = {**described, "image": {"file": settings.out.name, "size": size, "sha256": digest}}
        paths.move_atomically(part, settings.out)
    written = manifest.beside(settings.out)
    paths.write_atomically(written, manifest.encoded(beside))
    return ImageResult(settings.out, written, size, digest, beside)


def check_output(out: Path) -> None:
    """Refuse what an image cannot be written to. Raises UsageError, KgptError."""
    try:
        mode = out.stat().st_mode
    except FileNotFoundError:
        if not out.absolute().parent.is_dir():
            raise KgptError(f"cannot write {out}: there is no folder {out.parent}", "make the folder first") from None
        return
    except OSError as error:
        raise KgptError(f"cannot write {out}: {error.strerror}", "choose another place with -o") from error
    if stat.S_ISDIR(mode):
        raise UsageError(f"{out} is a folder", f"name a file in it: -o {out / 'kgpt.iso'}")
    if stat.S_ISBLK(mode):
        raise UsageError(
            f"{out} is a device, and kgpt image writes files",
            f"write a file, then put it on the device: kgpt flash kgpt.iso {out}",
        )
    if not stat.S_ISREG(mode):
        raise UsageError(f"{out} is not a file", "choose another name with -o")


def source_date() -> int:
    """SOURCE_DATE_EPOCH, or EPOCH. Raises UsageError."""
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if text is None:
        return EPOCH
    # FAT counts from 1980 in 128 years, ISO 9660 in 255 years from 1900.
    if not text.isascii() or not text.isdigit() or not 315532800 <= int(text) < 4354819200:
        raise UsageError(f"SOURCE_DATE_EPOCH is {text!r}", "give seconds since 1970, of a day from 1980 to 2107")
    return int(text)


def _files(contents: Contents, *more: Mapping[str, bytes]) -> dict[str, Path | bytes]:
    files: dict[str, Path | bytes] = {item.path: item.source for item in contents.items}
    for group in more:
        files.update(group)
    return files


def _check_room(folder: Path, size: int, progress: Progress) -> None:
    free = shutil.disk_usage(folder).free
    progress.stage(f"the image will have about {size / _MB:,.1f} MB, and {free / _MB:,.0f} MB are free")
    if size > free:
        raise KgptError(
            f"{folder} has {free / _MB:,.0f} MB free, and the image takes {size / _MB:,.0f} MB",
            "make room, or choose another place with -o",
        )
