"""The headers of kgpt.efi for aarch64, as other programs read them: a PE file and an image of Linux in one."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import lief
import pytest

from kgpt_build.arch import of_name
from kgpt_build.errors import KgptError
from kgpt_build.kernel import pe
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.elf import read_elf
from kgpt_build.signing import keys
from kgpt_build.signing.sign import find_signer, signed

ARCH = of_name("aarch64")
CCMP = 0xFA405A4D  # ccmp x18, #0, #13, pl
BRANCH = 0x14000000


@pytest.fixture(scope="module")
def program() -> Path:
    return build_cached(drivers=True, with_efi=True, arch=ARCH).with_name("kgpt.efi")


def test_it_is_an_image_of_linux(program: Path) -> None:
    """Documentation/arch/arm64/booting.rst: the first instruction does nothing, the second leads into code."""
    data = program.read_bytes()
    first, second, offset, size, flags, *rest, magic, pe_offset = struct.unpack_from("<2I6Q4sI", data)
    assert first == CCMP
    assert data[:2] == b"MZ"
    assert second & 0xFC000000 == BRANCH
    target = 4 + 4 * (second & 0x3FFFFFF)
    kernel = next(part for part in pe.read_pe(program).sections if part.name == ".kernel")
    elf = read_elf(program.with_name("kernel.elf"))
    assert target == kernel.offset + elf.entry - elf.loads[0].vaddr
    assert (offset, size, flags, rest, magic) == (0, len(data), 0xA, [0, 0, 0], b"ARM\x64")
    assert data[pe_offset : pe_offset + 4] == b"PE\0\0"


def test_lief_reads_a_program_for_uefi(program: Path) -> None:
    found = lief.PE.parse(str(program))
    assert isinstance(found, lief.PE.Binary)
    assert found.header.machine == lief.PE.Header.MACHINE_TYPES.ARM64
    assert found.optional_header.subsystem == lief.PE.OptionalHeader.SUBSYSTEM.EFI_APPLICATION
    assert found.optional_header.has(lief.PE.OptionalHeader.DLL_CHARACTERISTICS.NX_COMPAT)
    assert found.optional_header.sizeof_image == program.stat().st_size
    permissions = {
        str(part.name): pe.PeSection("", 0, 0, 0, 0, part.characteristics).permissions for part in found.sections
    }
    assert permissions == {
        ".text": "r-x",
        ".rdata": "r--",
        ".data": "rw-",
        ".reloc": "r--",
        ".moves": "r--",
        ".kernel": "r--",
    }
    assert all(part.virtual_address == part.offset and part.offset % 4096 == 0 for part in found.sections)
    assert found.has_relocations


@pytest.mark.skipif(not shutil.which("sbsign"), reason="sbsign is not installed")
def test_a_signature_changes_nothing_else(program: Path, tmp_path: Path) -> None:
    """sbsign takes the file: it still is both."""
    own = keys.make(tmp_path / "own", "own")
    data = signed(program.read_bytes(), find_signer(own.key, own.certificate), "kgpt.efi")
    found = pe.parse_pe(Path("kgpt.efi"), data)
    assert found.signature_size > 0
    assert data[:64] == program.read_bytes()[:64]
    pe.require_efi(found)


@pytest.mark.parametrize(
    ("offset", "value", "fault"),
    [(56, b"ARMd", ""), (56, b"XXXX", "no header of a Linux image"), (16, b"\1", "no header of a Linux image")],
)
def test_a_damaged_header_is_found(program: Path, offset: int, value: bytes, fault: str) -> None:
    data = bytearray(program.read_bytes())
    data[offset : offset + len(value)] = value
    if not fault:
        pe.require_efi(pe.parse_pe(program, bytes(data)))
        return
    with pytest.raises(KgptError, match=fault):
        pe.require_efi(pe.parse_pe(program, bytes(data)))
