"""PCI on made-up machines, some of which lie."""

from __future__ import annotations

import random

import pytest
from devices import MASTER, MEMORY, MOST_US, MULTIFUNCTION, NO_INTERRUPT, PORTS, Bridge, Drivers, Function, Machine, bdf

HERE = bdf(0, 3)


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Drivers:
    return Drivers(tmp_path_factory.mktemp("devices"))


def test_no_bus_at_all(drivers: Drivers) -> None:
    assert drivers.on(Machine({}, ranges=())).devices() == []
    assert drivers.entropy(8) is None


def test_functions_and_bridges(drivers: Drivers) -> None:
    single, many = Function(), Function(header=MULTIFUNCTION)
    there = {
        bdf(0, 0): single,
        bdf(0, 0, 1): single,  # the first says that it is alone
        bdf(0, 2): many,
        bdf(0, 2, 7): single,
        bdf(0, 4, 3): single,  # without a first one
        bdf(0, 31): Bridge(5),
        bdf(5, 0): Bridge(9),
        bdf(9, 31): single,
        bdf(7, 0): single,  # no bridge leads there
    }
    expected = [bdf(0, 0), bdf(0, 2), bdf(0, 2, 7), bdf(0, 31), bdf(5, 0), bdf(9, 31)]
    assert drivers.on(Machine(there)).addresses() == expected
    assert drivers.on(Machine(there, ((0, 0, 255, True),))).addresses() == [*expected[:-1], bdf(7, 0), bdf(9, 31)]


def test_segments_and_ranges_of_buses(drivers: Drivers) -> None:
    there = {bdf(0x40, 0, segment=1): Bridge(0x41), bdf(0x41, 1, segment=1): Function(), bdf(0, 1): Function()}
    machine = Machine(there, ((0, 0, 0x3F, False), (1, 0x40, 0x7F, False)))
    assert drivers.on(machine).addresses() == [bdf(0, 1), bdf(0x40, 0, segment=1), bdf(0x41, 1, segment=1)]


def test_bridges_that_lead_nowhere_or_back(drivers: Drivers) -> None:
    there = {
        bdf(0, 1): Bridge(0),
        bdf(0, 2): Bridge(3),
        bdf(0, 3): Bridge(3),
        bdf(3, 0): Bridge(3),
        bdf(3, 1): Bridge(0),
        bdf(3, 2): Bridge(255),
        bdf(255, 0): Bridge(3),
        bdf(0, 4): Bridge(7, header=2),  # CardBus has its numbers elsewhere
        bdf(7, 0): Function(),
    }
    assert drivers.on(Machine(there)).addresses() == sorted(set(there) - {bdf(7, 0)})


@pytest.mark.parametrize("constant", [0, 0x00010001, 0xFFFF0001, 0x12345678, 0xFFFFFFFF])
def test_a_bus_that_reads_the_same_everywhere(drivers: Drivers, constant: int) -> None:
    class Same(Function):
        def read_config(self, offset: int, size: int) -> int:
            return constant >> 8 * (offset % 4) & ((1 << 8 * size) - 1)

    machine = Machine({address: Same() for address in range(1 << 16)})
    found = drivers.on(machine).devices()
    assert len(found) <= 512
    assert machine.us == 0
    assert machine.reads < 1 << 20


def test_noise_ends(drivers: Drivers) -> None:
    class Noise(Function):
        def read_config(self, offset: int, size: int) -> int:
            return noise.choice((0, 0xFFFFFFFF, noise.getrandbits(32), 0x1AF4, 0x10441AF4)) & ((1 << 8 * size) - 1)

        def write_config(self, offset: int, size: int, value: int) -> None:
            pass

    for seed in range(20):
        noise = random.Random(seed)
        machine = Machine({address: Noise() for address in range(256)})
        machine.maps = False
        assert len(drivers.on(machine).devices()) <= 256
        assert machine.us < MOST_US * 256


