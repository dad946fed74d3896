"""DHCP and DNS, against servers that the test plays, and the words of `ip=`."""

from __future__ import annotations

import ctypes
import ipaddress
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from net_packets import ACK, BROADCAST, SYN, UDP, Client, Segment, Stack, address, arp, library, read_ipv4, udp

SERVER, OFFERED = "10.0.0.9", "10.0.0.77"
DISCOVER, OFFER, REQUEST, DECLINE, ACKNOWLEDGE, NAK = 1, 2, 3, 4, 5, 6
NONE = "0.0.0.0"


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return library(tmp_path_factory.mktemp("net"))


def text(packed: bytes) -> str:
    return str(ipaddress.IPv4Address(packed))


def datagrams(frames: list[bytes]) -> Iterator[tuple[int, int, bytes, str, str]]:
    """Ports, data, source and destination."""
    for frame in frames:
        if frame[12:14] == b"\x08\x00":
            protocol, data = read_ipv4(frame)
            if protocol == UDP:
                port, to_port, _, _ = struct.unpack_from("!HHHH", data)
                yield port, to_port, data[8:], text(frame[26:30]), text(frame[30:34])


@dataclass
class Message:
    """Of a DHCP client."""

    kind: int
    xid: bytes
    ciaddr: str
    options: dict[int, bytes]
    source: str
    to: str


