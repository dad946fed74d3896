"""Disks in QEMU: virtio, NVMe with two namespaces, SATA and a CD behind AHCI, USB, each with known contents."""

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
    files = [folder / f"disk{i}" for i in range(6)]
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
    a, b, c, d, e, f = contents
    kinds = disk_words([Disk(a, "virtio"), Disk(d, "ahci"), Disk(f, "usb")])
    nvme = (
        *("-device", "nvme,id=two,serial=two,mdts=1,max_ioqpairs=1"),
        *drive("b", b, "nvme-ns", "bus=two"),
        *drive("c", c, "nvme-ns", "bus=two", "logical_block_size=4096", "physical_block_size=4096"),
    )
    disc = drive("e", e, "ide-cd", "bus=ide.2")
    names = {"virtio0": a, "nvme0": b, "nvme1": c, "sata0": d, "cd0": e, "usb0": f}
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


BEHIND_HUBS = (
    *("-device", "nec-usb-xhci,id=u", "-device", "usb-hub,bus=u.0,port=1", "-device", "usb-hub,bus=u.0,port=1.3"),
    *("-device", "usb-kbd,bus=u.0,port=1.1"),
)


@pytest.mark.slow
def test_usb_disks_behind_hubs_and_units_of_one_device(boot: Boot, training_kernel: Path, contents: list[Path]) -> None:
    a, b, c, *_ = contents
    stick = drive("a", a, "usb-storage", "bus=u.0", "port=1.3.2")
    units = (
        *("-device", "usb-bot,id=bot,bus=u.0,port=2"),
        *drive("b", b, "scsi-hd", "bus=bot.0", "lun=0"),
        *drive("c", c, "scsi-hd", "bus=bot.0", "lun=1", "logical_block_size=4096", "physical_block_size=4096"),
    )
    guest = boot("mode=shell", training_kernel, machine="q35", memory=256, extra=(*BEHIND_HUBS, *stick, *units))
    guest.expect("kgpt> $")
    said = set()
    for i in range(3):  # which is found first is not promised
        guest.send_line(f"disks usb{i} {MEGABYTES + 1}")
        said.add(guest.expect(f"^usb{i}: {MEGABYTES << 20} bytes, CRC-32 ([0-9a-f]+), read at [0-9]+ MB/s$")[1])
        guest.expect("kgpt> $")
    assert said == {crc_of(file) for file in (a, b, c)}
    guest.send_line("halt")
    assert guest.wait().ok


def test_a_stick_pulled_out_while_it_is_read(boot: Boot, training_kernel: Path, tmp_path: Path) -> None:
    """QEMU reads it slowly, so that it is pulled out in the middle."""
    file = tmp_path / "stick"
    file.write_bytes(random.Random(9).randbytes(24 << 20))
    slow = f"if=none,id=x,format=raw,readonly=on,file={file},throttling.bps-read=4000000"
    extra = ("-drive", slow, "-device", "qemu-xhci,id=u", "-device", "usb-storage,id=stick,drive=x,bus=u.0")
    guest = boot("mode=shell", training_kernel, machine="q35", memory=256, extra=extra)
    guest.expect("kgpt> $")
    guest.send_line("disks")
    guest.expect("^usb0 +24 MB")
    guest.expect("kgpt> $")
    guest.send_line("disks usb0 24")
    guest.expect("disks usb0 24$")
    guest.machine.execute("device_del", id="stick")
    guest.expect("^usb0: reading failed$")
    guest.expect("kgpt> $")
    guest.send_line("disks")
    guest.expect("^no disks were found$")
    guest.expect("kgpt> $")
    guest.send_line("halt")
    assert guest.wait().ok


def test_disks_switched_off(boot: Boot, training_kernel: Path, contents: list[Path]) -> None:
    extra = tuple(disk_words([Disk(contents[0], kind) for kind in ("virtio", "nvme", "ahci", "usb")]))
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
