"""A made-up USB disk behind the made-up xHCI controller: the bulk-only transport and SCSI, with faults on request."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable

from xhci import SHORT, STALL, SUCCESS, Xhci, configuration, interface

IN, OUT = 3, 4
"""Numbers of its endpoints' contexts."""
BULK = (bytes.fromhex("07058102000200"), bytes.fromhex("07050202000200"))
DISK = configuration(interface(0, (8, 6, 0x50), *BULK))
NOT_READY, ILLEGAL, ATTENTION, MEDIUM_ERROR = (2, 4), (5, 0x20), (6, 0x29), (3, 0x11)
NO_MEDIUM, NEW_MEDIUM = (2, 0x3A), (6, 0x28)
GOOD, FAILED, PHASE_ERROR = 0, 1, 2


class Fault:
    """What the device does wrong with the next command that it is for; ``times``: how often."""

    def __init__(self, kind: str, code: int | None = None, times: int = 1) -> None:
        self.kind, self.code, self.times = kind, code, times


class Lun:
    """A logical unit: its sectors, and errors that the next commands end with, as (key, code)."""

    def __init__(self, data: bytes = b"", size: int = 512, sectors: int = 0) -> None:
        self.data, self.size = bytearray(data), size
        self.sectors = sectors or len(data) // size
        self.errors: list[tuple[int, int]] = []
        self.sense = (0, 0)
        self.locked = self.has_no_mode = self.has_no_cache = False
        self.flushed = 0

    def read(self, first: int, n: int) -> bytes:
        if self.data:
            return bytes(self.data[first * self.size : (first + n) * self.size])
        return b"".join(sector.to_bytes(8, "big") * (self.size // 8) for sector in range(first, first + n))

    def obey(self, command: bytes, data: bytes) -> bytes | None:
        """The data of the answer; None: an error, which REQUEST SENSE tells."""
        code = command[0]
        if code == 0x03:
            (key, more), self.sense = self.sense, (0, 0)
            return bytes([0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, more, 0, 0, 0, 0, 0])
        if code != 0x12 and self.errors:
            self.sense = self.errors.pop(0)
            return None
        answers: dict[int, Callable[[], bytes | None]] = {
            0x00: lambda: b"",
            0x12: lambda: b"\0\x80\x06\x02\x1f\0\0\0KGPT    Made-up disk    1.0 ",
            0x1A: lambda: None if self.has_no_mode else bytes([3, 0, 0x80 if self.locked else 0, 0]),
            0x25: lambda: struct.pack(">II", min(self.sectors - 1, 0xFFFFFFFF), self.size),
            0x9E: lambda: struct.pack(">QI", self.sectors - 1, self.size).ljust(32, b"\0"),
            0x28: lambda: self.read(*struct.unpack(">xxIxH", command[:9])),
            0x88: lambda: self.read(*struct.unpack(">xxQI", command[:14])),
            0x2A: lambda: self.write(struct.unpack(">xxI", command[:6])[0], data),
            0x8A: lambda: self.write(struct.unpack(">xxQ", command[:10])[0], data),
            0x35: self.flush,
        }
        answer = answers.get(code, lambda: None)()
        if answer is None:
            self.sense = ILLEGAL
        return answer

    def write(self, first: int, data: bytes) -> bytes:
        assert not self.locked
        self.data[first * self.size : first * self.size + len(data)] = data
        return b""

    def flush(self) -> bytes | None:
        self.flushed += 1
        return None if self.has_no_cache else b""


class UsbDisk(Xhci):
    """One device with logical units on the first port."""

    def __init__(self, *luns: Lun, wide: bool = True) -> None:
        self.rings: dict[int, tuple[int, int]] = {}
        self.luns = luns
        self.faults: list[Fault] = []
        self.forget()
        super().__init__(DISK)
        if not wide:
            self.fixed[0x10] &= ~1
        self.resets_seen = 0
        self.silent = False
        self.commands_seen: list[bytes] = []

    def forget(self) -> None:
        """As after a reset of the device."""
        self.phase, self.tag, self.lun = "command", 0, 0
        self.command_block, self.data, self.wanted, self.failed = b"", b"", 0, False
        self.halted: set[int] = set()  # by the device
        self.stuck: set[int] = set()  # by the controller

    def plug(self) -> None:
        self.forget()
        super().plug()

    def fault(self, *kinds: str) -> str:
        """The fault of these kinds that is due now; "": none."""
        for fault in self.faults:
            code = self.command_block[0] if self.command_block else None
            if fault.kind in kinds and fault.times and fault.code in (None, code):
                fault.times -= 1
                return fault.kind
        return ""

    def obey(self, kind: int, parameter: int, control: int) -> int:
        dci = control >> 16 & 31
        if kind == 12:
            dropped, added = struct.unpack("<II", ctypes.string_at(parameter, 8))
            assert dropped in (0, added & ~1)
            for which in (IN, OUT):
                assert added >> which & 1
                (at,) = struct.unpack("<Q", ctypes.string_at(parameter + (which + 1) * self.context + 8, 8))
                self.rings[which] = (at & ~15, at & 1)
            self.stuck.clear()
            return SUCCESS
        if kind == 14 and dci in (IN, OUT):
            self.stuck.discard(dci)
        if kind == 16 and dci in (IN, OUT):
            self.rings[dci] = (parameter & ~15, parameter & 1)
            return SUCCESS
        return SUCCESS if kind in (14, 15) else super().obey(kind, parameter, control)

    def answer(self, setup: bytes) -> bytes | None:
        if setup[:2] == b"\xa1\xfe":
            return bytes([len(self.luns) - 1]) if len(self.luns) > 1 else None
        if setup[:2] == b"\x02\x01":
            self.halted.discard({0x81: IN, 0x02: OUT}[setup[4]])
            return b""
        if setup[:2] == b"\x21\xff":
            self.forget()
            self.resets_seen += 1
            return b""
        return super().answer(setup)

    def listen(self, target: int) -> None:
        while not self.silent and (self.receive() or self.transmit()):
            pass

    def _take(self, dci: int) -> list[tuple[int, int, int, int]]:
        """A transfer of the ring: its pieces as (TRB, address, bytes, control). Empty: nothing waits."""
        if dci not in self.rings or dci in self.stuck:
            return []
        at, cycle = self.rings[dci]
        pieces = []
        while True:
            parameter, status, control = self.trb(at)
            if control & 1 != cycle:
                return []
            if control >> 10 & 63 == 6:
                at, cycle = parameter, cycle ^ 1
                continue
            assert parameter // 0x10000 == (parameter + max(status & 0x1FFFF, 1) - 1) // 0x10000
            pieces.append((at, parameter, status & 0x1FFFF, control))
            at += 16
            if not control & 16:
                self.rings[dci] = at, cycle
                return pieces

    def _tell(self, dci: int, trb: int, code: int, left: int = 0) -> bool:
        self.event(trb, code << 24 | left, 32 << 10 | dci << 16 | 1 << 24)
        if code not in (SUCCESS, SHORT):
            self.stuck.add(dci)
            self.halted.add(dci)
        return True

    def receive(self) -> bool:
        """From the host: a command, or data."""
        if self.phase not in ("command", "out") or not (pieces := self._take(OUT)):
            return False
        data = b"".join(ctypes.string_at(address, n) for _, address, n, _ in pieces)
        last = pieces[-1]
        if OUT in self.halted:
            return self._tell(OUT, pieces[0][0], STALL)
        if self.phase == "command":
            return self._begin(data, pieces[0][0])
        if self.fault("stall data"):
            self.phase, self.failed = "status", True
            return self._tell(OUT, pieces[0][0], STALL)
        self._run(data)
        return self._tell(OUT, last[0], SUCCESS) if last[3] & 32 else True

    def _begin(self, block: bytes, trb: int) -> bool:
        assert len(block) == 31
        signature, self.tag, self.wanted, flags, self.lun, n = struct.unpack("<IIIBBB", block[:15])
        assert signature == 0x43425355
        self.command_block = block[15 : 15 + n]
        self.commands_seen.append(self.command_block)
        if self.fault("stall command"):
            return self._tell(OUT, trb, STALL)
        if self.wanted and not flags & 0x80:
            self.phase = "out"
        else:
            self._run(b"")
        return True

    def _run(self, data: bytes) -> None:
        answer = self.luns[self.lun].obey(self.command_block, data)
        self.failed = answer is None
        self.data = answer or b""
        if data:
            self.wanted -= len(data)
        self.phase = "in" if self.wanted else "status"

    def transmit(self) -> bool:
        """To the host: data, or the status."""
        if self.phase not in ("in", "status") or not (pieces := self._take(IN)):
            return False
        if IN in self.halted:
            return self._tell(IN, pieces[0][0], STALL)
        if self.phase == "status":
            return self._end(*pieces[0][:3])
        self.phase = "status"
        if self.failed or self.fault("stall data"):
            self.failed = True
            return self._tell(IN, pieces[0][0], STALL)
        if self.fault("babble"):
            return self._tell(IN, pieces[0][0], 3)
        data = self.data[: self.wanted]
        if self.fault("short data"):
            data = data[: len(data) // 2]
        self.wanted -= len(data)
        for trb, address, n, control in pieces:
            part, data = data[:n], data[n:]
            ctypes.memmove(address, part, len(part))
            if len(part) < n:
                return self._tell(IN, trb, SHORT, n - len(part))
            if control & 32:
                self._tell(IN, trb, SUCCESS)
        return True

    def _end(self, trb: int, address: int, n: int) -> bool:
        fault = self.fault("stall status", "silence", "tag", "signature", "phase", "residue", "no status", "failed")
        self.phase = "command"
        if fault in ("stall status", "silence"):
            self.phase = "status"
            return self._tell(IN, trb, STALL) if fault == "stall status" else False
        status = PHASE_ERROR if fault == "phase" else FAILED if self.failed or fault == "failed" else GOOD
        left = 512 if fault == "residue" else self.wanted
        signature = 0x53425350 if fault == "signature" else 0x53425355
        block = struct.pack("<IIIB", signature, self.tag + (fault == "tag"), left, status)
        block = block[:4] if fault == "no status" else block
        ctypes.memmove(address, block, len(block))
        return self._tell(IN, trb, SUCCESS if len(block) == n else SHORT, n - len(block))
