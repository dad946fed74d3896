"""Models on disks of a machine: found, loaded, used in turn, and unloaded, without a reboot."""

from __future__ import annotations

import re
import struct
import sys
from pathlib import Path

import pytest
from boots import Boot, need, uefi

from kgpt_build.arch import DEFAULT as DEFAULT_ARCH
from kgpt_build.arch import Arch, of_name
from kgpt_build.events import Sample
from kgpt_build.image.contents import Wanted, load_models
from kgpt_build.image.make import ImageSettings, make
from kgpt_build.image.menu import MenuSettings
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.settings import Silent
from kgpt_build.media import SECTOR
from kgpt_build.models import load_lm
from kgpt_build.pytest_plugin import Guest
from kgpt_build.toolchain import DEFAULT
from kgpt_build.training.corpus import read_corpus
from kgpt_build.vm.disks import Disk, disk_words

sys.path.append(str(Path(__file__).parents[1] / "hosted"))
import disks

MEGABYTE = 1 << 20
FOLDER = Path(__file__).parents[1] / "fuzz" / "shell"


@pytest.fixture(scope="module")
def plain_kernel() -> Path:
    return build_cached(load_lm(FOLDER / "plain.gguf"))


def test_models_of_two_disks(boot: Boot, plain_kernel: Path, tmp_path: Path) -> None:
    """exFAT in a GPT behind NVMe; FAT in an MBR behind virtio, with a model and its template."""
    files = {name: (FOLDER / name).read_bytes() for name in ("chat.gguf", "chat.kgct", "plain.gguf")}
    first, second = tmp_path / "first.img", tmp_path / "second.img"
    first.write_bytes(disks.gpt([("models", bytes(disks.exfat()))]))
    second.write_bytes(disks.mbr([disks.fat(second, files, 12, 1500)]))
    extra = tuple(disk_words([Disk(first, "nvme"), Disk(second, "virtio")]))
    guest = boot("mode=shell seed=1 max_tokens=4", plain_kernel, machine="q35", memory=256, extra=extra)
    for typed, answer in (
        ("models", r"/a chained file\.gguf, 3 KB, on nvme0 partition 1 \(exFAT\)$"),
        ("load a chained file.gguf", "GGUF"),
        ("load chat.gguf", '^kgpt: "use 2" takes it$'),
        ("use 2", "^kgpt: model tiny"),
        ("generate ab", "^ab"),
        ("unload 2", "the model 2 is in use"),
        ("use 1", "^kgpt: model tiny"),
        ("unload 2", "of memory are free again$"),
        ("load plain.gguf", '^kgpt: "use 2" takes it; it has no chat template'),
    ):
        guest.expect("kgpt> $")
        guest.send_line(typed)
        guest.expect(answer)
    guest.expect("kgpt> $")
    guest.send_line("halt")
    assert guest.wait().ok


