"""USB disks on a made-up controller: reads, writes, several units, and devices that lie, stall, or fall silent."""

from __future__ import annotations

import ctypes
import random

import pytest
from devices import Drivers, Machine, bdf
from usb_disks import ATTENTION, MEDIUM_ERROR, NEW_MEDIUM, NO_MEDIUM, NOT_READY, Fault, Lun, UsbDisk
from xhci import BOOT_KEYBOARD

SECTORS = 300
LONGEST_US = 15_000_000
"""Of a request; then the whole controller would be given up."""
NAME = "KGPT    Made-up disk"


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Drivers:
    return Drivers(tmp_path_factory.mktemp("devices"))


def contents(seed: int = 1, sectors: int = SECTORS, size: int = 512) -> bytes:
    return random.Random(seed).randbytes(sectors * size)


def start(drivers: Drivers, disk: UsbDisk) -> list[str]:
    drivers.on(Machine({bdf(0, 3): disk}))
    return drivers.disks()


def poll(drivers: Drivers, times: int, us: int = 10_000) -> None:
    for _ in range(times):
        drivers.library.driver_poll(us)
    drivers.machine.check()


def works(drivers: Drivers, disk: UsbDisk) -> bool:
    return drivers.read_disk(3, 5) == disk.luns[0].read(3, 5) and drivers.problem() is None


@pytest.mark.parametrize("wide", [True, False], ids=["64 bits", "32 bits"])
def test_reads_and_writes(drivers: Drivers, wide: bool) -> None:
    """Requests of any place and length; a controller of 32 bits gets a copy below 4 GiB."""
    disk = UsbDisk(Lun(contents()), wide=wide)
    assert start(drivers, disk) == [f"usb0 {SECTORS} 512 {NAME}"]
    for first, n, offset in ((0, 1, 0), (7, 200, 0), (7, 200, 4), (0, SECTORS, 2000), (SECTORS - 1, 1, 4092)):
        assert drivers.read_disk(first, n, offset=offset) == disk.luns[0].read(first, n)
    assert drivers.read_disk(SECTORS - 1, 2) is None
    new = contents(2, 150)
    assert not drivers.write_disk(10, new, (10, 149))
    assert drivers.write_disk(10, new, (0, 200))
    assert drivers.read_disk(10, 150) == new
    assert disk.luns[0].flushed == 1
    assert [line.split()[-1] for line in drivers.behind()] == ["disk"]
    assert disk.resets_seen == 0


def test_many_requests_at_once_use_the_ring_round(drivers: Drivers) -> None:
    disk = UsbDisk(Lun(contents()))
    start(drivers, disk)
    for _ in range(30):
        good, data = drivers.read_at_once(8)
        assert good == 255
        assert data == disk.luns[0].read(0, 8)
    assert drivers.read_at_once(10)[0] == 255  # two more than it takes


def test_sectors_of_4096_bytes(drivers: Drivers) -> None:
    disk = UsbDisk(Lun(contents(size=4096), size=4096))
    assert start(drivers, disk) == [f"usb0 {SECTORS} 4096 {NAME}"]
    assert drivers.read_disk(1, 100, size=4096) == disk.luns[0].read(1, 100)


def test_a_disk_of_more_than_two_terabytes(drivers: Drivers) -> None:
    disk = UsbDisk(Lun(sectors=(1 << 32) + 100))
    assert start(drivers, disk) == [f"usb0 {(1 << 32) + 100} 512 {NAME}"]
    for first in (5, (1 << 32) - 20, (1 << 32) + 50):
        assert drivers.read_disk(first, 40) == disk.luns[0].read(first, 40)
    assert {command[0] for command in disk.commands_seen} >= {0x28, 0x88, 0x9E}


def test_several_units(drivers: Drivers) -> None:
    disk = UsbDisk(Lun(contents(1)), Lun(contents(2, 20)), Lun(contents(3, 99)))
    disk.luns[1].errors = [NO_MEDIUM] * 1000
    assert [line.split()[:2] for line in start(drivers, disk)] == [["usb0", "300"], ["usb1", "99"]]
    assert drivers.read_disk(1, 9, disk=1) == disk.luns[2].read(1, 9)


def test_a_disk_that_takes_its_time(drivers: Drivers) -> None:
    disk = UsbDisk(Lun(contents()))
    disk.luns[0].errors = [ATTENTION, *[NOT_READY] * 8]
    assert start(drivers, disk)
    assert works(drivers, disk)


def test_a_medium_comes_goes_and_is_another(drivers: Drivers) -> None:
    disk = UsbDisk(Lun(contents()))
    disk.luns[0].errors = [NO_MEDIUM] * 3
    assert start(drivers, disk) == []
    poll(drivers, 500)
    assert drivers.disks()
    disk.luns[0].errors = [NO_MEDIUM] * 2
    assert drivers.read_disk(0, 1) is None
    assert drivers.disks() == []
    disk.luns[0].data, disk.luns[0].sectors = bytearray(contents(2, 40)), 40
    poll(drivers, 500)
    assert drivers.disks() == [f"usb0 40 512 {NAME}"]
    assert works(drivers, disk)
    disk.luns[0].errors = [NEW_MEDIUM]
    assert drivers.read_disk(0, 1) is None


def test_a_locked_disk_and_one_that_cannot_say_so(drivers: Drivers) -> None:
    disk = UsbDisk(Lun(contents()))
    disk.luns[0].locked = True
    start(drivers, disk)
    assert not drivers.write_disk(0, contents(2, 1), (0, 10))
    other = UsbDisk(Lun(contents()))
    other.luns[0].has_no_mode = other.luns[0].has_no_cache = True
    start(drivers, other)
    assert drivers.write_disk(0, contents(2, 1), (0, 10))
    assert works(drivers, other)


