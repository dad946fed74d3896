"""Lines of sources fit into 120 columns. ruff checks Python; clang-format wraps C code, but no comments."""

from __future__ import annotations

import pytest
from rooms import ROOT

COLUMNS = 120
SUFFIXES = {".c", ".h", ".S", ".ld", ".mk", ".def"}


def long_lines(text: str) -> list[int]:
    """Numbers of the lines that are too long."""
    return [number for number, line in enumerate(text.splitlines(), 1) if len(line) > COLUMNS]


@pytest.mark.parametrize("name", ["Makefile", "scripts/need", ".ci/run", "boot/grub.cfg"])
def test_lines_of_scripts_are_short(name: str) -> None:
    assert long_lines((ROOT / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("folder", ["kernel_c", "boot", "linker", "tests", "benchmarks"])
def test_lines_of_sources_are_short(folder: str) -> None:
    sources = [path for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    assert sources
    long = {str(path): numbers for path in sources if (numbers := long_lines(path.read_text(encoding="utf-8")))}
    assert long == {}


def test_a_long_line_is_seen() -> None:
    fits = "x" * COLUMNS
    assert long_lines(f"{fits}\n{fits}y\n\n") == [2]
