"""How a machine is switched off and reset, write by write, on machines that QEMU does not have."""

from __future__ import annotations

import ctypes
import itertools
import mmap
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import acpi
import pytest
from acpi import MEMORY, PCI, PORT, fadt, memory, package, register, s5, table
from native import shared_object

SOURCES = [
    "tests/hosted/power_driver.c",
    *(f"kernel_c/core/acpi/{name}.c" for name in ("acpi", "acpi_cpus", "acpi_fadt", "acpi_s5")),
]
ROOM = 0x4000
"""Bytes of memory for tables, from acpi.BASE on; behind it a page of registers."""
REGISTERS = acpi.BASE + ROOM
EXIT, EXIT_FOR_GOOD, REBOOT, PRESS = range(4)
FIXED_NO_REPLACE = 0x100000
CHIPSET = [(0xCF9, 1, 0xFB), (0xCF9, 1, 0xFF)]
KEYBOARD = [(0x64, 1, 0xFE)]


class _Write(ctypes.Structure):
    """struct write of power_driver.c."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("port", "size", "value")]


class _Machine(ctypes.Structure):
    """struct machine of power_driver.c."""

    _fields_ = [
        *((name, ctypes.c_uint64) for name in ("base", "size", "hypervisor", "control", "status", "smi_port")),
        *((name, ctypes.c_uint64) for name in ("enable_ms", "page")),
        ("writes", _Write * 64),
        *((name, ctypes.c_uint64) for name in ("n_writes", "us", "reads", "text", "triple_fault")),
        *((name, ctypes.c_uint64) for name in ("presses", "restart", "no_serial", "no_screen", "button")),
    ]

    @property
    def written(self) -> list[tuple[int, int, int]]:
        """Port, size in bytes, value."""
        return [(one.port, one.size, one.value) for one in self.writes[: self.n_writes]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled once; what it remembers of a machine's tables is another copy's for each test."""
    folder = tmp_path_factory.mktemp("power")
    shared_object(folder, SOURCES)
    return next(folder.glob("*.so"))


@pytest.fixture(scope="module")
def room() -> Iterator[int]:
    """Memory at the addresses that the tables are made for."""
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    kind = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | FIXED_NO_REPLACE
    length = ctypes.c_size_t(ROOM + 0x1000)
    arguments = (ctypes.c_int(mmap.PROT_READ | mmap.PROT_WRITE), ctypes.c_int(kind), ctypes.c_int(-1), ctypes.c_long(0))
    assert libc.mmap(ctypes.c_void_p(acpi.BASE), length, *arguments) == acpi.BASE
    yield acpi.BASE
    libc.munmap(ctypes.c_void_p(acpi.BASE), length)


End = Callable[..., _Machine]


@pytest.fixture
def end(library: Path, room: int, tmp_path: Path) -> End:
    """``end(tables, how, **facts)``: what happens until the machine halts."""
    numbers = itertools.count()

    def end(tables: acpi.Memory, how: int = EXIT_FOR_GOOD, **facts: int) -> _Machine:
        driver = ctypes.CDLL(str(shutil.copy(library, tmp_path / f"{next(numbers)}.so")))
        assert len(tables.data) <= ROOM
        ctypes.memset(room, 0, ROOM + 0x1000)
        ctypes.memmove(room, tables.data, len(tables.data))
        made = _Machine(base=room, size=ROOM, page=REGISTERS)
        for name, value in facts.items():
            setattr(made, name, value)
        if how == PRESS:
            made.presses = driver.driver_button(ctypes.byref(made))
        else:
            driver.driver_end(ctypes.byref(made), how)
        return made

    return end


def machine(dsdt: bytes = acpi.S5, **values: Any) -> acpi.Memory:
    """A machine with this FADT; S5 has the types 5 and 7."""
    return memory([fadt(**values)], dsdt=table(b"DSDT", dsdt))


PM1: dict[str, Any] = {"pm1a_evt": 0x400, "pm1a_cnt": 0x404}
OFF_A = [(0x404, 2, 5 << 10), (0x404, 2, 5 << 10 | 1 << 13)]


