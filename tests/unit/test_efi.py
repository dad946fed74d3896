"""kgpt.efi: what is checked in it, and what is refused."""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path

import pytest

from kgpt_build.errors import KgptError
from kgpt_build.kernel import efi, loaders, pe
from kgpt_build.kernel.elf import read_elf
from kgpt_build.kernel.settings import BuildSettings


def sections(*flags: int) -> tuple[pe.PeSection, ...]:
    return tuple(pe.PeSection(f".{i}", 4096 * (i + 1), 4096, 4096 * (i + 1), 4096, f) for i, f in enumerate(flags))


def made(*permissions: int) -> pe.PeFile:
    magic, flags = loaders.MULTIBOOT1_MAGIC, 0x10003
    header = struct.pack("<8I", magic, flags, -(magic + flags) & 0xFFFFFFFF, *[0] * 5)
    data = b"MZ".ljust(64, b"\0") + header
    return pe.PeFile(Path("kgpt.efi"), data, 0x8664, 0, 4096, 4096, 10, pe.NX_COMPAT, sections(*permissions), 0)


GOOD = (pe.READ | pe.EXECUTE, pe.READ, pe.READ | pe.WRITE)


def test_a_good_file_is_accepted() -> None:
    pe.require_efi(made(*GOOD))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"sections": sections(pe.READ | pe.EXECUTE | pe.WRITE)}, "writable and executable"),
        ({"characteristics": 0}, "NX_COMPAT"),
        ({"entry": 3 * 4096}, "not in code"),
        ({"time": 1}, "time stamp"),
        ({"subsystem": 3}, "not a UEFI application"),
        ({"machine": 0x5064}, "not a UEFI application"),
        ({"machine": 0xAA64}, "no header of a Linux image"),
        ({"data": b"MZ"}, "no multiboot 1 header"),
    ],
)
def test_a_fault_is_named(change: dict[str, object], fault: str) -> None:
    with pytest.raises(KgptError, match=fault):
        pe.require_efi(dataclasses.replace(made(*GOOD), **change))  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"", b"MZ", b"MZ" + bytes(200), b"MZ".ljust(60, b"\0") + b"\xff" * 300])
def test_damaged_files_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "kgpt.efi"
    path.write_bytes(data)
    with pytest.raises(KgptError, match=r"kgpt\.efi"):
        pe.read_pe(path)


def test_a_kernel_is_not_an_application(tmp_path: Path) -> None:
    path = tmp_path / "kgpt.efi"
    path.write_bytes(b"MZ" + bytes(100))
    with pytest.raises(KgptError, match="a UEFI application, not a kernel"):
        read_elf(path)


def test_the_application_changes_the_name_of_a_variant() -> None:
    assert BuildSettings(efi=True).variant != BuildSettings().variant
    assert efi.NAME == "kgpt.efi"
