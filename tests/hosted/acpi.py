"""ACPI tables made by hand, in a piece of physical memory, and what the kernel finds in them."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import native

SOURCES = [
    "tests/hosted/acpi_driver.c",
    *(f"kernel_c/core/acpi/acpi{name}.c" for name in ("", "_cpus", "_fadt", "_pci", "_s5", "_devices")),
]
BASE = 0x7F000
"""The physical address of ``Memory.data``, where the root pointer is."""
RSDP_SIZE = 36
MEMORY, PORT, PCI, FIXED = 0, 1, 2, 0x7F
"""Address spaces of registers."""


class _Register(ctypes.Structure):
    """struct driver_register of acpi_driver.c."""

    _fields_ = [("address", ctypes.c_uint64), ("space", ctypes.c_uint64)]


_NUMBERS = ("has_fadt", "reduced", "timer_32_bits", "reset_value", "enable_value", "smi_port", "boot_arch")


class _Found(ctypes.Structure):
    """struct driver_found of acpi_driver.c."""

    _fields_ = [
        ("problem", ctypes.c_char_p),
        ("cpus_problem", ctypes.c_char_p),
        ("n_cpus", ctypes.c_uint64),
        ("ids", ctypes.c_uint64 * 4),
        *((name, ctypes.c_uint64) for name in _NUMBERS),
        ("pm1_status", _Register * 2),
        ("pm1_control", _Register * 2),
        *((name, _Register) for name in ("timer", "sleep_control", "reset")),
        ("has_s5", ctypes.c_uint64),
        ("types", ctypes.c_uint64 * 2),
        ("hpet", ctypes.c_uint64),
        ("n_ecams", ctypes.c_uint64),
        ("ecams", ctypes.c_uint64 * 4 * 4),
        ("n_iommus", ctypes.c_uint64 * 2),
        ("iommus", ctypes.c_uint64 * 4 * 2),
        ("n_virtio", ctypes.c_uint64),
        ("virtio", ctypes.c_uint64 * 2 * 4),
    ]


@dataclass(frozen=True)
class Found:
    """What the kernel found; registers as (address, space), (0, 0) for none."""

    problem: str = ""
    cpus: tuple[int, ...] = ()
    cpus_problem: str = ""
    fadt: Mapping[str, object] = field(default_factory=dict)
    """Empty without one."""
    s5: tuple[int, int] | None = None
    hpet: int = 0
    ecams: tuple[tuple[int, ...], ...] = ()
    """Base, segment, first and last bus; the first four."""
    iommus_intel: tuple[int, ...] = ()
    iommus_amd: tuple[int, ...] = ()
    """The first four of each."""
    virtio: tuple[tuple[int, ...], ...] = ()
    """Base and size; the first four."""

    def nothing_else_than(self, whole: Found) -> bool:
        """Each thing is as it is in ``whole``, or missing."""
        return all(
            getattr(self, part.name) in (getattr(whole, part.name), part.default, {})
            for part in fields(self)
            if not part.name.endswith("problem")
        )


def build(folder: Path, compiler: str = "zig") -> ctypes.CDLL:
    """Compile the readers of tables."""
    return native.shared_object(folder, SOURCES, compiler)


def find(library: ctypes.CDLL, data: bytes, rsdp: int = BASE) -> Found:
    """Read ``data``, which is all the memory there is, from BASE on."""
    found = _Found()
    arguments = ctypes.c_uint64(len(data)), ctypes.c_uint64(BASE), ctypes.c_uint64(rsdp)
    library.driver_acpi(data, *arguments, ctypes.byref(found))
    if found.problem:
        return Found(problem=found.problem.decode())
    return Found(
        cpus=tuple(found.ids[: min(found.n_cpus, 4)]),
        cpus_problem=(found.cpus_problem or b"").decode(),
        fadt=_fadt(found) if found.has_fadt else {},
        s5=(found.types[0], found.types[1]) if found.has_s5 else None,
        hpet=found.hpet,
        ecams=tuple(tuple(one) for one in found.ecams[: min(found.n_ecams, 4)]),
        iommus_intel=tuple(found.iommus[0][: min(found.n_iommus[0], 4)]),
        iommus_amd=tuple(found.iommus[1][: min(found.n_iommus[1], 4)]),
        virtio=tuple(tuple(one) for one in found.virtio[: min(found.n_virtio, 4)]),
    )


def _fadt(found: _Found) -> dict[str, object]:
    numbers: dict[str, object] = {name: getattr(found, name) for name in _NUMBERS[1:]}
    pairs = {name: tuple(_place(one) for one in getattr(found, name)) for name in ("pm1_status", "pm1_control")}
    return numbers | pairs | {name: _place(getattr(found, name)) for name in ("timer", "sleep_control", "reset")}


def _place(register: _Register) -> tuple[int, int]:
    return register.address, register.space


def sealed(data: bytes, at: int, size: int | None = None) -> bytes:
    """``data`` with the byte at ``at`` such that (the first ``size``) bytes sum to 0."""
    cleared = data[:at] + b"\0" + data[at + 1 :]
    return cleared[:at] + bytes([-sum(cleared[:size]) & 0xFF]) + cleared[at + 1 :]


def table(signature: bytes, body: bytes, *, revision: int = 1) -> bytes:
    """A table with its header."""
    header = signature + struct.pack("<IBB6s8sI4sI", 36 + len(body), revision, 0, b"KGPT  ", b"TEST    ", 1, b"TEST", 1)
    return sealed(header + body, 9)


def register(address: int, space: int = PORT, bits: int = 8) -> bytes:
    """A generic address structure."""
    return struct.pack("<BBBBQ", space, bits, 0, 0, address)


def madt(*ids: int) -> bytes:
    """A MADT of processors with local APICs."""
    entries = b"".join(struct.pack("<BBBBI", 0, 8, 0, one, 1) for one in ids)
    return table(b"APIC", struct.pack("<II", 0xFEE00000, 1) + entries)


def hpet(address: int, space: int = MEMORY) -> bytes:
    """An HPET table."""
    return table(b"HPET", struct.pack("<I", 0x8086A201) + register(address, space, 64) + bytes(4))


def mcfg(*ranges: tuple[int, int, int, int]) -> bytes:
    """An MCFG of ranges (base, segment, first bus, last bus)."""
    return table(b"MCFG", bytes(8) + b"".join(struct.pack("<QHBBI", *one, 0) for one in ranges))


def remapping(signature: bytes, *structures: tuple[int, int]) -> bytes:
    """A DMAR or an IVRS of structures (kind, address of registers)."""
    form = "<HHIQ" if signature == b"DMAR" else "<BxHIQ"
    entries = b"".join(struct.pack(form, kind, 24, 0, address) + bytes(8) for kind, address in structures)
    return table(signature, bytes(12) + entries)


FADT_FIELDS = {
    "dsdt": (40, "<I"),
    "smi_cmd": (48, "<I"),
    "acpi_enable": (52, "B"),
    "pm1a_evt": (56, "<I"),
    "pm1b_evt": (60, "<I"),
    "pm1a_cnt": (64, "<I"),
    "pm1b_cnt": (68, "<I"),
    "pm_tmr": (76, "<I"),
    "pm1_evt_len": (88, "B"),
    "boot_arch": (109, "<H"),
    "arm_boot_arch": (129, "<H"),
    "flags": (112, "<I"),
    "reset_reg": (116, "12s"),
    "reset_value": (128, "B"),
    "x_dsdt": (140, "<Q"),
    "x_pm1a_evt": (148, "12s"),
    "x_pm1b_evt": (160, "12s"),
    "x_pm1a_cnt": (172, "12s"),
    "x_pm1b_cnt": (184, "12s"),
    "x_pm_tmr": (208, "12s"),
    "sleep_control": (244, "12s"),
}
"""Where they are, and how they are packed."""
FLAG_TIMER_32_BITS, FLAG_RESET, FLAG_REDUCED = 1 << 8, 1 << 10, 1 << 20


def fadt(size: int = 276, **values: int | bytes) -> bytes:
    """A FADT of ``size`` bytes: 116 in ACPI 1.0, 244 in 2.0, 276 today."""
    body = bytearray(276)
    for name, value in values.items():
        at, form = FADT_FIELDS[name]
        struct.pack_into(form, body, at, value)
    return table(b"FACP", bytes(body[36:size]))


def package(*elements: bytes, count: int | None = None, length: bytes | None = None) -> bytes:
    """A package of byte code; ``count`` and ``length`` (encoded) if they shall not be right."""
    content = bytes([len(elements) if count is None else count]) + b"".join(elements)
    return b"\x12" + (bytes([len(content) + 1]) if length is None else length) + content


def s5(value: bytes, *, root: bool = True) -> bytes:
    """``Name (\\_S5, value)``."""
    return b"\x08" + b"\\" * root + b"_S5_" + value


def virtio(base: int, size: int = 0x200, number: int = 0) -> bytes:
    """A device of QEMU's microvm: name, number, coherence, and its registers and interrupt."""
    name = b"\x08_HID\x0dLNRO0005\0" + b"\x08_UID\x0a" + bytes([number]) + b"\x08_CCA\x01"
    resources = struct.pack("<BHBII", 0x86, 9, 1, base, size) + bytes.fromhex("890600010117000000 7900")
    return b"\x5b\x82\x49\x04VR00" + name + b"\x08_CRS\x11\x1a\x0a\x17" + resources