def test_switching_off(end: End) -> None:
    made = end(machine(**PM1), control=0x404, status=0x400)
    assert made.written == [(0x400, 2, 0x8100), *OFF_A]
    assert (made.us, made.text) == (2_000_000, 1)  # it did not help: that is said


def test_both_registers(end: End) -> None:
    """First the types in both, then the bit in both; what else is in the second one stays."""
    made = end(machine(**PM1, pm1b_evt=0x500, pm1b_cnt=0x504), control=0x404, status=0x400)
    other = 0xFFFF & ~(0x3C00) | 7 << 10
    expected = [(0x404, 2, 5 << 10), (0x504, 2, other), (0x404, 2, 5 << 10 | 1 << 13), (0x504, 2, other | 1 << 13)]
    assert made.written == [(0x400, 2, 0x8100), (0x500, 2, 0xFFFF), *expected]


@pytest.mark.parametrize("enable_ms", [0, 1, 700])
def test_acpi_mode_first(end: End, enable_ms: int) -> None:
    tables = machine(**PM1, smi_cmd=0xB2, acpi_enable=0xA0)
    made = end(tables, control=0x404, status=0x400, smi_port=0xB2, enable_ms=enable_ms)
    on = [(port, size, value | 1) for port, size, value in OFF_A]
    assert made.written == [(0xB2, 1, 0xA0), (0x400, 2, 0x8100), *on]
    assert made.us == 2_000_000 + 1000 * enable_ms


def test_firmware_that_never_answers_is_not_waited_for_long(end: End) -> None:
    tables = machine(**PM1, smi_cmd=0xB2, acpi_enable=0xA0)
    made = end(tables, control=0x404, status=0x400, smi_port=0xB2, enable_ms=10**9)
    assert made.written == [(0xB2, 1, 0xA0), (0x400, 2, 0x8100), *OFF_A]
    assert made.us == 3_000_000


def test_registers_in_memory(end: End) -> None:
    where: dict[str, Any] = {
        "x_pm1a_evt": register(REGISTERS, MEMORY, 32),
        "x_pm1a_cnt": register(REGISTERS + 4, MEMORY, 16),
    }
    made = end(machine(**where))
    assert made.written == []
    assert ctypes.string_at(REGISTERS + 4, 4) == bytes([0, 0x34, 0, 0])


def test_hardware_reduced(end: End) -> None:
    facts: dict[str, Any] = {"flags": acpi.FLAG_REDUCED, "sleep_control": register(REGISTERS + 9, MEMORY)}
    made = end(machine(**PM1, **facts))
    assert made.written == []
    assert ctypes.string_at(REGISTERS + 8, 3) == bytes([0, 5 << 2 | 0x20, 0])
    assert made.us == 2_000_000


@pytest.mark.parametrize(
    "tables",
    [
        machine(b"", **PM1),
        machine(s5(package(b"\x0a\x09", b"\0")), **PM1),
        machine(),
        machine(flags=acpi.FLAG_REDUCED),
        machine(x_pm1a_cnt=register(acpi.BASE + 0x100, MEMORY)),  # that is RAM
        machine(x_pm1a_cnt=register(REGISTERS + 0xFFF, MEMORY)),  # half of it
        machine(x_pm1a_cnt=register(REGISTERS + 0x1000, MEMORY)),  # cannot be mapped
        memory([]),
        acpi.Memory(b"", {}),
    ],
)
def test_where_it_cannot_be_done_nothing_is_touched(end: End, tables: acpi.Memory) -> None:
    made = end(tables)
    assert made.written == []
    assert (made.us, made.text) == (0, 1)


def test_nobody_asked_for_it(end: End) -> None:
    made = end(machine(**PM1), EXIT)
    assert (made.written, made.us, made.text) == ([], 0, 1)


def test_under_a_hypervisor_its_ports_come_before_and_after(end: End) -> None:
    qemu = [(0x604, 2, 0x2000), (0xB004, 2, 0x2000)]
    made = end(machine(**PM1), control=0x404, status=0x400, hypervisor=1)
    assert made.written == [(0xF4, 4, 32), (0x400, 2, 0x8100), *OFF_A, *qemu]
    made = end(machine(**PM1), EXIT, hypervisor=1)
    assert made.written == [(0xF4, 4, 32), *qemu]


