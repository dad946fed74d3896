"""Finds where a linked program holds addresses, by the relocations that the linker kept (--emit-relocs)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.kernel.elf import ElfFile, Section, read_elf

FILE = "addresses.elf"
"""The kernel with its relocations, beside the kernel."""

_RELA = struct.Struct("<QQq")
_SYMBOL = struct.Struct("<IBBHQQ")


@dataclass(frozen=True)
class Addresses:
    """Where a kernel holds addresses of its own, of 32 and of 64 bits: offsets from its first byte, sorted."""

    narrow: tuple[int, ...]
    wide: tuple[int, ...]

    def encoded(self) -> bytes:
        """As the loader reads them (kernel_c/uefi/kernel_place.c)."""
        return struct.pack(f"<{len(self.narrow) + len(self.wide)}I", *self.narrow, *self.wide)

    def moved(self, image: bytes, distance: int) -> bytes:
        """``image`` at an address that is ``distance`` higher."""
        data = bytearray(image)
        for places, form in ((self.narrow, "<I"), (self.wide, "<Q")):
            for place in places:
                (value,) = struct.unpack_from(form, data, place)
                struct.pack_into(form, data, place, value + distance)
        return bytes(data)


@dataclass(frozen=True)
class _Relocation:
    section: Section
    place: int
    kind: int
    target: int
    """The value of its symbol."""


def kernel_addresses(kernel: ElfFile, path: Path) -> Addresses:
    """The addresses in ``kernel``; ``path`` is the same kernel with its relocations. Raises KgptError."""
    elf = read_elf(path)
    if [kernel.memory(load.vaddr, load.filesz) for load in kernel.loads] != [
        elf.memory(load.vaddr, load.filesz) for load in elf.loads
    ]:
        raise KgptError(f"{path} is another kernel than {kernel.path}", "build it again with kgpt build")
    start, end = elf.loads[0].vaddr, elf.loads[-1].vaddr + elf.loads[-1].memsz
    found: dict[bool, list[int]] = {False: [], True: []}
    kinds = elf.arch.relocations
    for relocation in _relocations(elf):
        own, place = start <= relocation.target <= end, relocation.place - start
        absolute = relocation.kind in kinds.narrow or relocation.kind == kinds.wide
        if not absolute and (relocation.kind not in kinds.relative or not own):
            raise _unknown(elf, relocation)
        if absolute and own:
            found[relocation.kind == kinds.wide].append(place)
    return Addresses(tuple(sorted(found[False])), tuple(sorted(found[True])))


def pointers(elf: ElfFile) -> list[int]:
    """Where ``elf``, which runs at any address, holds addresses of 64 bits. Raises KgptError for other addresses."""
    found, kinds = [], elf.arch.relocations
    for relocation in _relocations(elf):
        if relocation.kind == kinds.wide:
            found.append(relocation.place)
        elif relocation.kind not in kinds.relative:
            raise _unknown(elf, relocation)
    return sorted(found)


def _relocations(elf: ElfFile) -> Iterator[_Relocation]:
    table = elf.section(".symtab")
    symbols = elf.section_bytes(table) if table else b""
    for section in elf.sections:
        target = elf.section(section.name.removeprefix(".rela"))
        if section.kind != "SHT_RELA" or target is None or not target.alloc:
            continue
        for place, info, _ in _RELA.iter_unpack(elf.section_bytes(section)):
            value = _SYMBOL.unpack_from(symbols, (info >> 32) * _SYMBOL.size)[4]
            yield _Relocation(target, place, info & 0xFFFFFFFF, value)


def _unknown(elf: ElfFile, relocation: _Relocation) -> KgptError:
    where = f"{relocation.section.name} at 0x{relocation.place:x}"
    return KgptError(f"{elf.path}: {where} depends on its address in a way that is not known (type {relocation.kind})")
