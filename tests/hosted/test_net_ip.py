"""Ethernet, ARP, IPv4, ICMP and UDP with packets made for it, and two of our stacks beside each other."""

from __future__ import annotations

import ctypes
import re
import struct
import subprocess
from pathlib import Path

import pytest
from net_linux import compile_driver
from net_packets import (
    ACK,
    OUR_MAC,
    OURS,
    PEER,
    PEER_MAC,
    SYN,
    TCP,
    UDP,
    Client,
    Segment,
    Stack,
    address,
    arp,
    checksum,
    ethernet,
    icmp,
    ipv4,
    library,
    read_ipv4,
    udp,
)

from benchmarks.c_library import Arena


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return library(tmp_path_factory.mktemp("net"))


@pytest.fixture
def stack(lib: ctypes.CDLL) -> Stack:
    return Stack(lib)


def test_arp_is_answered(stack: Stack) -> None:
    stack.push(arp(1, "10.0.0.7", OURS, bytes.fromhex("020000000007")))
    (frame,) = stack.frames()
    assert frame[:14] == bytes.fromhex("020000000007") + OUR_MAC + b"\x08\x06"
    assert frame[14:42] == struct.pack("!HHBBH", 1, 0x800, 6, 4, 2) + OUR_MAC + address(OURS) + bytes.fromhex(
        "020000000007"
    ) + address("10.0.0.7")
    stack.push(arp(1, "10.0.0.7", "10.0.0.8"))
    stack.push(ethernet(bytes(27), 0x0806))
    assert stack.frames() == []
    assert stack.counter("malformed") == 1


def test_a_neighbour_is_asked_for_and_what_waits_is_sent(stack: Stack) -> None:
    """The gateway, because the peer is in another network."""
    syn = Segment(SYN, seq=1, source="192.0.2.1")
    stack.push(syn.frame)
    (question,) = stack.frames()
    assert question[38:42] == address("10.0.0.254")
    stack.push(arp(2, "10.0.0.254", OURS, bytes.fromhex("0200000000fe")))
    (answer,) = stack.frames()
    assert answer[:6] == bytes.fromhex("0200000000fe")
    assert answer[30:34] == address("192.0.2.1")


def test_a_neighbour_that_does_not_answer(stack: Stack) -> None:
    stack.push(Segment(SYN, seq=1, source="10.0.0.99").frame)
    stack.wait(9000)
    assert 3 <= sum(frame[38:42] == address("10.0.0.99") for frame in stack.others) <= 12
    assert stack.counter("no_route") >= 1


def test_a_neighbour_with_a_new_card(stack: Stack) -> None:
    client = Client(stack)
    stack.push(arp(1, PEER, PEER, bytes.fromhex("0200000000aa")))  # an announcement to all
    stack.write(client.id, b"x")
    stack.wait(1)
    stack.push(client.made(data=b"y").frame)
    stack.now += 50
    stack.push()
    assert {frame[:6] for frame in stack.frames()} == {bytes.fromhex("0200000000aa")}


def test_strangers_fill_no_table(stack: Stack) -> None:
    """What others say to each other is not learnt, and a flood of made-up neighbours leaves the known ones."""
    client = Client(stack)
    for i in range(300):
        stack.push(Segment(SYN, seq=1, port=1000 + i, source=f"10.0.0.{20 + i % 200}").frame)
        stack.now += 1
        stack.frames()
    stack.write(client.id, b"x")
    (sent,) = stack.wait(1)
    assert sent.data == b"x"


def test_our_address_is_defended(stack: Stack) -> None:
    for _ in range(5):
        stack.push(arp(1, OURS, "10.0.0.7", bytes.fromhex("020000000066")))
    (defence,) = stack.frames()
    assert defence[28:32] == defence[38:42] == address(OURS)
    assert stack.counter("conflicts") == 5
    stack.now += 11_000
    stack.push(arp(1, OURS, "10.0.0.7", bytes.fromhex("020000000066")))
    assert len(stack.frames()) == 1


