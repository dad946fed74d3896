"""Reads ELF64 files: kernels, and hosted programs.

All tables are checked against the file's size before pyelftools reads them: so a truncated or damaged file gives one
clear error.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from elftools.elf.constants import P_FLAGS, SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from kgpt_build.arch import ALL, Arch, of_elf_machine
from kgpt_build.errors import KgptError
from kgpt_build.media import ELF_MAGIC

MODEL_SECTION = ".kgpt.model"
TESTS_SECTION = "kgpt_tests"
_MACHINE = slice(18, 20)  # e_machine
_SHT_NOBITS = 8
_HINT = "build it again with kgpt build"


@dataclass(frozen=True)
class Segment:
    """A program header; sizes and addresses in bytes."""

    kind: str  # "LOAD", "NOTE", "GNU_STACK", …
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    flags: int

    @property
    def read(self) -> bool:
        """Can be read."""
        return bool(self.flags & P_FLAGS.PF_R)

    @property
    def write(self) -> bool:
        """Can be written."""
        return bool(self.flags & P_FLAGS.PF_W)

    @property
    def execute(self) -> bool:
        """Can be executed."""
        return bool(self.flags & P_FLAGS.PF_X)

    @property
    def permissions(self) -> str:
        """Such as ``r-x``."""
        return ("r" if self.read else "-") + ("w" if self.write else "-") + ("x" if self.execute else "-")


@dataclass(frozen=True)
class Section:
    """A section header; ``flags`` are SHF_*."""

    name: str
    kind: str  # "SHT_PROGBITS", …
    address: int
    offset: int
    size: int
    flags: int

    @property
    def alloc(self) -> bool:
        """Is it loaded into memory (SHF_ALLOC)?"""
        return bool(self.flags & SH_FLAGS.SHF_ALLOC)

    @property
    def write(self) -> bool:
        """Can be written."""
        return bool(self.flags & SH_FLAGS.SHF_WRITE)

    @property
    def execute(self) -> bool:
        """Does it hold instructions?"""
        return bool(self.flags & SH_FLAGS.SHF_EXECINSTR)


@dataclass(frozen=True)
class Symbol:
    """An entry of the symbol table."""

    name: str
    kind: str  # "STT_FUNC", "STT_OBJECT", …
    address: int
    size: int
    defined: bool


@dataclass(frozen=True)
class ElfFile:
    """A whole ELF64 file of an architecture that kgpt builds for, read into memory."""

    path: Path
    data: bytes
    kind: str  # "ET_EXEC", …
    entry: int
    segments: tuple[Segment, ...]
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]

    @property
    def arch(self) -> Arch:
        """The processor architecture of the file."""
        found = of_elf_machine(int.from_bytes(self.data[_MACHINE], "little"))
        assert found is not None, "_check_tables refuses the others"
        return found

    @property
    def loads(self) -> list[Segment]:
        """The segments that a loader copies into memory."""
        return [segment for segment in self.segments if segment.kind == "LOAD"]

    def section(self, name: str) -> Section | None:
        """The section called ``name``."""
        return next((section for section in self.sections if section.name == name), None)

    @cached_property
    def symbol_by_name(self) -> dict[str, Symbol]:
        """Name -> each defined symbol."""
        return {symbol.name: symbol for symbol in self.symbols if symbol.defined}

    def section_bytes(self, section: Section) -> bytes:
        """The bytes of ``section`` in the file."""
        return b"" if section.kind == "SHT_NOBITS" else self.data[section.offset : section.offset + section.size]

    def memory(self, address: int, size: int) -> bytes:
        """``size`` bytes as they lie at ``address`` after loading. Raises KgptError if the file does not hold them."""
        for segment in self.loads:
            start = address - segment.vaddr
            if start >= 0 and start + size <= segment.filesz:
                return self.data[segment.offset + start : segment.offset + start + size]
        raise KgptError(f"{self.path}: nothing is loaded at 0x{address:x}", _HINT)

    def model_bytes(self) -> memoryview | None:
        """The embedded model up to the end of its segment, or None.

        The hosted program has no section of its own for the model, so there the symbol ``kgpt_model`` gives its place.
        """
        if section := self.section(MODEL_SECTION):
            return memoryview(self.data)[section.offset : section.offset + section.size]
        if symbol := self.symbol_by_name.get("kgpt_model"):
            for segment in self.loads:
                if segment.vaddr <= symbol.address < segment.vaddr + segment.filesz:
                    start = segment.offset + symbol.address - segment.vaddr
                    return memoryview(self.data)[start : segment.offset + segment.filesz]
        return None


def read_elf(path: Path) -> ElfFile:
    """Read ``path``.

    Raises KgptError, naming the file, if it is not a whole ELF64 file of an architecture that kgpt builds for.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise KgptError(
            f"cannot read {path}: {error.strerror}", "give the path of a kernel that kgpt build made"
        ) from error
    return parse_elf(path, data)


