"""A kernel that is moved to another address is the kernel that the linker makes for that address."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import kgpt_build
from kgpt_build import headers, models, toolchain
from kgpt_build.errors import KgptError
from kgpt_build.kernel import addresses, loaders
from kgpt_build.kernel.content import content_of
from kgpt_build.kernel.elf import ElfFile, read_elf
from kgpt_build.kernel.makefile import MakeRun
from kgpt_build.kernel.settings import BuildSettings, Silent
from kgpt_build.toolchain import Make

SOURCES = Path(kgpt_build.__file__).parents[1]
DISTANCE = 0x5000000 - 0x1000000


def _image(kernel: ElfFile) -> bytes:
    header = loaders.multiboot1(kernel.data)
    assert header
    start = header.offset - (header.header_addr - header.load_addr)
    return kernel.data[start : start + header.load_end_addr - header.load_addr]


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_a_moved_kernel_is_one_linked_there(tmp_path: Path, compiler: str) -> None:
    settings = BuildSettings(toolchain=compiler, drivers=True, efi=True)
    tools = toolchain.get(compiler)
    versions = {**tools.versions(), "make": Make().version()}
    root = tmp_path / "elsewhere"
    for name in ("kernel_c", "boot", "linker"):
        shutil.copytree(SOURCES / name, root / name)
    script = root / "linker" / "kernel.ld"
    script.write_text(script.read_text().replace(". = 0x1000000;", f". = {0x1000000 + DISTANCE:#x};"))
    kernels = {}
    for folder in (SOURCES, root):
        work = tmp_path / f"work-{folder.name}"
        headers.generate(content_of(models.load(None), None), work / "include", cmdline="", version="1")
        path, _ = MakeRun(settings, tools, folder, work, versions).make(Silent())
        kernels[folder] = read_elf(path)
    here, there = kernels[SOURCES], kernels[root]
    work = tmp_path / f"work-{SOURCES.name}"
    found = addresses.kernel_addresses(here, work / addresses.FILE)
    assert len(found.narrow) > 100
    assert len(found.wide) > 100
    assert found.moved(_image(here), there.loads[0].vaddr - here.loads[0].vaddr) == _image(there)
    with pytest.raises(KgptError, match="another kernel"):
        addresses.kernel_addresses(there, work / addresses.FILE)
