"""The files for a loader of Linux kernels: what is loaded of an ELF file, and boot modules as one archive."""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from elves import AARCH64, PAGE, Elf
from refusals import refused
from toy import toy_model

from kgpt_build.arch import of_name
from kgpt_build.boot_modules import BootModule
from kgpt_build.errors import KgptError
from kgpt_build.vm.linux_files import linux_files, write_archive, write_image
from kgpt_build.vm.settings import RunSettings

KERNEL = Elf(toy_model(), machine=AARCH64, elf_type=3)
ARM = of_name("aarch64")


def test_the_image_is_what_is_loaded(tmp_path: Path) -> None:
    """From the first segment's first byte to the last one's last; its header comes first."""
    data = KERNEL.build()
    (tmp_path / "k.elf").write_bytes(data)
    assert write_image(tmp_path / "k.elf", tmp_path / "image")
    image = (tmp_path / "image").read_bytes()
    assert image[56:60] == b"ARM\x64"
    assert image == data[PAGE : PAGE + len(image)]
    assert int.from_bytes(image[16:24], "little") == len(image)


def test_an_image_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"MZ and more")
    assert not write_image(tmp_path / "image", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("size", [4, 40, 64, 100])
def test_a_damaged_kernel(tmp_path: Path, size: int) -> None:
    (tmp_path / "k.elf").write_bytes(KERNEL.build()[:size])
    with refused(KgptError, "k.elf damaged ELF file nothing of it is loaded"):
        write_image(tmp_path / "k.elf", tmp_path / "image")


def test_a_kernel_that_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "k.elf").write_bytes(KERNEL.build()[: 2 * PAGE])
    with refused(KgptError, "k.elf ends early"):
        write_image(tmp_path / "k.elf", tmp_path / "image")


def test_an_archive(tmp_path: Path) -> None:
    """Read by the format's own rules; contents lie at starts of pages."""
    names = {"a.gguf": b"GGUF" + bytes(range(256)) * 33, "empty": b"", "b c,d": b"x"}
    modules = []
    for name, data in names.items():
        (tmp_path / name).write_bytes(data)
        modules.append(BootModule(tmp_path / name, ("kind=file",) if name == "b c,d" else ()))
    write_archive(modules, tmp_path / "archive")
    data = (tmp_path / "archive").read_bytes()
    for content in filter(None, names.values()):
        assert any(data[at : at + len(content)] == content for at in range(0, len(data), PAGE))
    entries = parse(data)
    assert [name for name, *_ in entries] == [module.line for module in modules] + ["TRAILER!!!"]
    assert [content for _, _, content in entries] == [*names.values(), b""]
    assert all(stat.S_ISREG(mode) for _, mode, _ in entries[:-1])


def parse(data: bytes) -> list[tuple[str, int, bytes]]:
    """Names, modes and contents, as the format newc has them (cpio(5))."""
    found: list[tuple[str, int, bytes]] = []
    at = 0
    while not found or found[-1][0] != "TRAILER!!!":
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        name = data[at + 110 : at + 110 + fields[11]]
        content = at + 110 + fields[11] + (-(at + 110 + fields[11]) % 4)
        found.append((os.fsdecode(name.rstrip(b"\0")), fields[1], data[content : content + fields[6]]))
        at = content + fields[6] + (-fields[6] % 4)
    return found


def test_a_module_that_is_too_large(tmp_path: Path) -> None:
    """4 GiB and more do not fit the format. The file is sparse."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 32)
    with refused(KgptError, "large 4,294,967,296 bytes less than 4 GiB"):
        write_archive([BootModule(tmp_path / "large")], tmp_path / "archive")


def test_files_are_there_for_a_while(tmp_path: Path) -> None:
    kernel = KERNEL.write(tmp_path / "k.elf")
    (tmp_path / "module").write_bytes(b"text")
    settings = RunSettings(kernel, arch=ARM, modules=(BootModule(tmp_path / "module"),))
    with linux_files(settings) as found:
        assert found.initrd is not None
        assert found.image != kernel
        assert found.image.read_bytes()[56:60] == b"ARM\x64"
        folder = found.image.parent
    assert not folder.exists()
    with linux_files(replace(settings, modules=()), keep=True) as found:
        assert found.initrd is None
    assert found.image.exists()
    subprocess.run(["rm", "-r", str(found.image.parent)], check=True)


def test_other_loaders_get_their_own_files(tmp_path: Path) -> None:
    settings = RunSettings(KERNEL.write(tmp_path / "k.elf"))
    with linux_files(settings) as found:
        assert found is settings
