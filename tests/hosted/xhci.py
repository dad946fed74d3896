"""A made-up xHCI controller with one device on its first port: a boot keyboard, if its descriptors say so."""

from __future__ import annotations

import ctypes
import struct

from devices import MASTER, Function

BASE, SIZE = 0xFE000000, 0x4000
OPERATIONAL, RUNTIME, DOORBELLS, LEGACY = 0x40, 0x1000, 0x2000, 0x3000
COMMAND, STATUS, CRCR, CONTEXTS, PORT = OPERATIONAL, OPERATIONAL + 4, OPERATIONAL + 0x18, OPERATIONAL + 0x30, 0x440
RUN, RESET, HALTED = 1, 2, 1
CONNECTED, ENABLED, PORT_RESET, CONNECT_CHANGED, RESET_CHANGED = 1, 2, 1 << 4, 1 << 17, 1 << 21
SUCCESS, STALL, SHORT = 1, 6, 13

DEVICE = bytes.fromhex("12010002000000400904140000010001020301")[:18]
KEYBOARD = bytes.fromhex("0705810308000a")
"""An interrupt endpoint to the host, 8 bytes."""


def interface(number: int, kind: tuple[int, int, int], *endpoints: bytes) -> bytes:
    return bytes([9, 4, number, 0, len(endpoints), *kind, 0]) + b"".join(endpoints)


def configuration(*interfaces: bytes) -> bytes:
    body = b"".join(interfaces)
    return struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), len(interfaces), 1, 0, 0xA0, 50) + body


MOUSE = interface(0, (3, 1, 2), KEYBOARD)
BOOT_KEYBOARD = configuration(interface(0, (3, 1, 1), KEYBOARD))
COMPOSITE = configuration(
    MOUSE, interface(1, (3, 0, 0), KEYBOARD), interface(2, (3, 1, 1), bytes.fromhex("07058203080001"))
)


