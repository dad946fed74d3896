"""Every ctypes mirror has the layout of the C struct that its docstring names: a mirror too small is written past."""

from __future__ import annotations

import ctypes
import importlib
import inspect
import re
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from native import ROOT

_NAMED = re.compile(r"^`{0,2}struct (\w+)`{0,2}(?: of ([\w/.]+\.[ch]))?[,.:]")
_FOLDERS = ("tests/hosted", "benchmarks")


def _mirrors() -> dict[str, type[ctypes.Structure]]:
    """``module.class`` -> each subclass of ctypes.Structure in the modules of tests and benchmarks."""
    found = {}
    for path in sorted(path for folder in _FOLDERS for path in (ROOT / folder).glob("*.py")):
        if "ctypes.Structure" in path.read_text():
            package = "" if path.parent.name == "hosted" else f"{path.parent.name}."
            module = importlib.import_module(package + path.stem)
            for name, each in inspect.getmembers(module, inspect.isclass):
                ours = each.__module__ == module.__name__ and "<" not in (each.__doc__ or "")  # not a library's header
                if ours and issubclass(each, ctypes.Structure):
                    found[f"{path.stem}.{name}"] = each
    return found


MIRRORS = _mirrors()


def _definition(struct: str, file: str | None) -> Path:
    folders = [Path(file).parent, *map(Path, _FOLDERS)] if file else [Path("kernel_c"), *map(Path, _FOLDERS)]
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.[ch]"))]
    wanted = [path for path in paths if file is None or path.name == Path(file).name]
    found = [path for path in wanted if re.search(rf"^struct {struct} \{{", path.read_text(), re.MULTILINE)]
    assert found, f"no file defines struct {struct}"
    return found[0]


def _layout(struct: str, file: str | None, folder: Path) -> tuple[int, list[int]]:
    """Bytes of the struct, and where its members begin, as the compiler says it in DWARF."""
    source, target = folder / "layout.c", folder / "layout.o"
    source.write_text(f'#include "{_definition(struct, file)}"\nstruct {struct} kg_layout;\n')
    flags = ["-std=gnu11", "-g", "-w", "-ffreestanding", "-Ikernel_c/include", "-Ikernel_c", "-Itests/hosted", "-I."]
    subprocess.run(["gcc", *flags, "-c", str(source), "-o", str(target)], cwd=ROOT, check=True)
    with target.open("rb") as stream:
        for unit in ELFFile(stream).get_dwarf_info().iter_CUs():
            for entry in unit.iter_DIEs():
                name = entry.attributes.get("DW_AT_name")
                if entry.tag == "DW_TAG_structure_type" and name and name.value == struct.encode():
                    members = [each for each in entry.iter_children() if each.tag == "DW_TAG_member"]
                    places = [each.attributes["DW_AT_data_member_location"].value for each in members]
                    return entry.attributes["DW_AT_byte_size"].value, places
    raise AssertionError(f"no struct {struct} in the debug information")


@pytest.mark.parametrize("name", MIRRORS)
def test_a_mirror_has_the_layout_of_its_struct(name: str, tmp_path: Path) -> None:
    mirror = MIRRORS[name]
    named = _NAMED.match(inspect.cleandoc(mirror.__doc__ or ""))
    assert named, f"the docstring of {name} must begin with the struct that it mirrors: struct kg_name."
    size, places = _layout(named[1], named[2], tmp_path)
    assert ctypes.sizeof(mirror) == size
    assert [getattr(mirror, field[0]).offset for field in mirror._fields_] == places
