"""Which timer is believed, on made-up machines: whole ones, and those whose timers are missing, dead or wrong."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import pytest
from native import shared_object

SOURCES = ["tests/hosted/clock_driver.c", "kernel_c/core/str.c"]
GHZ = 1_000_000_000
ABSENT, COUNTS, STANDS, JUMPS, STOPS = range(5)


class _Counter(ctypes.Structure):
    """struct counter of clock_driver.c."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("kind", "hz", "mask", "tsc_hz", "reads")]


class _Machine(ctypes.Structure):
    """struct machine of clock_driver.c."""

    _fields_ = [
        ("tsc_hz", ctypes.c_uint64),
        ("ratio", ctypes.c_uint64 * 3),
        *((name, ctypes.c_uint64) for name in ("hypervisor_khz", "base_mhz")),
        ("counters", _Counter * 3),
        *((name, ctypes.c_uint64) for name in ("stall_every", "stall_ticks", "now", "reads", "port_reads")),
    ]


def machine(
    kinds: tuple[int, int, int] = (ABSENT, ABSENT, ABSENT),
    *,
    tsc_hz: int = 2_596_000_000,
    ratio: tuple[int, int, int] = (0, 0, 0),
    wrong: tuple[int, int, int] = (0, 0, 0),
    **more: int,
) -> _Machine:
    """``kinds``: of HPET, ACPI's timer, PIT; ``wrong``: the TSC at which each would be right, if not this."""
    rates = ((14_318_180, 0xFFFFFFFF), (3_579_545, 0xFFFFFF), (1_193_182, 0xFFFF))
    parts = zip(kinds, rates, wrong, strict=True)
    counters = [_Counter(kind, hz, mask, off or tsc_hz) for kind, (hz, mask), off in parts]
    made = _Machine(tsc_hz=tsc_hz, ratio=ratio, counters=(_Counter * 3)(*counters), now=7 * GHZ)
    for name, value in more.items():
        setattr(made, name, value)
    return made


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = shared_object(tmp_path_factory.mktemp("clock"), SOURCES)
    library.driver_clock.restype = library.driver_delay.restype = ctypes.c_uint64
    return library


Ask = Callable[..., tuple[str, int]]


@pytest.fixture
def ask(library: ctypes.CDLL) -> Ask:
    """Who was believed, and the frequency."""

    def ask(made: _Machine, only: str = "") -> tuple[str, int]:
        name = ctypes.create_string_buffer(16)
        hz = library.driver_clock(ctypes.byref(made), only.encode(), name)
        return name.value.decode(), hz

    return ask


def alone(which: int) -> tuple[int, int, int]:
    """One of the three counts."""
    kinds = [ABSENT, ABSENT, ABSENT]
    kinds[which] = COUNTS
    return kinds[0], kinds[1], kinds[2]


def near(hz: float, part: float = 0.003) -> object:
    return pytest.approx(hz, rel=part)


HZ = 2_596_000_000


@pytest.mark.parametrize(
    ("kinds", "name"),
    [
        ((COUNTS, COUNTS, COUNTS), "hpet"),
        ((COUNTS, ABSENT, ABSENT), "hpet"),
        ((ABSENT, COUNTS, COUNTS), "pmtimer"),
        ((ABSENT, ABSENT, COUNTS), "pit"),
        ((STANDS, COUNTS, COUNTS), "pmtimer"),
        ((STANDS, STANDS, COUNTS), "pit"),
        ((STOPS, COUNTS, ABSENT), "pmtimer"),
        ((JUMPS, COUNTS, COUNTS), "pmtimer"),
        ((COUNTS, JUMPS, COUNTS), "hpet"),
    ],
)
def test_timers(ask: Ask, kinds: tuple[int, int, int], name: str) -> None:
    assert ask(machine(kinds)) == (name, near(HZ))


@pytest.mark.parametrize("kinds", [(ABSENT,) * 3, (STANDS,) * 3, (STOPS, STANDS, ABSENT)])
def test_none_at_all(ask: Ask, library: ctypes.CDLL, kinds: tuple[int, int, int]) -> None:
    made = machine(kinds)
    assert ask(made) == ("", 0)
    library.driver_delay(ctypes.byref(made), 250)
    assert made.port_reads == 250