S5 = s5(package(b"\x0a\x05", b"\x0a\x07", b"\0", b"\0"))
"""Types 5 and 7."""


@dataclass(frozen=True)
class Memory:
    """Tables in memory: the root pointer, what it points at, then ``others``, at addresses that are known before."""

    data: bytes
    at: Mapping[str, int]
    """Offset of each table in ``data``, by its signature (of several, the last)."""


def memory(
    tables: Sequence[bytes] = (), *, dsdt: bytes | None = None, revision: int = 2, xsdt: bool = True, rsdt: bool = True
) -> Memory:
    """All that a machine has. A FADT among ``tables`` whose dsdt field is 0 gets the address of ``dsdt``."""
    n = len(tables)
    lists = RSDP_SIZE, RSDP_SIZE + 36 + 4 * n
    at = lists[1] + 36 + 8 * n
    dsdt_address = BASE + at if dsdt is not None else 0
    body, addresses, offsets = b"", [], {"RSDT": lists[0], "XSDT": lists[1]}
    for one in ([dsdt] if dsdt is not None else []) + [_with_dsdt(one, dsdt_address) for one in tables]:
        offsets[one[:4].decode()] = at + len(body)
        addresses.append(BASE + at + len(body))
        body += one
    listed = addresses[-n:] if n else []
    roots = table(b"RSDT", struct.pack(f"<{n}I", *listed)) + table(b"XSDT", struct.pack(f"<{n}Q", *listed))
    first = struct.pack("<8sB6sBI", b"RSD PTR ", 0, b"KGPT  ", revision, BASE + lists[0] if rsdt else 0)
    pointer = sealed(first, 8) + struct.pack("<IQB3s", RSDP_SIZE, BASE + lists[1] if xsdt else 0, 0, b"")
    return Memory(sealed(pointer, 32) + roots + body, offsets)


