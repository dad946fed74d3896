"""Makes GRUB's core images, one for BIOS and one for UEFI; they need no other files of GRUB.

The bytes of a core depend only on GRUB's version and the id of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kgpt_build import process
from kgpt_build.arch import DEFAULT, GrubPlatform
from kgpt_build.errors import KgptError
from kgpt_build.file_hash import combined
from kgpt_build.toolchain import GrubMkimage, GrubModules

PREFIX = "/boot/grub"
_SECONDS = 120.0
_MODULES = (
    *(
        "all_video",
        "boot",
        "configfile",
        "echo",
        "fat",
        "font",
        "gettext",
        "gfxterm",
        "iso9660",
        "ls",
        "multiboot2",
        "normal",
    ),
    *("part_gpt", "part_msdos", "regexp", "search", "search_fs_file", "serial", "sleep", "terminal", "test", "true"),
    *("halt", "reboot", "cat", "minicmd", "progress"),
)
_BIOS, _UEFI = DEFAULT.grub


@dataclass(frozen=True)
class Grub:
    """GRUB's tools, all installed. ``bios`` and ``uefi`` are the folders of the modules."""

    mkimage: Path
    bios: Path
    uefi: Path
    versions: dict[str, str]


def find_grub() -> Grub:
    """Find GRUB's tools. Raises ToolMissing that names the missing one."""
    tools = GrubMkimage(), GrubModules(_BIOS), GrubModules(_UEFI)
    mkimage, bios, uefi = (tool.require() for tool in tools)
    return Grub(mkimage, bios, uefi, {tool.name: tool.version() for tool in tools})


def bios_core(grub: Grub, marker: str, work: Path, *, disc: bool) -> bytes:
    """The core for BIOS; with ``disc`` it begins with the code for El Torito, else with the code for a disk."""
    return _made(grub, grub.bios, _BIOS.disc_format if disc else _BIOS.name, _BIOS, marker, work)


def uefi_program(grub: Grub, marker: str, work: Path) -> bytes:
    """The program that UEFI starts from a medium."""
    return _made(grub, grub.uefi, _UEFI.name, _UEFI, marker, work)


def _made(grub: Grub, modules: Path, form: str, platform: GrubPlatform, marker: str, work: Path) -> bytes:
    start, out = work / "start.cfg", work / f"{form}.img"
    # GRUB searches all media for the marker file, whose name is unique to this image. The hint makes it try the boot
    # medium first: on a stick the marker is there, so no other disk is searched.
    start.write_text(
        f"search --no-floppy --file --set=root --hint=$root {marker}\n"
        f"set prefix=($root){PREFIX}\nconfigfile $prefix/grub.cfg\n"
    )
    process.run(
        [
            *(grub.mkimage, "-O", form, "-d", modules, "-c", start.name, "-p", PREFIX, "-o", out.name),
            *sorted({*_MODULES, *platform.modules}),
        ],
        cwd=work,
        timeout=_SECONDS,
    )
    try:
        return out.read_bytes()
    except OSError as error:
        raise KgptError(
            f"{grub.mkimage} has written nothing: {error.strerror}", "see it with kgpt -v image …"
        ) from error


def boot_sector(grub: Grub, name: str) -> bytes:
    """The 512 bytes of boot.img or boot_hybrid.img, the boot sector of a disk. Raises KgptError."""
    path = grub.bios / name
    try:
        sector = path.read_bytes()
    except OSError as error:
        raise KgptError(f"cannot read {path}: {error.strerror}", f"{GrubModules(_BIOS).install} --reinstall") from error
    if len(sector) != 512:
        raise KgptError(f"{path} has {len(sector)} bytes instead of 512", f"{GrubModules(_BIOS).install} --reinstall")
    return sector


def image_id(parts: dict[str, str]) -> str:
    """SHA-256 (hex) of all parts of an image: every identifier in the image comes from it."""
    return combined(parts)
