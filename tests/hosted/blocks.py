"""Made-up disks behind PCI: virtio, NVMe and AHCI controllers that serve ``data``, and what can be wrong with them."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable

from devices import Function
from virtio import BASE as VIRTIO_BASE
from virtio import COMMON, CONFIG, Queue, Rng

SECTOR = 512
DATA = bytes(i * 7 + i // SECTOR & 0xFF for i in range(64 * SECTOR))


def memory(address: int, n: int) -> bytes:
    return ctypes.string_at(address, n)


class Blk(Rng):
    """virtio-blk. ``wrong``: changes (status, bytes written) of each answer; None: does not answer."""

    most = 64
    offers = 1 << 32 | 1 << 9
    wrong: Callable[[int, int], tuple[int, int] | None] | None = None
    sectors = len(DATA) // SECTOR
    sector_size = SECTOR

    def __init__(self, data: bytes = DATA, device: int = 0x1042) -> None:
        super().__init__(b"", device)
        self.disk = bytearray(data)
        self.flushed = 0

    def read(self, address: int, size: int) -> int:
        offset = address - VIRTIO_BASE
        if offset >= CONFIG:
            config = struct.pack("<QII4xI", self.sectors, 0, 0, self.sector_size)
            return int.from_bytes(config[offset - CONFIG : offset - CONFIG + size], "little")
        assert offset >= COMMON
        return super().read(address, size)

    def answer(self) -> None:
        assert self.queue
        while self.pending:
            head = self.pending.pop(0)
            written, status = self.serve(head)
            changed = self.wrong(written, status) if self.wrong else (written, status)
            if changed is not None:
                (*_, (at, _, _)) = self.queue.chain(head)
                ctypes.memmove(at, bytes([changed[1]]), 1)
                self.finish(head, changed[0])

    def serve(self, head: int) -> tuple[int, int]:
        """Bytes written and status."""
        assert self.queue
        (header, *buffers, status) = self.queue.chain(head)
        kind, _, first = struct.unpack("<IIQ", memory(header[0], 16))
        assert status[1:] == (1, 2)
        if kind == 4:
            self.flushed += 1
            return 1, 0
        ((address, n, flags),) = buffers
        assert flags == (2 if kind == 0 else 0)
        if kind == 0:
            ctypes.memmove(address, bytes(self.disk[first * 512 : first * 512 + n]), n)
            return n + 1, 0
        self.disk[first * 512 : first * 512 + n] = memory(address, n)
        return 1, 0


CAP, CC, CSTS, AQA, ASQ, ACQ, DOORBELLS = 0x00, 0x14, 0x1C, 0x24, 0x28, 0x30, 0x1000
NVME_BASE = 0xFE000000


class Nvme(Function):
    """An NVMe controller with namespaces of ``shifts`` bits a sector, each with the data."""

    cap = 1 << 37 | 1 << 24 | 15  # 16 entries, half a second
    shifts: tuple[int, ...] = (9,)
    mdts = 0
    gets_ready = True
    deaf = False
    """Commands for namespaces are not completed."""
    id_xor = 0
    status = 0
    """Of commands for namespaces."""

    def __init__(self, data: bytes = DATA) -> None:
        super().__init__(0x1B36, 0x10, 0x010802, bars={0: (NVME_BASE, 0x4000, 4)})
        self.registers = bytearray(0x2000)
        self.disk = bytearray(data)
        self.begin()
        self.io = self.left_until_gone = 0
        self.unaligned: list[int] = []

    def begin(self) -> None:
        self.queues: dict[int, list[int]] = {}  # completions: address, entries, place, phase
        self.commands: dict[int, list[int]] = {}  # address, entries, place

    def word(self, offset: int, size: int = 4) -> int:
        return int.from_bytes(self.registers[offset : offset + size], "little")

    def read(self, address: int, size: int) -> int:
        offset = address - NVME_BASE
        assert size == 4
        if offset < 8:
            return self.cap >> 8 * offset & 0xFFFFFFFF
        return self.word(offset)

    def write(self, address: int, size: int, value: int) -> None:
        offset = address - NVME_BASE
        assert size == 4
        if offset >= DOORBELLS:
            self.ring((offset - DOORBELLS) // (4 << (self.cap >> 32 & 15)), value)
            return
        self.registers[offset : offset + 4] = value.to_bytes(4, "little")
        if offset == CC:
            enabled = value & 1
            if not enabled:
                self.begin()
            elif not self.queues:
                sizes = self.word(AQA)
                self.commands[0] = [self.word(ASQ, 8), (sizes & 0xFFF) + 1, 0]
                self.queues[0] = [self.word(ACQ, 8), (sizes >> 16) + 1, 0, 1]
            ready = enabled if self.gets_ready else 1 - enabled
            self.registers[CSTS] = ready | (8 if value >> 14 & 3 else 0)

    def ring(self, doorbell: int, value: int) -> None:
        queue = doorbell // 2
        if doorbell % 2:
            assert value < self.queues[queue][1]
            return
        base, entries, place = self.commands[queue]
        assert value < entries
        while place != value:
            command = memory(base + 64 * place, 64)
            place = (place + 1) % entries
            self.commands[queue][2] = place
            self.run(queue, command)

    def run(self, queue: int, command: bytes) -> None:
        opcode, _, ident, namespace = struct.unpack("<BBHI", command[:8])
        first, second = struct.unpack("<QQ", command[24:40])
        words = struct.unpack("<6I", command[40:])
        status = 0
        if queue == 0:
            self.admin(opcode, namespace, first, words)
        else:
            self.io += 1
            if self.left_until_gone and self.io >= self.left_until_gone:
                self.gone = True
            if self.deaf or self.gone:
                return
            status = self.status or self.transfer(opcode, namespace, first, second, words)
            ident ^= self.id_xor
        address, entries, place, phase = self.queues[queue]
        ctypes.memmove(address + 16 * place, struct.pack("<IIHHHH", 0, 0, 0, queue, ident, status << 1 | phase), 16)
        place += 1
        self.queues[queue][2:] = (0, 1 - phase) if place == entries else (place, phase)

    def admin(self, opcode: int, namespace: int, first: int, words: tuple[int, ...]) -> None:
        if opcode == 5:
            self.queues[1] = [first, (words[0] >> 16) + 1, 0, 1]
        elif opcode == 1:
            self.commands[1] = [first, (words[0] >> 16) + 1, 0]
        elif opcode == 6:
            page = self.identity(words[0], namespace)
            assert first % 4096 == 0
            ctypes.memmove(first, page, len(page))

    def identity(self, what: int, namespace: int) -> bytes:
        page = bytearray(4096)
        if what == 1:
            page[24:64] = b"Made up \x01".ljust(40)
            page[77] = self.mdts
            struct.pack_into("<I", page, 516, len(self.shifts))
        elif what == 2:
            struct.pack_into(f"<{len(self.shifts)}I", page, 0, *range(1, len(self.shifts) + 1))
        else:
            shift = self.shifts[namespace - 1]
            struct.pack_into("<Q", page, 0, len(self.disk) >> shift)
            page[130] = shift
        return bytes(page)

    def transfer(self, opcode: int, namespace: int, first: int, second: int, words: tuple[int, ...]) -> int:
        if opcode == 0:
            return 0
        shift = self.shifts[namespace - 1]
        n = ((words[2] & 0xFFFF) + 1) << shift
        assert not self.mdts or n <= 4096 << self.mdts
        at = (words[0] | words[1] << 32) << shift
        assert at + n <= len(self.disk)
        for address, size in pages(first, second, n):
            if opcode == 2:
                ctypes.memmove(address, bytes(self.disk[at : at + size]), size)
            else:
                assert words[2] >> 30 & 1, "a write is forced to the medium"
                self.disk[at : at + size] = memory(address, size)
            at += size
        return 0


def pages(first: int, second: int, n: int) -> list[tuple[int, int]]:
    """What PRP entries say: (address, bytes)."""
    found = [(first, min(n, 4096 - first % 4096))]
    left = n - found[0][1]
    if left > 4096:
        addresses = list(struct.unpack(f"<{-(-left // 4096)}Q", memory(second, 8 * -(-left // 4096))))
    else:
        addresses = [second] * (left > 0)
    for address in addresses:
        assert address % 4096 == 0
        found.append((address, min(left, 4096)))
        left -= found[-1][1]
    assert left == 0
    return found


AHCI_BASE = 0xFE400000
PORT = 0x100


class Ahci(Function):
    """An AHCI controller with a disk at port 1."""

    signature = 0x101
    stops = True
    deaf = False
    short = 0
    """Bytes that each transfer lacks."""
    error = False
    large = False
    """Sectors of 4096 bytes."""
    cap = 1 << 31 | 31 << 8

    def __init__(self, data: bytes = DATA) -> None:
        super().__init__(0x8086, 0x2922, 0x010601, bars={5: (AHCI_BASE, 0x1000, 0)})
        self.registers = bytearray(0x1000)
        self.disk = bytearray(data)
        self.put(0x00, self.cap)
        self.put(0x0C, 0b10)
        self.put(0x24, 1)
        self.put(0x28, 1)  # the BIOS owns it
        self.port = PORT + 0x80
        self.put(self.port + 0x24, self.signature)
        self.put(self.port + 0x28, 0x123)
        self.put(self.port + 0x20, 0x50)
        self.reads = self.flushed = self.left_until_gone = self.left_until_unplugged = 0

    def put(self, offset: int, value: int) -> None:
        struct.pack_into("<I", self.registers, offset, value)

    def get(self, offset: int, size: int = 4) -> int:
        return int.from_bytes(self.registers[offset : offset + size], "little")

    def read(self, address: int, size: int) -> int:
        assert size == 4
        return self.get(address - AHCI_BASE)

    def write(self, address: int, size: int, value: int) -> None:
        offset = address - AHCI_BASE
        assert size == 4
        if offset == 0x28:
            value &= ~1 if value & 2 else ~0
        elif offset == self.port + 0x18:
            runs = (value & 1) if self.stops else 1
            value = value & 0x3FFF | (runs << 15) | (value >> 4 & 1) << 14
            if not value >> 15 & 1:
                self.put(self.port + 0x38, 0)
        elif offset in (self.port + 0x10, self.port + 0x30):
            value = self.get(offset) & ~value
        elif offset == self.port + 0x38:
            value |= self.get(offset)
        elif offset == 4:
            value &= ~1
        self.put(offset, value)
        if offset == self.port + 0x38:
            self.issue(value)

    def issue(self, issued: int) -> None:
        assert self.get(self.port + 0x18) & 0x8011 == 0x8011
        for slot in range(32):
            if issued >> slot & 1 and not self.deaf and not self.gone:
                self.run(slot)

    def run(self, slot: int) -> None:
        header = self.get(self.port, 8) + 32 * slot
        flags, _, table = struct.unpack("<IIQ", memory(header, 16))
        assert (flags & 31, table % 128) == (5, 0)
        fis = memory(table, 20)
        assert fis[:2] == b"\x27\x80"
        done = self.serve(fis, table, flags)
        if done is None:
            self.put(self.port + 0x10, 1 << 30)
            self.put(self.port + 0x20, 0x51)
            return
        ctypes.memmove(header + 4, struct.pack("<I", done), 4)
        self.put(self.port + 0x38, self.get(self.port + 0x38) & ~(1 << slot))

    def serve(self, fis: bytes, table: int, flags: int) -> int | None:
        if fis[2] == 0xEA:
            self.flushed += 1
            return 0
        address, _, last = struct.unpack("<QII", memory(table + 128, 16))
        n, room = flags >> 16, last + 1
        assert n == 1
        if fis[2] == 0xEC:
            ctypes.memmove(address, self.identity(), room)
            return int(room)
        self.reads += 1
        self.gone = self.gone or self.reads == self.left_until_gone
        if self.reads == self.left_until_unplugged:
            self.put(self.port + 0x28, 0)
        if self.error or self.gone:
            return None
        unit = 4096 if self.large else 512
        at = int.from_bytes(fis[4:7] + fis[8:11], "little") * unit
        count = int.from_bytes(fis[12:14], "little") * unit
        assert count == room
        assert at + count <= len(self.disk)
        if fis[2] == 0x25:
            ctypes.memmove(address, bytes(self.disk[at : at + count]), count)
        else:
            assert fis[2] == 0x35
            assert flags >> 6 & 1
            self.disk[at : at + count] = memory(address, count)
        return int(count - self.short)

    def identity(self) -> bytes:
        words = [0] * 256
        name = b"AMEDU  P"
        for i in range(20):
            words[27 + i] = int.from_bytes((name.ljust(40))[2 * i : 2 * i + 2], "little")
        words[83], words[85] = 1 << 10, 1 << 5
        sectors = len(self.disk) // (4096 if self.large else 512)
        words[100:104] = [sectors >> 16 * i & 0xFFFF for i in range(4)]
        if self.large:
            words[106], words[117] = 0x5000, 2048
        return struct.pack("<256H", *words)


class EmptyDrive(Ahci):
    """A drive for discs without one: it says what it is, and refuses packets."""

    signature = 0xEB140101

    def serve(self, fis: bytes, table: int, flags: int) -> int | None:
        return super().serve(b"\x27\x80\xec" + fis[3:], table, flags) if fis[2] == 0xA1 else None


__all__ = ["DATA", "SECTOR", "Ahci", "Blk", "EmptyDrive", "Nvme", "Queue"]
