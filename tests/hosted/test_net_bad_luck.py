"""What brings a connection through when most of its segments are lost: each rule with packets made for it.

tests/hosted/net_pair.c found them; each one ended connections that were alive.
"""

from __future__ import annotations

import ctypes

import pytest
from net_packets import ACK, FIN, OUR_MAC, PEER, RST, SYN, Client, Segment, Stack, arp, library


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return library(tmp_path_factory.mktemp("net"))


@pytest.fixture
def stack(lib: ctypes.CDLL) -> Stack:
    return Stack(lib)


def test_time_wait_lasts_while_the_peer_sends_again(lib: ctypes.CDLL) -> None:
    """Its FIN, or its last data with the FIN still to come: RFC 9293, 3.10.7.4."""
    for again in (0, 5):
        stack = Stack(lib)
        client = Client(stack)
        client.send(b"hello")
        stack.lib.shim_close(client.id)
        stack.wait(50)
        client.ack += 1
        client.send(b"", ACK)
        client.send(b"", ACK | FIN)
        assert stack.slots() == []
        stack.wait(50_000, step=1000)
        late = client.made(ACK, b"hello", seq=client.seq - 6) if again else client.made(ACK | FIN, seq=client.seq - 1)
        assert [answer.flags for answer in stack.give(late)] == [ACK]
        stack.wait(50_000, step=1000)
        assert [answer.flags for answer in stack.give(late)] == [ACK]
        stack.wait(61_000, step=1000)
        assert [answer.flags for answer in stack.give(late)] == [RST]


def test_an_old_segment_brings_its_acknowledgement(stack: Stack) -> None:
    """The peer has nothing newer to send than what it retransmits, or than its keep-alive."""
    client = Client(stack)
    client.send(b"hello")
    stack.write(client.id, bytes(2000))
    sent = stack.wait(10)
    assert sum(len(each.data) for each in sent) == 2000
    client.ack += 2000
    answers = stack.give(client.made(ACK, b"hello", seq=client.seq - 5))
    assert [(answer.flags, answer.ack) for answer in answers] == [(ACK, client.seq)]
    assert stack.wait(5000) == []
    stack.write(client.id, b"more")
    assert [each.data for each in stack.wait(10)] == [b"more"]
    client.ack += 4
    stack.give(client.made(ACK, seq=client.seq - 1))
    assert stack.wait(5000) == []


def test_an_ack_from_the_right_edge_of_the_window_counts(stack: Stack) -> None:
    """The peer has filled our window, its first segment was lost, and its ACKs come from behind the last one."""
    client = Client(stack)
    stack.write(client.id, b"hello")
    stack.wait(10)
    client.ack += 5
    stack.give(client.made(ACK, seq=client.seq + 65535))
    assert stack.wait(5000) == []


def test_a_closed_window_takes_acknowledgements(lib: ctypes.CDLL) -> None:
    """Also those that come with data, which is dropped: RFC 9293, 3.10.7.4."""
    stack = Stack(lib, buffer=4096)
    client = Client(stack)
    for _ in range(4):
        client.send(bytes(1024))
    stack.write(client.id, b"hello")
    stack.wait(100)
    client.ack += 5
    stack.give(client.made(ACK, b"x"))
    assert stack.wait(5000) == []
    assert len(stack.read(client.id)) == 4096


def test_an_ack_in_an_older_segment_brings_its_window(lib: ctypes.CDLL) -> None:
    """An old window behind a new acknowledgement would end where the peer takes nothing."""
    stack = Stack(lib)
    client = Client(stack, window=4096)
    stack.write(client.id, bytes(20_000))
    stack.wait(10)
    client.seq += 100
    stack.give(client.made(ACK, bytes(100)))  # a later segment overtakes
    client.ack += 1460
    edge = client.ack + 4096 - 1460
    found = stack.give(client.made(ACK, bytes(100), seq=client.seq - 100, window=4096 - 1460))
    found += stack.wait(30_000, step=50)
    assert found
    assert max(each.seq + len(each.data) for each in found) <= edge


@pytest.mark.parametrize("what", ["syn", "syn ack", "ack", "keep-alive"])
def test_a_full_queue_of_the_card_is_no_try(stack: Stack, what: str) -> None:
    """What the card did not take is sent as soon as it does."""
    client = Client(stack) if what in ("ack", "keep-alive") else None
    if client and what == "keep-alive":
        stack.wait(74_900, step=100)
    stack.lib.shim_link(1, 1)
    if what == "syn":
        stack.lib.kg_net_connect(stack.net, int.from_bytes(bytes([10, 0, 0, 1])), 80)
    elif what == "syn ack":
        stack.lib.shim_link(1, 0)
        assert [each.flags for each in stack.give(Segment(SYN, seq=5))] == [SYN | ACK]
        stack.wait(900)
        stack.lib.shim_link(1, 1)
    elif client and what == "ack":
        client.seq -= 1
        assert stack.give(client.made(ACK)) == []
    stack.wait(400)
    stack.lib.shim_link(1, 0)
    right = {"syn": SYN, "syn ack": SYN | ACK, "ack": ACK, "keep-alive": ACK}
    assert [each.flags for each in stack.wait(20)] == [right[what]]


def test_a_packet_waits_for_its_neighbour_and_for_the_card(lib: ctypes.CDLL) -> None:
    stack = Stack(lib, words="10.0.0.2/24")
    stack.wait(130_000, step=1000)  # the peer's address is stale
    stack.lib.kg_net_connect(stack.net, int.from_bytes(bytes([10, 0, 0, 1])), 80)
    (asked,) = stack.frames()
    assert asked[12:14] == b"\x08\x06"
    stack.lib.shim_link(1, 1)
    stack.push(arp(2, PEER, "10.0.0.2", target=OUR_MAC))
    stack.lib.shim_link(1, 0)
    assert [each.flags for each in stack.wait(10)] == [SYN]


def test_a_stale_neighbour_is_asked_more_than_once(lib: ctypes.CDLL) -> None:
    """Requests of the time when its address was still used do not count."""
    stack = Stack(lib)
    client = Client(stack)
    stack.write(client.id, b"hello")
    stack.wait(10)
    client.ack += 5
    stack.give(client.made(ACK))
    asked = 0
    for _ in range(119):  # used, refreshed, and never answered
        stack.now += 1000
        stack.push(client.made(ACK, seq=client.seq - 1).frame)
        asked += sum(frame[12:14] == b"\x08\x06" for frame in stack.frames())
    assert asked == 5
    stack.now += 2000
    stack.push(client.made(ACK, seq=client.seq - 1).frame)  # its answer waits for the neighbour
    found = stack.frames()
    for _ in range(25):
        stack.now += 100
        stack.push()
        found += stack.frames()
    assert len(found) == 3
