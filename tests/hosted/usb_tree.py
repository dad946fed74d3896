"""A made-up xHCI controller with a tree of devices on it: hubs of each speed, and keyboards behind them."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from xhci import (
    BASE,
    BOOT_KEYBOARD,
    CONNECT_CHANGED,
    CONNECTED,
    DEVICE,
    ENABLED,
    PORT,
    PORT_RESET,
    RESET_CHANGED,
    SUCCESS,
    Xhci,
    configuration,
    interface,
)

FULL, LOW, HIGH, SUPER = 1, 2, 3, 4
"""Speeds, as ports and slot contexts have them."""
HUB = configuration(interface(0, (9, 0, 0), bytes.fromhex("0705810302000c")))
THINK_TIME = 2
_PACKETS = {FULL: 8, LOW: 8, HIGH: 64, SUPER: 9}
"""Largest packets of endpoint 0, as descriptors tell them."""
_POWER, _POWER_SUPER, _LOW, _HIGH = 1 << 8, 1 << 9, 1 << 9, 1 << 10
_STATE = ("control_at", "control_cycle", "in_at", "in_cycle", "endpoint", "waiting")


class Node:
    """A device with ``speed``: a boot keyboard, unless it is a Hub."""

    configuration = BOOT_KEYBOARD

    def __init__(self, speed: int = FULL) -> None:
        self.speed = speed
        self.slot = 0
        self.addressed: Slot | None = None
        """The slot context of Address Device."""
        self.configured: Slot | None = None
        """That of the last Configure Endpoint."""
        self.asked: list[bytes] = []

    def answer(self, setup: bytes) -> bytes | None:
        self.asked.append(setup)
        if setup[:2] == b"\x80\x06":
            device = DEVICE[:7] + bytes([_PACKETS[self.speed]]) + DEVICE[8:]
            return device if setup[3] == 1 else self.configuration
        return b""


class Hub(Node):
    """A hub with devices at some of its ports. Its ports have no power at first, as those of real hubs."""

    configuration = HUB

    def __init__(self, speed: int, children: Mapping[int, Node], n_ports: int = 4) -> None:
        super().__init__(speed)
        self.children, self.n_ports = dict(children), n_ports
        self.status = dict.fromkeys(range(1, n_ports + 1), 0)

    def answer(self, setup: bytes) -> bytes | None:
        request, value, port = setup[:2], setup[2], setup[4]
        if request == b"\xa0\x06":
            assert setup[3] == (0x2A if self.speed == SUPER else 0x29)
            return bytes([12, setup[3], self.n_ports, THINK_TIME << 5, 0, 1, 0, 0, 0, 0, 0, 0])
        if request == b"\xa3\0":
            return struct.pack("<I", self.status[port])
        if request == b"\x23\x03":
            self.set_feature(port, value)
            return b""
        if request == b"\x23\x01":
            change = {16: 16, 20: 20, 25: 22, 29: 21}.get(value, value)
            self.status[port] &= ~(1 << change)
            return b""
        return super().answer(setup)

    def set_feature(self, port: int, value: int) -> None:
        child = self.children.get(port)
        if value == 8:
            self.status[port] = _POWER_SUPER if self.speed == SUPER else _POWER
            if child:
                self.status[port] |= CONNECTED | 1 << 16 | self.speed_bits(child)
        elif value == 4:
            assert child, "an empty port is reset"
            self.status[port] |= ENABLED | 1 << 20

    def speed_bits(self, child: Node) -> int:
        if self.speed == SUPER:
            assert child.speed == SUPER
            return 0
        assert self.speed == HIGH or child.speed != HIGH
        return {FULL: 0, LOW: _LOW, HIGH: _HIGH}[child.speed]


@dataclass(frozen=True)
class Slot:
    """A slot context (xHCI 1.2, 6.2.2)."""

    route: int
    speed: int
    is_hub: bool
    root_port: int
    n_ports: int
    tt_slot: int
    tt_port: int
    think_time: int

    @classmethod
    def read(cls, at: int) -> Slot:
        a, b, c = struct.unpack("<III", ctypes.string_at(at, 12))
        return cls(
            route=a & 0xFFFFF,
            speed=a >> 20 & 15,
            is_hub=bool(a >> 26 & 1),
            root_port=b >> 16 & 255,
            n_ports=b >> 24,
            tt_slot=c & 255,
            tt_port=c >> 8 & 255,
            think_time=c >> 16 & 3,
        )


class Tree(Xhci):
    """``roots``: the devices at the controller's ports, which have numbers from 1."""

    def __init__(self, roots: Mapping[int, Node], n_ports: int = 4, base: int = BASE) -> None:
        self.roots, self.nodes = dict(roots), dict[int, Node]()
        self.states: dict[int, dict[str, object]] = {}
        self.n_ports = n_ports
        self.ports = {i: CONNECTED | CONNECT_CHANGED if i in roots else 0 for i in range(1, n_ports + 1)}
        super().__init__(base=base)
        self.fixed[4] = n_ports << 24 | 1 << 8 | 40

    def _port(self, at: int) -> int:
        return (at - PORT) // 16 + 1 if at >= PORT and (at - PORT) % 16 == 0 and at < PORT + 16 * self.n_ports else 0

    def read(self, address: int, size: int) -> int:
        if port := self._port(address - self.base):
            speed = self.roots[port].speed << 10 if port in self.roots else 0
            return self.ports[port] | speed | 1 << 9
        return super().read(address, size)

    def write(self, address: int, size: int, value: int) -> None:
        if port := self._port(address - self.base):
            self.ports[port] &= ~(value & (0x7F << 17))
            if value & (PORT_RESET | 1 << 31):
                self.ports[port] |= ENABLED | RESET_CHANGED
        else:
            super().write(address, size, value)

    def ring(self, slot: int, target: int) -> None:
        with self.of_slot(slot) if slot else self.of_controller():
            super().ring(slot, target)

    @contextmanager
    def of_controller(self) -> Iterator[None]:
        yield

    @contextmanager
    def of_slot(self, slot: int) -> Iterator[None]:
        """The rings of this slot are those of the one device that the base has."""
        before = self.slot
        self.slot = slot
        for name, value in self.states[slot].items():
            setattr(self, name, value)
        yield
        self.states[slot] = {name: getattr(self, name) for name in _STATE}
        self.slot = before

    def find(self, slot: Slot) -> Node:
        """The device where the controller would send packets."""
        node, route = self.roots[slot.root_port], slot.route
        while route:
            assert isinstance(node, Hub)
            assert node.status[route & 15] & ENABLED, "an address for a device whose port was not reset"
            node, route = node.children[route & 15], route >> 4
        return node

    def obey(self, kind: int, parameter: int, control: int) -> int:
        if kind == 9:
            self.slot = max(self.states, default=0) + 1
            self.states[self.slot] = {"control_at": 0, "control_cycle": 1, "in_at": 0, "in_cycle": 1, "endpoint": 0}
            self.states[self.slot]["waiting"] = []
            return SUCCESS
        self.slot = control >> 24
        if kind in (11, 12):
            context = Slot.read(parameter + self.context)
            node = self.find(context)
            if kind == 11:
                node.slot, node.addressed = self.slot, context
                self.nodes[self.slot] = node
            else:
                assert self.nodes[self.slot] is node
                node.configured = context
        (added,) = struct.unpack("<I", ctypes.string_at(parameter + 4, 4)) if kind == 12 else (0,)
        if kind == 12 and added == 1:  # the slot alone: it is a hub
            return SUCCESS
        with self.of_slot(self.slot):
            return super().obey(kind, parameter, control)

    def answer(self, setup: bytes) -> bytes | None:
        return self.nodes[self.slot].answer(setup)

    def type_on(self, node: Node, *keys: int) -> None:
        """Press these keys on a keyboard, and let them go."""
        with self.of_slot(node.slot):
            self.report(*keys)
            self.report()
