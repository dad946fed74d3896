"""A made-up virtio device behind PCI, with split queues (Virtio 1.1), and what can be wrong with it."""

from __future__ import annotations

import ctypes
import struct

from devices import MASTER, Function

BASE = 0xFEBC0000
SIZE = 0x4000
COMMON, ISR, CONFIG, NOTIFY = 0x0000, 0x1000, 0x2000, 0x3000
VENDOR = 9
VERSION_1 = 1 << 32

FEATURE_SELECT, FEATURE, ACCEPT_SELECT, ACCEPT = 0x00, 0x04, 0x08, 0x0C
STATUS, QUEUE_SELECT, QUEUE_SIZE, QUEUE_ENABLE, NOTIFY_OFF, ADDRESSES = 0x14, 0x16, 0x18, 0x1C, 0x1E, 0x20
FEATURES_OK, DRIVER_OK, ALL = 8, 4, 15
NEXT, WRITE = 1, 2


def structure(kind: int, offset: int, length: int, bar: int = 4, tail: bytes = b"") -> tuple[int, bytes]:
    """A capability that says where one of the structures is."""
    return VENDOR, struct.pack("<BBBxxxII", 16 + len(tail), kind, bar, offset, length) + tail


def structures(multiplier: int = 4) -> tuple[tuple[int, bytes], ...]:
    """Those that QEMU's devices have, in its order."""
    return (
        (0x11, bytes(10)),
        structure(5, 0, 0, 0, bytes(4)),
        structure(2, NOTIFY, 0x1000, tail=struct.pack("<I", multiplier)),
        structure(4, CONFIG, 0x1000),
        structure(3, ISR, 0x1000),
        structure(1, COMMON, 0x1000),
    )


class Queue:
    """The device's view of a queue in the driver's memory."""

    def __init__(self, addresses: list[int], size: int) -> None:
        self.descriptors, self.available, self.used = addresses
        self.size = size
        self.seen = self.given = 0

    @staticmethod
    def _bytes(address: int, n: int) -> bytes:
        return ctypes.string_at(address, n)

    def waiting(self) -> list[int]:
        """Heads of the chains that the driver has added since the last call."""
        (index,) = struct.unpack("<H", self._bytes(self.available + 2, 2))
        heads = []
        while self.seen != index:
            at = self.available + 4 + 2 * (self.seen % self.size)
            heads.append(struct.unpack("<H", self._bytes(at, 2))[0])
            self.seen = (self.seen + 1) & 0xFFFF
            assert len(heads) <= self.size
        return heads

    def chain(self, head: int) -> list[tuple[int, int, int]]:
        """(address, size, flags) of each buffer."""
        buffers: list[tuple[int, int, int]] = []
        at: int | None = head
        while at is not None:
            assert at < self.size
            assert len(buffers) < self.size
            address, size, flags, following = struct.unpack("<QIHH", self._bytes(self.descriptors + 16 * at, 16))
            buffers.append((address, size, flags & WRITE))
            at = following if flags & NEXT else None
        return buffers

    def give_back(self, head: int, written: int) -> None:
        ctypes.memmove(self.used + 4 + 8 * (self.given % self.size), struct.pack("<II", head, written), 8)
        self.set_index(self.given + 1)

    def set_index(self, index: int) -> None:
        self.given = index & 0xFFFF
        ctypes.memmove(self.used + 2, struct.pack("<H", self.given), 2)


class Rng(Function):
    """The entropy device: gives ``data``, a piece with each chain, ``delay`` steps of time after it was notified."""

    most = 8
    """Descriptors of its queue."""
    offers = VERSION_1 | 1 << 28
    keeps_features = True
    resets_after = 0
    """Reads of the status that still give the old one."""
    notify_off = 0
    multiplier = 4

    def __init__(
        self, data: bytes = bytes(range(1, 201)), device: int = 0x1044, delay: int = 0, **more: object
    ) -> None:
        super().__init__(
            0x1AF4,
            device,
            0xFF0000,
            bars={0: (0xC000, 32, 1), 4: (BASE, SIZE, 12)} | dict(more.pop("bars", {})),  # type: ignore[call-overload]
            capabilities=more.pop("capabilities", structures(self.multiplier)),  # type: ignore[arg-type]
        )
        assert not more
        self.data, self.delay = data, delay
        self.common = {STATUS: ALL, ACCEPT_SELECT: 0, FEATURE_SELECT: 0, QUEUE_SELECT: 0, QUEUE_SIZE: self.most}
        self.addresses = [0] * 6
        self.accepted = 0
        self.queue: Queue | None = None
        self.pending: list[int] = []
        self.resetting = self.since = self.notified = 0

    def read(self, address: int, size: int) -> int:
        offset = address - BASE
        assert 0 <= offset - COMMON <= 0x38 - size, "only the common structure is read"
        if offset == STATUS:
            assert size == 1
            self.resetting -= self.resetting > 0
            return ALL if self.resetting else self.common[STATUS]
        if offset == FEATURE:
            return self.offers >> 32 * self.common[FEATURE_SELECT] & 0xFFFFFFFF
        if offset == NOTIFY_OFF:
            return self.notify_off
        return self.common[offset]

    def write(self, address: int, size: int, value: int) -> None:
        offset = address - BASE
        if offset >= NOTIFY:
            assert (offset, size, value) == (NOTIFY + self.notify_off * self.multiplier, 2, 0)
            self.notify()
        elif offset == STATUS:
            self.set_status(value)
        elif offset == ACCEPT:
            self.accepted |= value << 32 * self.common[ACCEPT_SELECT]
        elif ADDRESSES <= offset < ADDRESSES + 24:
            self.addresses[(offset - ADDRESSES) // 4] = value
        elif offset == QUEUE_ENABLE:
            self.enable(value)
        else:
            assert offset in (FEATURE_SELECT, ACCEPT_SELECT, QUEUE_SELECT, QUEUE_SIZE)
            self.common[offset] = value

    def set_status(self, value: int) -> None:
        if value == 0:
            self.resetting = self.resets_after + 1 if self.resets_after else 0
            self.queue, self.accepted, self.pending = None, 0, []
            self.common[QUEUE_SIZE] = self.most
        elif value & FEATURES_OK and not self.keeps_features:
            value &= ~FEATURES_OK
        self.common[STATUS] = value

    def enable(self, value: int) -> None:
        assert value == 1
        assert self.common[STATUS] & (FEATURES_OK | DRIVER_OK) == FEATURES_OK
        size = self.common[QUEUE_SIZE]
        assert size in {1 << i for i in range(16)}
        assert size <= self.most
        self.queue = Queue([low | high << 32 for low, high in zip(*[iter(self.addresses)] * 2, strict=True)], size)

    def notify(self) -> None:
        assert self.common[STATUS] == ALL
        assert self.command() & MASTER
        assert self.queue is not None
        self.notified += 1
        self.pending += self.queue.waiting()
        self.since = 0
        if self.delay == 0:
            self.answer()

    def tick(self) -> None:
        self.since += 1
        if self.pending and self.since > self.delay:
            self.answer()

    def answer(self) -> None:
        """Give back the first chain that waits."""
        assert self.queue is not None
        head = self.pending.pop(0)
        ((address, size, write),) = self.queue.chain(head)
        assert write
        piece, self.data = self.data[:size], self.data[size:]
        ctypes.memmove(address, piece, len(piece))
        self.finish(head, len(piece))

    def finish(self, head: int, written: int) -> None:
        assert self.queue is not None
        self.queue.give_back(head, written)