def _with_dsdt(one: bytes, address: int) -> bytes:
    if one[:4] != b"FACP" or not address or any(one[40:44]):
        return one
    return sealed(one[:40] + struct.pack("<I", address) + one[44:], 9)


def whole() -> Memory:
    """A machine that has everything."""
    facts: dict[str, Any] = {
        "smi_cmd": 0xB2,
        "acpi_enable": 0xF1,
        "boot_arch": 3,
        "flags": FLAG_TIMER_32_BITS | FLAG_RESET,
        "pm1a_evt": 0x600,
        "pm1b_evt": 0x610,
        "pm1a_cnt": 0x604,
        "pm1b_cnt": 0x614,
        "pm_tmr": 0x608,
        "reset_reg": register(0xCF9),
        "reset_value": 6,
        "sleep_control": register(0xFEA00200, MEMORY),
        "x_pm1a_cnt": register(0x704, PORT, 16),
        "x_pm_tmr": register(0xFED40000, MEMORY, 32),
    }
    buses = [
        mcfg((0xE0000000, 0, 0, 0xFF), (0x80_0000_0000, 1, 0x40, 0x7F)),
        remapping(b"DMAR", (0, 0xFED90000), (1, 0x1111), (0, 0xFED91000)),
        remapping(b"IVRS", (0x20, 0x1111), (0x10, 0xFEB80000), (0x40, 0xFEB81000)),
    ]
    decoy = b"\x10\x0a_S5_\x0a\x03" + s5(package(b"_PTS"))
    return memory(
        [madt(0, 2), hpet(0xFED00000), fadt(**facts), table(b"SSDT", decoy), *buses],
        dsdt=table(b"DSDT", bytes(20) + decoy + S5 + bytes(9)),
    )


def old() -> Memory:
    """As of ACPI 1.0."""
    facts = {"smi_cmd": 0xB2, "acpi_enable": 0xF1, "pm1a_evt": 0x4000, "pm1a_cnt": 0x4004, "pm_tmr": 0x4008}
    dsdt = table(b"DSDT", s5(package(b"\0", b"\0", b"\0", b"\0"), root=False))
    return memory([fadt(116, **facts), madt(1)], dsdt=dsdt, revision=0, xsdt=False)


def reduced() -> Memory:
    """Hardware-reduced, with \\_S5 in an SSDT."""
    facts: dict[str, Any] = {
        "flags": FLAG_REDUCED | FLAG_RESET,
        "pm1a_cnt": 0x604,
        "pm_tmr": 0x608,
        "reset_reg": register(0xFEA00202, MEMORY),
        "reset_value": 0x42,
        "sleep_control": register(0xFEA00200, MEMORY),
    }
    ssdts = [table(b"SSDT", bytes(5)), table(b"SSDT", s5(package(b"\x0a\x05", b"\x01")))]
    return memory([fadt(**facts), *ssdts], dsdt=table(b"DSDT", virtio(0xFEB00000) + virtio(0xFEB02E00, number=23)))