def with_partition(stick: Path, contents: bytes) -> None:
    """Append a partition to a stick, behind the one that it boots from."""
    data = bytearray(stick.read_bytes())
    second = slice(446 + 16, 446 + 32)
    assert not any(data[second]), "it has a second partition already"
    at = -(-len(data) // MEGABYTE) * MEGABYTE
    data[second] = struct.pack("<4xB3xII", 0x0C, at // SECTOR, len(contents) // SECTOR)
    stick.write_bytes(data.ljust(at, b"\0") + contents)


FILES = {name: (FOLDER / name).read_bytes() for name in ("chat.gguf", "chat.kgct")}


def stick_with_models(folder: Path, partition: bytes, arch: Arch = DEFAULT_ARCH) -> Path:
    """A stick that starts the shell of a model at once, with a second partition."""
    wanted = Wanted(load_models([FOLDER / "plain.gguf"]), read_corpus(None).embedded(), DEFAULT, arch=arch)
    menu = MenuSettings("seed=1 max_tokens=4", 0, "plain-shell")
    stick = make(ImageSettings("usb", folder / "stick.img", wanted, menu), Silent()).image
    with_partition(stick, partition)
    return stick


def use_both_partitions(guest: Guest, system: str) -> None:
    """The firmware has read one model, the kernel's drivers read the other."""
    for typed, answer in (
        ("generate ab", "ab"),
        ("models", rf"/chat\.gguf, \d+ KB, .*on usb0 partition 2 \({system}\)$"),
        ("load chat.gguf", '^kgpt: "use 2" takes it$'),
        ("use 2", "^kgpt: model tiny"),
        ("generate ab", "ab"),
        ("use 1", "^kgpt: model tiny"),
        ("unload 2", "of memory are free again$"),
    ):
        guest.expect("kgpt> $")
        guest.send_line(typed)
        guest.expect(answer)
    guest.expect("kgpt> $")
    guest.send_line("halt")
    assert guest.wait().ok
    first, second = (event.text for event in guest.events if isinstance(event, Sample))
    assert first != second


@pytest.mark.parametrize("firmware", ["bios", pytest.param("uefi", marks=pytest.mark.slow)])
def test_from_another_partition_of_the_stick_that_booted(boot: Boot, tmp_path: Path, firmware: str) -> None:
    """GRUB or kgpt.efi reads one model by the firmware, and the kernel another one by its own drivers."""
    need("grub-mkimage", "mtools")
    stick = stick_with_models(tmp_path, disks.fat(tmp_path / "fat", FILES, 16, 8 << 10))
    machine = {"image": stick, "medium": "usb", "machine": "q35", "memory": 512, "timeout": 400}
    guest = boot(**machine, **({"firmware": uefi()} if firmware == "uefi" else {}))
    use_both_partitions(guest, "FAT16")


@pytest.mark.slow
@pytest.mark.parametrize("system", ["FAT16", "exFAT"])
def test_from_another_partition_of_a_stick_for_aarch64(boot: Boot, tmp_path: Path, system: str) -> None:
    need("mtools", "qemu-system-aarch64")
    arch = of_name("aarch64")
    second = disks.fat(tmp_path / "fat", FILES, 16, 8 << 10) if system == "FAT16" else bytes(disks.exfat(FILES))
    stick = stick_with_models(tmp_path, second, arch)
    use_both_partitions(boot(image=stick, medium="usb", arch=arch, firmware=uefi(arch), memory=512), system)


@pytest.mark.slow
def test_switching_for_long(boot: Boot, plain_kernel: Path, tmp_path: Path) -> None:
    """Two models of two disks come and go a hundred times: no memory is lost, and the texts stay the same."""
    files = {name: (FOLDER / name).read_bytes() for name in ("chat.gguf", "chat.kgct", "plain.gguf")}
    first, second = tmp_path / "first.img", tmp_path / "second.img"
    first.write_bytes(disks.mbr([disks.fat(first, files, 12, 1500)]))
    second.write_bytes(disks.gpt([("models", disks.fat(second, files, 16, 8 << 10))]))
    extra = tuple(disk_words([Disk(first, "usb"), Disk(second, "nvme")]))
    guest = boot("mode=shell seed=1 max_tokens=4", plain_kernel, machine="q35", memory=256, extra=extra, timeout=1200)
    one = ("load 1", "load 3", "use 2", "generate ab", "use 3", "use 1", "unload 2", "load 4", "use 3", "unload 2")
    for line in ("mem", *(*one, "use 1", "unload 2") * 100, "mem", "halt"):
        guest.expect("kgpt> $")
        guest.send_line(line)
    assert guest.wait().ok
    before, after = re.findall(r"^arena .*$", guest.console, re.MULTILINE)
    assert before == after
    assert guest.console.count("of memory are free again") == 300
    texts = {event.text for event in guest.events if isinstance(event, Sample)}
    assert len(texts) == 1