class Xhci(Function):
    """``descriptors``: of the configuration. ``owned``: the firmware has the controller until it is asked for it."""

    halts = resets = answers = releases = True
    speed = 3

    slot = 1
    """Of the device that a transfer or a command is for."""

    def __init__(
        self, descriptors: bytes = BOOT_KEYBOARD, context: int = 32, scratchpads: int = 2, base: int = BASE
    ) -> None:
        super().__init__(0x1234, 0x0001, 0x0C0330, bars={0: (base, SIZE, 4)})
        self.base = base
        self.descriptors = descriptors
        self.fixed = {
            0: 0x01000000 | OPERATIONAL,
            4: 2 << 24 | 1 << 8 | 8,
            8: scratchpads << 27,
            0x10: LEGACY // 4 << 16 | (4 if context == 64 else 0) | 1,
            0x14: DOORBELLS,
            0x18: RUNTIME,
            OPERATIONAL + 8: 1,
        }
        self.registers = {LEGACY: 1 | 1 << 16, LEGACY + 4: 0x1E, STATUS: HALTED, COMMAND: 0}
        self.connected = True
        self.port = CONNECTED | CONNECT_CHANGED
        self.context = context
        self.begin()

    def begin(self) -> None:
        self.command_at = self.event_at = 0
        self.command_cycle = self.event_cycle = 1
        self.control_at = self.in_at = 0
        self.control_cycle = self.in_cycle = 1
        self.endpoint = 0
        self.waiting: list[tuple[int, int, int]] = []
        self.requests: list[bytes] = []
        self.lights = 0

    def read(self, address: int, size: int) -> int:
        at = address - self.base
        assert size == 4
        if at == PORT:
            return self.port | self.speed << 10 | 1 << 9
        if at == PORT + 0x10:
            return 1 << 9
        return self.fixed.get(at, self.registers.get(at, 0))

    def write(self, address: int, size: int, value: int) -> None:
        at = address - self.base
        assert size == 4
        if at == COMMAND:
            self.set_command(value)
        elif at == PORT:
            self.port &= ~(value & (0x7F << 17))
            if value & PORT_RESET:
                self.port |= ENABLED | RESET_CHANGED
        elif at >= DOORBELLS and at < LEGACY:
            assert self.command() & MASTER
            self.ring((at - DOORBELLS) // 4, value)
        elif at == LEGACY:
            self.registers[LEGACY] = value & ~(1 << 16) if self.releases else value
        else:
            self.registers[at] = value

    def set_command(self, value: int) -> None:
        if value & RESET:
            self.begin()
            self.registers[COMMAND] = RESET if not self.resets else 0
            return
        self.registers[COMMAND] = value
        if self.halts:
            self.registers[STATUS] = 0 if value & RUN else HALTED

    def wide(self, at: int) -> int:
        return self.registers.get(at, 0) | self.registers.get(at + 4, 0) << 32

    @staticmethod
    def trb(at: int) -> tuple[int, int, int]:
        parameter, status, control = struct.unpack("<QII", ctypes.string_at(at, 16))
        return parameter, status, control

    def event(self, parameter: int, status: int, control: int) -> None:
        table = self.wide(RUNTIME + 0x30)
        segment, size = struct.unpack("<QI", ctypes.string_at(table, 12))
        data = struct.pack("<QII", parameter, status, control | self.event_cycle)
        ctypes.memmove(segment + 16 * self.event_at, data, 16)
        self.event_at += 1
        if self.event_at == size:
            self.event_at, self.event_cycle = 0, self.event_cycle ^ 1

    def ring(self, slot: int, target: int) -> None:
        if not self.answers:
            return
        if slot == 0:
            self.commands()
        elif target == 1:
            self.transfers()
        else:
            self.listen(target)

    def commands(self) -> None:
        at = self.command_at or self.wide(CRCR) & ~63
        while True:
            parameter, _, control = self.trb(at)
            if control & 1 != self.command_cycle:
                break
            kind = control >> 10 & 63
            if kind == 6:
                at, self.command_cycle = parameter, self.command_cycle ^ 1
                continue
            self.event(at, self.obey(kind, parameter, control) << 24, 33 << 10 | self.slot << 24)
            at += 16
        self.command_at = at

    def obey(self, kind: int, parameter: int, control: int) -> int:
        """Returns the completion code."""

        def dequeue(context: int) -> tuple[int, int]:
            (value,) = struct.unpack("<Q", ctypes.string_at(parameter + context * self.context + 8, 8))
            return value & ~15, value & 1

        if kind == 11:
            self.control_at, self.control_cycle = dequeue(2)
        elif kind == 12:
            (added,) = struct.unpack("<I", ctypes.string_at(parameter + 4, 4))
            self.endpoint = added.bit_length() - 1
            self.in_at, self.in_cycle = dequeue(self.endpoint + 1)
        elif kind == 16:
            self.control_at, self.control_cycle = parameter & ~15, parameter & 1
        return SUCCESS

    def transfers(self) -> None:
        setup, data = b"", (0, 0, 0)
        while True:
            parameter, status, control = self.trb(self.control_at)
            if control & 1 != self.control_cycle:
                return
            kind = control >> 10 & 63
            if kind == 6:
                self.control_at, self.control_cycle = parameter, self.control_cycle ^ 1
                continue
            at, self.control_at = self.control_at, self.control_at + 16
            if kind == 2:
                setup, data = struct.pack("<Q", parameter), (0, 0, 0)
            elif kind == 3:
                data = (at, parameter, status & 0x1FFFF)
            elif kind == 4 and not self.finish(at, setup, data):
                return

    def finish(self, at: int, setup: bytes, data: tuple[int, int, int]) -> bool:
        self.requests.append(setup)
        answer = self.answer(setup)
        if answer is None:
            self.event(data[0] or at, STALL << 24, 32 << 10 | 1 << 16 | self.slot << 24)
            return False
        if data[0] and setup[0] & 0x80:
            answer = answer[: data[2]]
            ctypes.memmove(data[1], answer, len(answer))
            if len(answer) < data[2]:
                self.event(data[0], SHORT << 24 | data[2] - len(answer), 32 << 10 | 1 << 16 | self.slot << 24)
        elif data[0]:
            self.lights = ctypes.string_at(data[1], 1)[0]
        self.event(at, SUCCESS << 24, 32 << 10 | 1 << 16 | self.slot << 24)
        return True

    def answer(self, setup: bytes) -> bytes | None:
        """None: stalls."""
        if setup[:2] == b"\x80\x06":
            return DEVICE if setup[3] == 1 else self.descriptors
        return None if setup[:2] == b"\x21\x0a" else b""  # SET_IDLE, as many keyboards do

    def listen(self, target: int) -> None:
        assert target == self.endpoint
        while True:
            parameter, status, control = self.trb(self.in_at)
            if control & 1 != self.in_cycle:
                return
            if control >> 10 & 63 == 6:
                self.in_at, self.in_cycle = parameter, self.in_cycle ^ 1
                continue
            self.waiting.append((self.in_at, parameter, status & 0x1FFFF))
            self.in_at += 16

    def report(self, *keys: int, modifiers: int = 0) -> None:
        """The keys that are held now."""
        at, to, n = self.waiting.pop(0)
        assert n == 8
        ctypes.memmove(to, bytes([modifiers, 0, *keys]).ljust(8, b"\0"), 8)
        self.event(at, SUCCESS << 24, 32 << 10 | self.endpoint << 16 | self.slot << 24)

    def unplug(self) -> None:
        self.port = CONNECT_CHANGED
        self.event(1 << 24, SUCCESS << 24, 34 << 10)

    def plug(self) -> None:
        self.port = CONNECTED | CONNECT_CHANGED
        self.event(1 << 24, SUCCESS << 24, 34 << 10)