@pytest.mark.parametrize(
    ("where", "writes"),
    [
        (register(0x92), [(0x92, 1, 6)]),
        (register(0x1F_0003_00AD, PCI), [(0xCF8, 4, 0x8000FBAC), (0xCFD, 1, 6)]),
        (register(REGISTERS + 0x20, MEMORY), []),
        (register(acpi.BASE + 0x20, MEMORY), None),
        (register(0x92, acpi.FIXED), None),
        (register(0, PORT), None),
    ],
)
def test_reset(end: End, where: bytes, writes: list[tuple[int, int, int]] | None) -> None:
    """The register first; if that does nothing, whatever else there is."""
    made = end(machine(flags=acpi.FLAG_RESET, reset_reg=where, reset_value=6), REBOOT)
    assert made.written == [*(writes or []), *CHIPSET, *KEYBOARD]
    assert made.us == (200_000 if writes is None else 300_000)
    assert made.triple_fault == 1
    assert ctypes.string_at(REGISTERS + 0x20, 1) == (b"\6" if writes == [] else b"\0")


def test_a_keyboard_controller_that_is_always_busy_is_not_waited_for_long(end: End) -> None:
    made = end(memory([]), REBOOT)
    assert made.written == CHIPSET + KEYBOARD
    assert 1 < made.reads < 200_000


BUTTON = 0x100


def test_the_power_button_is_taken_over_and_seen(end: End) -> None:
    """In ACPI mode; its bit is cleared and enabled, and cleared again each time that it was seen."""
    tables = machine(**PM1, pm1_evt_len=4, smi_cmd=0xB2, acpi_enable=0xA0)
    made = end(tables, PRESS, control=0x404, status=0x400, smi_port=0xB2, enable_ms=3)
    seen = (0x400, 2, BUTTON)
    assert made.written == [(0xB2, 1, 0xA0), seen, (0x402, 2, BUTTON), *[seen] * 3]
    assert (made.presses, made.us) == (3, 3000)


@pytest.mark.parametrize(
    "values",
    [
        {},  # no length: no enable register
        {"pm1_evt_len": 4, "flags": 1 << 4},  # the button is a device of the DSDT
        {"pm1_evt_len": 4, "flags": acpi.FLAG_REDUCED},
    ],
)
def test_a_button_that_is_not_there_is_left_to_the_firmware(end: End, values: dict[str, Any]) -> None:
    made = end(machine(**PM1, **values, smi_cmd=0xB2, acpi_enable=0xA0), PRESS, control=0x404, status=0x400)
    assert (made.presses, made.written) == (0, [])


def test_a_status_that_nothing_clears_is_no_button(end: End) -> None:
    """A second block whose ports are not there reads as ones; one in memory that is RAM is not touched."""
    made = end(machine(**PM1, pm1b_evt=0x500, pm1_evt_len=4), PRESS, control=0x404, status=0x400)
    assert made.presses == 3
    where = {"x_pm1b_evt": register(acpi.BASE + 0x100, MEMORY, 32)}
    made = end(machine(**PM1, pm1_evt_len=4, **where), PRESS, control=0x404, status=0x400)
    assert made.presses == 3


@pytest.mark.parametrize(
    ("facts", "stays"),
    [({}, False), ({"no_serial": 1}, True), ({"no_screen": 1, "no_serial": 1}, False), ({"no_screen": 1}, False)],
)
def test_a_virtual_machine_whose_screen_tells_all_stays_on(end: End, facts: dict[str, int], stays: bool) -> None:
    made = end(machine(**PM1), EXIT, hypervisor=1, **facts)
    assert ((0x604, 2, 0x2000) in made.written) != stays


@pytest.mark.parametrize("presses", [1, 2])
def test_the_button_and_ctrl_alt_del_after_the_end(end: End, presses: int) -> None:
    made = end(machine(**PM1), EXIT, control=0x404, status=0x400, presses=presses)
    assert made.written == [(0x400, 2, 0x8100), *OFF_A] * presses
    made = end(machine(**PM1), EXIT, restart=1)
    assert made.written == CHIPSET + KEYBOARD