@pytest.mark.parametrize("tsc_hz", [100_000_000, 800_000_000, 2_400_000_000, 6_000_000_000])
@pytest.mark.parametrize("which", range(3))
def test_processors_slow_and_fast(ask: Ask, tsc_hz: int, which: int) -> None:
    assert ask(machine(alone(which), tsc_hz=tsc_hz))[1] == near(tsc_hz)


def test_stated_and_measured(ask: Ask) -> None:
    stated = (2, 216, 24_000_000)
    made = machine((COUNTS, COUNTS, COUNTS), tsc_hz=2_592_000_000, ratio=stated)
    assert ask(made) == ("cpuid", 2_592_000_000)
    assert [counter.reads > 0 for counter in made.counters] == [True, False, False]


def test_two_who_state_it_spare_the_measurement(ask: Ask) -> None:
    made = machine((COUNTS, COUNTS, COUNTS), ratio=(2, 216, 24_000_000), hypervisor_khz=2_596_000)
    assert ask(made) == ("cpuid", 2_592_000_000)
    assert not any(counter.reads for counter in made.counters)


def test_a_hypervisor(ask: Ask) -> None:
    assert ask(machine(hypervisor_khz=2_596_000)) == ("hypervisor", HZ)
    assert ask(machine((COUNTS, COUNTS, ABSENT), hypervisor_khz=1_000_000)) == ("hpet", near(HZ))


@pytest.mark.parametrize(
    ("wrong", "name"),
    [((3 * GHZ, 0, 0), "pmtimer"), ((0, 3 * GHZ, 0), "hpet"), ((0, 0, 3 * GHZ), "hpet"), ((3 * GHZ, GHZ, 0), "cpuid")],
)
def test_who_is_wrong_is_outvoted(ask: Ask, wrong: tuple[int, int, int], name: str) -> None:
    """A timer whose rate is another than it says."""
    ratio = (1, 1, HZ) if name == "cpuid" else (0, 0, 0)
    assert ask(machine((COUNTS, COUNTS, COUNTS), wrong=wrong, ratio=ratio)) == (name, near(HZ))


def test_where_nobody_agrees_the_first_is_taken(ask: Ask) -> None:
    wrong = (3 * GHZ, GHZ, 0)
    name, hz = ask(machine((COUNTS, COUNTS, COUNTS), wrong=wrong))
    assert name == "hpet"
    assert hz != near(HZ, 0.01)


def test_a_ratio_without_a_crystal(ask: Ask) -> None:
    """Then the base frequency, which is rounded, is the last resort, and confirms what was measured."""
    ratio = (2, 216, 0)
    assert ask(machine(ratio=ratio, base_mhz=2600)) == ("base", 2_600_000_000)
    assert ask(machine((ABSENT, ABSENT, COUNTS), ratio=ratio, base_mhz=2600)) == ("pit", near(HZ))
    assert ask(machine(base_mhz=2600)) == ("", 0)


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize(("every", "ms"), [(997, 3), (4999, 30), (4999, 60), (30011, 500), (30011, 5000)])
def test_something_else_has_the_processor_for_a_while(ask: Ask, which: int, every: int, ms: int) -> None:
    """Longer than the PIT takes to go round, or ACPI's timer."""
    for phase in range(0, every, every // 7):
        made = machine(alone(which), stall_every=every, stall_ticks=HZ // 1000 * ms, reads=phase)
        assert ask(made)[1] == near(HZ, 0.01), phase


@pytest.mark.parametrize("only", ["hpet", "pmtimer", "pit", "cpuid", "hypervisor", "base"])
def test_one_alone(ask: Ask, only: str) -> None:
    everything = machine(
        (COUNTS, COUNTS, COUNTS), ratio=(1, 1, HZ), hypervisor_khz=HZ // 1000, base_mhz=2596, wrong=(0, 3 * GHZ, 0)
    )
    assert ask(everything, only) == (only, near(3 * GHZ if only == "pmtimer" else HZ))
    assert ask(machine(), only) == ("", 0)


def test_a_delay(ask: Ask, library: ctypes.CDLL) -> None:
    made = machine((COUNTS, COUNTS, COUNTS))
    ask(made)
    for us in (1, 10, 1000, 20_000):
        took = library.driver_delay(ctypes.byref(made), us)
        assert HZ * us * 0.99 / 1e6 <= took <= HZ * us * 1.01 / 1e6 + 1000
    assert made.port_reads == 0