def test_an_error_of_the_medium(drivers: Drivers) -> None:
    disk = UsbDisk(Lun(contents()))
    start(drivers, disk)
    disk.luns[0].errors = [MEDIUM_ERROR]
    assert drivers.read_disk(3, 5) is None
    disk.luns[0].errors = [ATTENTION]  # tried again
    assert works(drivers, disk)
    disk.faults = [Fault("stall data", 0x2A)]
    assert not drivers.write_disk(0, contents(2, 1), (0, 10))
    assert works(drivers, disk)
    assert disk.resets_seen == 0


@pytest.mark.parametrize(
    ("kind", "resets"),
    [
        *(("stall status", 0), ("stall command", 1), ("tag", 1), ("signature", 1), ("phase", 1), ("no status", 1)),
        *(("silence", 1), ("babble", 1)),
    ],
)
def test_a_fault_once_is_mended(drivers: Drivers, kind: str, resets: int) -> None:
    disk = UsbDisk(Lun(contents()))
    start(drivers, disk)
    disk.faults = [Fault(kind, 0x28)]
    assert works(drivers, disk)
    assert disk.resets_seen == resets
    assert works(drivers, disk)


@pytest.mark.parametrize(
    "kind",
    ["stall status", "stall command", "tag", "signature", "phase", "no status", "silence", "babble", "stall data"],
)
def test_a_fault_for_ever_fails_the_request(drivers: Drivers, kind: str) -> None:
    """In time, and the controller goes on: with the next device it works."""
    disk = UsbDisk(Lun(contents()))
    start(drivers, disk)
    disk.faults = [Fault(kind, 0x28, times=1 << 30)]
    before = drivers.machine.struct.us
    assert drivers.read_disk(3, 5) is None
    assert drivers.machine.struct.us - before < LONGEST_US
    assert drivers.read_disk(3, 5) is None
    assert drivers.problem() is None
    disk.unplug()
    poll(drivers, 30)
    assert drivers.disks() == []
    disk.faults = []
    disk.plug()
    poll(drivers, 100)
    assert works(drivers, disk)


@pytest.mark.parametrize("kind", ["short data", "residue", "failed"])
def test_less_than_was_asked_for_is_no_success(drivers: Drivers, kind: str) -> None:
    disk = UsbDisk(Lun(contents()))
    start(drivers, disk)
    disk.faults = [Fault(kind, 0x28)]
    assert drivers.read_disk(3, 5) is None
    assert works(drivers, disk)


def test_pulled_out_while_it_reads(drivers: Drivers) -> None:
    """Requests that wait fail at once; a disk that comes again has its name."""
    disk = UsbDisk(Lun(contents()))
    start(drivers, disk)
    for _ in range(20):
        disk.silent = True
        ticks = 0

        def tick() -> None:
            nonlocal ticks
            ticks += 1
            if ticks == 5:
                disk.unplug()

        disk.tick = tick  # type: ignore[method-assign]
        before = drivers.machine.struct.us
        assert drivers.read_disk(0, SECTORS) is None
        assert drivers.machine.struct.us - before < 1_000_000
        assert drivers.disks() == []
        disk.silent = False
        disk.tick = lambda: None  # type: ignore[method-assign]
        disk.plug()
        poll(drivers, 60)
        assert drivers.disks() == [f"usb0 {SECTORS} 512 {NAME}"]
        assert works(drivers, disk)


def test_a_disk_then_a_keyboard_at_the_same_port(drivers: Drivers) -> None:
    disk = UsbDisk(Lun(contents()))
    start(drivers, disk)
    disk.unplug()
    poll(drivers, 30)
    disk.descriptors = BOOT_KEYBOARD
    assert drivers.disks() == []


def test_disks_switched_off(drivers: Drivers) -> None:
    disk = UsbDisk(Lun(contents()))
    drivers.on(Machine({bdf(0, 3): disk}))
    drivers.library.plat_disks_off()
    drivers.devices()
    poll(drivers, 100)
    assert drivers.disks() == []
    assert disk.commands_seen == []


@pytest.mark.parametrize("seed", range(30))
def test_any_answer(drivers: Drivers, seed: int) -> None:
    """Faults by chance, and bytes by chance in whatever the device writes: time and memory are kept."""
    draw = random.Random(seed)
    kinds = ["stall status", "stall command", "tag", "phase", "no status", "babble", "stall data", "short data"]
    disk = UsbDisk(Lun(contents()), Lun(contents(2)))
    codes = [None, 0x28, 0x25, 0x12]
    disk.faults = [Fault(draw.choice(kinds), draw.choice(codes), draw.randrange(4)) for _ in range(6)]
    for lun in disk.luns:
        lun.errors = [(draw.randrange(16), draw.randrange(256)) for _ in range(draw.randrange(8))]
        if draw.random() < 0.3:
            lun.sectors, lun.size = draw.getrandbits(33), draw.choice([0, 1, 512, 513, 8192, 1 << 31])
    drivers.on(Machine({bdf(0, 3): disk}))
    for number, line in enumerate(drivers.disks()):
        sectors, size = map(int, line.split()[1:3])
        before = drivers.machine.struct.us
        data = drivers.read_disk(0, min(sectors, 40), size=size, disk=number)
        assert data in (None, *(lun.read(0, min(sectors, 40)) for lun in disk.luns))
        assert drivers.machine.struct.us - before < 8 * LONGEST_US
    poll(drivers, 50)
    assert ctypes.c_uint64(drivers.machine.struct.us).value == drivers.machine.struct.us
