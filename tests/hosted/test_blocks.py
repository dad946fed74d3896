"""Drivers of disks on made-up controllers: good ones, and those that lie, fall silent, or are pulled out."""

from __future__ import annotations

from typing import Any

import pytest
from blocks import CC, DATA, SECTOR, Ahci, Blk, EmptyDrive, Nvme
from devices import MASTER, MEMORY, Drivers, Function, Machine, bdf

HERE = bdf(0, 3)
KINDS: list[type[Any]] = [Blk, Nvme, Ahci]
SILENT_US = 20_000_000
"""A disk that does not answer is given up within this time."""


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Drivers:
    return Drivers(tmp_path_factory.mktemp("disks"))


def on(drivers: Drivers, function: Function) -> Drivers:
    return drivers.on(Machine({HERE: function}, memory=1 << 20))


def changed(kind: type[Any], **attributes: object) -> Any:
    return type("Changed", (kind,), attributes)()


def names(drivers: Drivers) -> list[str]:
    return [text.split()[0] for text in drivers.disks()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offset", [0, 4, 512, 4092])
def test_reads_of_any_size(drivers: Drivers, kind: type[Any], offset: int) -> None:
    on(drivers, kind())
    assert drivers.problem() is None
    for first, n in ((0, 1), (3, 1), (0, 8), (5, 17), (0, 64), (63, 1)):
        data = DATA[first * SECTOR : (first + n) * SECTOR]
        assert drivers.read_disk(first, n, offset=offset) == data, (first, n)
    assert drivers.read_disk(63, 2) is None
    assert drivers.read_disk(1 << 63, 1) is None
    assert drivers.read_disk(0, 64) == DATA  # a refused read harms nothing


def test_what_they_say_of_themselves(drivers: Drivers) -> None:
    drivers.on(Machine({bdf(0, 3): Blk(), bdf(0, 4): changed(Nvme, shifts=(9, 12)), bdf(0, 5): Ahci()}))
    assert drivers.disks() == [
        "virtio0 64 512 ",
        "nvme0 64 512 Made up ?",
        "nvme1 8 4096 Made up ?",
        "sata0 64 512 MADE UP",
    ]


def test_a_controller_that_reaches_4_gb_only(drivers: Drivers) -> None:
    """Its data goes through memory below 4 GiB; this process has its memory above."""
    disk = changed(Ahci, cap=31 << 8)
    on(drivers, disk)
    assert drivers.read_at_once(8) == (0xFF, DATA[: 8 * SECTOR])
    assert drivers.read_disk(5, 17) == DATA[5 * SECTOR : 22 * SECTOR]
    new = bytes(reversed(DATA[: 8 * SECTOR]))
    assert drivers.write_disk(3, new, (0, 20))
    assert bytes(disk.disk[3 * SECTOR : 11 * SECTOR]) == new
    disk.short = 512
    assert drivers.read_disk(5, 17) is None


@pytest.mark.parametrize("kind", KINDS)
def test_several_reads_at_once(drivers: Drivers, kind: type[Any]) -> None:
    on(drivers, kind())
    assert drivers.read_at_once(8) == (0xFF, DATA[: 8 * SECTOR])


@pytest.mark.parametrize("kind", KINDS)
def test_writes_stay_within_what_was_opened(drivers: Drivers, kind: type[Any]) -> None:
    device = kind()
    on(drivers, device)
    new = bytes(range(256)) * 4
    assert drivers.write_disk(10, new, (10, 2))
    assert bytes(device.disk[10 * SECTOR : 12 * SECTOR]) == new
    for first, opened in ((9, (10, 2)), (11, (10, 2)), (10, (10, 1)), (10, (0, 0)), (62, (63, 2)), (10, (1 << 63, 2))):
        assert not drivers.write_disk(first, new, opened), (first, opened)
    expected = bytearray(DATA)
    expected[10 * SECTOR : 12 * SECTOR] = new
    assert device.disk == expected
    assert getattr(device, "flushed", 1) == 1


def test_a_disk_of_virtio_that_cannot_be_written(drivers: Drivers) -> None:
    device = changed(Blk, offers=Blk.offers | 1 << 5)
    on(drivers, device)
    assert not drivers.write_disk(10, bytes(SECTOR), (10, 1))
    assert device.disk == DATA


def test_large_sectors(drivers: Drivers) -> None:
    for device in (changed(Nvme, shifts=(12,)), changed(Ahci, large=True)):
        on(drivers, device)
        assert drivers.read_disk(1, 7, 4096) == DATA[4096:]


@pytest.mark.parametrize("mdts", [0, 1, 2, 7, 8, 255])
@pytest.mark.parametrize("entries", [2, 3, 4, 17, 65536])
def test_limits_of_nvme(drivers: Drivers, mdts: int, entries: int) -> None:
    device = changed(Nvme, mdts=mdts, cap=1 << 37 | 1 << 24 | (entries - 1))
    on(drivers, device)
    for _ in range(3):
        assert drivers.read_disk(1, 63, offset=8) == DATA[SECTOR:]


@pytest.mark.parametrize("stride", range(3))
def test_doorbells_of_nvme(drivers: Drivers, stride: int) -> None:
    on(drivers, changed(Nvme, cap=Nvme.cap | stride << 32))
    assert drivers.read_disk(0, 64) == DATA


class AllOnes(Function):
    pass


def all_ones(kind: type[Any]) -> Function:
    device = kind()
    device.read = lambda _, size: (1 << 8 * size) - 1
    device.write = lambda *_: None
    return device  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("device", "problem"),
    [
        (all_ones(Blk), "it does not reset"),
        (all_ones(Nvme), "it no longer answers"),
        (all_ones(Ahci), "it no longer answers"),
        (changed(Blk, most=2), "its sizes make no sense"),
        (changed(Blk, sectors=0), "its sizes make no sense"),
        (changed(Blk, offers=Blk.offers | 64, sector_size=0), "its sizes make no sense"),
        (changed(Blk, offers=Blk.offers | 64, sector_size=768), "its sizes make no sense"),
        (changed(Blk, offers=Blk.offers | 64, sector_size=1 << 31), "its sizes make no sense"),
        (changed(Blk, sectors=1 << 63), "its sizes make no sense"),
        (changed(Nvme, gets_ready=False), "it does not reset"),
        (changed(Nvme, cap=15), "it lacks the NVM command set, pages of 4 KB, or queues"),
        (changed(Nvme, cap=1 << 37), "it lacks the NVM command set, pages of 4 KB, or queues"),
        (changed(Nvme, cap=1 << 37 | 1 << 48 | 15), "it lacks the NVM command set, pages of 4 KB, or queues"),
        (changed(Nvme, cap=1 << 37 | 12 << 32 | 15), "its doorbells lie outside its registers"),
        (changed(Nvme, shifts=(8,)), None),
        (changed(Nvme, shifts=(200,)), None),
        (changed(Nvme, shifts=()), None),
        (changed(Ahci, signature=0xC33C0101), None),
        (changed(Ahci, deaf=True), None),
    ],
)
def test_controllers_without_a_disk(drivers: Drivers, device: Function, problem: str | None) -> None:
    on(drivers, device)
    assert drivers.problem() == problem
    assert drivers.disks() == []
    assert drivers.machine.us <= SILENT_US
    if problem:
        assert device.command() & MASTER == 0