def read_messages(frames: list[bytes]) -> list[Message]:
    found = []
    for port, to_port, data, source, to in datagrams(frames):
        if (port, to_port) != (68, 67):
            continue
        assert data[:3] == b"\x01\x01\x06"
        assert data[28:34] == bytes.fromhex("020000000002")
        assert data[236:240] == b"\x63\x82\x53\x63"
        assert len(data) >= 300  # some relays and servers drop shorter ones
        options, at = {}, 240
        while data[at] != 255:
            options[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
            at += 2 + data[at + 1]
        found.append(Message(options[53][0], data[4:8], text(data[12:16]), options, source, to))
    return found


def option(kind: int, *values: str | int | bytes) -> bytes:
    parts = [
        address(value) if isinstance(value, str) else struct.pack("!I", value) if isinstance(value, int) else value
        for value in values
    ]
    return bytes([kind, len(b"".join(parts))]) + b"".join(parts)


USUAL = option(1, "255.255.255.0") + option(3, "10.0.0.254") + option(6, "10.0.0.53", "10.0.0.54")


@dataclass
class Server:
    """A DHCP server. ``answer`` makes the kind of the answer to a kind of message; None: silence."""

    stack: Stack
    lease: int = 100
    options: bytes = USUAL
    heard: list[Message] = field(default_factory=list)
    answer: Callable[[int], int | None] = {DISCOVER: OFFER, REQUEST: ACKNOWLEDGE}.get
    server: str = SERVER
    offered: str = OFFERED
    frames: list[bytes] = field(default_factory=list)

    def reply(self, message: Message, kind: int) -> bytes:
        body = bytearray(240)
        body[:3] = b"\x02\x01\x06"
        body[4:8] = message.xid
        body[16:20] = address(self.offered if kind != NAK else NONE)
        body[28:34] = bytes.fromhex("020000000002")
        body[236:240] = b"\x63\x82\x53\x63"
        options = option(53, bytes([kind])) + option(54, self.server)
        if kind != NAK:
            options += option(51, self.lease) + self.options
        to = self.offered if message.ciaddr == NONE and kind != NAK else "255.255.255.255"
        return udp(67, 68, bytes(body) + options + b"\xff", self.server, to)

    def run(self, ms: int, step: int = 50) -> None:
        """Let time pass, and answer."""
        end = self.stack.now + ms
        while True:
            frames = self.stack.frames()
            self.frames += frames
            for message in read_messages(frames):
                self.heard.append(message)
                kind = self.answer(message.kind)
                if kind:
                    self.stack.push(self.reply(message, kind))
            for frame in frames:
                if frame[12:14] == b"\x08\x06" and frame[38:42] == address(self.server):
                    self.stack.push(arp(2, self.server, text(frame[28:32])))
            if self.stack.now >= end:
                return
            self.stack.now += step
            self.stack.push()

    @property
    def kinds(self) -> list[int]:
        return [message.kind for message in self.heard]


def test_an_address_is_leased(lib: ctypes.CDLL) -> None:
    server = Server(Stack(lib, "dhcp"))
    server.run(1000)
    assert server.kinds == [DISCOVER, REQUEST]
    assert [message.source for message in server.heard] == [NONE, NONE]
    assert [message.to for message in server.heard] == ["255.255.255.255"] * 2
    request = server.heard[1].options
    assert (request[50], request[54]) == (address(OFFERED), address(SERVER))
    assert server.stack.status() == ([OFFERED, "255.255.255.0", "10.0.0.254", "10.0.0.53", "10.0.0.54"], "")
    arps = [frame for frame in server.frames if frame[12:14] == b"\x08\x06" and frame[38:42] == address(OFFERED)]
    assert [frame[:6] == BROADCAST and frame[28:32] for frame in arps] == [
        *(address(NONE), address(NONE)),  # is it in use?
        address(OFFERED),  # it is ours
    ]


def test_a_lease_is_renewed(lib: ctypes.CDLL) -> None:
    """At half of its time, from the server that gave it; connections stay."""
    server = Server(Stack(lib, "dhcp"), lease=100)
    server.run(1000)
    server.run(50_500)
    assert server.kinds == [DISCOVER, REQUEST, REQUEST]
    renewal = server.heard[2]
    assert (renewal.ciaddr, renewal.source, renewal.to) == (OFFERED, OFFERED, SERVER)
    assert 50 not in renewal.options
    assert 54 not in renewal.options
    server.run(60_000)
    assert len(server.heard) == 4
    assert server.stack.status()[0][0] == OFFERED


def test_a_lease_is_rebound(lib: ctypes.CDLL) -> None:
    """From any server, when the one that gave it is silent (RFC 2131, 4.4.5)."""
    server = Server(Stack(lib, "dhcp"), lease=100)
    server.run(1000)
    server.answer = lambda _: None
    server.run(90_000)
    later = server.heard[2:]
    assert later[0].to == SERVER
    assert later[-1].to == "255.255.255.255"
    assert server.stack.status()[0][0] == OFFERED
    server.answer = {REQUEST: ACKNOWLEDGE}.get
    server.server = "10.0.0.10"
    server.run(8000)
    assert server.stack.status()[0][0] == OFFERED
    server.run(60_000)
    assert server.heard[-1].to == "10.0.0.10"


def test_a_lease_ends(lib: ctypes.CDLL) -> None:
    """Then the address is not used any more, its connections are lost, and another one is asked for."""
    stack = Stack(lib, "dhcp")
    server = Server(stack, lease=100)
    server.run(1000)
    stack.push(arp(1, "10.0.0.1", OFFERED))
    (syn_ack,) = [each for each in stack.give(Segment(SYN, seq=1, to=OFFERED)) if each.flags & SYN]
    stack.give(Segment(ACK, seq=2, ack=syn_ack.seq + 1, to=OFFERED))
    assert stack.slots() == ["established"]
    assert stack.accept() == 0
    server.answer = lambda _: None
    server.run(101_000)
    addresses, problem = stack.status()
    assert addresses[0] == NONE
    assert problem == "the lease of the address has ended"
    assert stack.slots() == ["lost"]
    assert server.kinds[-1] == DISCOVER
    server.answer = {DISCOVER: OFFER, REQUEST: ACKNOWLEDGE}.get
    server.offered = "10.0.0.78"
    server.run(40_000)
    assert stack.status()[0][0] == "10.0.0.78"


@pytest.mark.parametrize("when", ["at first", "at renewal"])
def test_a_refusal(lib: ctypes.CDLL, when: str) -> None:
    server = Server(Stack(lib, "dhcp"))
    if when == "at renewal":
        server.run(1000)
        assert server.stack.status()[0][0] == OFFERED
    server.answer = {DISCOVER: OFFER, REQUEST: NAK}.get
    server.run(51_000 if when == "at renewal" else 500)
    assert server.stack.status() == (
        [NONE, NONE, NONE, NONE, NONE],
        "the DHCP server refused the address",
    )
    server.answer = {DISCOVER: OFFER, REQUEST: ACKNOWLEDGE}.get
    server.run(4000)
    assert server.stack.status()[0][0] == OFFERED


def test_an_address_that_is_in_use_is_declined(lib: ctypes.CDLL) -> None:
    server = Server(Stack(lib, "dhcp"))
    server.run(50)
    server.stack.push(arp(2, OFFERED, NONE, bytes.fromhex("020000000077")))
    server.run(500)
    assert server.kinds == [DISCOVER, REQUEST, DECLINE]
    assert server.heard[2].options[50] == address(OFFERED)
    assert server.stack.status()[1] == "another host has the address that the DHCP server offered"
    server.offered = "10.0.0.78"
    server.run(12_000)
    assert server.stack.status()[0][0] == "10.0.0.78"


def test_a_silent_server_is_asked_less_often(lib: ctypes.CDLL) -> None:
    server = Server(Stack(lib, "dhcp"), answer=lambda _: None)
    server.run(120_000)
    assert 9 <= len(server.heard) <= 14
    assert {message.xid for message in server.heard} == {server.heard[0].xid}
    assert server.stack.status()[1] == "no DHCP server has answered yet"


def test_what_is_not_for_us_is_ignored(lib: ctypes.CDLL) -> None:
    """Another transaction, another machine, another server's ACK, no server, no lease, addresses that are none."""
    server = Server(Stack(lib, "dhcp"), answer=lambda _: None)
    server.run(0)
    (discover,) = server.heard
    good = server.reply(discover, OFFER)
    for at, value in ((14 + 28 + 4, b"\0\0\0\1"), (14 + 28 + 28, bytes(6)), (14 + 28, b"\x01"), (14 + 28 + 236, b"\0")):
        body = bytearray(good[14 + 28 :])
        body[at - 42 : at - 42 + len(value)] = value
        server.stack.push(udp(67, 68, bytes(body), SERVER, OFFERED))
    server.stack.push(udp(66, 68, good[42:], SERVER, OFFERED))
    for offered in ("127.0.0.1", "224.0.0.5", NONE, "255.255.255.255"):
        server.offered = offered
        body = bytearray(good[42:])
        body[16:20] = address(offered)
        server.stack.push(udp(67, 68, bytes(body), SERVER, OFFERED))
    server.run(500)
    assert server.kinds == [DISCOVER]
    server.offered = OFFERED
    server.stack.push(good)
    server.run(0)
    assert server.kinds == [DISCOVER, REQUEST]
    server.server = "10.0.0.66"
    server.stack.push(server.reply(server.heard[1], ACKNOWLEDGE))
    server.stack.push(server.reply(server.heard[1], NAK))
    server.run(500)
    assert server.stack.status()[0][0] == NONE


def test_the_cable_comes_back(lib: ctypes.CDLL) -> None:
    """Perhaps in another network: the lease is confirmed, or another one got."""
    server = Server(Stack(lib, "dhcp"), lease=100_000)
    server.run(1000)
    server.stack.lib.shim_link(0, 0)
    server.run(500)
    server.stack.lib.shim_link(1, 0)
    server.answer = {DISCOVER: OFFER, REQUEST: NAK}.get
    server.run(500)
    assert server.kinds == [DISCOVER, REQUEST, REQUEST]
    server.answer = {DISCOVER: OFFER, REQUEST: ACKNOWLEDGE}.get
    server.run(5000)
    assert server.stack.status()[0][0] == OFFERED


def test_options_in_other_fields_and_an_mtu(lib: ctypes.CDLL) -> None:
    stack = Stack(lib, "dhcp")
    server = Server(stack, options=option(52, b"\x01") + option(26, b"\x05\x78"))
    plain = server.reply

    def overloaded(message: Message, kind: int) -> bytes:
        body = bytearray(plain(message, kind)[42:])
        body[108 : 108 + len(USUAL) + 1] = USUAL + b"\xff"
        return udp(67, 68, bytes(body), SERVER, OFFERED)

    server.reply = overloaded  # type: ignore[method-assign]
    server.run(1000)
    assert stack.status()[0] == [OFFERED, "255.255.255.0", "10.0.0.254", "10.0.0.53", "10.0.0.54"]
    stack.push(arp(1, "10.0.0.1", OFFERED))
    (syn_ack,) = [each for each in stack.give(Segment(SYN, seq=1, to=OFFERED)) if each.flags & SYN]
    assert syn_ack.option(2) == struct.pack("!H", 1360)


# --- DNS ---

DNS = "10.0.0.53"


def labels(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def record(name: bytes, kind: int, data: bytes) -> bytes:
    return name + struct.pack("!HHIH", kind, 1, 300, len(data)) + data


def resolve(stack: Stack, name: str) -> tuple[bytes, int]:
    """The question and the port that it came from."""
    stack.lib.kg_net_resolve(stack.net, name.encode())
    for frame in stack.frames():
        if frame[12:14] == b"\x08\x06":
            stack.push(arp(2, DNS, "10.0.0.2", bytes.fromhex("020000000053")))
    ((port, to_port, data, _, to),) = datagrams(stack.frames() or [])
    assert (to_port, to) == (53, DNS)
    assert port >= 49152
    return data, port


def answer(question: bytes, *records: bytes, code: int = 0) -> bytes:
    return (
        question[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(records), 0, 0) + question[12:] + b"".join(records)
    )


def result(stack: Stack) -> tuple[int, str, str]:
    found, problem = ctypes.c_uint32(), ctypes.c_char_p()
    state = stack.lib.kg_net_resolved(stack.net, ctypes.byref(found), ctypes.byref(problem))
    return state, str(ipaddress.IPv4Address(found.value)), (problem.value or b"").decode()


def test_a_name_is_resolved(lib: ctypes.CDLL) -> None:
    stack = Stack(lib)
    question, port = resolve(stack, "Models.Example.org.")
    assert question[2:] == struct.pack("!HHHHH", 0x100, 1, 0, 0, 0) + labels("models.example.org") + b"\0\1\0\1"
    assert result(stack)[0] == 1
    stack.push(udp(53, port, answer(question, record(b"\xc0\x0c", 1, address("192.0.2.7"))), DNS))
    assert result(stack) == (2, "192.0.2.7", "")


def test_aliases_lead_to_the_address(lib: ctypes.CDLL) -> None:
    """In any order, with compressed names; addresses of others do not count."""
    stack = Stack(lib)
    question, port = resolve(stack, "www.example.org")
    cdn = labels("a.cdn.example.net")
    records = (
        record(labels("evil.example.org"), 1, address("192.0.2.66")),
        record(cdn, 1, address("192.0.2.8")),
        record(b"\xc0\x0c", 28, bytes(16)),
        record(b"\xc0\x0c", 5, cdn),
    )
    stack.push(udp(53, port, answer(question, *records), DNS))
    assert result(stack) == (2, "192.0.2.8", "")


def test_forged_answers(lib: ctypes.CDLL) -> None:
    """Another number, question, host or port."""
    stack = Stack(lib)
    question, port = resolve(stack, "example.org")
    good = answer(question, record(b"\xc0\x0c", 1, address("192.0.2.7")))
    other = answer(question[:12] + labels("example.com") + b"\0\1\0\1", record(b"\xc0\x0c", 1, address("192.0.2.7")))
    wrong = bytes([good[0] ^ 1]) + good[1:]
    stack.push(udp(53, port, wrong, DNS), udp(53, port, other, DNS), udp(53, port, good, "10.0.0.1"))
    stack.push(udp(54, port, good, DNS), udp(53, port ^ 1, good, DNS), udp(53, port, question, DNS))
    assert result(stack)[0] == 1
    stack.push(udp(53, port, good, DNS))
    assert result(stack)[0] == 2


@pytest.mark.parametrize(
    ("code", "records", "says"),
    [
        (3, (), "the name does not exist"),
        (0, (), "the name has no IPv4 address"),
        (0, (record(b"\xc0\x0c", 5, b"\xc0\x0c"),), "the name has no IPv4 address"),  # an alias of itself
        (0, (record(b"\xc0\xff", 1, bytes(4)),), "the name has no IPv4 address"),
    ],
)
def test_names_without_an_address(lib: ctypes.CDLL, code: int, records: tuple[bytes, ...], says: str) -> None:
    stack = Stack(lib)
    question, port = resolve(stack, "example.org")
    stack.push(udp(53, port, answer(question, *records, code=code), DNS))
    assert result(stack) == (3, NONE, says)


def test_silent_and_failing_servers(lib: ctypes.CDLL) -> None:
    stack = Stack(lib)
    question, port = resolve(stack, "example.org")
    stack.push(udp(53, port, answer(question, code=2), DNS))
    assert len(list(datagrams(stack.frames()))) == 1  # at once again
    assert stack.wait(30_000) == []
    assert result(stack) == (3, NONE, "no DNS server answers")


@pytest.mark.parametrize("name", ["", ".", "a..b", "-" * 64, "x" * 254, "a b", "a/b", ".a", "ü"])
def test_names_that_are_none(lib: ctypes.CDLL, name: str) -> None:
    stack = Stack(lib)
    assert not stack.lib.kg_net_resolve(stack.net, name.encode())
    assert result(stack) == (3, NONE, "this is no host name")


# --- ip= ---


def settings(lib: ctypes.CDLL, words: str) -> tuple[list[str], str]:
    values, message = (ctypes.c_uint32 * 6)(), ctypes.create_string_buffer(1000)
    good = lib.shim_settings(words.encode(), values, message)
    return ([str(ipaddress.IPv4Address(value)) for value in values] if good else []), message.value.decode()


def test_words_of_ip(lib: ctypes.CDLL) -> None:
    yes = "0.0.0.1"
    assert settings(lib, "dhcp") == ([yes, *[NONE] * 5], "")
    assert settings(lib, "dhcp,dns=1.2.3.4")[0] == [yes, NONE, NONE, NONE, "1.2.3.4", NONE]
    assert settings(lib, "192.168.1.5/24") == ([NONE, "192.168.1.5", "255.255.255.0", NONE, NONE, NONE], "")
    words = "10.1.2.3/8,gw=10.9.9.9,dns=1.1.1.1,dns=8.8.8.8"
    assert settings(lib, words)[0] == [NONE, "10.1.2.3", "255.0.0.0", "10.9.9.9", "1.1.1.1", "8.8.8.8"]
    assert settings(lib, "10.0.0.1/32")[0][2] == "255.255.255.255"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "it begins with dhcp, or with an address of four numbers up to 255"),
        ("1.2.3/24", "it begins with dhcp, or with an address of four numbers up to 255"),
        ("1.2.3.256/24", "it begins with dhcp, or with an address of four numbers up to 255"),
        ("1.2.3.4", "behind the address the length of the network is missing, such as /24"),
        ("1.2.3.4/33", "behind the address the length of the network is missing, such as /24"),
        ("1.2.3.4/0", "behind the address the length of the network is missing, such as /24"),
        ("1.2.3.4/24x", "after the address only gw= and dns= can follow, with commas"),
        ("dhcpx", "after the address only gw= and dns= can follow, with commas"),
        ("1.2.3.4/24,gw=", "gw= needs the address of a host"),
        ("1.2.3.4/24,dns=0.0.0.0", "dns= needs the address of a host"),
        ("dhcp,gw=1.2.3.4", "with dhcp the server says what the gateway is"),
        ("1.2.3.4/24,gw=1.2.3.1,gw=1.2.3.2", "gw= is there twice"),
        ("1.2.3.4/24,dns=1.1.1.1,dns=1.1.1.2,dns=1.1.1.3", "there can be two DNS servers"),
        ("1.2.3.0/24", "this is the address of the network, or of all its hosts"),
        ("1.2.3.255/24", "this is the address of the network, or of all its hosts"),
        ("224.0.0.1/24", "this is no address of a host"),
        ("1.2.3.4/24,gw=1.2.4.1", "the gateway is not in this network"),
        ("1.2.3.4/24,gw=1.2.3.4", "the gateway is another host"),
    ],
)
def test_wrong_words_of_ip(lib: ctypes.CDLL, words: str, says: str) -> None:
    assert settings(lib, words) == ([], f"ip={words}: {says}")


def test_a_client_of_the_leased_address(lib: ctypes.CDLL) -> None:
    """A static stack still serves after all of this: the library holds one at a time."""
    assert Client(Stack(lib)).id == 0
