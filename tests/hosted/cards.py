"""Made-up network cards: virtio over PCI and on no bus, and Intel's. A card puts frames that the driver sends into
``sent``, and ``deliver`` gives the driver one. Attributes say what is wrong with it.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable

from devices import BLOCK_SIZE, MASTER, Block, Function
from virtio import ALL, COMMON, CONFIG, DRIVER_OK, FEATURES_OK, NOTIFY, Queue, structures
from virtio import BASE as VIRTIO_BASE
from virtio import SIZE as VIRTIO_SIZE

MAC = bytes.fromhex("525400123456")
HEADER = 12
"""Bytes before each frame of virtio."""


def memory(address: int, n: int) -> bytes:
    return ctypes.string_at(address, n)


class _Queue:
    """A queue's registers."""

    def __init__(self, most: int) -> None:
        self.size = self.most = most
        self.addresses = [0] * 6
        self.ring: Queue | None = None


class VirtioCard:
    """What a card does, however its registers are reached."""

    offers = 1 << 32 | 1 << 16 | 1 << 5 | 1 << 3 | 1 << 15 | 1
    most = 64
    mac = MAC
    status = 1
    mtu = 1500
    resets = True
    holds = False
    """Frames that the driver sends are kept, and their chains are not given back."""
    quiet = False
    """Says in the used ring that it does not want to be notified."""
    wrong: Callable[[int, int], tuple[int, int]] | None = None
    """Changes (chain, bytes) of what is given back."""

    def begin(self) -> None:
        self.sent: list[bytes] = []
        self.held: list[int] = []
        self.free: list[int] = []
        self.of: Queue | None = None
        """The ring that ``free`` belongs to."""
        self.state = ALL
        self.accepted = 0
        self.notified = [0, 0]
        self.queues = [_Queue(self.most), _Queue(self.most)]

    @property
    def fields(self) -> bytes:
        return self.mac + struct.pack("<HHH", self.status, 1, self.mtu)

    def is_master(self) -> bool:
        return True

    def set_state(self, value: int) -> None:
        if value == 0 and self.resets:
            self.accepted, self.queues = 0, [_Queue(self.most), _Queue(self.most)]
        self.state = value if self.resets or value else self.state

    def enable(self, index: int) -> None:
        assert self.state & (FEATURES_OK | DRIVER_OK) == FEATURES_OK
        queue = self.queues[index]
        assert queue.size in {1 << i for i in range(16)}
        assert queue.size <= queue.most
        pairs = [low | high << 32 for low, high in zip(*[iter(queue.addresses)] * 2, strict=True)]
        queue.ring = Queue(pairs, queue.size)
        ctypes.memmove(queue.ring.used, struct.pack("<H", self.quiet), 2)

    def notify(self, index: int) -> None:
        assert self.state == ALL
        self.notified[index] += 1
        if index == 1:
            self.take()

    def take(self) -> None:
        """Take what the driver has put into the queue for sending."""
        assert self.is_master()
        ring = self.queues[1].ring
        assert ring is not None
        for head in ring.waiting():
            data = b"".join(memory(address, size) for address, size, write in ring.chain(head) if not write)
            assert data[:HEADER] == bytes(HEADER)
            self.sent.append(data[HEADER:])
            self.held.append(head)
        if not self.holds:
            self.release()

    def release(self) -> None:
        ring = self.queues[1].ring
        assert ring is not None
        while self.held:
            ring.give_back(*self._changed(self.held.pop(0), 0))

    def _changed(self, head: int, n: int) -> tuple[int, int]:
        return self.wrong(head, n) if self.wrong else (head, n)

    def deliver(self, frame: bytes) -> bool:
        """False: the driver has given no memory, or too little."""
        ring = self.queues[0].ring
        if self.state != ALL or ring is None:
            return False
        assert self.is_master()
        if self.of is not ring:
            self.free, self.of = [], ring
        self.free += ring.waiting()
        if not self.free:
            return False
        head = self.free.pop(0)
        ((address, size, write),) = ring.chain(head)
        assert write
        data = (bytes(HEADER) + frame)[:size]
        ctypes.memmove(address, data, len(data))
        ring.give_back(*self._changed(head, len(data)))
        return True

    def is_running(self) -> bool:
        return self.state == ALL


