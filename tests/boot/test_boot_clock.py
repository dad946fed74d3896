"""The clock's frequency: from every timer of QEMU's machines, from what is left where some are missing, and from none.

Under TCG the guest's TSC is the host's, so the host's own clock says what is right.
"""

from __future__ import annotations

import ctypes
import re
import struct
import time
from pathlib import Path

import pytest
from boots import Boot, texts
from native import shared_object

from kgpt_build.events import Stats
from kgpt_build.pytest_plugin import Guest

READ_TSC = "unsigned long long ticks(void) { return __builtin_ia32_rdtsc(); }\n"
NOBODY = (0xFEB0_0000, 0x1_2345_6000)
"""Addresses of devices, at which none answers; the second is above 4 GiB, and not mapped."""
PART = 0.02
"""How far off a frequency may be: something else may have this machine's processors just then."""


@pytest.fixture(scope="module")
def host_hz(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Ticks of the TSC in a second of the host's clock."""
    source = tmp_path_factory.mktemp("tsc") / "ticks.c"
    source.write_text(READ_TSC)
    ticks = shared_object(source.parent, [str(source)]).ticks
    ticks.restype = ctypes.c_uint64
    start, first = time.perf_counter(), ticks()
    time.sleep(0.5)
    return float((ticks() - first) / (time.perf_counter() - start))


def stats(guest: Guest) -> Stats:
    assert guest.wait().ok
    return next(event for event in guest.events if isinstance(event, Stats))


@pytest.mark.parametrize(
    ("machine", "without", "clock"),
    [
        ("pc", "", "hpet"),
        ("q35", "", "hpet"),
        ("microvm", "", "pit"),
        ("pc", "hpet=off", "pmtimer"),
        ("q35", "hpet=off", "pmtimer"),
        ("q35", "pit=off", "hpet"),
        ("pc", "pit=off,hpet=off", "pmtimer"),
        ("pc", "acpi=off", "pit"),
    ],
)
def test_what_there_is(boot: Boot, host_hz: float, machine: str, without: str, clock: str) -> None:
    extra = ("-machine", without) if without else ()
    found = stats(boot("samples=1 exit", machine=machine, extra=extra))
    assert found.clock == clock
    assert found.ticks_hz == pytest.approx(host_hz, rel=PART)
    assert found.us == pytest.approx(found.ticks * 1e6 / found.ticks_hz, abs=1)


@pytest.mark.parametrize("clock", ["hpet", "pmtimer", "pit"])
def test_one_alone(boot: Boot, host_hz: float, clock: str) -> None:
    found = stats(boot(f"samples=1 exit clock={clock}", machine="q35"))
    assert found.clock == clock
    assert found.ticks_hz == pytest.approx(host_hz, rel=PART)


@pytest.mark.parametrize(
    ("machine", "without", "words"),
    [
        ("microvm", "pit=off", ""),
        ("pc", "pit=off,acpi=off", ""),
        ("pc", "hpet=off", "clock=hpet"),
        ("microvm", "acpi=off", "clock=pmtimer"),
        ("q35", "pit=off", "clock=pit"),
        ("q35", "hpet=on", "clock=hypervisor"),  # TCG has no such leaf
    ],
)
def test_none(boot: Boot, machine: str, without: str, words: str) -> None:
    """All that a clock of unknown frequency changes is that times are told in ticks. Other processors start, too."""
    guest = boot(f"samples=3 seed=7 cpus=2 exit {words}", machine=machine, cpus=2, extra=("-machine", without))
    found = stats(guest)
    assert (found.clock, found.ticks_hz, found.us) == ("", 0, 0)
    assert found.ticks > 0
    guest.expect(r"^kgpt: 3 samples, \d+ tokens in [\d,]+ ticks, seed 7$")
    started = 1 if "acpi=off" in without else 2
    guest.expect_event("cpus", started=started)


@pytest.mark.parametrize(
    "address",
    [
        0x0,  # never mapped
        0x8,
        0x400,  # RAM of the BIOS
        0x100_0000,  # our own code
        0x400_0000,  # RAM, in the application's arena
        *NOBODY,
        0xFED0_0004,  # not aligned
        0xFED0_0FF8,  # its registers would begin in one page and end in the next
        0x7FFF_FFFF_F000,  # beyond the last address of the processor
        0xFFFF_FFFF_FFFF_FFF8,
    ],
)
def test_a_table_that_lies(boot: Boot, tmp_path: Path, address: int) -> None:
    """Of an HPET where none is: it is not touched where that would hurt, and what does not count is not believed."""
    body = struct.pack("<IBBBBQBHB", 0x8086A201, 0, 64, 0, 0, address, 0, 0, 0)
    (tmp_path / "table").write_bytes(body)
    log = ("-d", "guest_errors", "-D", str(tmp_path / "log"))
    extra = ("-machine", "hpet=off", "-acpitable", f"sig=HPET,data={tmp_path / 'table'}", *log)
    plain, lied = (
        boot("samples=3 seed=7 exit", machine="q35"),
        boot("samples=3 seed=7 exit", machine="q35", extra=extra),
    )
    assert stats(lied).clock == "pmtimer"
    assert stats(plain).clock == "hpet"
    assert texts(lied) == texts(plain)
    touched = re.findall(r"Invalid read at addr (\w+)", (tmp_path / "log").read_text())
    assert touched == ([f"0x{address + 4:X}"] if address in NOBODY else [])


def test_the_shell_says_whose_word_it_took(boot: Boot) -> None:
    guest = boot("mode=shell", machine="q35")
    guest.expect("kgpt> ")
    guest.send_line("cpu")
    guest.expect(r"^ticks +[\d.]+ MHz \(hpet\)$")
    guest.send_line("halt")
    assert guest.wait().ok
