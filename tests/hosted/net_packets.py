"""Packets, made and read in Python, and one of our stacks that gets and gives them under a clock of the test's."""

from __future__ import annotations

import ctypes
import ipaddress
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

from native import ROOT, shared_object
from net_linux import STACK

OUR_MAC, PEER_MAC = bytes.fromhex("020000000002"), bytes.fromhex("020000000001")
OURS, PEER = "10.0.0.2", "10.0.0.1"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
ICMP, TCP, UDP = 1, 6, 17
BROADCAST = b"\xff" * 6


def address(text: str) -> bytes:
    return ipaddress.IPv4Address(text).packed


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(payload: bytes, kind: int = 0x0800, to: bytes = OUR_MAC, source: bytes = PEER_MAC) -> bytes:
    return to + source + struct.pack("!H", kind) + payload


def ipv4(protocol: int, data: bytes, source: str = PEER, to: str = OURS, flags: int = 0, options: bytes = b"") -> bytes:
    """With the Ethernet header."""
    size = 20 + len(options)
    head = struct.pack("!BBHHHBB", 0x40 | size // 4, 0, size + len(data), 7, flags, 64, protocol)
    ends = address(source) + address(to) + options
    return ethernet(head + struct.pack("!H", checksum(head + b"\0\0" + ends)) + ends + data)


def with_checksum(protocol: int, data: bytes, at: int, source: str, to: str) -> bytes:
    pseudo = address(source) + address(to) + struct.pack("!BBH", 0, protocol, len(data))
    return data[:at] + struct.pack("!H", checksum(pseudo + data)) + data[at + 2 :]


def udp(port: int, to_port: int, data: bytes, source: str = PEER, to: str = OURS) -> bytes:
    segment = struct.pack("!HHHH", port, to_port, 8 + len(data), 0) + data
    return ipv4(UDP, with_checksum(UDP, segment, 6, source, to), source, to)


def icmp(kind: int, code: int, rest: bytes, source: str = PEER) -> bytes:
    """``rest`` follows the checksum."""
    total = checksum(struct.pack("!BBH", kind, code, 0) + rest)
    return ipv4(ICMP, struct.pack("!BBH", kind, code, total) + rest, source)


def arp(operation: int, source: str, to: str, mac: bytes = PEER_MAC, target: bytes = bytes(6)) -> bytes:
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac + address(source) + target + address(to)
    return ethernet(body + bytes(18), 0x0806, BROADCAST if operation == 1 else OUR_MAC, mac)


@dataclass
class Segment:
    """Of TCP. Of one that was received ``window`` is the field, not scaled."""

    flags: int
    seq: int = 0
    ack: int = 0
    data: bytes = b""
    window: int = 65535
    options: bytes = b""
    port: int = 4000
    to_port: int = 80
    source: str = PEER
    to: str = OURS

    @property
    def frame(self) -> bytes:
        options = self.options + bytes(-len(self.options) % 4)
        head = struct.pack("!HHII", self.port, self.to_port, self.seq & 0xFFFFFFFF, self.ack & 0xFFFFFFFF)
        head += struct.pack("!BBHHH", (20 + len(options)) // 4 << 4, self.flags, self.window, 0, 0)
        data = head + options + self.data
        return ipv4(TCP, with_checksum(TCP, data, 16, self.source, self.to), self.source, self.to)

    def option(self, kind: int) -> bytes | None:
        """The value of an option."""
        at = 0
        while at < len(self.options) and self.options[at]:
            size = 1 if self.options[at] == 1 else self.options[at + 1]
            if self.options[at] == kind:
                return self.options[at + 2 : at + size]
            at += size
        return None

    @property
    def sack(self) -> list[tuple[int, int]]:
        value = self.option(5) or b""
        return [struct.unpack_from("!II", value, at) for at in range(0, len(value), 8)]


def read_ipv4(frame: bytes) -> tuple[int, bytes]:
    """The protocol and the payload of a frame of ours, whose header must be right."""
    assert frame[12:14] == b"\x08\x00"
    packet = frame[14:]
    assert packet[0] == 0x45
    assert checksum(packet[:20]) == 0
    assert len(packet) == struct.unpack_from("!H", packet, 2)[0]
    assert struct.unpack_from("!H", packet, 6)[0] == 0x4000  # never fragmented
    return packet[9], packet[20:]


def read_segment(frame: bytes) -> Segment | None:
    if frame[12:14] != b"\x08\x00":
        return None
    protocol, data = read_ipv4(frame)
    if protocol != TCP:
        return None
    source, to = frame[26:30], frame[30:34]
    assert checksum(source + to + struct.pack("!BBH", 0, TCP, len(data)) + data) == 0
    port, to_port, seq, ack, size, flags, window = struct.unpack_from("!HHIIBBH", data)
    end = size // 16 * 4
    texts = [str(ipaddress.IPv4Address(each)) for each in (source, to)]
    return Segment(flags, seq, ack, data[end:], window, data[20:end], port, to_port, *texts)


def library(folder: Path) -> ctypes.CDLL:
    """The stack with tests/hosted/net_shim.c."""
    made = shared_object(folder, ["tests/hosted/net_shim.c", *(path for path in STACK if not path.endswith("_test.c"))])
    made.shim_counters.restype = ctypes.POINTER(ctypes.c_uint64)
    made.shim_net.restype = ctypes.c_void_p
    made.kg_net_read.restype = made.kg_net_write.restype = ctypes.c_size_t
    made.kg_net_next.restype = ctypes.c_uint64
    return made


def _counter_names() -> list[str]:
    text = (ROOT / "kernel_c" / "include" / "kgpt" / "net_link.h").read_text(encoding="utf-8")
    body = text[text.index("struct kg_net_counters {") :]
    return [name for line in re.findall(r"uint64_t ([\w, ]+);", body) for name in line.split(", ")]


COUNTERS = _counter_names()
STATES = (
    *("free", "syn sent", "syn received", "established", "fin wait 1", "fin wait 2"),
    *("close wait", "closing", "last ack", "done", "lost"),
)
"""enum kg_tcp_state."""


@dataclass
class Stack:
    """Ours, started anew. ``now`` in ms."""

    lib: ctypes.CDLL
    words: str = f"{OURS}/24,gw=10.0.0.254,dns=10.0.0.53"
    buffer: int = 65536
    servers: int = 4
    seed: int = 1
    now: int = 1_000_000
    others: list[bytes] = field(default_factory=list)
    """Frames that are not of TCP."""

    def __post_init__(self) -> None:
        words = self.words.encode()
        started = self.lib.shim_start(
            ctypes.c_uint64(self.now), ctypes.c_uint64(self.seed), words, self.buffer, self.servers
        )
        assert started
        self.net = ctypes.c_void_p(self.lib.shim_net())
        if not self.words.startswith("dhcp"):
            assert self.frames()[0][12:14] == b"\x08\x06"  # an announcement
            self.give(arp(1, PEER, OURS))
            self.others.clear()

    def push(self, *frames: bytes) -> None:
        for frame in frames:
            self.lib.shim_push(frame, len(frame))
        self.lib.shim_poll(ctypes.c_uint64(self.now))

    def frames(self) -> list[bytes]:
        buffer = ctypes.create_string_buffer(2048)
        found = []
        while n := self.lib.shim_pop(buffer):
            found.append(buffer.raw[:n])
        return found

    def answers(self) -> list[Segment]:
        """The segments that the stack has sent. Requests for the peer's hardware address are answered."""
        found = []
        for frame in self.frames():
            segment = read_segment(frame)
            if segment:
                found.append(segment)
            elif frame[12:14] == b"\x08\x06" and frame[38:42] == address(PEER):
                self.push(arp(2, PEER, OURS, target=OUR_MAC))
                found += self.answers()
            else:
                self.others.append(frame)
        return found

    def give(self, *parts: Segment | bytes) -> list[Segment]:
        """Deliver them. Returns the answers."""
        self.push(*(part if isinstance(part, bytes) else part.frame for part in parts))
        return self.answers()

    def wait(self, ms: int, step: int = 10) -> list[Segment]:
        """Let time pass. Returns what was sent."""
        found = []
        end = self.now + ms
        while self.now < end:
            self.now = min(end, self.now + step)
            self.push()
            found += self.answers()
        return found

    def counter(self, name: str) -> int:
        return int(self.lib.shim_counters()[COUNTERS.index(name)])

    def slots(self) -> list[str]:
        """The states of connections in use."""
        found: list[str] = []
        while (state := self.lib.shim_slot(len(found))) >= 0:
            found.append(STATES[state])
        return [state for state in found if state != "free"]

    def accept(self, server: int = 0) -> int:
        return int(self.lib.shim_accept(server))

    def read(self, connection: int, room: int = 1 << 20) -> bytes:
        buffer = ctypes.create_string_buffer(room)
        n = self.lib.shim_read(connection, buffer, room)
        return buffer.raw[:n]

    def write(self, connection: int, data: bytes) -> int:
        return int(self.lib.shim_write(connection, data, len(data)))

    def status(self) -> tuple[list[str], str]:
        """Address, mask, gateway and DNS servers, and the problem."""
        values, problem = (ctypes.c_uint32 * 5)(), ctypes.c_char_p()
        self.lib.shim_status(values, ctypes.byref(problem))
        return [str(ipaddress.IPv4Address(value)) for value in values], (problem.value or b"").decode()


@dataclass
class Client:
    """A peer with one connection to ``stack``, after the handshake."""

    stack: Stack
    port: int = 4000
    options: bytes = b"\x02\x04\x05\xb4\x01\x01\x04\x02"
    window: int = 65535
    seq: int = 7_000_000
    ack: int = 0
    id: int = -1
    syn_ack: Segment = field(default_factory=lambda: Segment(0))

    def __post_init__(self) -> None:
        (self.syn_ack,) = self.stack.give(self.made(SYN, options=self.options, ack=0))
        assert self.syn_ack.flags == SYN | ACK
        assert self.syn_ack.ack == self.seq + 1
        self.seq += 1
        self.ack = self.syn_ack.seq + 1
        assert self.stack.give(self.made(ACK)) == []
        self.id = self.stack.accept()
        assert self.id >= 0

    def made(self, flags: int = ACK, data: bytes = b"", **other: object) -> Segment:
        fields = {"seq": self.seq, "ack": self.ack, "window": self.window, "port": self.port, **other}
        return Segment(flags, data=data, **fields)  # type: ignore[arg-type]

    def send(self, data: bytes, flags: int = ACK) -> list[Segment]:
        """In order."""
        answers = self.stack.give(self.made(flags, data))
        self.seq += len(data) + (flags & FIN)
        return answers

    def take(self, segments: list[Segment]) -> bytes:
        """The data of segments in order; they are acknowledged with the next one."""
        data = b""
        for segment in segments:
            assert segment.seq == self.ack
            data += segment.data
            self.ack = (self.ack + len(segment.data) + (segment.flags & FIN)) & 0xFFFFFFFF
        return data
