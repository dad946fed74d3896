"""A made-up machine: PCI functions with configuration space and registers, memory shared with drivers, and time."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from native import shared_object

BARS = 6
ALL_ONES = (1 << 32) - 1
COMMAND, STATUS, HEADER, BAR0, SECONDARY, CAPABILITIES = 0x04, 0x06, 0x0E, 0x10, 0x19, 0x34
PORTS, MEMORY, MASTER, NO_INTERRUPT = 1, 2, 4, 1 << 10
MULTIFUNCTION = 0x80
SOURCES = ["tests/hosted/device_driver.c", *(f"kernel_c/core/{name}.c" for name in ("format", "str", "utf8"))]
MOST_US = 2_500_000
"""No wait of a driver, or all of its waits together, may take longer."""

T = TypeVar("T")

_READ_CONFIG = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)
_WRITE_CONFIG = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)
_READ = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint32)
_WRITE = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint64)
_MAP = ctypes.CFUNCTYPE(ctypes.c_uint8, ctypes.c_uint64, ctypes.c_uint64)
_DELAY = ctypes.CFUNCTYPE(None, ctypes.c_uint32)


class Buses(ctypes.Structure):
    """``struct kg_pci_buses``."""

    _fields_ = (
        ("segment", ctypes.c_uint16),
        ("first", ctypes.c_uint8),
        ("last", ctypes.c_uint8),
        ("every", ctypes.c_bool),
    )


class _Machine(ctypes.Structure):
    """struct machine of device_driver.c."""

    _fields_ = (
        ("read_config", _READ_CONFIG),
        ("write_config", _WRITE_CONFIG),
        ("read_register", _READ),
        ("write_register", _WRITE),
        ("map", _MAP),
        ("delay", _DELAY),
        ("dma_problem", ctypes.c_char_p),
        ("us", ctypes.c_uint64),
        ("memory_left", ctypes.c_uint64),
        ("n_ranges", ctypes.c_uint32),
        ("ranges", Buses * 2),
        ("n_blocks", ctypes.c_uint32),
        ("blocks", ctypes.c_uint64 * 4),
        ("block_size", ctypes.c_uint64),
        ("window", ctypes.c_uint64),
    )


class _Device(ctypes.Structure):
    """struct driver_device of device_driver.c."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("address", "class_code", "vendor", "device")),
        *((name, ctypes.c_char_p) for name in ("driver", "problem")),
        *((name, ctypes.c_uint64 * BARS) for name in ("bases", "sizes")),
    )


_NAMES = ("address", "class_code", "vendor", "device", "driver", "problem")


