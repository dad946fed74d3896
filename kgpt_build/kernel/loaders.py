"""Finds the headers by which loaders recognize a kernel: multiboot 1, multiboot 2, the PVH note, a Linux image.

Multiboot Specification 0.6.96, section 3.1; Multiboot2 Specification 2.0, section 3.1; Xen's docs/misc/pvh.pandoc.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kgpt_build.arch import Arch
from kgpt_build.kernel.elf import ElfFile
from kgpt_build.sizes import rounded_up

MULTIBOOT1_MAGIC = 0x1BADB002
MULTIBOOT1_SEARCH = 8192
MULTIBOOT1_ADDRESSES = 1 << 16
MULTIBOOT2_MAGIC = 0xE85250D6
MULTIBOOT2_SEARCH = 32768
PVH_NOTE_TYPE = 18  # XEN_ELFNOTE_PHYS32_ENTRY

LINUX_MAGIC = b"ARM\x64"
LINUX_SIZE = 64
"""Bytes of the header of a Linux image. Its last word is the PE header's offset."""
_LINUX_FIRST = 0xFA405A4D  # ccmp x18, #0, #13, pl: does nothing; its bytes begin with MZ
_LINUX_BRANCH = 0x14000000  # b
_LINUX_ANYWHERE = 0xA  # little-endian, pages of 4 KiB, any place in memory

_MULTIBOOT1 = struct.Struct("<8I")
_LINUX = struct.Struct("<2I6Q4sI")


@dataclass(frozen=True)
class Multiboot1:
    """A multiboot 1 header with a correct checksum; the addresses are valid only if ``has_addresses``."""

    offset: int  # in the file
    flags: int
    header_addr: int
    load_addr: int
    load_end_addr: int
    bss_end_addr: int
    entry_addr: int

    @property
    def has_addresses(self) -> bool:
        """Are there addresses? QEMU and GRUB load an ELF64 file only by them."""
        return bool(self.flags & MULTIBOOT1_ADDRESSES)


def multiboot1(data: bytes | bytearray) -> Multiboot1 | None:
    """The multiboot 1 header of a file: 4-byte aligned, whole within its first 8192 bytes."""
    for offset in range(0, min(len(data), MULTIBOOT1_SEARCH) - _MULTIBOOT1.size + 1, 4):
        magic, flags, checksum, *addresses = _MULTIBOOT1.unpack_from(data, offset)
        if magic == MULTIBOOT1_MAGIC and (magic + flags + checksum) & 0xFFFFFFFF == 0:
            return Multiboot1(offset, flags, *addresses)
    return None


def with_load_end(data: bytes, header: Multiboot1, load_end_addr: int, bss_end_addr: int) -> bytes:
    """``data`` with other end addresses in its multiboot 1 header; the checksum does not cover them."""
    start = header.offset + 20
    return data[:start] + struct.pack("<II", load_end_addr, bss_end_addr) + data[start + 8 :]


def multiboot2(data: bytes) -> int | None:
    """The file offset of the multiboot 2 header: 8-byte aligned, within the first 32768 bytes, its checksum right."""
    end = min(len(data), MULTIBOOT2_SEARCH)
    for offset in range(0, end - 16 + 1, 8):
        magic, architecture, length, checksum = struct.unpack_from("<4I", data, offset)
        right = (magic + architecture + length + checksum) & 0xFFFFFFFF == 0
        if magic == MULTIBOOT2_MAGIC and right and architecture == 0 and offset + length <= end:
            return offset
    return None


def pvh_entry(elf: ElfFile) -> int | None:
    """The 32-bit entry point that the Xen note names."""
    for segment in elf.segments:
        if segment.kind == "NOTE":
            notes = elf.data[segment.offset : segment.offset + segment.filesz]
            if (entry := _pvh_entry(notes)) is not None:
                return entry
    return None


def _pvh_entry(notes: bytes) -> int | None:
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("<3I", notes, at)
        name = notes[at + 12 : at + 12 + name_size]
        start = at + 12 + rounded_up(name_size, 4)
        content = notes[start : start + size]
        if name == b"Xen\0" and kind == PVH_NOTE_TYPE and len(content) == size and size in (4, 8):
            return int.from_bytes(content, "little")
        at = start + rounded_up(size, 4)
    return None


@dataclass(frozen=True)
class LinuxImage:
    """The header of an image for loaders of Linux kernels."""

    offset: int  # in the ELF file: the image begins with it
    size: int


def linux_image(elf: ElfFile) -> LinuxImage | None:
    """The header at the start of what is loaded (Linux: Documentation/arch/arm64/booting.rst)."""
    if not elf.loads:
        return None
    offset = elf.loads[0].offset
    header = elf.data[offset : offset + _LINUX.size]
    if len(header) < _LINUX.size:
        return None
    _, _, _, size, *_, magic, _ = _LINUX.unpack(header)
    return LinuxImage(offset, size) if magic == LINUX_MAGIC else None


def linux_header(entry: int, size: int) -> bytes:
    """The header of an image of ``size`` bytes whose code begins at the offset ``entry``; a program for UEFI, too."""
    branch = _LINUX_BRANCH | (entry - 4) // 4
    return _LINUX.pack(_LINUX_FIRST, branch, 0, size, _LINUX_ANYWHERE, 0, 0, 0, LINUX_MAGIC, 0)


def with_end(data: bytes, elf: ElfFile, end: int) -> bytes:
    """``data``, the kernel ``elf`` with another model, where loaders and the kernel read that it ends at ``end``."""
    if (image := linux_image(elf)) is not None:
        at = image.offset + 16
        return data[:at] + struct.pack("<Q", end - elf.loads[0].paddr) + data[at + 8 :]
    header = multiboot1(data)
    assert header is not None  # the kernel was checked
    return with_load_end(data, header, end, 0)


def problems_beside_uefi(data: bytes, arch: Arch, end: int) -> Iterator[str]:
    """What is wrong with the header in a UEFI program ``data`` by which other loaders start it.

    ``end``: where the last section ends; signatures may follow.
    """
    if arch.boots_linux_images:
        _, _, _, size, *_, magic, _ = _LINUX.unpack(data[:LINUX_SIZE].ljust(LINUX_SIZE, b"\0"))
        if magic != LINUX_MAGIC or size != end:
            yield "it has no header of a Linux image"
        return
    header = multiboot1(data)
    if header is None or not header.has_addresses:
        yield "it has no multiboot 1 header"


def supported(elf: ElfFile) -> list[str]:
    """The names, as in the `boot` event, of the loaders that can start ``elf``."""
    header = multiboot1(elf.data)
    found = {
        "pvh": pvh_entry(elf) is not None,
        "multiboot1": header is not None and header.has_addresses,
        "multiboot2": multiboot2(elf.data) is not None,
        "linux": linux_image(elf) is not None,
    }
    return [name for name, there in found.items() if there]
