"""How a PC's configuration space is reached, and when devices cannot reach memory, on made-up machines."""

from __future__ import annotations

import ctypes

import pytest
from acpi import BASE, mcfg, memory, remapping
from devices import Buses
from native import shared_object

BUS = 1 << 20
ID = 0x29C08086
TRANSLATES = 1 << 31
SOURCES = ["tests/hosted/pci_config_driver.c", *(f"kernel_c/core/acpi/{name}.c" for name in ("acpi", "acpi_pci"))]


class Machine(ctypes.Structure):
    """``struct machine`` of tests/hosted/pci_config_driver.c."""

    _fields_ = (
        ("tables", ctypes.c_char_p),
        *((name, ctypes.c_uint64) for name in ("base", "size")),
        ("function", ctypes.c_char_p),
        *((name, ctypes.c_uint64) for name in ("hypervisor", "ram_from", "ram_to", "unmappable")),
        ("registers", ctypes.c_uint64 * 2 * 4),
        ("latch", ctypes.c_uint64),
        ("n_mapped", ctypes.c_uint64),
        ("mapped", ctypes.c_uint64 * 2 * 8),
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = shared_object(tmp_path_factory.mktemp("pci_config"), SOURCES)
    library.driver_dma_problem.restype = ctypes.c_char_p
    library.plat_map.argtypes = [ctypes.c_uint64, ctypes.c_uint64]
    library.plat_map.restype = ctypes.c_void_p
    return library


class Space:
    """Two buses' configuration space in memory."""

    def __init__(self, first: int = ID) -> None:
        self.bytes = ctypes.create_string_buffer(first.to_bytes(4, "little"), 2 * BUS)
        self.base = ctypes.addressof(self.bytes)


def machine(*tables: bytes, first: int | None = ID, **fields: int) -> Machine:
    """``first``: what the ports say of the first function; None: there are none."""
    data = memory(tables).data
    space = None if first is None else first.to_bytes(4, "little") + bytes(252)
    made = Machine(tables=data, base=BASE, size=len(data), function=space, **fields)
    made.kept = data, space
    return made


def ranges(library: ctypes.CDLL, made: Machine) -> list[tuple[int, int, int, bool]]:
    out = (Buses * 4)()
    n = library.driver_ranges(ctypes.byref(made), out)
    return [(one.segment, one.first, one.last, one.every) for one in out[:n]]


BY_PORTS = [(0, 0, 255, False)]


def test_by_ports(library: ctypes.CDLL) -> None:
    made = machine(hypervisor=1)
    assert ranges(library, made) == BY_PORTS
    assert library.plat_pci_read(0, 0, 4) & 0xFFFFFFFF == ID
    assert [library.plat_pci_read(0, at, 1) & 0xFF for at in range(4)] == list(ID.to_bytes(4, "little"))
    assert library.plat_pci_read(0, 2, 2) & 0xFFFF == ID >> 16
    assert library.plat_pci_read(8, 0, 4) & 0xFFFFFFFF == 0xFFFFFFFF
    library.plat_pci_write(0, 0x3E, 2, 0x1234)
    assert library.plat_pci_read(0, 0x3C, 4) & 0xFFFFFFFF == 0x12340000


def test_neither_ports_nor_tables(library: ctypes.CDLL) -> None:
    assert ranges(library, Machine()) == []
    assert ranges(library, machine(first=None)) == []


@pytest.mark.parametrize("first", [ID, None])
def test_in_memory(library: ctypes.CDLL, first: int | None) -> None:
    space = Space()
    made = machine(mcfg((space.base, 0, 0, 1)), first=first, hypervisor=1)
    assert ranges(library, made) == [(0, 0, 1, False)]
    assert list(made.mapped[0]) == [space.base, 2 * BUS]
    library.plat_pci_write(1 << 8 | 3 << 3 | 5, 0x10, 4, 0xFEB00000)
    at = BUS + (3 << 15) + (5 << 12) + 0x10
    assert space.bytes.raw[at : at + 4] == 0xFEB00000.to_bytes(4, "little")
    assert library.plat_pci_read(1 << 8 | 3 << 3 | 5, 0x12, 2) == 0xFEB0
    assert library.plat_pci_read(0, 0, 4) & 0xFFFFFFFF == ID


def test_a_range_that_begins_later(library: ctypes.CDLL) -> None:
    """The MCFG gives the address that bus 0 would have."""
    space, other = Space(), Space()
    entries = (space.base, 0, 0, 1), (other.base - 0x40 * BUS, 3, 0x40, 0x41)
    made = machine(mcfg(*entries), hypervisor=1)
    assert ranges(library, made) == [(0, 0, 1, False), (3, 0x40, 0x41, False)]
    assert list(made.mapped[1]) == [other.base, 2 * BUS]
    library.plat_pci_write(3 << 16 | 0x41 << 8, 4, 1, 7)
    assert other.bytes[BUS + 4] == b"\7"


def test_every_bus_of_a_real_machine(library: ctypes.CDLL) -> None:
    assert ranges(library, machine()) == [(0, 0, 255, True)]


def test_an_mcfg_that_is_wrong(library: ctypes.CDLL) -> None:
    space, wrong = Space(), Space(0xFFFFFFFF)
    last_before_first = machine(mcfg((space.base, 0, 5, 4)), hypervisor=1)
    assert ranges(library, last_before_first) == BY_PORTS
    assert last_before_first.n_mapped == 0
    assert ranges(library, machine(mcfg((wrong.base, 0, 0, 1)), hypervisor=1)) == BY_PORTS
    in_ram = machine(mcfg((space.base, 0, 0, 1)), hypervisor=1, ram_from=space.base + BUS, ram_to=space.base + 3 * BUS)
    assert ranges(library, in_ram) == BY_PORTS
    assert ranges(library, machine(mcfg((space.base, 0, 0, 1)), hypervisor=1, unmappable=space.base)) == BY_PORTS
    assert ranges(library, machine(mcfg(((1 << 64) - BUS, 0, 0, 255)), hypervisor=1)) == BY_PORTS


def test_ports_for_the_first_segment_alone(library: ctypes.CDLL) -> None:
    wrong, other = Space(1), Space()
    made = machine(mcfg((wrong.base, 0, 0, 1), (other.base, 1, 0, 1)), hypervisor=1)
    assert ranges(library, made) == [(1, 0, 1, False), *BY_PORTS]
    assert library.plat_pci_read(0, 0, 4) & 0xFFFFFFFF == ID
    assert library.plat_pci_read(1 << 16, 0, 4) & 0xFFFFFFFF == ID


def test_more_ranges_than_there_is_room_for(library: ctypes.CDLL) -> None:
    spaces = [Space() for _ in range(9)]
    made = machine(mcfg(*((space.base, i, 0, 1) for i, space in enumerate(spaces))), hypervisor=1)
    assert library.driver_ranges(ctypes.byref(made), (Buses * 4)()) == 8


@pytest.mark.parametrize(
    ("base", "size", "there"),
    [
        (0xFEB00000, 0x10000, True),
        (0xFEB00000, 0, False),
        ((1 << 64) - 0x1000, 0x1000, False),
        ((1 << 64) - 0x1000, 0x2000, False),
        (0x0FFFF000, 0x2000, False),
        (0x10FFF000, 0x2000, False),
        (0x0FFFF000, 0x1000, True),
    ],
)
def test_registers_are_not_in_ram(library: ctypes.CDLL, base: int, size: int, there: bool) -> None:
    made = machine(ram_from=0x10000000, ram_to=0x11000000)
    assert ranges(library, made)
    assert library.plat_map(base, size) == (base if there else None)


VT_D = remapping(b"DMAR", (0, 0xFED90000), (0, 0xFED91000))
AMD_VI = remapping(b"IVRS", (0x10, 0xFEB80000))


@pytest.mark.parametrize(
    ("tables", "registers", "problem"),
    [
        ((), (), None),
        ((VT_D, AMD_VI), (), None),  # registers that cannot be mapped
        ((VT_D,), ((0xFED9001C, 0), (0xFED9101C, TRANSLATES - 1)), None),
        ((VT_D,), ((0xFED9001C, 0), (0xFED9101C, TRANSLATES)), "VT-d"),
        ((VT_D,), ((0xFED9001C, 0xFFFFFFFF),), "VT-d"),
        ((AMD_VI,), ((0xFEB80018, 0xFFFFFFFE),), None),
        ((AMD_VI,), ((0xFEB80018, 1),), "AMD-Vi"),
    ],
)
def test_an_iommu_that_the_firmware_left_on(
    library: ctypes.CDLL,
    tables: tuple[bytes, ...],
    registers: tuple[tuple[int, int], ...],
    problem: str | None,
) -> None:
    made = machine(*tables)
    for i, pair in enumerate(registers):
        made.registers[i][:] = pair
    said = library.driver_dma_problem(ctypes.byref(made))
    assert (said is None) == (problem is None)
    assert problem is None or problem.encode() in said
