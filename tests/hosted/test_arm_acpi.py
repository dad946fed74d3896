"""What ACPI's tables say about a machine without ports: those that QEMU makes, ours, and damaged ones."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from pathlib import Path

import acpi
import pytest
import tree_reader
from acpi import MEMORY, fadt, memory, register, sealed, table
from qemu_tables import BASE, Tables, tables_of
from tree_reader import Driver

NONE = (0, 0, 0, 0)
NAMES = ("console", "clock", "psci", "gic", "timer", "ecam", "ports", "virtio", "coherent", "cpus", "button", "fw_cfg")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    return tree_reader.build(tmp_path_factory.mktemp("acpi"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    folder = tmp_path_factory.mktemp("tables")
    return tables_of(folder, "virt,gic-version=3", "-cpu", "cortex-a72", "-smp", "3", "-m", "128M")


def read(driver: Driver, tables: Tables) -> str:
    return driver.acpi(tables.data, BASE, tables.rsdp)


def test_qemu_describes_its_machine(driver: Driver, real: Tables) -> None:
    """The facts that its device tree has, but for the clock; the button is a register of events."""
    assert read(driver, real) == ""
    assert driver.fact("console") == (0x9000000, 0x1000, 33, 0)
    assert driver.fact("clock") == NONE
    assert driver.fact("psci")[0] == 1
    assert driver.fact("gic") == (3, 0x8000000, 0x80A0000, 0xF60000)
    assert driver.fact("timer")[0] == 27
    assert driver.fact("ecam") == (0x4010000000, 0x10000000, 0, 255)
    assert driver.fact("ports")[:3] == (0x3EFF0000, 0x10000, 0)
    assert driver.fact("memory32")[:3] == (0x10000000, 0x2EFF0000, 0x10000000)
    assert driver.fact("memory64")[:3] == (0x8000000000, 0x8000000000, 0x8000000000)
    assert driver.fact("virtio")[:3] == (32, 0xA000000, 0x200)
    assert driver.fact("coherent")[0] == 1
    assert driver.fact("cpus") == (3, 0, 1, 2)
    assert driver.fact("button") == (0, 0, 0, 0x9080000)
    assert driver.fact("fw_cfg")[:2] == (0x9020000, 0x18)


def test_the_older_controller(driver: Driver, tmp_path: Path) -> None:
    """GICv2, and PSCI by SMC on a machine with a hypervisor's level. Processors beyond the first cluster of eight."""
    words = ("virt,gic-version=2,virtualization=on", "-cpu", "cortex-a57", "-smp", "8", "-m", "128M")
    assert read(driver, tables_of(tmp_path, *words)) == ""
    assert driver.fact("gic") == (2, 0x8000000, 0x8010000, 0x2000)
    assert driver.fact("psci")[0] == 2
    assert driver.fact("cpus") == (8, 0, 1, 2)


# --- tables of our own ---


def gicc(number: int, *, enabled: int = 1, interface: int = 0, frames: int = 0, size: int = 80) -> bytes:
    """A processor: number, state, and where its part of the GIC is. Its affinity is 0x100 more than its number."""
    body = struct.pack("<BBH3I", 0x0B, size, 0, number, number, enabled) + bytes(16)
    body += struct.pack("<QQQIQQ", interface, 0, 0, 0, frames, 0x100 + number)
    return body.ljust(size, b"\0")[:size]


def gicd(base: int, version: int) -> bytes:
    return struct.pack("<BBHIQIB3x", 0x0C, 24, 0, 0, base, 0, version)


def gicr(base: int, size: int) -> bytes:
    return struct.pack("<BBHQI", 0x0E, 16, 0, base, size)


def machine(entries: Sequence[bytes], *more: bytes, flags: int = 3) -> acpi.Memory:
    madt = table(b"APIC", bytes(8) + b"".join(entries))
    return memory([madt, fadt(arm_boot_arch=flags), *more], dsdt=table(b"DSDT", bytes(8)))


def find(driver: Driver, made: acpi.Memory) -> str:
    return driver.acpi(made.data, acpi.BASE, acpi.BASE)


def test_redistributors_of_processors(driver: Driver) -> None:
    """Those that follow each other are one region; a disabled processor does not run, but its frames count."""
    frames = [0x10000000, 0x10020000, 0x10040000, 0x20000000]
    entries = [gicc(i, enabled=i != 1, frames=at) for i, at in enumerate(frames)]
    assert find(driver, machine([gicd(0x8000000, 4), *entries])) == ""
    assert driver.fact("gic") == (3, 0x8000000, 0x10000000, 0x60000)
    assert driver.fact("regions")[:3] == (2, 0x20000000, 0x20000)
    assert driver.fact("cpus") == (3, 0x100, 0x102, 0x103)


