"""Writes an image of a stick: one FAT32 partition, which every system shows and BIOS and UEFI boot from.

The partition table is an MBR: a GPT has a copy at the end of the medium, and an image does not know where that is.
A BIOS runs GRUB's sector, which loads the core from the sectors before the partition. UEFI starts the file
``Uefi.program`` of the partition, which is kgpt.efi. Without GRUB the first sector has no code, and only UEFI boots.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kgpt_build.errors import KgptError
from kgpt_build.image.fs import fat
from kgpt_build.image.fs.fat import Names
from kgpt_build.image.fs.volumes import Source, lay_out
from kgpt_build.image.loader import Grub, boot_sector
from kgpt_build.media import SECTOR
from kgpt_build.sizes import rounded_up

LABEL = "KGPT"
START = 2048
"""The first sector of the partition; GRUB's core lies between sector 0 and the partition."""
_FAT32_LBA = 0x0C
_ACTIVE = 0x80
# Offsets in GRUB's boot code that hold the sector of the next part: grub-core/boot/i386/pc/boot.S, diskboot.S.
_KERNEL_SECTOR = 0x5C
_DRIVE_CHECK = 0x66
_CODE = 440  # bytes of boot code; signature and partition table follow
_FIRST_BLOCKLIST = SECTOR - 12


def size(files: Mapping[str, Source], room: int) -> int:
    """Bytes of the whole image with ``room`` bytes free."""
    return (START + fat.shape(files, bits=32, room=room).total) * SECTOR


def outside(core: bytes, grub: Grub) -> list[dict[str, Any]]:
    """The code before the partition, for the manifest: the code of the first sector, and the core."""
    code, rest = _first_sector_code(grub), placed(core)
    return [
        {"what": "the code of the MBR", "offset": 0, "size": len(code), "sha256": hashlib.sha256(code).hexdigest()},
        {"what": "GRUB's core", "offset": SECTOR, "size": len(rest), "sha256": hashlib.sha256(rest).hexdigest()},
    ]


def write(
    out: Path, files: Mapping[str, Source], core: bytes, ident: str, epoch: int, grub: Grub | None, room: int
) -> None:
    """Write the image of ``files`` to ``out``, in a work folder; ``ident`` is the image's id (hex).

    Raises KgptError, OSError.
    """
    shape, tree = fat.shape(files, bits=32, room=room), out.parent / "tree"
    code = _first_sector_code(grub) if grub else bytes(_CODE)
    out.write_bytes(_first_sector(code, shape.total, int(ident[8:16], 16)) + (placed(core) if grub else b""))
    lay_out(files, tree)
    fat.write(out, START, shape, Names(LABEL, int(ident[:8], 16)), tree, epoch, files)


def _first_sector_code(grub: Grub) -> bytes:
    """GRUB's boot code, patched to load the core from sector 1."""
    sector = bytearray(boot_sector(grub, "boot.img"))
    struct.pack_into("<Q", sector, _KERNEL_SECTOR, 1)
    # Remove the jump over GRUB's check of the drive number: some BIOSes pass a wrong one.
    sector[_DRIVE_CHECK : _DRIVE_CHECK + 2] = b"\x90\x90"
    return bytes(sector[:_CODE])


def _first_sector(code: bytes, sectors: int, signature: int) -> bytes:
    """The first sector: boot code and partition table; the partition has ``sectors`` sectors."""
    first, last = _chs(START), _chs(START + sectors - 1)
    active = _ACTIVE if any(code) else 0
    entry = struct.pack("<B3sB3sII", active, first, _FAT32_LBA, last, START, sectors)
    return code + struct.pack("<IH16s48x2s", signature, 0, entry, b"\x55\xaa")


def _chs(sector: int) -> bytes:
    """Cylinder, head and sector of an MBR; beyond 8 GB the highest values."""
    cylinder, rest = divmod(sector, 255 * 63)
    head, number = divmod(rest, 63)
    if cylinder > 1023:
        return b"\xfe\xff\xff"
    return bytes((head, (number + 1) | cylinder >> 2 & 0xC0, cylinder & 0xFF))


def placed(core: bytes) -> bytes:
    """The core, with the number of its second sector patched into its first. Raises KgptError."""
    if len(core) > (START - 1) * SECTOR:
        raise KgptError(
            f"GRUB's core has {len(core):,} bytes, more than fit before the partition", "use kgpt image iso"
        )
    data = bytearray(core.ljust(rounded_up(len(core), SECTOR), b"\0"))
    struct.pack_into("<Q", data, _FIRST_BLOCKLIST, 2)
    return bytes(data)
