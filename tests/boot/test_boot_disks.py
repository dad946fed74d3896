"""Disks in QEMU: virtio, NVMe with two namespaces, SATA and a CD behind AHCI, each with known contents."""

from __future__ import annotations

import random
import re
import zlib
from pathlib import Path

import pytest
from boots import Boot

from kgpt_build.vm.disks import Disk, disk_words

MEGABYTES = 5


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("disks")
    files = [folder / f"disk{i}" for i in range(5)]
    for i, file in enumerate(files):
        file.write_bytes(random.Random(i).randbytes(MEGABYTES << 20))
    return files


def crc_of(file: Path) -> str:
    return f"{zlib.crc32(file.read_bytes()):08x}"


def drive(name: str, file: Path, *words: str) -> tuple[str, ...]:
    device, *more = words
    options = ",".join((device, f"drive={name}", *more))
    return ("-drive", f"if=none,id={name},format=raw,readonly=on,file={file}", "-device", options)


def read_all(boot: Boot, kernel: Path, extra: tuple[str, ...], files: dict[str, Path], cmdline: str = "") -> None:
    guest = boot(f"mode=shell {cmdline}", kernel, machine="q35", memory=256, extra=extra)
    for name, file in files.items():
        guest.expect("kgpt> $")
        guest.send_line(f"disks {name} {MEGABYTES + 1}")
        guest.expect(f"^{name}: {MEGABYTES << 20} bytes, CRC-32 {crc_of(file)}, read at [0-9]+ MB/s$")
    guest.expect("kgpt> $")
    guest.send_line("halt")
    assert guest.wait().ok


def test_disks_of_all_kinds(boot: Boot, training_kernel: Path, contents: list[Path]) -> None:
    a, b, c, d, e = contents
    kinds = disk_words([Disk(a, "virtio"), Disk(d, "ahci")])
    nvme = (
        *("-device", "nvme,id=two,serial=two,mdts=1,max_ioqpairs=1"),
        *drive("b", b, "nvme-ns", "bus=two"),
        *drive("c", c, "nvme-ns", "bus=two", "logical_block_size=4096", "physical_block_size=4096"),
    )
    disc = drive("e", e, "ide-cd", "bus=ide.2")
    names = {"virtio0": a, "nvme0": b, "nvme1": c, "sata0": d, "cd0": e}
    read_all(boot, training_kernel, (*kinds, *nvme, *disc), names)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("virtio-blk-pci", "disable-legacy=on", "logical_block_size=4096", "physical_block_size=4096"),
        ("virtio-blk-pci", "queue-size=4", "seg-max-adjust=off"),
        ("nvme", "serial=x", "mdts=0"),
        ("nvme", "serial=x", "mdts=7", "max_ioqpairs=4"),
        ("ide-hd", "bus=ide.0"),
    ],
    ids=["virtio 4096", "virtio small queue", "nvme mdts 0", "nvme mdts 7", "q35's ports"],
)
def test_other_settings(boot: Boot, training_kernel: Path, contents: list[Path], words: tuple[str, ...]) -> None:
    name = {"virtio-blk-pci": "virtio0", "nvme": "nvme0", "ide-hd": "sata0"}[words[0]]
    extra = drive("x", contents[0], *words)
    if name == "sata0":
        extra = tuple(word.replace("readonly=on", "snapshot=on") for word in extra)
    read_all(boot, training_kernel, extra, {name: contents[0]})


def test_disks_switched_off(boot: Boot, training_kernel: Path, contents: list[Path]) -> None:
    extra = tuple(disk_words([Disk(contents[0], kind) for kind in ("virtio", "nvme", "ahci")]))
    guest = boot("mode=shell disk=off", training_kernel, machine="q35", extra=extra)
    guest.expect("kgpt> $")
    guest.send_line("disks")
    guest.expect("^no disks were found$")
    guest.send_line("devices")
    for driver in ("virtio-blk", "nvme", "ahci"):
        guest.expect(re.escape(f"{driver}: left alone: disk=off") + "$")
    guest.expect("kgpt> $")
    guest.send_line("halt")
    assert guest.wait().ok