def test_ports_that_do_not_stop_are_reset(drivers: Drivers) -> None:
    on(drivers, changed(Ahci, stops=False))
    drivers.devices()
    assert drivers.machine.us <= SILENT_US


def test_an_empty_drive_for_discs_costs_no_time(drivers: Drivers) -> None:
    """Each command to it fails, which must not be waited for like one that is never answered."""
    on(drivers, EmptyDrive())
    assert drivers.disks() == []
    assert drivers.problem() is None
    assert drivers.machine.us < 1_000_000


@pytest.mark.parametrize(
    "device", [changed(Blk, wrong=staticmethod(lambda *_: None)), changed(Nvme, deaf=True)], ids=["virtio", "nvme"]
)
def test_reads_that_are_never_answered(drivers: Drivers, device: Function) -> None:
    on(drivers, device)
    assert len(drivers.disks()) == 1
    assert drivers.read_disk(0, 64) is None
    assert "not answer" in (drivers.problem() or "")
    assert drivers.machine.us <= SILENT_US
    assert (drivers.disks(), device.command() & (MASTER | MEMORY)) == ([], MEMORY)


def test_a_drive_that_falls_silent(drivers: Drivers) -> None:
    device = Ahci()
    on(drivers, device)
    assert drivers.read_disk(0, 64) == DATA
    device.deaf = True
    assert drivers.read_at_once(4)[0] == 0
    assert drivers.problem() == "its disk does not answer"
    assert drivers.machine.us <= SILENT_US