class Function:
    """Configuration space. ``bars``: number -> (base, size, flags); a size of 0 is a register that keeps nothing."""

    def __init__(
        self,
        vendor: int = 0x1234,
        device: int = 0x5678,
        class_code: int = 0xFF0000,
        header: int = 0,
        bars: Mapping[int, tuple[int, int, int]] = {},
        capabilities: tuple[tuple[int, bytes], ...] = (),
        secondary: int = 0,
        command: int = PORTS | MEMORY | MASTER,
    ) -> None:
        self.config = bytearray(256)
        struct.pack_into("<HHHH", self.config, 0, vendor, device, command, 0x10 if capabilities else 0)
        struct.pack_into("<I", self.config, 8, class_code << 8 | 0x42)
        self.config[HEADER] = header
        self.sizes = [(0, 0)] * BARS
        """Of each register: the bits that can be written, and those that are fixed."""
        if header & 0x7F:
            self.config[SECONDARY] = secondary
        for number, (base, size, flags) in bars.items():
            self._add_bar(number, base, size, flags)
        self._add_capabilities(capabilities)
        self.sized = 0
        self.gone = False

    def _add_bar(self, number: int, base: int, size: int, flags: int) -> None:
        wide = flags & 7 == 4
        mask = -size & ((1 << 64) - 1) if size else 0
        low, fixed = (3, flags & 3) if flags & 1 else (15, flags & 15)
        for i in range(2 if wide else 1):
            part = mask >> 32 * i & ALL_ONES
            self.sizes[number + i] = (part & ~(0 if i else low), 0 if i else fixed)
            value = (base >> 32 * i & self.sizes[number + i][0]) | self.sizes[number + i][1]
            struct.pack_into("<I", self.config, BAR0 + 4 * (number + i), value)

    def _add_capabilities(self, capabilities: tuple[tuple[int, bytes], ...]) -> None:
        at, link = 0x40, CAPABILITIES
        for kind, data in capabilities:
            self.config[link] = at
            self.config[at] = kind
            self.config[at + 2 : at + 2 + len(data)] = data
            link, at = at + 1, at + (2 + len(data) + 3) // 4 * 4

    def command(self) -> int:
        return int.from_bytes(self.config[COMMAND : COMMAND + 2], "little")

    def read_config(self, offset: int, size: int) -> int:
        if self.gone:
            return (1 << 8 * size) - 1
        return int.from_bytes(self.config[offset : offset + size], "little")

    def write_config(self, offset: int, size: int, value: int) -> None:
        if self.gone or offset < COMMAND:
            return
        if BAR0 <= offset < BAR0 + 4 * BARS and not self.config[HEADER] & 0x7F:
            assert size == 4
            assert not self.command() & (PORTS | MEMORY), "a BAR is written while it decodes"
            mask, fixed = self.sizes[(offset - BAR0) // 4]
            self.sized += value == ALL_ONES
            value = (value & mask) | fixed
        self.config[offset : offset + size] = value.to_bytes(size, "little")

    def read(self, address: int, size: int) -> int:
        """A register of a BAR that is mapped."""
        return (1 << 8 * size) - 1

    def write(self, address: int, size: int, value: int) -> None:
        pass

    def tick(self) -> None:
        """Time has passed."""


class Bridge(Function):
    """To bus ``secondary``."""

    def __init__(self, secondary: int, header: int = 1) -> None:
        super().__init__(0x8086, 0x2448, 0x060400, header, secondary=secondary)


class Block:
    """A device that is on no bus. ``base`` and ``size`` of its registers are set by the machine."""

    base = 0
    gone = False

    def read(self, address: int, size: int) -> int:
        return 0

    def write(self, address: int, size: int, value: int) -> None:
        pass

    def tick(self) -> None:
        """Time has passed."""


BLOCK_BASE, BLOCK_SIZE = 0xFEB00000, 0x200


class Machine:
    """Functions by address (``bdf``), and devices on no bus. Ranges of buses as (segment, first, last, every)."""

    def __init__(
        self,
        functions: Mapping[int, Function],
        ranges: tuple[tuple[int, int, int, bool], ...] = ((0, 0, 255, False),),
        memory: int = 1 << 20,
        dma_problem: bytes | None = None,
        blocks: Sequence[Block] = (),
        block_size: int = BLOCK_SIZE,
        window: int = 0,
    ) -> None:
        self.functions = dict(functions)
        self.blocks = blocks
        for i, block in enumerate(blocks):
            block.base = BLOCK_BASE + BLOCK_SIZE * i
        self.mapped: list[tuple[int, int]] = []
        self.us = self.reads = 0
        self.raised: list[Exception] = []
        self.maps = True
        self.struct = _Machine(
            _READ_CONFIG(self._kept(self._read_config)),
            _WRITE_CONFIG(self._kept(self._write_config)),
            _READ(self._kept(self._read)),
            _WRITE(self._kept(self._write)),
            _MAP(self._kept(self._map)),
            _DELAY(self._kept(self._delay)),
            dma_problem,
            0,
            memory,
            len(ranges),
            (Buses * 2)(*(Buses(*values) for values in ranges)),
            len(blocks),
            (ctypes.c_uint64 * 4)(*(block.base for block in blocks)),
            block_size,
            window,
        )

    def _kept(self, call: Callable[..., T]) -> Callable[..., T | int]:
        """ctypes drops what is raised in a call from C: it is kept, for `check`."""

        def kept(*arguments: int) -> T | int:
            try:
                return call(*arguments)
            except Exception as error:
                self.raised.append(error)
                return 0

        return kept

    def check(self) -> None:
        """Raise what was raised while a driver ran."""
        for error in self.raised:
            raise error

    def _of(self, address: int) -> Function:
        return self.functions.get(address) or _NOBODY

    def _read_config(self, address: int, offset: int, size: int) -> int:
        self.reads += 1
        assert offset % size == 0
        assert offset + size <= 256
        return self._of(address).read_config(offset, size)

    def _write_config(self, address: int, offset: int, size: int, value: int) -> None:
        self._of(address).write_config(offset, size, value)

    def _owner(self, address: int, size: int) -> Function | Block:
        """Whose register it is: of a BAR that is mapped and decodes."""
        assert any(base <= address and address + size <= base + length for base, length in self.mapped)
        for block in self.blocks:
            if block.base <= address < block.base + BLOCK_SIZE:
                return block
        for function in self.functions.values():
            for number in range(BARS):
                base, length = self.bar(function, number)
                if length and base <= address < base + length:
                    assert function.gone or function.command() & MEMORY
                    return function
        raise AssertionError("nobody has this register")

    @staticmethod
    def bar(function: Function, number: int) -> tuple[int, int]:
        """Base and size of a memory BAR; the size is 0 for others."""
        mask, fixed = function.sizes[number]
        value = int.from_bytes(function.config[BAR0 + 4 * number : BAR0 + 4 * number + 8], "little")
        if fixed & 1 or not (mask | fixed):
            return 0, 0
        if fixed & 4:
            mask |= function.sizes[number + 1][0] << 32
            return value & ~15, -mask & ((1 << 64) - 1)
        return value & ALL_ONES & ~15, -mask & ALL_ONES

    def _read(self, address: int, size: int) -> int:
        owner = self._owner(address, size)
        return (1 << 8 * size) - 1 if owner.gone else owner.read(address, size)

    def _write(self, address: int, size: int, value: int) -> None:
        owner = self._owner(address, size)
        if not owner.gone:
            owner.write(address, size, value)

    def _map(self, base: int, size: int) -> int:
        self.mapped.append((base, size))
        return self.maps

    def _delay(self, us: int) -> None:
        self.us += us
        everything: list[Function | Block] = [*self.functions.values(), *self.blocks]
        for device in everything:
            if not device.gone:
                device.tick()


class _Nobody(Function):
    def read_config(self, offset: int, size: int) -> int:
        return (1 << 8 * size) - 1

    def write_config(self, offset: int, size: int, value: int) -> None:
        pass


_NOBODY = _Nobody()


def bdf(bus: int, device: int, function: int = 0, segment: int = 0) -> int:
    """The address of a function."""
    return segment << 16 | bus << 8 | device << 3 | function


class Drivers:
    """kernel_c/platform/drivers as a library."""

    machine: Machine

    def __init__(self, folder: Path) -> None:
        self.library = shared_object(folder, SOURCES)
        self.library.driver_device.restype = ctypes.c_bool
        for name in ("driver_disk", "driver_read", "driver_write", "driver_card", "driver_send"):
            getattr(self.library, name).restype = ctypes.c_bool
        self.library.driver_disk.argtypes = [ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t]
        self.library.driver_card.argtypes = self.library.driver_disk.argtypes
        self.library.driver_send.argtypes = self.library.driver_disk.argtypes
        self.library.driver_receive.argtypes = self.library.driver_disk.argtypes
        self.library.driver_receive.restype = ctypes.c_size_t
        self.library.driver_read.argtypes = [ctypes.c_uint32, *[ctypes.c_uint64] * 3]
        self.library.driver_write.argtypes = [ctypes.c_uint32, *[ctypes.c_uint64] * 5]
        self.library.driver_read_at_once.argtypes = [ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint64]
        self.library.driver_behind.restype = self.library.driver_keyboard.restype = ctypes.c_bool
        self.library.driver_said.restype = ctypes.c_char_p
        self.library.driver_queue.restype = ctypes.c_char_p
        self.library.driver_queue.argtypes = [ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint32]

    def on(self, machine: Machine) -> Drivers:
        """Switch this machine on."""
        self.machine = machine
        self.library.driver_begin(ctypes.byref(machine.struct))
        return self

    def devices(self) -> list[dict[str, Any]]:
        """What was found, in order."""
        found: list[dict[str, Any]] = []
        one = _Device()
        while self.library.driver_device(len(found), ctypes.byref(one)):
            found.append({name: getattr(one, name) for name in _NAMES})
            found[-1]["bars"] = [bar for bar in zip(one.bases, one.sizes, strict=True) if bar[1]]
        self.machine.check()
        return found

    def addresses(self) -> list[int]:
        return [device["address"] for device in self.devices()]

    def problem(self) -> str | None:
        """Why the only device that has a driver does not work; None: it does."""
        problems = [device["problem"] for device in self.devices() if device["driver"]]
        assert len(problems) == 1
        return problems[0].decode() if problems[0] is not None else None

    def entropy(self, n: int) -> bytes | None:
        """What the source of entropy gives when it is asked for n bytes; None: there is no source."""
        room = ctypes.create_string_buffer(b"\xee" * n, n)
        given = self.library.driver_entropy(room, n)
        self.machine.check()
        assert given <= n
        assert room.raw[max(given, 0) :] == b"\xee" * (n - max(given, 0))
        return room.raw[:given] if given >= 0 else None

    def disks(self) -> list[str]:
        """Of each disk: name, sectors, bytes of a sector, model."""
        found: list[str] = []
        room = ctypes.create_string_buffer(100)
        while self.library.driver_disk(len(found), room, len(room)):
            found.append(room.value.decode())
        self.machine.check()
        return found

    def behind(self) -> list[str]:
        """What is behind the first device, as `devices` shows it."""
        found: list[str] = []
        room = ctypes.create_string_buffer(80)
        while self.library.driver_behind(len(found), room, len(room)):
            found.append(room.value.decode())
        self.machine.check()
        return found

    def keyboards(self, unit: int = 0) -> list[str]:
        """The names of the keyboards of a unit of input."""
        found: list[str] = []
        room = ctypes.create_string_buffer(24)
        while self.library.driver_keyboard(unit, len(found), room, ctypes.c_size_t(len(room))):
            found.append(room.value.decode())
        return found

    def times(self) -> tuple[int, int, int]:
        """Microseconds: of the search for devices, of USB controllers, until the first keyboard worked."""
        times = (ctypes.c_uint64 * 3)()
        self.library.driver_times(times)
        return times[0], times[1], times[2]

    def said(self) -> str:
        """What drivers told the user."""
        return str(self.library.driver_said().decode())

    def read_disk(self, first: int, n: int, size: int = 512, disk: int = 0, offset: int = 0) -> bytes | None:
        """``n`` sectors of ``size`` bytes, to memory that is ``offset`` bytes behind a page; None: it failed."""
        room = ctypes.create_string_buffer(n * size + 8192)
        to = -(-ctypes.addressof(room) // 4096) * 4096 + offset
        ok = self.library.driver_read(disk, first, n, to)
        self.machine.check()
        return ctypes.string_at(to, n * size) if ok else None

    def write_disk(self, first: int, data: bytes, opened: tuple[int, int], disk: int = 0) -> bool:
        """Write sectors of 512 bytes after ``opened`` (first, n) was opened."""
        room = ctypes.create_string_buffer(len(data) + 4096)
        at = -(-ctypes.addressof(room) // 4096) * 4096
        ctypes.memmove(at, data, len(data))
        ok = self.library.driver_write(disk, *opened, first, len(data) // 512, at)
        self.machine.check()
        return bool(ok)

    def read_at_once(self, n: int) -> tuple[int, bytes]:
        """``n`` sectors in as many requests at once: a bit for each that succeeded, and all bytes."""
        room = ctypes.create_string_buffer(n * 512 + 4096)
        at = -(-ctypes.addressof(room) // 4096) * 4096
        good = self.library.driver_read_at_once(0, n, at)
        self.machine.check()
        return good, ctypes.string_at(at, n * 512)

    def cards(self) -> list[str]:
        """Of each network card that works: driver, address, MTU, link."""
        found: list[str] = []
        room = ctypes.create_string_buffer(100)
        while self.library.driver_card(len(found), room, len(room)):
            found.append(room.value.decode())
        self.machine.check()
        return found

    def send(self, frame: bytes, card: int = 0) -> bool:
        """False: the queue is full, or the card has failed."""
        sent = bool(self.library.driver_send(card, frame, len(frame)))
        self.machine.check()
        return sent

    def receive(self, size: int = 1514, card: int = 0) -> bytes:
        """The next frame; empty: there is none."""
        room = ctypes.create_string_buffer(b"\xee" * (size + 64), size + 64)
        n = self.library.driver_receive(card, room, size)
        self.machine.check()
        assert n <= size
        assert room.raw[size:] == b"\xee" * 64
        return room.raw[:n]

    def capabilities(self, address: int, kind: int) -> list[int]:
        """The offsets of all capabilities of this kind."""
        offsets = (ctypes.c_uint32 * 64)()
        self.library.driver_capabilities(address, kind, offsets)
        self.machine.check()
        found = list(offsets)
        assert found[-1] == 0, "a list of capabilities never ends"
        return found[: found.index(0)]
