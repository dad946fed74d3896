"""Maps addresses of a kernel to function, file and line, by the symbols and DWARF of its ELF file (pyelftools)."""

from __future__ import annotations

import bisect
import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.common.exceptions import DWARFError, ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from kgpt_build.errors import KgptError
from kgpt_build.events import Panic


@dataclass(frozen=True)
class Place:
    """The place of an address; unknown fields are empty or 0."""

    address: int
    function: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        name = self.function or f"{self.address:#x}"
        return f"{name} {self.file}:{self.line}" if self.file else name


@dataclass(frozen=True)
class _Row:
    address: int
    file: str
    line: int  # 0: addresses from here on belong to no source


class Symbols:
    """The functions and the line table of one ELF file."""

    def __init__(self, functions: list[tuple[int, int, str]], rows: list[_Row], base: int = 0) -> None:
        """``functions``: (start, size, name); ``rows``: the line table; in any order. ``base``: its first address."""
        self._base, self._moved = base, 0
        self._functions = sorted(functions)
        # At an address where one sequence ends and another begins, the beginning counts.
        self._rows = sorted(rows, key=lambda row: (row.address, row.line != 0))
        self._starts = [start for start, _, _ in self._functions]
        self._addresses = [row.address for row in self._rows]

    @classmethod
    def read(cls, path: Path) -> Symbols:
        """The symbols of ``path``; empty for a stripped file. Raises KgptError if it is not an ELF file."""
        try:
            with path.open("rb") as file:
                elf = ELFFile(file)
                loads = [segment["p_vaddr"] for segment in elf.iter_segments("PT_LOAD")]
                return cls(list(_functions(elf)), list(_rows(elf)), min(loads, default=0))
        except OSError as error:
            raise KgptError(f"cannot read {path}: {error.strerror}") from error
        except (ELFError, DWARFError) as error:
            raise KgptError(f"{path} is not a sound ELF: {error}") from error

    def at(self, base: int) -> Symbols:
        """These symbols for a program whose first byte lies at ``base``, not where it was linked; 0: nobody knows."""
        moved = copy.copy(self)
        moved._moved = base - self._base if base else 0
        return moved

    def place(self, address: int) -> Place:
        """The place of the instruction at ``address``."""
        linked = address - self._moved
        row = self._row(linked)
        return Place(address, self._function(linked), row.file if row else "", row.line if row else 0)

    def caller(self, address: int) -> Place:
        """The place of the call that returns to ``address``: that of the byte before, which belongs to the call."""
        place = self.place(address - 1)
        return Place(address, place.function, place.file, place.line)

    def _function(self, address: int) -> str:
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0:
            return ""
        start, size, name = self._functions[index]
        return name if address < start + size else ""

    def _row(self, address: int) -> _Row | None:
        index = bisect.bisect_right(self._addresses, address) - 1
        return self._rows[index] if index >= 0 and self._rows[index].line else None


def panic_text(panic: Panic, symbols: Symbols) -> str:
    """A readable panic: the first line says what and where, the others are the call stack."""
    symbols = symbols.at(panic.base)
    frames = [symbols.place(panic.rip)] if panic.vector >= 0 else []
    addresses = list(panic.backtrace)
    if frames and addresses[:1] == [panic.rip]:
        addresses = addresses[1:]
    frames += [symbols.caller(address) for address in addresses]
    lines = [_headline(panic, frames)]
    if panic.name == "#PF":
        lines.append(f"  the address was {panic.cr2:#x}")
    return "\n".join([*lines, *_frame_lines(frames)])


def _frame_lines(frames: list[Place]) -> list[str]:
    """One line per frame; repeated frames (recursion) become one line."""
    lines = []
    index = 0
    for frame, group in itertools.groupby(frames):
        count = len(list(group))
        again = f" ({count} times)" if count > 1 else ""
        lines.append(f"  #{index} {frame.address:#x} {frame}{again}")
        index += count
    return lines


def _headline(panic: Panic, frames: list[Place]) -> str:
    where = f" at {frames[0]}" if frames else ""
    where += f" (cpu {panic.cpu})" if panic.cpu else ""
    if panic.vector < 0:
        return f"panic: {panic.message}{where}"
    meaning = f" ({panic.message})" if panic.message else ""
    return f"panic: {panic.name}{meaning} error {panic.error:#x}{where}"


def _functions(elf: Any) -> Iterator[tuple[int, int, str]]:
    """Functions, assembler labels and data: the name of the data explains a jump into it."""
    table = elf.get_section_by_name(".symtab")
    if table is None:
        return
    for symbol in table.iter_symbols():
        kind, index = symbol["st_info"]["type"], symbol["st_shndx"]
        if kind not in ("STT_FUNC", "STT_NOTYPE", "STT_OBJECT") or not isinstance(index, int):
            continue
        if symbol.name[:1] in ("", "$"):  # "$x" and "$d" say that code or data begins (ELF for Arm)
            continue
        section = elf.get_section(index)
        room = section["sh_addr"] + section["sh_size"] - symbol["st_value"]
        # A label has no size: it extends to the next one, or to the end of its section.
        if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and room > 0:
            yield symbol["st_value"], symbol["st_size"] or room, symbol.name


def _rows(elf: Any) -> Iterator[_Row]:
    if not elf.has_dwarf_info():
        return
    dwarf = elf.get_dwarf_info()
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        files = _file_names(program, unit)
        for entry in program.get_entries():
            state = entry.state
            if state is not None:
                file = files.get(state.file, "")
                yield _Row(state.address, file, 0 if state.end_sequence or not file else state.line)


def _file_names(program: Any, unit: Any) -> dict[int, str]:
    """The line program's file numbers -> paths. DWARF 5 counts from 0 and has the unit's folder as the first."""
    header = program.header
    version5 = header["version"] >= 5
    if version5:
        directories = [_text(entry.DW_LNCT_path) for entry in header["directories"]]
        entries = [(_text(entry.DW_LNCT_path), entry.DW_LNCT_directory_index) for entry in header["file_names"]]
    else:
        attribute = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
        directories = [_text(attribute.value) if attribute else ""]
        directories += [_text(name) for name in header["include_directory"]]
        entries = [(_text(entry.name), entry.dir_index) for entry in header["file_entry"]]
    return {
        index: _join(directories, folder, name) for index, (name, folder) in enumerate(entries, 0 if version5 else 1)
    }


def _join(directories: list[str], folder: int, name: str) -> str:
    parts = [name]
    if not name.startswith("/") and folder < len(directories):
        parts.insert(0, directories[folder])
        if folder and not directories[folder].startswith("/"):
            parts.insert(0, directories[0])
    # Builds map the root of the sources to ".", so the rest is relative to it.
    return str(Path(*[part for part in parts if part]))


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