@pytest.mark.parametrize(
    "device",
    [
        changed(Blk, wrong=staticmethod(lambda n, _: (n, 1))),
        changed(Blk, wrong=staticmethod(lambda n, _: (n, 255))),
        changed(Blk, wrong=staticmethod(lambda n, _: (n - 1, 0))),
        changed(Blk, wrong=staticmethod(lambda n, _: (0, 0))),
        changed(Nvme, status=0x281),
        changed(Ahci, error=True),
        changed(Ahci, short=2),
    ],
)
def test_reads_that_fail(drivers: Drivers, device: Function) -> None:
    """Only the read: the next one may succeed."""
    on(drivers, device)
    assert drivers.read_disk(0, 64) is None
    assert drivers.read_at_once(3)[0] == 0
    assert drivers.problem() is None
    for name, good in (("wrong", None), ("status", 0), ("error", False), ("short", 0)):
        setattr(device, name, good)
    assert drivers.read_disk(0, 64) == DATA


@pytest.mark.parametrize("flipped", [1, 2, 16, 0x7FF0, 0xFFFF])
def test_wrong_ids(drivers: Drivers, flipped: int) -> None:
    on(drivers, changed(Nvme, id_xor=flipped))
    assert len(drivers.disks()) == 1
    assert drivers.read_disk(0, 8) is None
    assert drivers.problem() == "it completes what it was not asked for"


@pytest.mark.parametrize("kind", [Nvme, Ahci])
def test_a_controller_that_is_pulled_out_while_reading(drivers: Drivers, kind: type[Any]) -> None:
    device = kind()
    on(drivers, device)
    assert len(drivers.disks()) == 1
    device.left_until_gone = 2
    assert drivers.read_at_once(4)[0] & ~1 == 0
    assert drivers.problem() == "it no longer answers"
    assert drivers.read_disk(0, 1) is None
    assert drivers.machine.us <= SILENT_US


def test_a_drive_that_is_unplugged_while_reading(drivers: Drivers) -> None:
    device = Ahci()
    on(drivers, device)
    assert names(drivers) == ["sata0"]
    device.left_until_unplugged = 1
    device.deaf = False
    drivers.read_at_once(4)
    assert names(drivers) == []
    assert drivers.problem() is None  # the controller works


def test_a_controller_that_resets_itself(drivers: Drivers) -> None:
    device = changed(Nvme, deaf=True)
    on(drivers, device)
    assert len(drivers.disks()) == 1
    device.registers[0x1C] = 0
    assert drivers.read_disk(0, 1) is None
    assert drivers.problem() == "it has reset itself"


def test_the_end_of_a_run(drivers: Drivers) -> None:
    for kind in KINDS:
        device = kind()
        on(drivers, device).devices()
        drivers.library.kg_devices_stop()
        assert device.command() & MASTER == 0
        if kind is Nvme:
            assert device.word(CC) & 1 == 0


def test_disks_switched_off(drivers: Drivers) -> None:
    devices = {bdf(0, 3 + i): kind() for i, kind in enumerate(KINDS)}
    drivers.on(Machine(devices)).library.plat_disks_off()
    assert [device["problem"] for device in drivers.devices()] == [b"left alone: disk=off"] * 3
    assert drivers.machine.mapped == []
    assert drivers.disks() == []


@pytest.mark.parametrize("pages", range(40))
def test_little_memory(drivers: Drivers, pages: int) -> None:
    for kind in KINDS:
        drivers.on(Machine({HERE: kind()}, memory=pages * 4096))
        found = drivers.disks()
        assert drivers.read_disk(0, 64) == (DATA if found else None)
