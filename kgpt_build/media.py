"""Detects by content what a machine can boot a file as: a kernel, a disc (ISO 9660), or a disk with partitions."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kgpt_build.arch import DEFAULT, Arch, of_elf_machine, of_pe_machine

ELF_MAGIC = b"\x7fELF"
PE_MAGIC = b"MZ"
"""The first bytes of a UEFI program."""
_PE_HEADER = 0x3C
"""Where a UEFI program says at which offset its PE header is."""
SECTOR = 512
"""Bytes: the unit of partition tables."""
DISC_SECTOR = 2048
DISC_DESCRIPTOR = 16 * DISC_SECTOR
"""Offset of the primary volume descriptor of ISO 9660."""
_DISC_MARK = b"CD001"
_SIGNATURE = b"\x55\xaa"
_PARTITION = struct.Struct("<B3xB3xII")
_TABLE = 446


KERNEL_NAME = "kernel.elf"
EFI_NAME = "kgpt.efi"
"""The file that UEFI starts, beside the kernel."""


@dataclass(frozen=True)
class MbrEntry:
    """A row of an MBR; ``kind`` 0: the row is empty. ``start`` and ``sectors`` count sectors of 512 bytes."""

    active: int
    kind: int
    start: int
    sectors: int


def is_boot_sector(sector: bytes) -> bool:
    """Does the first sector of a disk end with the signature of a BIOS boot sector?"""
    return sector[SECTOR - 2 : SECTOR] == _SIGNATURE


def mbr_entries(sector: bytes) -> list[MbrEntry]:
    """The four rows of a boot sector, which has 512 bytes."""
    return [MbrEntry(*_PARTITION.unpack_from(sector, _TABLE + _PARTITION.size * i)) for i in range(4)]


def has_disc_mark(descriptor: bytes) -> bool:
    """Is ``descriptor``, the bytes at ``DISC_DESCRIPTOR``, a volume descriptor of ISO 9660?"""
    return descriptor[1 : 1 + len(_DISC_MARK)] == _DISC_MARK


def is_iso(file: BinaryIO) -> bool:
    """Is the file an ISO 9660 disc? Raises OSError."""
    file.seek(DISC_DESCRIPTOR)
    return has_disc_mark(file.read(1 + len(_DISC_MARK)))


def is_elf(path: Path) -> bool:
    """Is it an ELF file, such as a kernel? Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(ELF_MAGIC)) == ELF_MAGIC


def elf_machine(path: Path) -> int | None:
    """``e_machine`` of an ELF file; None: it is none. Raises OSError."""
    with path.open("rb") as file:
        begin = file.read(20)
    return int.from_bytes(begin[18:20], "little") if begin.startswith(ELF_MAGIC) and len(begin) == 20 else None


def arch_of_file(path: Path) -> Arch | None:
    """The architecture of a kernel, of a program for Linux, or of one for UEFI; None: the file is none of ours.

    Raises OSError.
    """
    with path.open("rb") as file:
        begin = file.read(_PE_HEADER + 4)
        if not begin.startswith(PE_MAGIC):
            machine = int.from_bytes(begin[18:20], "little")
            return of_elf_machine(machine) if begin.startswith(ELF_MAGIC) else None
        file.seek(int.from_bytes(begin[_PE_HEADER:], "little"))
        header = file.read(6)
    return of_pe_machine(int.from_bytes(header[4:], "little")) if header.startswith(b"PE\0\0") else None


def arch_of_kernel(path: Path) -> Arch:
    """The architecture of the ELF file ``path``; the default one for other files, and for files of unknown processors.

    Who reads the file refuses those. Raises OSError.
    """
    machine = elf_machine(path)
    return (of_elf_machine(machine) if machine is not None else None) or DEFAULT


def is_pe(path: Path) -> bool:
    """Is it a UEFI program? Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(PE_MAGIC)) == PE_MAGIC


def medium_of(path: Path) -> str:
    """``cdrom`` for an ISO 9660 image, ``usb`` for a disk with partitions, else ``kernel``.

    A hybrid, which is an ISO and a disk, is a cdrom; it boots as a stick, too. Raises OSError.
    """
    with path.open("rb") as file:
        first = file.read(SECTOR)
        if is_iso(file):
            return "cdrom"
    return "usb" if _is_partitioned(first) else "kernel"


def _is_partitioned(sector: bytes) -> bool:
    """Is it a boot sector with a plausible partition table? The signature alone may occur by chance."""
    if not is_boot_sector(sector):
        return False
    entries = mbr_entries(sector)
    return all(entry.active in (0, 0x80) for entry in entries) and any(entry.kind for entry in entries)