def test_a_version_that_is_not_told(driver: Driver) -> None:
    find(driver, machine([gicd(0x8000000, 0), gicc(0, interface=0x8010000)]))
    assert driver.fact("gic")[:3] == (2, 0x8000000, 0x8010000)
    find(driver, machine([gicd(0x8000000, 0), gicc(0), gicr(0x9000000, 0x40000)]))
    assert driver.fact("gic") == (3, 0x8000000, 0x9000000, 0x40000)
    find(driver, machine([gicd(0x8000000, 0), gicc(0)]))
    assert driver.fact("gic") == NONE


@pytest.mark.parametrize(("flags", "conduit"), [(0, 0), (1, 2), (2, 0), (3, 1)])
def test_how_psci_is_called(driver: Driver, flags: int, conduit: int) -> None:
    find(driver, machine([gicc(0)], flags=flags))
    assert driver.fact("psci")[0] == conduit


def test_parts_of_processors_that_are_wrong(driver: Driver) -> None:
    assert find(driver, machine([gicd(1 << 27, 3), gicc(0, size=40)])) == "the MADT lists no processor"
    assert find(driver, machine([gicc(0), gicc(1)[:-1]])) == "an entry of the MADT is cut short"
    assert find(driver, memory([fadt()])) == "the ACPI tables have no usable MADT"
    assert driver.acpi(bytes(64), acpi.BASE, acpi.BASE) == "the root pointer of the ACPI tables is damaged"
    assert driver.acpi(bytes(64), acpi.BASE, 0) == "the firmware has no ACPI tables"
    for name in NAMES:
        assert driver.fact(name) == NONE


def spcr(kind: int, place: bytes, interrupts: int, number: int) -> bytes:
    return table(b"SPCR", struct.pack("<B3x12sBBI22x", kind, place, interrupts, 0, number), revision=2)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (spcr(3, register(0x9000000, MEMORY, 32), 8, 33), (0x9000000, 0x1000, 33, 0)),
        (spcr(0x0E, register(0x9000000, MEMORY, 32), 0, 33), (0x9000000, 0x1000, 0, 0)),
        (spcr(0x0D, register(0x9000000, MEMORY, 32), 8, 5000), (0x9000000, 0x1000, 0, 0)),
        (spcr(0, register(0x3F8), 8, 4), NONE),
        (spcr(3, register(0x3F8), 8, 4), NONE),
        (spcr(3, register(0, MEMORY), 8, 4), NONE),
    ],
)
def test_consoles(driver: Driver, one: bytes, expected: tuple[int, ...]) -> None:
    find(driver, machine([gicc(0)], one))
    assert driver.fact("console") == expected


def test_buses_from_another_than_the_first(driver: Driver) -> None:
    """The table tells where bus 0 would be."""
    find(driver, machine([gicc(0)], acpi.mcfg((0x40000000, 0, 0x10, 0x1F))))
    assert driver.fact("ecam") == (0x41000000, 0x1000000, 0x10, 0x1F)
    find(driver, machine([gicc(0)], acpi.mcfg((0x40000000, 0, 0x20, 0x1F))))
    assert driver.fact("ecam") == NONE


def test_any_byte_may_be_wrong(driver: Driver, real: Tables) -> None:
    """With right check sums: the reader stays within memory, and always ends."""
    noise = random.Random(11)
    data = real.data
    whole = {name: driver.fact(name) for name in NAMES} if read(driver, real) == "" else {}
    used = len(data.rstrip(b"\0"))
    for _ in range(400):
        at = noise.randrange(36, used)
        changed = data[:at] + bytes([data[at] ^ 1 << noise.randrange(8)]) + data[at + 1 :]
        driver.acpi(_resealed(changed), BASE, real.rsdp)
    assert read(driver, real) == ""
    assert {name: driver.fact(name) for name in NAMES} == whole


def _resealed(data: bytes) -> bytes:
    """All tables that lie one behind the other, with check sums that are right."""
    at = 36
    while at + 36 <= len(data):
        (size,) = struct.unpack_from("<I", data, at + 4)
        if size < 36 or size > len(data) - at:
            break
        data = data[:at] + sealed(data[at : at + size], 9) + data[at + size :]
        at += size
    return data
