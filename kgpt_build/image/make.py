"""Makes an image and reads it back; a failed run leaves no file behind."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kgpt_build import paths
from kgpt_build.arch import Arch
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.file_hash import sha256_of
from kgpt_build.image import disc, grub_words, manifest, stick
from kgpt_build.image.contents import EFI_KERNEL, LM_KERNEL, Contents, Item, Wanted, built, gather
from kgpt_build.image.fs.volumes import Source, pieces_of, whole_files
from kgpt_build.image.inspect import file_runs, verify
from kgpt_build.image.loader import Grub, bios_core, find_grub, image_id
from kgpt_build.image.menu import (
    CONFIG,
    EFI_CONFIG,
    SAFE,
    Entry,
    MenuSettings,
    efi_menu,
    efi_path,
    grub_cfg,
    template,
    with_cmdline,
)
from kgpt_build.kernel.settings import Progress
from kgpt_build.memory import TEXTS, empty_log, empty_start
from kgpt_build.signing.sign import Signer, signed
from kgpt_build.sizes import file_text
from kgpt_build.toolchain import Mtools, Xorriso

ENROLMENT = "/kgpt-secure-boot.cer"
"""The certificate (DER) of a signed stick."""
KINDS = ("iso", "usb", "net")
MEMORY = TEXTS["path"]
"""The file of a stick in which a kernel keeps conversations."""
LOG = TEXTS["log_path"]
"""Its file of transcripts."""
_MOST_MEMORY = 4000 << 20
EPOCH = 1735689600
"""The time of all files in an image, 2025-01-01 UTC; SOURCE_DATE_EPOCH overrides it."""


@dataclass(frozen=True)
class ImageSettings:
    """One image: its ``kind``, the file to write, its content, and its menu.

    ``room``: bytes that a stick keeps free for models that are added later.
    """

    kind: str
    out: Path
    wanted: Wanted
    menu: MenuSettings
    room: int = 0
    signer: Signer | None = None
    """Who signs the UEFI programs."""
    memory: int = 0
    """Bytes for what chats keep beyond the end of a run (kgpt_build.memory); 0: none. Sticks only."""

    @property
    def by_efi(self) -> bool:
        """Does UEFI start it by kgpt.efi, not by GRUB?"""
        return self.kind != "iso"


@dataclass(frozen=True)
class ImageResult:
    """The written image; ``size`` in bytes."""

    image: Path
    manifest: Path
    size: int
    sha256: str
    described: dict[str, Any]


@dataclass(frozen=True)
class _Tools:
    """The tools, found before anything is made; ``xorriso`` is for discs only."""

    grub: Grub | None
    """None: the image boots only by UEFI, with kgpt.efi."""
    xorriso: Path
    versions: dict[str, str]


def make(settings: ImageSettings, progress: Progress) -> ImageResult:
    """Make the image, and its manifest beside it. Raises KgptError, ToolMissing, UsageError."""
    check_output(settings.out)
    arch = settings.wanted.arch
    if settings.kind == "iso" and not arch.has_bios:
        raise UsageError(f"discs are not for {arch.title}", "make the image of a stick (kgpt image usb), or add --arch")
    epoch, tools = source_date(), _find_tools(settings.kind, arch)
    usb = settings.kind == "usb"
    wanted = replace(settings.wanted, large=usb)
    contents = gather(wanted, progress, any_lm=usb, cmdline=settings.menu.cmdline)
    entries = with_cmdline(contents.entries, settings.menu.cmdline)
    menus = _menus(settings, entries, progress)
    kernels, program = efi_programs(contents, settings, progress)
    items = (*kernels, *contents.items, *_enrolment(settings.signer))
    parts = {item.path: item.sha256 for item in items}
    parts |= {"program": hashlib.sha256(program).hexdigest()} if settings.signer else {}
    ident = image_id({**parts, **_hashes(menus), "time": str(epoch)})
    folder = settings.out.absolute().parent
    with paths.write_errors(str(settings.out)), _work_folder(settings.out) as name:
        work = Path(name)
        boot, core = _boot_files(settings, program, tools.grub, _marker(ident), work)
        described = manifest.content(settings, ident, epoch, items, boot, menus, entries, tools.versions)
        described["outside"] = stick.outside(core, tools.grub) if usb and tools.grub else []
        own: dict[str, Source] = {
            **boot,
            **menus,
            _marker(ident): b"",
            manifest.PLACE: manifest.encoded(described),
        }
        own |= _memory(settings.memory, work)
        files: dict[str, Source] = {item.path: item.source for item in items} | own
        _check_room(folder, _size(settings, files), progress)
        progress.stage(f"writing {settings.out.name}")
        part = work / "image"
        if usb:
            stick.write(part, files, core, ident, epoch, tools.grub, settings.room)
            _check_memory(part, settings.memory)
        else:
            assert tools.grub is not None, "_find_tools"
            disc.write(part, whole_files(files), ident, epoch, tools.grub, tools.xorriso, work)
        return _publish(part, settings.out, described, progress)


def _menus(settings: ImageSettings, entries: Sequence[Entry], progress: Progress) -> dict[str, bytes]:
    """The files of the menus: that of GRUB has only what GRUB can load."""
    efi = {EFI_CONFIG: efi_menu(entries, settings.menu, LM_KERNEL).encode()} if settings.kind == "usb" else {}
    if not settings.wanted.arch.has_bios:
        return efi
    by_grub = [entry for entry in entries if entry.bios]
    for_grub, without = settings.menu, [entry for entry in entries if not entry.bios]
    if without:
        names = ", ".join(entry.id for entry in without)
        progress.stage(f"only by UEFI, since the model is too large for GRUB: {names}")
    if any(settings.menu.default.removeprefix(f"{SAFE}>{SAFE}-") == entry.id for entry in without):
        for_grub = replace(settings.menu, default="")
    return {CONFIG: grub_cfg(by_grub, for_grub, template()).encode(), grub_words.PLACE: grub_words.catalog(), **efi}


def efi_programs(contents: Contents, settings: ImageSettings, progress: Progress) -> tuple[list[Item], bytes]:
    """The kernels of the image, and the program with the menu for UEFI, which holds the kernel of language models."""
    kernels = list(built(contents.kernels, settings.wanted, progress, efi=settings.by_efi))
    program = next((item for item in kernels if settings.by_efi and item.path == efi_path(LM_KERNEL)), None)
    if program is None:
        return kernels, b""
    kernels.remove(program)
    started = b"".join(pieces_of(program.source))
    if settings.signer:
        # Firmware checks the programs of the menu, too: the first one starts them by LoadImage.
        kernels = [_signed_item(item, settings.signer) if item.role == EFI_KERNEL else item for item in kernels]
        started = signed(started, settings.signer, settings.wanted.arch.uefi.program)
    return kernels, started


def _enrolment(signer: Signer | None) -> Iterator[Item]:
    """The certificate of the signer, which the setup of firmware adds to its database from the stick."""
    if signer:
        data = signer.der
        yield Item(ENROLMENT, data, hashlib.sha256(data).hexdigest(), len(data), "certificate", "for Secure Boot")


def _signed_item(item: Item, signer: Signer) -> Item:
    data = signed(b"".join(pieces_of(item.source)), signer, item.path)
    return replace(item, source=data, sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def _memory(size: int, work: Path) -> dict[str, Source]:
    """The files to which a kernel writes. The manifest does not describe them: they change."""
    if not size:
        return {}
    if size > _MOST_MEMORY:
        raise UsageError(f"a memory of {file_text(size)} is too large for FAT32", "give at most 4000M")
    path = work / "memory"
    path.write_bytes(empty_start(size))
    os.truncate(path, size)
    return {MEMORY: path, LOG: empty_log()}


def _check_memory(part: Path, size: int) -> None:
    """The kernel writes in place to one run of sectors: mtools must have laid the files out so. Raises KgptError."""
    if size:
        with part.open("rb") as image:
            pieces = {path: len(file_runs(image, path)) for path in (MEMORY, LOG)}
        for path, n in pieces.items():
            if n != 1:
                raise KgptError(f"{path} lies in {n} pieces", "make the image again, with another mtools")


def _hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}


def _find_tools(kind: str, arch: Arch) -> _Tools:
    grub, mtools, xorriso = find_grub() if arch.has_bios else None, Mtools(), Xorriso()
    versions = {**(grub.versions if grub else {}), mtools.name: mtools.version()}
    if kind == "usb":
        return _Tools(grub, Path(), versions)
    return _Tools(grub, xorriso.require(), {**versions, xorriso.name: xorriso.version()})


def _work_folder(out: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder beside the image: that disk must have room anyway, and the finished file is renamed there."""
    return tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=".kgpt-image.")