def test_echo_is_answered(stack: Stack) -> None:
    stack.push(icmp(8, 0, struct.pack("!HH", 7, 1) + b"abc"))
    protocol, data = read_ipv4(stack.frames()[0])
    assert (protocol, data[0], data[4:]) == (1, 0, struct.pack("!HH", 7, 1) + b"abc")
    assert checksum(data) == 0
    frame = bytearray(icmp(8, 0, struct.pack("!HH", 7, 1) + b"abc"))
    frame[-1] ^= 1
    stack.push(bytes(frame))
    stack.push(ipv4(1, icmp(8, 0, bytes(8))[34:], to="10.0.0.255"))  # to all: smurfs
    assert stack.frames() == []


def test_echo_is_limited(stack: Stack) -> None:
    stack.now += 1000
    for _ in range(500):
        stack.push(icmp(8, 0, bytes(8)))
    assert len(stack.frames()) == 200
    assert stack.counter("limited") == 300
    stack.now += 10
    for _ in range(50):
        stack.push(icmp(8, 0, bytes(8)))
    assert len(stack.frames()) == 10


def test_a_closed_port_of_udp(stack: Stack) -> None:
    frame = udp(9, 4711, b"hello")
    stack.push(frame)
    protocol, data = read_ipv4(stack.frames()[0])
    assert (protocol, data[:2]) == (1, b"\x03\x03")
    assert data[8:] == frame[14 : 14 + 28]
    stack.push(udp(9, 4711, b"hello", to="10.0.0.255"))  # to all: not answered
    assert stack.frames() == []


def test_an_unknown_protocol(stack: Stack) -> None:
    stack.push(ipv4(47, bytes(20)))
    assert read_ipv4(stack.frames()[0])[1][:2] == b"\x03\x02"


SYN_FRAME = Segment(SYN, seq=1).frame


@pytest.mark.parametrize(
    ("frame", "counter"),
    [
        (b"", ""),
        (SYN_FRAME[:13], "malformed"),
        (SYN_FRAME[:14], "malformed"),
        (SYN_FRAME[:33], "malformed"),
        (SYN_FRAME[:14] + b"\x65" + SYN_FRAME[15:], "malformed"),  # version 6
        (SYN_FRAME[:14] + b"\x44" + SYN_FRAME[15:], "malformed"),  # a header of 16 bytes
        (SYN_FRAME[:24] + bytes([SYN_FRAME[24] ^ 1]) + SYN_FRAME[25:], "malformed"),  # its checksum
        (SYN_FRAME[:-1], "malformed"),  # shorter than it says
        (ipv4(TCP, SYN_FRAME[34:], flags=0x2000), "fragments"),
        (ipv4(TCP, SYN_FRAME[34:], flags=0x0007), "fragments"),
        (ipv4(TCP, SYN_FRAME[34:], source=OURS), "malformed"),  # LAND
        (ipv4(TCP, SYN_FRAME[34:], source="255.255.255.255"), "malformed"),
        (ipv4(TCP, SYN_FRAME[34:], source="10.0.0.255"), "malformed"),
        (ipv4(TCP, SYN_FRAME[34:], source="224.0.0.1"), "malformed"),
        (ipv4(TCP, SYN_FRAME[34:], source="127.0.0.1"), "malformed"),
        (ipv4(TCP, SYN_FRAME[34:], to="10.0.0.3"), "not_for_us"),
        (ipv4(TCP, SYN_FRAME[34:], to="10.0.0.255"), "not_for_us"),
        (ipv4(TCP, SYN_FRAME[34:53]), "malformed"),
        (ipv4(TCP, SYN_FRAME[34:46] + b"\x40" + SYN_FRAME[47:]), "malformed"),
        (ipv4(TCP, SYN_FRAME[34:46] + b"\xf0" + SYN_FRAME[47:]), "malformed"),
        (ipv4(UDP, bytes(7)), "malformed"),
        (ipv4(UDP, struct.pack("!HHHH", 9, 9, 9, 0)), "malformed"),
        (ethernet(SYN_FRAME[14:], to=PEER_MAC), "not_for_us"),
        (ethernet(SYN_FRAME[14:], kind=0x86DD), "not_for_us"),
        (ethernet(b"\0\1\x08\0" + SYN_FRAME[14:], kind=0x8100), "not_for_us"),
        (udp(9, 68, b"x")[:-1] + b"y", "bad_checksums"),
    ],
)
def test_packets_that_are_dropped(stack: Stack, frame: bytes, counter: str) -> None:
    """Each is counted once, and nothing answers."""
    stack.push(frame)
    assert stack.frames() == []
    if counter:
        assert stack.counter(counter) == 1


