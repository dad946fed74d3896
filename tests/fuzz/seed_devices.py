"""Inputs that every fuzz target of devices begins with: tables of firmware, disks, cards, USB."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import acpi
import disks
import test_arm_acpi
import trees
from blocks import Ahci, Blk, Nvme
from cards import E1000, E1000e, VirtioNet
from virtio import Rng, structures


def _sectors(image: bytes) -> bytes:
    """The sectors that are not zero, as fuzz_disk.c reads them."""
    parts = ((i, image[512 * i : 512 * i + 512]) for i in range(len(image) // 512))
    return b"".join(struct.pack("<H", i) + part for i, part in parts if any(part))


def _disks() -> Iterator[bytes]:
    exfat = bytes(disks.exfat())
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        (tree / "folder").mkdir(parents=True)
        (tree / "a.gguf").write_bytes(b"GGUF" * 200)
        (tree / "folder" / "inner").write_bytes(b"x")
        files = {"a.gguf": b"GGUF" * 200, "folder/inner": b"x", "a long name.gguf": b"y"}
        fats = [disks.fat(Path(folder) / "fat", files, *of) for of in ((12, 300), (16, 4090))]
        ext4 = disks.ext4(Path(folder) / "ext4", tree, 512, "64bit,^has_journal,^resize_inode,^metadata_csum")
    yield from map(_sectors, (exfat, *fats, ext4))
    yield _sectors(disks.mbr([fats[0], fats[0]]))
    yield _sectors(bytes(disks.gpt([("models", exfat)])))


def _machines() -> Iterator[bytes]:
    """After a byte that says whether check sums are made right."""
    for machine in (acpi.whole(), acpi.old(), acpi.reduced()):
        yield b"\1" + machine.data
        yield b"\0" + machine.data
    long_length = acpi.s5(acpi.package(b"\x0b\5\7", length=b"\x85\0\0"))
    yield b"\1" + acpi.memory([acpi.fadt(132)], dsdt=acpi.table(b"DSDT", long_length)).data
    yield b"\1" + acpi.memory([acpi.madt(), acpi.hpet(0)], rsdt=False).data
    yield b"\1" + acpi.memory().data[:-1]
    yield from (b"\1" + machine.data for machine in _arm_machines())


def _arm_machines() -> Iterator[acpi.Memory]:
    """GICv2 and v3, redistributors of their own and of processors, GTDT, SPCR, MCFG, devices of the DSDT."""
    ports = test_arm_acpi.spcr(3, acpi.register(0x9000000, acpi.MEMORY, 32), 8, 33)
    bus = acpi.mcfg((0x4010000000, 0, 0, 255))
    timer = acpi.table(b"GTDT", struct.pack("<28x7I", 29, 0, 30, 0, 27, 0, 26) + bytes(12), revision=2)
    old = [test_arm_acpi.gicd(0x8000000, 2), *(test_arm_acpi.gicc(i, interface=0x8010000) for i in range(2))]
    new = [test_arm_acpi.gicd(0x8000000, 3), test_arm_acpi.gicc(0), test_arm_acpi.gicr(0x80A0000, 0xF60000)]
    own = [test_arm_acpi.gicd(0x8000000, 0)]
    own += [test_arm_acpi.gicc(i, frames=at) for i, at in enumerate((1 << 28, (1 << 28) + (1 << 17), 1 << 29))]
    yield test_arm_acpi.machine(old, ports, bus, timer)
    yield test_arm_acpi.machine(new, ports, bus, timer, flags=1)
    yield test_arm_acpi.machine(own, ports, timer, flags=0)


def _trees() -> Iterator[bytes]:
    """After a byte: 0 a device tree, 1 an initial RAM disk."""
    for made in (trees.tree(trees.virt()), trees.tree(trees.virt(3), [(0x43000000, 0x2000)]), trees.tree({})):
        yield b"\0" + made
    bus: dict[str, Any] = {
        "#address-cells": [1],
        "#size-cells": [1],
        "ranges": [0x100, 0x2000, 0x100, 0x400],
        "a@1": {"reg": [1, 8]},
    }
    yield b"\0" + trees.tree({"bus": bus, "memory": {"device_type": "memory", "reg": trees.wide(1 << 30, 1 << 20)}})
    for size in (0, 5):
        name = b"a words\0"
        fields = (1, 0o100644, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name), 0)
        entry = b"070701" + b"".join(b"%08x" % field for field in fields) + name + bytes(2)
        yield b"\1" + entry + b"hello"[:size] + bytes(-size % 4) + entry.replace(name, b"TRAILER!!!\0")
    yield b"\1GGUF"


def _configurations() -> Iterator[bytes]:
    """Of USB: a boot keyboard, one behind a mouse, a hub, and lengths that are wrong."""
    keyboard = "09 04 00 00 01 03 01 01 00 07 05 81 03 08 00 0a"
    mouse = "09 04 00 00 01 03 01 02 00 07 05 82 03 04 00 0a"
    hub = "09 04 00 00 01 09 00 00 00 07 05 81 03 01 00 0c 06 30 00 00 02 00"
    for body in (keyboard, f"{mouse} {keyboard}", hub, mouse, "00 00", "ff 04 00"):
        yield bytes.fromhex(f"09 02 29 00 01 01 00 a0 32 {body}")


def _controllers() -> Iterator[bytes]:
    """Of xHCI: a keyboard, a hub and a disk are enumerated by good answers, which the last byte of each chooses."""
    for variant in (8, 12, 0, 7):
        for function in (0, 1, 2):
            steps = b"\x0f" * 12 + (b"\x01" + bytes([function]) + b"\x0f") * 60
            yield bytes([variant]) + steps + b"\x05\x0f" * 12 + b"\x1a\x05\x0f\x05" * 8
    yield b"\x08" + b"\x0f\x01\x02" * 90 + b"\x04\x07" * 20 + b"\x08\x24" * 4
    yield b"\x08" + b"\x0f\x01\x01" * 90 + b"\x0b" + bytes(range(200, 217)) + b"\x09\xff" * 6


def _devices() -> Iterator[bytes]:
    """Configuration space, how many bits of each BAR are fixed, what registers read, and what the device does."""
    fixed = bytes([5, 32, 32, 32, 14, 0])
    start = bytes(3) + struct.pack("<IIBBHHB", 0, 1, 0, 8, 8, 0, 0)
    gives = b"\1\0\0\100"  # into element 0 of the used ring: chain 0, 64 bytes
    for device in (0x1005, 0x1044):
        yield bytes(Rng(device=device).config) + fixed + start + gives * 4
    for more in (b"", b"\0\1\0", b"\0\xff\xff", b"\1\0\7\1", b"\1\0\0\xff", b"\2\xff" + gives, b"\3" * 20 + gives):
        yield bytes(Rng().config) + fixed + start + more
    for kind in (Blk, Nvme, Ahci):
        for answers in (b"", bytes(200), b"\xff" * 200, b"\1\0\0\0" * 50, bytes(range(1, 201))):
            yield bytes(kind().config) + fixed + answers
    yield from _cards(fixed)
    yield bytes(Rng(capabilities=structures()[:3]).config) + fixed
    yield bytes(Rng(bars={4: (0xFFFFF000, 0x1000, 4)}).config) + bytes([5, 0, 0, 0, 12, 12]) + start


def _cards(fixed: bytes) -> Iterator[bytes]:
    """Network cards that start, and what they do then; a device on no bus, by the last bytes of the space."""
    mac, nothing = bytes.fromhex("525400123456"), b"\3"
    does = (b"", b"\1\0\0\60" * 20, b"\x81\0\0\0" * 20, bytes(range(1, 101)), b"\0\2\0" * 20)
    queues = struct.pack("<HH", 8, 0) + nothing + struct.pack("<HH", 8, 0) + nothing * 8 + b"\0" + nothing * 2
    for more in does:
        yield bytes(VirtioNet().config) + fixed + bytes(3) + struct.pack("<IIBB", 1 << 5, 1, 0, 8) + mac + queues + more
    for card, before in ((E1000, 18), (E1000e, 27)):
        for more in (b"", b"\x30\x3c\0" * 30, b"\x31\1\0" * 30, bytes(range(1, 101))):
            yield bytes(card().config) + b"\x11" + fixed[1:] + bytes(before) + mac + bytes(152) + more
    mapped = struct.pack("<4sI", b"virt", 1) + struct.pack("<IIIIIIII", 2, 0, 0, 0, 1 << 5, 1, 0, 8) + mac
    mapped += struct.pack("<I", 8) + nothing + struct.pack("<I", 8) + nothing * 8 + bytes(4) + nothing * 2
    for size in (0x10, 0x20):
        for more in does[1:4]:
            yield bytes(254) + bytes([size, 0xB5]) + fixed + mapped + more


MAKERS: dict[str, Callable[[], Iterator[bytes]]] = {
    "acpi": _machines,
    "devices": _devices,
    "tree": _trees,
    "disk": _disks,
    "usb": _configurations,
    "xhci": _controllers,
}