def _marker(ident: str) -> str:
    """The file by which GRUB recognizes the medium of this image."""
    return f"/kgpt/{ident[:16]}.id"


def _boot_files(
    settings: ImageSettings, program: bytes, grub: Grub | None, marker: str, work: Path
) -> tuple[dict[str, bytes], bytes]:
    """The code that firmware loads: files of the image, and code outside its file system."""
    if settings.kind == "usb":
        core = bios_core(grub, marker, work, disc=False) if grub else b""
        return {settings.wanted.arch.uefi.program: program}, core
    assert grub is not None, "_find_tools"
    return disc.boot_files(grub, marker, work), b""


def _size(settings: ImageSettings, files: Mapping[str, Source]) -> int:
    return stick.size(files, settings.room) if settings.kind == "usb" else disc.size(whole_files(files))


def _publish(part: Path, out: Path, described: dict[str, Any], progress: Progress) -> ImageResult:
    """Read the image back, then move it and its manifest to their final names."""
    progress.stage("reading it back")
    if problems := verify(part, described):
        raise KgptError(f"{out} was not written well: {'; '.join(problems)}", "look at the disk, and try again")
    size, digest = part.stat().st_size, sha256_of(part)
    beside = {**described, "image": {"file": out.name, "size": size, "sha256": digest}}
    paths.move_atomically(part, out)
    written = manifest.beside(out)
    paths.write_atomically(written, manifest.encoded(beside))
    return ImageResult(out, written, size, digest, beside)


def check_output(out: Path) -> None:
    """Refuse an output path that cannot be written. Raises UsageError, KgptError."""
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
    # FAT stores years 1980 to 2107, ISO 9660 years 1900 to 2155.
    if not text.isascii() or not text.isdigit() or not 315532800 <= int(text) < 4354819200:
        raise UsageError(f"SOURCE_DATE_EPOCH is {text!r}", "give seconds since 1970, of a day from 1980 to 2107")
    return int(text)


def _check_room(folder: Path, size: int, progress: Progress) -> None:
    free = shutil.disk_usage(folder).free
    progress.stage(f"the image will have about {file_text(size, 1)}, and {file_text(free)} are free")
    if size > free:
        raise KgptError(
            f"{folder} has {file_text(free)} free, and the image takes {file_text(size)}",
            "make room, or choose another place with -o",
        )
