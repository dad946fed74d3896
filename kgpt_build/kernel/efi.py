"""Makes kgpt.efi: one file that is a UEFI application (PE32+) and a kernel for other loaders.

The application's sections come first, then the kernel's bytes. Addresses in the PE are offsets in the file. The kernel
finds its model and its size as in kernel.elf.

Where loaders know multiboot 1, its header lies between the DOS header and the PE header, and loads the whole file to
where the kernel's bytes reach their own address. Where loaders know images of Linux, the DOS header is one: its first
instruction begins with "MZ", and the second leads to the kernel's entry, which moves the kernel to where it lies.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.kernel import loaders, pe
from kgpt_build.kernel.addresses import Addresses, pointers
from kgpt_build.kernel.elf import ElfFile
from kgpt_build.media import EFI_NAME
from kgpt_build.sizes import rounded_up

NAME = EFI_NAME
LOADER = "uefi.elf"
"""The application, linked at the addresses that it has in the file."""
MOST_BYTES = (1 << 31) - 1
"""Firmware and tools take sizes of a PE file as signed numbers of 32 bits."""

_PAGE = 4096
_MULTIBOOT1, _STUB = 0x40, 0x60  # struct kg_uefi_stub of kernel_c/uefi/loader.h
_PE = 0x80
_DIR64 = 10
_DISCARDABLE, _CODE, _DATA = 0x02000000, 0x20, 0x40


@dataclass(frozen=True)
class _Part:
    name: bytes
    content: bytes
    flags: int


def make_efi(kernel: ElfFile, addresses: Addresses, loader: ElfFile, path: Path) -> bytes:
    """The bytes of kgpt.efi, which will be ``path``; ``addresses`` are those in the kernel.

    Raises KgptError if they cannot be one, or fail the checks.
    """
    image = kernel.data[kernel.loads[0].offset : kernel.loads[-1].offset + kernel.loads[-1].filesz]
    parts = [*_loader_parts(loader), _Part(b".reloc", _relocations(loader), _DATA | _DISCARDABLE | pe.READ)]
    parts.append(_Part(b".moves", addresses.encoded(), _DATA | pe.READ))
    parts.append(_Part(b".kernel", image, _DATA | pe.READ))
    places = list(itertools.accumulate((_pages(part) for part in parts), initial=_PAGE))
    if places[-1] > MOST_BYTES:
        raise KgptError(
            f"a kgpt.efi of {places[-1]:,} bytes does not load: its model is too large",
            "build the kernel without a model (kgpt build --lm) and let the model be a file beside it",
        )
    data = bytearray(places[-1])
    for part, place in zip(parts, places, strict=False):
        data[place : place + len(part.content)] = part.content
    entry = _write_other_header(data, kernel, places[-2])
    own = (places[-2], len(image), kernel.loads[0].paddr, entry)
    struct.pack_into("<7I", data, _STUB, *own, places[-3], len(addresses.narrow), len(addresses.wide))
    struct.pack_into("<I", data, pe.PE_OFFSET, _PE)
    _write_headers(data, loader, parts, places)
    made = bytes(data)
    pe.require_efi(pe.parse_pe(path, made))
    return made


def _pages(part: _Part) -> int:
    return rounded_up(len(part.content), _PAGE)


def _loader_parts(loader: ElfFile) -> list[_Part]:
    """The application's segments, which follow each other from the second page on."""
    parts, at = [], _PAGE
    for name, flags, load in zip((b".text", b".rdata", b".data"), (_CODE, _DATA, _DATA), loader.loads, strict=True):
        if load.vaddr != at or (load.write and load.execute):
            raise KgptError(f"{loader.path}: a segment at 0x{load.vaddr:x} is not where it should be")
        content = loader.data[load.offset : load.offset + load.filesz] + bytes(load.memsz - load.filesz)
        flags |= (pe.READ if load.read else 0) | (pe.WRITE if load.write else 0) | (pe.EXECUTE if load.execute else 0)
        parts.append(_Part(name, content, flags))
        at += rounded_up(load.memsz, _PAGE)
    return parts


def _relocations(loader: ElfFile) -> bytes:
    """The PE's base relocations: pointers in data. Raises KgptError for other absolute addresses."""
    blocks = []
    for page, group in itertools.groupby(pointers(loader), lambda pointer: pointer // _PAGE * _PAGE):
        entries = [_DIR64 << 12 | pointer - page for pointer in group]
        entries += [0] * (len(entries) % 2)
        blocks.append(struct.pack(f"<II{len(entries)}H", page, 8 + 2 * len(entries), *entries))
    # Without any block some firmware takes the file for one that can be loaded at one address only.
    return b"".join(blocks) or struct.pack("<IIHH", 0, 12, 0, 0)


def _write_other_header(data: bytearray, kernel: ElfFile, offset: int) -> int:
    """The first bytes, and the header for other loaders than firmware.

    ``offset``: that of the kernel's bytes. Returns the entry to the kernel from the UEFI application.
    """
    if kernel.arch.boots_linux_images:
        entry = offset + kernel.entry - kernel.loads[0].paddr
        data[: loaders.LINUX_SIZE] = loaders.linux_header(entry, len(data))
        return kernel.entry
    header = loaders.multiboot1(kernel.data)
    assert header is not None  # the kernel was checked
    load = header.load_addr - offset
    words = (loaders.MULTIBOOT1_MAGIC, header.flags, -(loaders.MULTIBOOT1_MAGIC + header.flags) & 0xFFFFFFFF)
    ends = (load + _MULTIBOOT1, load, header.load_end_addr, 0, header.entry_addr)
    data[:2] = b"MZ"
    struct.pack_into("<8I", data, _MULTIBOOT1, *words, *ends)
    return header.entry_addr


def _write_headers(data: bytearray, loader: ElfFile, parts: list[_Part], addresses: list[int]) -> None:
    code = sum(_pages(part) for part in parts if part.flags & _CODE)
    optional_size = pe.OPTIONAL.size + 8 * pe.DIRECTORIES
    executable_large = 0x22
    pe.COFF.pack_into(
        data, _PE, b"PE\0\0", loader.arch.uefi.pe_machine, len(parts), 0, 0, 0, optional_size, executable_large
    )
    pe.OPTIONAL.pack_into(
        data,
        _PE + pe.COFF.size,
        *(pe.OPTIONAL_MAGIC, 0, 0, code, addresses[-1] - _PAGE - code, 0, loader.entry, _PAGE),
        *(0, _PAGE, _PAGE),  # base, alignment in memory and in the file
        *(0, 0, 0, 0, 0, 0, 0),  # versions
        *(addresses[-1], _PAGE, 0),  # of the image, of the headers, check sum
        *(pe.SUBSYSTEM_EFI_APPLICATION, pe.NX_COMPAT),
        *(0, 0, 0, 0, 0, pe.DIRECTORIES),
    )
    directories = _PE + pe.COFF.size + pe.OPTIONAL.size
    for i, (part, address) in enumerate(zip(parts, addresses, strict=False)):
        if part.name == b".reloc":
            struct.pack_into("<II", data, directories + 8 * pe.RELOCATION_DIRECTORY, address, len(part.content))
        place = directories + 8 * pe.DIRECTORIES + i * pe.SECTION.size
        size = len(part.content)
        pe.SECTION.pack_into(data, place, part.name, size, address, _pages(part), address, 0, 0, 0, 0, part.flags)
