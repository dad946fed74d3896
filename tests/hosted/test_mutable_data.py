"""What changes in a kernel hangs under one object: the objects of its C sources hold no other variable.

Devices are the exception: what a file of platform/ knows of its device is static there. Self-tests may keep a buffer.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from kgpt_build.headers import Corpus
from kgpt_build.kernel import check
from kgpt_build.kernel.build import build
from kgpt_build.kernel.settings import BuildSettings
from kgpt_build.models import NO_MODEL

THE_OBJECT = {"app/main.c: state"}
"""The one that app/main.c passes down."""


def variables(objects: Path) -> set[str]:
    """Variables of the objects in the folder ``objects``, each as its source and its name."""
    return {
        f"{path.relative_to(objects).with_suffix('.c')}: {name}"
        for path in sorted(objects.rglob("*.o"))
        for name in _writable(path)
    }


def _writable(path: Path) -> list[str]:
    with path.open("rb") as file:
        elf = ELFFile(file)
        table = elf.get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        return [
            symbol.name
            for symbol in table.iter_symbols()
            if symbol["st_info"]["type"] in ("STT_OBJECT", "STT_TLS", "STT_COMMON")
            and (symbol["st_shndx"] == "SHN_COMMON" or _is_writable(elf, symbol["st_shndx"]))
        ]


def _is_writable(elf: ELFFile, section: str | int) -> bool:
    return isinstance(section, int) and bool(elf.get_section(section)["sh_flags"] & SH_FLAGS.SHF_WRITE)


@pytest.mark.parametrize("kind", ["training", "language models"])
def test_one_object_holds_what_changes(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: set[str] = set()

    def look(linked: Path, content: object) -> None:
        found.update(variables(linked.parent / "obj" / "kernel_c"))

    monkeypatch.setattr(check, "check_kernel", look)
    settings = {
        "training": BuildSettings(out=tmp_path, corpus=Corpus("test", b"anna\nbob\n")),
        "language models": BuildSettings(NO_MODEL, tmp_path),
    }
    build(settings[kind])
    platform = {name for name in found if name.startswith("platform/")}
    tests = {name for name in found if "_test.c: " in name}
    assert platform, "nothing was looked at"
    assert found - platform - tests == THE_OBJECT