def test_padding_and_options_are_skipped(stack: Stack) -> None:
    stack.push(SYN_FRAME + bytes(6))
    (answer,) = stack.answers()
    assert answer.flags == SYN | ACK
    stack.push(ipv4(TCP, Segment(SYN, seq=1, port=5).frame[34:], options=b"\x94\x04\0\0"))  # a router alert
    assert len(stack.answers()) == 1


class _Limits(ctypes.Structure):
    """struct kg_net_limits."""

    _fields_ = [(f"limit{i}", ctypes.c_uint32) for i in range(6)]


def test_memory_is_counted_as_it_is_taken(lib: ctypes.CDLL) -> None:
    """What a counting arena says is what the usual limits take."""

    lib.kg_net_usual_limits.restype = _Limits
    lib.kg_arena_counting.restype = Arena
    lib.kg_net_carve.restype = ctypes.c_bool
    limits, memory = lib.kg_net_usual_limits(), ctypes.create_string_buffer(256)
    counting = lib.kg_arena_counting()
    assert lib.kg_net_carve(memory, ctypes.byref(limits), ctypes.byref(counting))
    room = ctypes.create_string_buffer(counting.used + 64)
    for size, fits in ((counting.used + 64, True), (counting.used - 64, False)):
        arena = Arena()
        lib.kg_arena_init(ctypes.byref(arena), room, ctypes.c_size_t(size))
        assert lib.kg_net_carve(memory, ctypes.byref(limits), ctypes.byref(arena)) == fits
        assert not fits or arena.used == counting.used
    assert 8 << 20 < counting.used < 11 << 20


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_driver(tmp_path_factory.mktemp("pair"), "net_pair")


def check_pair(pair: Path, first: int, count: int, most: int, *wire: int) -> list[int]:
    """Returns how many connections were given up, and why: retransmissions, probes, keep-alive, closed, reset."""
    words = [str(pair), *map(str, (first, count, most, *wire))]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, (ran.stdout, ran.stderr)
    done, given_up = ran.stdout.splitlines()
    found = [int(number) for number in re.findall(r"\d+", done)]
    assert found[0] == count
    assert min(found) >= count // 10  # each kind of trouble was there
    return [int(number) for number in re.findall(r"\d+", given_up)]


def test_two_of_ours_exchange_all_bytes(pair: Path) -> None:
    """Over wires that lose up to 20 % of frames, damage 10 %, reorder and double them, strip options, or carry small
    packets only. None of these gives up."""
    assert sum(check_pair(pair, 1, 1000, 30_000)) == 0


def test_two_of_ours_give_up_only_after_every_retransmission(pair: Path) -> None:
    """A worse wire ends connections, and tests/hosted/net_witness.h proves of each that all copies of a segment, or
    all answers to it, were lost."""
    given_up = check_pair(pair, 1, 300, 30_000, 5000, 1500)
    assert min(given_up[0], given_up[2], given_up[3], given_up[4]) > 0


@pytest.mark.slow
def test_two_of_ours_exchange_all_bytes_many_times(pair: Path) -> None:
    check_pair(pair, 1_000_000, 60_000, 30_000)
    check_pair(pair, 2_000_000, 500, 2_000_000)
    check_pair(pair, 1, 20_000, 30_000, 2000, 1000)
    check_pair(pair, 1, 10_000, 30_000, 3500, 1500)
