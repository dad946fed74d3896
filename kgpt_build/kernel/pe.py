"""Reads and checks PE32+ files: kgpt.efi. Microsoft's PE Format; UEFI Specification 2.10, section 2.1."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kgpt_build.arch import DEFAULT, of_pe_machine
from kgpt_build.errors import KgptError
from kgpt_build.kernel import loaders

PE_OFFSET = 0x3C
OPTIONAL_MAGIC = 0x20B
SUBSYSTEM_EFI_APPLICATION = 10
NX_COMPAT = 0x100
EXECUTE, READ, WRITE = 0x20000000, 0x40000000, 0x80000000
OPTIONAL = struct.Struct("<HBBIIIIIQIIHHHHHHIIIIHHQQQQII")
COFF = struct.Struct("<4sHHIIIHH")
SECTION = struct.Struct("<8sIIIIIIHHI")
DIRECTORIES = 16
SIGNATURE_DIRECTORY, RELOCATION_DIRECTORY = 4, 5
_MARK = b"MZ"
_HINT = "build it again with kgpt build"


@dataclass(frozen=True)
class PeSection:
    """A section; ``offset`` and ``raw_size`` are of its bytes in the file."""

    name: str
    address: int
    size: int
    offset: int
    raw_size: int
    flags: int

    @property
    def permissions(self) -> str:
        """Such as ``r-x``."""
        return "".join(
            letter if self.flags & bit else "-" for letter, bit in (("r", READ), ("w", WRITE), ("x", EXECUTE))
        )


@dataclass(frozen=True)
class PeFile:
    """A PE32+ file; addresses are relative to its base."""

    path: Path
    data: bytes
    machine: int
    time: int
    entry: int
    section_alignment: int
    subsystem: int
    characteristics: int
    sections: tuple[PeSection, ...]
    signature_size: int
    """Bytes of its signatures (Secure Boot); 0: it is not signed."""


def read_pe(path: Path) -> PeFile:
    """Read ``path``. Raises KgptError if it is no whole PE32+ file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise KgptError(f"cannot read {path}: {error.strerror}", "give a kgpt.efi that kgpt build made") from error
    return parse_pe(path, data)


def parse_pe(path: Path, data: bytes) -> PeFile:
    """Parse ``data``, the content of ``path``. Raises KgptError as read_pe does."""
    try:
        return _parse(path, data)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise KgptError(f"{path}: truncated or damaged PE file", _HINT) from error


def _parse(path: Path, data: bytes) -> PeFile:
    (at,) = struct.unpack_from("<I", data, PE_OFFSET)
    mark, machine, count, time, _, _, optional_size, _ = COFF.unpack_from(data, at)
    optional = OPTIONAL.unpack_from(data, at + COFF.size)
    if data[: len(_MARK)] != _MARK or mark != b"PE\0\0" or optional[0] != OPTIONAL_MAGIC:
        raise KgptError(f"{path}: not a PE32+ file", "give a kgpt.efi that kgpt build made")
    directories = at + COFF.size + OPTIONAL.size
    _, signature_size = struct.unpack_from("<II", data, directories + 8 * SIGNATURE_DIRECTORY)
    table = at + COFF.size + optional_size
    sections = []
    for i in range(count):
        name, size, address, raw_size, offset, _, _, _, _, flags = SECTION.unpack_from(data, table + i * SECTION.size)
        if offset + raw_size > len(data):
            raise KgptError(f"{path}: truncated: section {i} ends at byte {offset + raw_size:,}", _HINT)
        sections.append(PeSection(name.rstrip(b"\0").decode("ascii"), address, size, offset, raw_size, flags))
    return PeFile(
        path=path,
        data=data,
        machine=machine,
        time=time,
        entry=optional[6],
        section_alignment=optional[9],
        subsystem=optional[21],
        characteristics=optional[22],
        sections=tuple(sections),
        signature_size=signature_size,
    )


def wx_problems(pe: PeFile) -> Iterator[str]:
    """W^X: no section is writable and executable, each starts a page, and firmware may enforce that."""
    for section in pe.sections:
        if section.flags & WRITE and section.flags & EXECUTE:
            yield f"its section {section.name} is writable and executable"
        if section.address % DEFAULT.page_size:
            yield f"its section {section.name} does not start a page"
    if not pe.characteristics & NX_COMPAT:
        yield "it is not marked NX_COMPAT"


def layout_problems(pe: PeFile) -> Iterator[str]:
    """Firmware and multiboot loaders find their entries; addresses are offsets; the bytes depend on no clock."""
    arch = of_pe_machine(pe.machine)
    if pe.subsystem != SUBSYSTEM_EFI_APPLICATION or arch is None:
        yield "it is not a UEFI application for a known processor"
    code = [s for s in pe.sections if s.flags & EXECUTE and s.address <= pe.entry < s.address + s.size]
    if not code:
        yield f"its entry point 0x{pe.entry:x} is not in code"
    if any(section.address != section.offset for section in pe.sections):
        yield "a section's address is not its offset in the file"
    if pe.time:
        yield "it has a time stamp"
    end = max((section.offset + section.raw_size for section in pe.sections), default=0)
    yield from loaders.problems_beside_uefi(pe.data, arch or DEFAULT, end)


def require_efi(pe: PeFile) -> None:
    """Raise KgptError that names all faults of a kgpt.efi."""
    if problems := [*wx_problems(pe), *layout_problems(pe)]:
        raise KgptError(f"{pe.path} cannot boot: {'; '.join(problems)}", _HINT)
