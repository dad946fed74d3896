"""Writes a hybrid image: a disc (ISO 9660, El Torito) that is also a disk with a GPT, for BIOS and for UEFI.

The ISO file system is partition 1, the EFI system partition is partition 2, behind it. The first sector holds GRUB's
code for a BIOS that treats the medium as a disk. xorriso gets every time stamp and identifier as an option, so that
the same content gives the same bytes.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from kgpt_build import process
from kgpt_build.arch import DEFAULT
from kgpt_build.image.fs import fat
from kgpt_build.image.fs.fat import Names
from kgpt_build.image.fs.volumes import lay_out, size_of
from kgpt_build.image.loader import Grub, bios_core, boot_sector, uefi_program
from kgpt_build.media import DISC_SECTOR, SECTOR
from kgpt_build.plain_names import plain_name
from kgpt_build.sizes import rounded_up

BIOS_CORE = "/boot/grub/bios.img"
UEFI_PROGRAM = DEFAULT.uefi.program
VOLUME_ID = "KGPT"
_ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
_DATA_TYPE = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
_SECONDS = 1800.0


def boot_files(grub: Grub, marker: str, work: Path) -> dict[str, bytes]:
    """The files that firmware loads from a disc: path -> bytes."""
    return {
        BIOS_CORE: bios_core(grub, marker, work, disc=True),
        UEFI_PROGRAM: uefi_program(grub, marker, work),
    }


def size(files: Mapping[str, Path | bytes]) -> int:
    """An estimate of the image's size in bytes, not less than the real one."""
    data = sum(rounded_up(size_of(source), DISC_SECTOR) + 4096 for source in files.values())
    esp = fat.shape(_esp_files(files), bits=16).total * SECTOR
    return data + esp + (2 << 20)


def write(
    out: Path, files: Mapping[str, Path | bytes], ident: str, epoch: int, grub: Grub, xorriso: Path, work: Path
) -> None:
    """Write the image of ``files`` to ``out``, which lies in ``work``; ``ident`` is its id (hex). Raises KgptError."""
    tree, esp_tree, esp, sector = (work / name for name in ("tree", "esp", "esp.img", "mbr.img"))
    lay_out(files, tree)
    of_esp = _esp_files(files)
    lay_out(of_esp, esp_tree)
    fat.write(esp, 0, fat.shape(of_esp, bits=16), Names("KGPT-EFI", int(ident[:8], 16)), esp_tree, epoch)
    sector.write_bytes(boot_sector(grub, "boot_hybrid.img"))
    plain = plain_name(work)  # xorriso treats =, \ and other characters in names specially
    try:
        names = [plain / path.name for path in (out, tree, esp, sector)]
        process.run(_command(xorriso, names, ident, epoch), timeout=_SECONDS, env=_environment(epoch))
    finally:
        if plain != work:
            plain.unlink(missing_ok=True)


def _esp_files(files: Mapping[str, Path | bytes]) -> dict[str, Path | bytes]:
    return {UEFI_PROGRAM: files[UEFI_PROGRAM]}


def _command(xorriso: Path, names: list[Path], ident: str, epoch: int) -> list[str | Path]:
    out, tree, esp, sector = names
    disk = uuid.UUID(hex=ident[:32], version=4)
    return [
        *(xorriso, "-no_rc", "-as", "mkisofs", "-iso-level", "3", "-r", "-J", "-joliet-long", "-f"),
        *("-V", VOLUME_ID, "-o", out),
        f"--modification-date={time.strftime('%Y%m%d%H%M%S00', time.gmtime(epoch))}",
        *("--set_all_file_dates", f"={epoch}"),
        *("-partition_offset", "16", "--mbr-force-bootable", "--grub2-mbr", sector),
        *("-append_partition", "2", _ESP_TYPE, esp, "-appended_part_as_gpt"),
        *("-iso_mbr_part_type", _DATA_TYPE, "--gpt_disk_guid", str(disk)),
        *("-c", "/boot/grub/boot.cat", "--boot-catalog-hide"),
        *("-b", BIOS_CORE, "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", "--grub2-boot-info"),
        *("-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot"),
        tree,
    ]


def _environment(epoch: int) -> dict[str, str]:
    """The environment of xorriso, which otherwise takes some time stamps from the clock."""
    return {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "TZ": "UTC", "LC_ALL": "C.UTF-8"}
