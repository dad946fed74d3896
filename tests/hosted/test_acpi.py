"""The firmware's tables, made up: what is found in them, in odd ones and in damaged ones."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import acpi
import pytest
from acpi import MEMORY, PORT, Memory, fadt, find, memory, package, register, s5, table

NONE = (0, 0)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return acpi.build(tmp_path_factory.mktemp("acpi"))


def test_everything(library: ctypes.CDLL) -> None:
    found = find(library, acpi.whole().data)
    assert found == acpi.Found(
        cpus=(0, 2),
        fadt={
            "reduced": 0,
            "timer_32_bits": 1,
            "reset_value": 6,
            "enable_value": 0xF1,
            "smi_port": 0xB2,
            "boot_arch": 3,
            "pm1_status": ((0x600, PORT), (0x610, PORT)),
            "pm1_control": ((0x704, PORT), (0x614, PORT)),
            "timer": (0xFED40000, MEMORY),
            "sleep_control": (0xFEA00200, MEMORY),
            "reset": (0xCF9, PORT),
        },
        s5=(5, 7),
        hpet=0xFED00000,
        ecams=((0xE0000000, 0, 0, 0xFF), (0x80_0000_0000, 1, 0x40, 0x7F)),
        iommus_intel=(0xFED90000, 0xFED91000),
        iommus_amd=(0xFEB80000, 0xFEB81000),
    )


def test_acpi_1(library: ctypes.CDLL) -> None:
    """Its FADT ends before the reset register."""
    found = find(library, acpi.old().data)
    assert found.cpus == (1,)
    assert found.s5 == (0, 0)
    assert found.fadt["pm1_control"] == ((0x4004, PORT), NONE)
    assert found.fadt["timer"] == (0x4008, PORT)
    assert (found.fadt["reset"], found.fadt["boot_arch"], found.fadt["timer_32_bits"]) == (NONE, 0, 0)
    assert found.hpet == 0


def test_hardware_reduced(library: ctypes.CDLL) -> None:
    """What is left of the fixed registers in its FADT means nothing."""
    found = find(library, acpi.reduced().data)
    assert found.fadt["reduced"] == 1
    assert found.fadt["pm1_control"] == (NONE, NONE)
    assert found.fadt["timer"] == NONE
    assert found.fadt["sleep_control"] == (0xFEA00200, MEMORY)
    assert (found.fadt["reset"], found.fadt["reset_value"]) == ((0xFEA00202, MEMORY), 0x42)
    assert found.s5 == (5, 1)
    assert found.virtio == ((0xFEB00000, 0x200), (0xFEB02E00, 0x200))


def test_virtio_devices_without_registers(library: ctypes.CDLL) -> None:
    """They do not get those of the next one; at the end of the table nothing is read beyond it."""
    whole = acpi.virtio(0xFEB00000)
    start = whole.index(b"\x86\x09\x00")
    next_one = acpi.virtio(0xFEB00200)
    assert find(library, in_dsdt(whole[:start] + next_one).data).virtio == ((0xFEB00200, 0x200),)
    for cut in range(len(whole)):
        expected = ((0xFEB00000, 0x200),) if cut >= start + 12 else ()
        assert find(library, in_dsdt(whole[:cut]).data).virtio == expected, cut


def test_virtio_devices_that_make_no_sense(library: ctypes.CDLL) -> None:
    code = acpi.virtio(0), acpi.virtio(0x1000, 0), acpi.virtio(0x1000).replace(b"0005", b"0006")
    assert find(library, in_dsdt(*code).data).virtio == ()
    far = acpi.virtio(0x1000).replace(b"\x08_CRS", bytes(96))
    assert find(library, in_dsdt(far).data).virtio == ()


def test_a_reset_register_without_its_flag_is_none(library: ctypes.CDLL) -> None:
    found = find(library, memory([fadt(reset_reg=register(0xCF9), reset_value=6)]).data)
    assert (found.fadt["reset"], found.fadt["reset_value"]) == (NONE, 0)


@pytest.mark.parametrize(
    ("address", "space"), [(0x10000, PORT), (0x604, acpi.FIXED), (1 << 32, acpi.PCI), (0, PORT), (0, MEMORY)]
)
def test_an_address_that_cannot_be_is_not_used(library: ctypes.CDLL, address: int, space: int) -> None:
    """The older, shorter form counts then."""
    where = register(address, space)
    found = find(library, memory([fadt(pm1a_cnt=0x604, x_pm1a_cnt=where, pm1b_cnt=0x10604, x_pm1b_cnt=where)]).data)
    assert found.fadt["pm1_control"] == ((0x604, PORT), NONE)


def test_reset_by_configuration_of_pci(library: ctypes.CDLL) -> None:
    where = register(0x1F_0000_00AC, acpi.PCI)
    found = find(library, memory([fadt(flags=acpi.FLAG_RESET, reset_reg=where, reset_value=1)]).data)
    assert found.fadt["reset"] == (0x1F_0000_00AC, acpi.PCI)


@pytest.mark.parametrize("cut", range(17))
def test_a_list_of_buses_that_ends_early(library: ctypes.CDLL, cut: int) -> None:
    """What is not whole is no range."""
    body = acpi.mcfg((0xE0000000, 0, 0, 9), (0xF0000000, 1, 0, 9))[36:]
    found = find(library, memory([table(b"MCFG", body[: len(body) - cut])]).data)
    assert found.ecams == ((0xE0000000, 0, 0, 9), (0xF0000000, 1, 0, 9))[: 2 if cut == 0 else 1 if cut <= 16 else 0]


@pytest.mark.parametrize("size", [0, 1, 15, 25, 0xFFFF])
def test_a_unit_of_a_wrong_size_ends_the_list(library: ctypes.CDLL, size: int) -> None:
    body = bytearray(acpi.remapping(b"DMAR", (0, 0x1000), (0, 0x2000))[36:])
    body[14:16] = size.to_bytes(2, "little")
    found = find(library, memory([table(b"DMAR", bytes(body))]).data)
    assert found.iommus_intel == (() if size < 16 else (0x1000,))


def test_an_hpet_at_a_port_is_none(library: ctypes.CDLL) -> None:
    assert find(library, memory([acpi.hpet(0x600, PORT)]).data).hpet == 0


def test_the_longer_address_of_the_dsdt(library: ctypes.CDLL) -> None:
    tables = memory([fadt(dsdt=0x1234, x_dsdt=acpi.BASE + 36 + 36 + 4 + 36 + 8)], dsdt=table(b"DSDT", acpi.S5))
    assert find(library, tables.data).s5 == (5, 7)


def in_dsdt(*code: bytes) -> Memory:
    return memory([fadt(pm1a_cnt=0x604)], dsdt=table(b"DSDT", b"".join(code)))


ONE, BYTE, WORD = b"\x01", b"\x0a\x05", b"\x0b\x03\x00"
DWORD, QWORD = b"\x0c\x02\0\0\0", b"\x0e\x04\0\0\0\0\0\0\0"


@pytest.mark.parametrize(
    ("value", "types"),
    [
        (package(b"\0", ONE), (0, 1)),
        (package(BYTE, WORD), (5, 3)),
        (package(DWORD, QWORD, b"\0", b"\0"), (2, 4)),
        (package(b"\x0b\x05\x07"), None),  # types 5 and 7, but in a word that is alone
        (package(b"\0", ONE, length=b"\x45\0"), (0, 1)),
        (package(b"\0", ONE, length=b"\x86\0\0"), (0, 1)),
        (package(b"\0", ONE, length=b"\xc7\0\0\0"), (0, 1)),
        (package(b"\0", ONE, count=4), (0, 1)),
        # not constants, or not what a type can be
        (package(b"\x0a\x08", b"\0"), None),
        (package(b"\0", b"\x0b\0\x01"), None),
        (package(b"\xff", b"\xff"), None),
        (package(b"SLPT", b"\0"), None),
        (package(b"\0", b"SLPT"), None),
        (b"\x0a\x05", None),
        (b"\x14\x06\0", None),
        # lengths that lie
        (package(), None),
        (package(b"\0", ONE, count=0), None),
        (package(b"\0", ONE, length=b"\x00"), None),
        (package(b"\0", ONE, length=b"\x01"), None),
        (package(b"\0", ONE, length=b"\x02"), None),
        (package(b"\0", ONE, length=b"\x03"), None),
        (package(b"\0", ONE, length=b"\x3f"), None),
        (package(b"\0", ONE, length=b"\xcf\xff\xff\xff"), None),
        (package(BYTE, b"\x0a"), None),
        (package(BYTE, b"\x0e\0\0\0"), None),
        (b"\x12", None),
        (b"\x12\xc0", None),
        (b"", None),
    ],
)
@pytest.mark.parametrize("root", [True, False])
def test_s5(library: ctypes.CDLL, value: bytes, types: tuple[int, int] | None, root: bool) -> None:
    if value == package(b"\x0b\x05\x07"):
        types = (5, 7)  # as old firmware has it
    assert find(library, in_dsdt(b"\x5b\x82", s5(value, root=root)).data).s5 == types


def test_what_only_looks_like_s5_is_passed_over(library: ctypes.CDLL) -> None:
    decoys = (
        b"_S5_",  # at the very beginning: no room for an operation before it
        b"\x0d_S5_\0",
        b"_S5_" + package(ONE, ONE),  # a name that is used, not defined
        b"\x08^_S5_" + package(ONE, ONE),
        s5(package(b"\x68", ONE)),
        s5(package(ONE, ONE, length=b"\x7f\xff")),
        b"\x08_S4_" + package(ONE, ONE),
    )
    assert find(library, in_dsdt(*decoys).data).s5 is None
    assert find(library, in_dsdt(*decoys, acpi.S5).data).s5 == (5, 7)
    assert find(library, in_dsdt(*decoys, b"\x08").data).s5 is None
    assert find(library, in_dsdt(b"\\_S5_", package(ONE, ONE)).data).s5 is None


@pytest.mark.parametrize("make", [acpi.whole, acpi.old, acpi.reduced])
@pytest.mark.parametrize("damage", [lambda byte: byte ^ 1, lambda byte: byte ^ 0x80, lambda byte: 0xFF - byte])
def test_damage_at_any_byte_is_never_believed(
    library: ctypes.CDLL, make: Callable[[], Memory], damage: Callable[[int], int]
) -> None:
    whole = make()
    expected = find(library, whole.data)
    for at, byte in enumerate(whole.data):
        data = whole.data[:at] + bytes([damage(byte)]) + whole.data[at + 1 :]
        found = find(library, data)
        assert found.nothing_else_than(expected), (at, found)
    for name, at in whole.at.items():
        damaged = find(library, whole.data[: at + 9] + bytes([damage(whole.data[at + 9])]) + whole.data[at + 10 :])
        lost = {"FACP": damaged.fadt == {}, "APIC": damaged.cpus == (), "HPET": damaged.hpet == 0}
        assert lost.get(name, True), name


@pytest.mark.parametrize("make", [acpi.whole, acpi.old, acpi.reduced])
def test_memory_that_ends_anywhere(library: ctypes.CDLL, make: Callable[[], Memory]) -> None:
    whole = make()
    expected = find(library, whole.data)
    for size in range(len(whole.data)):
        found = find(library, whole.data[:size])
        assert found.nothing_else_than(expected), (size, found)
        assert found != expected or size > whole.at["FACP"]


@pytest.mark.parametrize("signature", ["XSDT", "RSDT", "FACP", "APIC", "DSDT"])
@pytest.mark.parametrize("length", [0, 35, 36, 37, 0x3FFFFF, 0x400000, 0x400001, 0x7FFFFFFF, 0xFFFFFFFF])
def test_lengths_that_lie(library: ctypes.CDLL, signature: str, length: int) -> None:
    """Even with a check sum that fits as far as it can be known."""
    whole = acpi.whole()
    expected, at = find(library, whole.data), whole.at[signature]
    longer = whole.data[: at + 4] + length.to_bytes(4, "little") + whole.data[at + 8 :]
    part = acpi.sealed(longer[at : at + length], 9) if 10 <= length <= len(longer) - at else longer[at:]
    found = find(library, longer[:at] + part + longer[at + len(part) :])
    if signature == "FACP":  # one that ends after 36 or 37 bytes says nothing
        assert found.fadt in ({}, find(library, memory([fadt(36)]).data).fadt)
        assert found.s5 is None
    else:
        assert found.nothing_else_than(expected)
