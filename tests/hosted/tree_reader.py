"""The readers of device trees, initial RAM disks and ACPI's tables of machines without ports."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

from native import shared_object

_ACPI = ("acpi", "acpi_arm", "acpi_devices", "acpi_fadt", "acpi_pci")
SOURCES = [
    "tests/hosted/tree_driver.c",
    *(f"kernel_c/core/acpi/{name}.c" for name in _ACPI),
    *(f"kernel_c/core/{name}.c" for name in ("str", "utf8")),
    *(f"kernel_c/platform/virt/facts/from_{name}.c" for name in ("acpi", "tree")),
]


def build(folder: Path) -> Driver:
    """Compile them."""
    return Driver(shared_object(folder, SOURCES))


class Driver:
    """The reader, and the last blob, which stays where it is."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        for name in ("open", "cmdline", "excess", "acpi"):
            getattr(library, f"driver_{name}").restype = ctypes.c_char_p
        library.driver_initrd.restype = library.driver_region.restype = ctypes.c_bool
        library.driver_module.restype = library.driver_fact.restype = library.driver_reg.restype = ctypes.c_bool

    def problem(self, blob: bytes, most: int | None = None) -> str:
        self.blob = ctypes.create_string_buffer(blob, len(blob))
        found = self.library.driver_open(self.blob, ctypes.c_size_t(len(blob) if most is None else most))
        return found.decode() if found else ""

    def read(self, blob: bytes) -> None:
        self.blob = ctypes.create_string_buffer(blob, len(blob))
        self.library.driver_read(self.blob)

    def regions(self) -> list[tuple[int, ...]]:
        return list(self._all(self.library.driver_region, 3))

    def _all(self, call: ctypes._NamedFuncPointer, n: int) -> Iterator[tuple[int, ...]]:
        found = (ctypes.c_uint64 * n)()
        i = 0
        while call(ctypes.c_size_t(i), found):
            yield tuple(found)
            i += 1

    def initrd(self, data: bytes) -> list[tuple[bytes, bytes, bytes]] | None:
        """Name, words and content of each module; None: the archive is damaged."""
        kept = ctypes.create_string_buffer(data, len(data))
        if not self.library.driver_initrd(kept, ctypes.c_uint64(len(data))):
            return None
        return self.modules()

    def modules(self) -> list[tuple[bytes, bytes, bytes]]:
        words, place = (ctypes.c_char_p * 2)(), (ctypes.c_uint64 * 2)()
        found: list[tuple[bytes, bytes, bytes]] = []
        while self.library.driver_module(ctypes.c_size_t(len(found)), words, place):
            found.append((words[0] or b"", words[1] or b"", ctypes.string_at(place[0], place[1])))
        return found

    def fact(self, name: str) -> tuple[int, ...]:
        found = (ctypes.c_uint64 * 4)()
        assert self.library.driver_fact(name.encode(), found)
        return tuple(found)

    def reg(self, path: str, i: int = 0) -> tuple[int, int] | None:
        found = (ctypes.c_uint64 * 2)()
        return (found[0], found[1]) if self.library.driver_reg(path.encode(), ctypes.c_uint32(i), found) else None

    def acpi(self, data: bytes, base: int, rsdp: int) -> str:
        """Read tables in memory from ``base`` on; returns the problem."""
        numbers = (ctypes.c_uint64(number) for number in (len(data), base, rsdp))
        found = self.library.driver_acpi(data, *numbers)
        return found.decode() if found else ""
