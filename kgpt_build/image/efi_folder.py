"""Writes a folder that firmware boots when QEMU shows it as a FAT drive: kgpt.efi, its menu and boot modules."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from kgpt_build.arch import Arch
from kgpt_build.boot_modules import BootModule
from kgpt_build.errors import UsageError
from kgpt_build.image.menu import EFI_CONFIG, Entry, MenuModule, MenuSettings, efi_menu
from kgpt_build.paths import write_errors

_FAT_DRIVE = 480 << 20
"""Bytes of files in a folder that QEMU shows as a FAT16 drive."""


def write_efi_folder(
    folder: Path, efi: Path, arch: Arch, cmdline: str = "", modules: Sequence[BootModule] = ()
) -> None:
    """Fill ``folder``, which exists, with the program ``efi`` and what it shall load and say to the kernel.

    Raises UsageError for what such a drive cannot hold, KgptError.
    """
    program = folder / arch.uefi.program.lstrip("/")
    with write_errors(str(program)):
        program.parent.mkdir(parents=True)
        shutil.copyfile(efi, program)
        if modules or cmdline:
            _write_menu(folder, cmdline, modules)


def _write_menu(folder: Path, cmdline: str, modules: Sequence[BootModule]) -> None:
    """The boot modules, and a menu whose only entry has them and the words."""
    size = sum(module.path.stat().st_size for module in modules)
    if size > _FAT_DRIVE:
        raise UsageError(
            f"the files have {size:,} bytes, more than fit a folder that QEMU shows as a drive ({_FAT_DRIVE:,})",
            "make a stick, and run it: kgpt image usb MODEL -o kgpt.img",
        )
    if any(ord(char) < ord(" ") for char in cmdline):
        raise UsageError("a menu of UEFI holds no control characters", "leave them out of --cmdline")
    brought = []
    for number, module in enumerate(modules):
        target = folder / "modules" / str(number)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(module.path, target)
        brought.append(MenuModule(f"/modules/{number}", (module.path.name, *module.words)))
    entry = Entry("run", "run", "", (cmdline,), tuple(brought))
    place = folder / EFI_CONFIG.lstrip("/")
    place.parent.mkdir()
    place.write_text(efi_menu((entry,), MenuSettings(timeout=0), ""))