class VirtioNet(VirtioCard, Function):
    """virtio-net over PCI."""

    number = 0x1041

    def __init__(self) -> None:
        Function.__init__(
            self,
            0x1AF4,
            self.number,
            0x020000,
            bars={0: (0xC000, 32, 1), 4: (VIRTIO_BASE, VIRTIO_SIZE, 12)},
            capabilities=structures(),
        )
        self.selected, self.words = 0, [0, 0]
        self.begin()

    def is_master(self) -> bool:
        return bool(self.command() & MASTER)

    def read(self, address: int, size: int) -> int:
        offset = address - VIRTIO_BASE
        if offset >= CONFIG:
            return int.from_bytes(self.fields[offset - CONFIG :][:size], "little")
        assert COMMON <= offset < 0x38
        queue = self.queues[self.selected] if self.selected < 2 else _Queue(0)
        values = {0x04: self.offers >> 32 * self.words[0] & 0xFFFFFFFF, 0x14: self.state, 0x18: queue.size}
        return {**values, 0x1E: self.selected}[offset]

    def write(self, address: int, size: int, value: int) -> None:
        offset = address - VIRTIO_BASE
        if offset >= NOTIFY:
            assert (offset, size) == (NOTIFY + 4 * value, 2)
            self.notify(value)
        elif offset in (0x00, 0x08):
            self.words[offset // 8] = value
        elif offset == 0x0C:
            self.accepted |= value << 32 * self.words[1]
        elif offset == 0x14:
            self.set_state(value)
        elif offset == 0x16:
            self.selected = value
        elif offset == 0x18:
            self.queues[self.selected].size = value
        elif offset == 0x1C:
            self.enable(self.selected)
        else:
            self.queues[self.selected].addresses[(offset - 0x20) // 4] = value


class OldNumber(VirtioNet):
    """The transitional id."""

    number = 0x1000


class MappedNet(VirtioCard, Block):
    """virtio-net on no bus."""

    magic, version, number = 0x74726976, 2, 1

    def __init__(self) -> None:
        self.selected, self.words = 0, [0, 0]
        self.begin()

    def read(self, address: int, size: int) -> int:
        offset = address - self.base
        assert offset + size <= BLOCK_SIZE
        if offset >= 0x100:
            return int.from_bytes(self.fields[offset - 0x100 :][:size], "little")
        assert size == 4
        queue = self.queues[self.selected] if self.selected < 2 else _Queue(0)
        values = {0x00: self.magic, 0x04: self.version, 0x08: self.number, 0x34: queue.most, 0x70: self.state}
        return {**values, 0x10: self.offers >> 32 * self.words[0] & 0xFFFFFFFF}[offset]

    def write(self, address: int, size: int, value: int) -> None:
        offset = address - self.base
        assert size == 4
        if offset in (0x14, 0x24):
            self.words[offset >> 5] = value
        elif offset == 0x20:
            self.accepted |= value << 32 * self.words[1]
        elif offset == 0x30:
            self.selected = value
        elif offset == 0x38:
            self.queues[self.selected].size = value
        elif offset == 0x44:
            self.enable(self.selected)
        elif offset == 0x50:
            self.notify(value)
        elif offset == 0x70:
            self.set_state(value)
        else:
            assert 0x80 <= offset < 0xB0
            self.queues[self.selected].addresses[(offset - 0x80) // 16 * 2 + (offset & 4) // 4] = value


E1000_BASE = 0xFEB80000
CTRL, STATUS, ICR, IMC, RCTL, TCTL, ADDRESS = 0x00, 0x08, 0xC0, 0xD8, 0x100, 0x400, 0x5400
RX, TX = 0x2800, 0x3800
RESET = 1 << 26


class E1000(Function):
    """An 82540EM, with the registers that the driver may use."""

    number = 0x100E
    mac = MAC
    link = 2
    resets = True
    holds = False
    """Descriptors of frames that the driver sends are not given back."""
    received: tuple[int, int, int] | None = None
    """Length, status and errors of each frame that is received, in place of the true ones."""

    def __init__(self) -> None:
        super().__init__(0x8086, self.number, 0x020000, bars={0: (E1000_BASE, 0x20000, 0), 1: (0xC000, 64, 1)})
        self.sent: list[bytes] = []
        self.held: list[int] = []
        self.forget()

    def forget(self) -> None:
        self.registers: dict[int, int] = {
            **dict.fromkeys((CTRL, RCTL, TCTL, ICR), 0),
            **{ring + at: 0 for ring in (RX, TX) for at in (0x00, 0x04, 0x08, 0x10, 0x18, 0x28)},
            ADDRESS: int.from_bytes(self.mac[:4], "little"),
            ADDRESS + 4: int.from_bytes(self.mac[4:], "little"),
        }
        self.masked = False

    def read(self, address: int, size: int) -> int:
        offset = address - E1000_BASE
        assert size == 4
        if offset == STATUS:
            no_master = self.registers[CTRL] & 4
            return self.link | (0 if no_master else 1 << 19)
        return self.registers[offset]

    def write(self, address: int, size: int, value: int) -> None:
        offset = address - E1000_BASE
        assert size == 4
        if offset == CTRL and value & RESET:
            assert not self.is_running(), "a reset amid DMA"
            if self.resets:
                self.forget()
            else:
                self.registers[CTRL] = value
            return
        self.masked = self.masked or (offset == IMC and value == 0xFFFFFFFF)
        if RX <= offset < TX + 0x30:
            assert offset in self.registers
        self.registers[offset] = value
        if offset == TX + 0x18:
            self.take()

    def ring(self, base: int) -> tuple[int, int]:
        """Address and number of its descriptors."""
        assert self.command() & MASTER
        length = self.registers[base + 8]
        assert length % 128 == 0
        return self.registers[base] | self.registers[base + 4] << 32, length // 16

    def take(self) -> None:
        """Send what the driver has put into the ring."""
        if not self.registers[TCTL] & 2:
            return
        start, n = self.ring(TX)
        while self.registers[TX + 0x10] != self.registers[TX + 0x18]:
            at = start + 16 * self.registers[TX + 0x10]
            address, length, _, command, *_ = struct.unpack("<QHBBBBH", memory(at, 16))
            assert command == 1 | 2 | 8
            self.sent.append(memory(address, length))
            self.held.append(at)
            self.registers[TX + 0x10] = (self.registers[TX + 0x10] + 1) % n
        if not self.holds:
            self.release()

    def release(self) -> None:
        for at in self.held:
            ctypes.memmove(at + 12, b"\1", 1)
        self.held = []

    def deliver(self, frame: bytes) -> bool:
        """False: it does not receive, or the driver has given no memory."""
        if not self.registers[RCTL] & 2:
            return False
        assert self.registers[RCTL] & (1 << 15 | 1 << 26) == 1 << 15 | 1 << 26
        start, n = self.ring(RX)
        head = self.registers[RX + 0x10]
        if head == self.registers[RX + 0x18]:
            return False
        at = start + 16 * head
        (address,) = struct.unpack("<Q", memory(at, 8))
        assert memory(at + 12, 1) == b"\0"
        ctypes.memmove(address, frame, len(frame))
        length, status, errors = self.received or (len(frame), 3, 0)
        ctypes.memmove(at + 8, struct.pack("<HHBB", length, 0, status, errors), 6)
        self.registers[RX + 0x10] = (head + 1) % n
        return True

    def is_running(self) -> bool:
        return bool((self.registers[RCTL] | self.registers[TCTL]) & 2)


class E1000e(E1000):
    """An 82574L."""

    number = 0x10D3
