"""Addresses -> function, file, line, in ELF files that the pinned compiler makes."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from refusals import refused

from kgpt_build.errors import KgptError
from kgpt_build.events import Address, Panic
from kgpt_build.vm.symbolize import Place, Symbols, panic_text

SOURCE = """\
int sink;
__attribute__((noinline)) int inner(int x)
{
    sink = x;
    return x * 3;
}
__attribute__((noinline)) int outer(int x)
{
    int y = inner(x + 1);
    return y + sink;
}
void _start(void)
{
    sink = outer(1);
    for (;;) {
    }
}
"""


@pytest.fixture(scope="module", params=["-gdwarf-4", "-gdwarf-5"])
def elf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elf")
    (folder / "sub").mkdir()
    (folder / "sub" / "code.c").write_text(SOURCE)
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-freestanding-none"]
    flags = [
        "-g",
        request.param,
        "-O0",
        "-fno-sanitize=all",
        "-nostdlib",
        "-static",
        f"-ffile-prefix-map={folder}=.",
        "-o",
        "code.elf",
    ]
    subprocess.run([*compiler, *flags, "sub/code.c"], cwd=folder, check=True, capture_output=True)
    return folder / "code.elf"


def address_of(elf: Path, name: str) -> int:
    with elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        found = table.get_symbol_by_name(name)
        assert found
        return int(found[0]["st_value"])


def test_a_function_begins_at_its_line(elf: Path) -> None:
    symbols = Symbols.read(elf)
    place = symbols.place(address_of(elf, "inner"))
    assert (place.function, place.line) == ("inner", 3)
    assert place.file == "sub/code.c"
    assert str(place) == "inner sub/code.c:3"


def test_a_return_address_is_the_line_of_its_call(elf: Path) -> None:
    symbols = Symbols.read(elf)
    start, end = address_of(elf, "outer"), address_of(elf, "_start")
    lines = {symbols.caller(address).line for address in range(start + 1, max(end, start + 2))}
    assert 9 in lines
    # The first byte of a function belongs to the one before it, as far as a return address goes.
    assert symbols.caller(start).function != "outer"


def test_addresses_that_are_nowhere(elf: Path) -> None:
    symbols = Symbols.read(elf)
    assert symbols.place(0) == Place(0)
    assert str(symbols.place(0x10)) == "0x10"
    assert symbols.place(1 << 62).file == ""


def panic(vector: int = 14, *trace: int) -> Panic:
    addresses = tuple(map(Address, trace))
    return Panic(vector, "#PF", Address(2), "page fault", addresses[0], Address(0x18), {}, addresses)


def test_panic_text(elf: Path) -> None:
    inner, start = address_of(elf, "inner"), address_of(elf, "_start")
    text = panic_text(panic(14, inner, start + 1, start + 1, start + 1), Symbols.read(elf)).splitlines()
    assert text[0] == "panic: #PF (page fault) error 0x2 at inner sub/code.c:3"
    assert text[1] == "  the address was 0x18"
    assert text[2] == f"  #0 {inner:#x} inner sub/code.c:3"
    assert text[3] == f"  #1 {start + 1:#x} _start sub/code.c:13 (3 times)"


def test_a_kernel_that_was_moved(elf: Path) -> None:
    """The event tells where its first byte lies; the addresses shown are those of the machine."""
    inner, start, distance = address_of(elf, "inner"), address_of(elf, "_start"), 0x7F000000
    with elf.open("rb") as file:
        base = min(segment["p_vaddr"] for segment in ELFFile(file).iter_segments("PT_LOAD"))
    moved = dataclasses.replace(panic(14, inner + distance, start + 1 + distance), base=Address(base + distance))
    text = panic_text(moved, Symbols.read(elf)).splitlines()
    assert text[0] == "panic: #PF (page fault) error 0x2 at inner sub/code.c:3"
    assert text[2:] == [
        f"  #0 {inner + distance:#x} inner sub/code.c:3",
        f"  #1 {start + 1 + distance:#x} _start sub/code.c:13",
    ]
    still = dataclasses.replace(panic(14, inner), base=Address(base))
    assert " at inner sub/code.c:3" in panic_text(still, Symbols.read(elf))


def test_another_processor_is_named(elf: Path) -> None:
    text = panic_text(dataclasses.replace(panic(6, address_of(elf, "inner")), cpu=2), Symbols.read(elf))
    assert text.splitlines()[0] == "panic: #PF (page fault) error 0x2 at inner sub/code.c:3 (cpu 2)"


def test_a_failed_check_has_no_vector(elf: Path) -> None:
    inner = address_of(elf, "inner")
    text = panic_text(panic(-1, inner + 1), Symbols.read(elf))
    assert text.startswith("panic: page fault at inner sub/code.c:3")


def test_without_symbols_there_are_numbers() -> None:
    assert panic_text(panic(14, 0x1000), Symbols([], [])).startswith("panic: #PF (page fault) error 0x2 at 0x1000\n")


@pytest.mark.parametrize("data", [b"", b"no ELF", b"\x7fELF" + b"\xff" * 60])
def test_damaged_files(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.elf"
    path.write_bytes(data)
    with refused(KgptError, "x.elf"):
        Symbols.read(path)