BARS = {
    "32 bits": ({1: (0xFEB00000, 0x10000, 0)}, [(0xFEB00000, 0x10000)]),
    "64 bits": ({0: (0xFEB00000, 0x1000, 4)}, [(0xFEB00000, 0x1000)]),
    "above 4 GiB": ({2: (0x38_0000_0000, 0x4000, 12)}, [(0x38_0000_0000, 0x4000)]),
    "larger than 4 GiB": ({0: (0x40_0000_0000, 1 << 34, 12)}, [(0x40_0000_0000, 1 << 34)]),
    "ports": ({0: (0xC000, 0x100, 1), 1: (0xFEB00000, 16, 0)}, [(0xFEB00000, 16)]),
    "no size": ({0: (0, 0, 0), 1: (0, 0, 4)}, []),
    "no address": ({0: (0, 0x1000, 0), 2: (0, 0x1000, 4)}, []),
    "64 bits in the last": ({5: (0xFEB00000, 0x1000, 0)}, [(0xFEB00000, 0x1000)]),
    "all six": (
        {i: (0xFEB00000 + (i << 16), 0x10000, 0) for i in range(6)},
        [(0xFEB00000 + (i << 16), 0x10000) for i in range(6)],
    ),
}


@pytest.mark.parametrize("name", BARS)
def test_bars(drivers: Drivers, name: str) -> None:
    """Of a device that has a driver; it decodes nothing while they are sized, and everything is as before."""
    bars, expected = BARS[name]
    function = Function(0x1AF4, 0x1044, bars=bars, command=MASTER | PORTS | MEMORY)
    before = bytes(function.config)
    (found,) = drivers.on(Machine({HERE: function})).devices()
    assert found["bars"] == expected
    assert function.config[0x10:0x28] == before[0x10:0x28]
    assert function.sized >= len(bars)
    assert function.command() == PORTS | MEMORY | NO_INTERRUPT  # a driver that gave up takes the bus away


def test_bars_that_the_firmware_left_without_an_address(drivers: Drivers) -> None:
    """They get one of the machine, where it has a window for them: only wide ones above 4 GiB."""
    bars = {0: (0, 0x1000, 0), 1: (0xFEB00000, 0x1000, 0), 2: (0, 0x4000, 12), 4: (0, 0x100, 1)}
    function = Function(0x1AF4, 0x1044, bars=bars)
    (found,) = drivers.on(Machine({HERE: function}, window=0xE0001000)).devices()
    assert found["bars"] == [(0xE0001000, 0x1000), (0xFEB00000, 0x1000), (0xE0004000, 0x4000)]
    assert Machine.bar(function, 2) == (0xE0004000, 0x4000)
    (found,) = drivers.on(Machine({HERE: Function(0x1AF4, 0x1044, bars=bars)}, window=0x1_0000_0000)).devices()
    assert found["bars"] == [(0xFEB00000, 0x1000), (0x1_0000_0000, 0x4000)]


@pytest.mark.parametrize(("state", "us"), [(0x100, 0), (0x103, 10_000), (0x101, 10_000)])
def test_a_device_that_sleeps_is_woken(drivers: Drivers, state: int, us: int) -> None:
    """And is not touched for ten milliseconds."""
    sleeper = Function(0x1AF4, 0x1044, capabilities=((1, bytes(2) + state.to_bytes(2, "little") + bytes(2)),))
    machine = Machine({HERE: sleeper})
    assert len(drivers.on(machine).devices()) == 1
    assert int.from_bytes(sleeper.config[0x44:0x46], "little") == 0x100
    assert machine.us == us


def test_devices_without_a_driver_are_not_touched(drivers: Drivers) -> None:
    function = Function(bars={0: (0xFEB00000, 0x1000, 0)})
    before = bytes(function.config)
    (found,) = drivers.on(Machine({HERE: function})).devices()
    assert (found["driver"], found["problem"], found["bars"]) == (None, None, [])
    assert function.config == before
    assert function.sized == 0


def test_capabilities(drivers: Drivers) -> None:
    function = Function(capabilities=((1, bytes(6)), (9, bytes(14)), (5, bytes(10)), (9, bytes(2))))
    drivers.on(Machine({HERE: function}))
    assert [drivers.capabilities(HERE, kind) for kind in (1, 9, 5, 0x11)] == [[0x40], [0x48, 0x64], [0x58], []]
    function.config[6] = 0  # the status says that there is no list
    assert drivers.capabilities(HERE, 9) == []


@pytest.mark.parametrize("link", [0x40, 0x48, 0x64, 0x67, 0x00, 0x3C, 0xFC, 0xFF])
def test_a_list_of_capabilities_that_ends_in_a_circle_or_nowhere(drivers: Drivers, link: int) -> None:
    function = Function(capabilities=((1, bytes(6)), (9, bytes(26)), (9, bytes(2))))
    function.config[0x65] = link
    drivers.on(Machine({HERE: function}))
    assert len(drivers.capabilities(HERE, 9)) <= 48