def parse_elf(path: Path, data: bytes) -> ElfFile:
    """Parse ``data``, the content of ``path``. Raises KgptError as read_elf does."""
    try:
        _check_tables(data)
        return _parse(path, data)
    except KgptError as error:
        raise KgptError(f"{path}: {error.message}", error.hint or _HINT) from error
    except Exception as error:  # pyelftools raises many kinds of exceptions for damaged files
        raise KgptError(f"{path}: damaged ELF file ({type(error).__name__}: {error})", _HINT) from error


def _check_tables(data: bytes) -> None:
    """Check that all headers, segments and sections lie within the file."""
    _check_begin(data)
    if data[4:6] != b"\x02\x01":
        raise KgptError("not a 64-bit little-endian ELF file", "give the path of a kernel that kgpt build made")
    machine = int.from_bytes(data[_MACHINE], "little")
    if of_elf_machine(machine) is None:
        known = " or ".join(arch.title for arch in ALL)
        what = f"made for another processor (ELF machine {machine}, not {known})"
        raise KgptError(what, f"give a kernel for {known}")
    phoff, shoff = struct.unpack_from("<QQ", data, 32)
    phentsize, phnum, shentsize, shnum, shstrndx = struct.unpack_from("<5H", data, 54)
    _check_table(data, "program headers", phoff, phnum, phentsize, 56)
    _check_table(data, "section headers", shoff, shnum, shentsize, 64)
    if shstrndx >= shnum:
        raise KgptError("damaged: the table of section names is missing")
    for i in range(phnum):
        offset, _, _, filesz, memsz = struct.unpack_from("<5Q", data, phoff + i * 56 + 8)
        _check_range(data, f"segment {i}", offset, filesz)
        if filesz > memsz:
            raise KgptError(f"damaged: segment {i} is larger in the file than in memory")
    for i in range(1, shnum):
        kind = struct.unpack_from("<I", data, shoff + i * 64 + 4)[0]
        offset, size = struct.unpack_from("<QQ", data, shoff + i * 64 + 24)
        entsize = struct.unpack_from("<Q", data, shoff + i * 64 + 56)[0]
        if kind != _SHT_NOBITS:
            _check_range(data, f"section {i}", offset, size)
        if kind in (2, 11) and entsize != 24:  # a symbol table
            raise KgptError(f"damaged: section {i} has symbols of {entsize} bytes")


def _check_begin(data: bytes) -> None:
    if not data:
        raise KgptError("the file is empty")
    if data[:2] == b"MZ":
        raise KgptError("a UEFI application, not a kernel", "give the kernel.elf beside it")
    if data[:4] != ELF_MAGIC:
        raise KgptError("not an ELF file", "give the path of a kernel that kgpt build made")
    if len(data) < 64:
        raise KgptError(f"truncated: {len(data)} bytes, less than an ELF header")


def _check_table(data: bytes, what: str, offset: int, count: int, entry: int, expected: int) -> None:
    if count == 0:
        raise KgptError(f"it has no {what}", "give a linked kernel, not an object file or a stripped one")
    if entry != expected:
        raise KgptError(f"damaged: its {what} have {entry} bytes each, not {expected}")
    _check_range(data, what, offset, count * entry)


def _check_range(data: bytes, what: str, offset: int, size: int) -> None:
    if offset + size > len(data):
        raise KgptError(f"truncated or damaged: {what} ends at byte {offset + size:,}, the file at {len(data):,}")


def _parse(path: Path, data: bytes) -> ElfFile:
    file = ELFFile(io.BytesIO(data))
    sections = list(file.iter_sections())
    return ElfFile(
        path=path,
        data=data,
        kind=str(file["e_type"]),
        entry=file["e_entry"],
        segments=tuple(_segment(segment.header) for segment in file.iter_segments()),
        sections=tuple(_section(section) for section in sections[1:]),
        symbols=tuple(
            _symbol(symbol)
            for table in sections
            if isinstance(table, SymbolTableSection)
            for symbol in list(table.iter_symbols())[1:]
        ),
    )


def _segment(header: Any) -> Segment:
    kind = str(header["p_type"]).removeprefix("PT_")
    numbers = (int(header[f"p_{key}"]) for key in ("offset", "vaddr", "paddr", "filesz", "memsz", "flags"))
    return Segment(kind, *numbers)


def _section(section: Any) -> Section:
    header = section.header
    return Section(
        name=section.name,
        kind=str(header["sh_type"]),
        address=header["sh_addr"],
        offset=header["sh_offset"],
        size=header["sh_size"],
        flags=header["sh_flags"],
    )


def _symbol(symbol: Any) -> Symbol:
    entry = symbol.entry
    return Symbol(
        name=symbol.name,
        kind=str(entry["st_info"]["type"]),
        address=entry["st_value"],
        size=entry["st_size"],
        defined=entry["st_shndx"] != "SHN_UNDEF",
    )
