"""The rules of TCP's RFCs, each with packets made for it."""

from __future__ import annotations

import ctypes
import struct

import pytest
from net_packets import ACK, FIN, PEER, RST, SYN, Client, Segment, Stack, address, icmp, library

MSS = 1460
NO_SACK = b"\x02\x04\x05\xb4"


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return library(tmp_path_factory.mktemp("net"))


@pytest.fixture
def stack(lib: ctypes.CDLL) -> Stack:
    return Stack(lib)


def flags(segments: list[Segment]) -> list[int]:
    return [segment.flags & (FIN | SYN | RST | ACK) for segment in segments]


def test_the_syn_ack_has_options_that_were_offered(lib: ctypes.CDLL) -> None:
    plain = Client(Stack(lib, buffer=1 << 18), options=b"").syn_ack
    assert plain.option(2) == struct.pack("!H", MSS)
    assert plain.option(3) is None
    assert plain.option(4) is None
    full = Client(Stack(lib, buffer=1 << 18), options=b"\x02\x04\x05\xb4\x03\x03\x07\x01\x04\x02").syn_ack
    assert full.option(3) == b"\x03"  # 65535 << 3 is 256 KiB
    assert full.option(4) == b""


def test_initial_sequence_numbers_cannot_be_guessed(lib: ctypes.CDLL) -> None:
    """RFC 6528: another port, another secret: another number; the same name: 250 for each ms."""
    numbers = [Client(Stack(lib, seed=seed), port=port).syn_ack.seq for seed in (1, 2) for port in (4000, 4001)]
    distances = [abs(a - b) for i, a in enumerate(numbers) for b in numbers[:i]]
    assert min(distances) > 1000
    assert Client(Stack(lib, now=2_000_000)).syn_ack.seq == (numbers[0] + 250_000_000) % (1 << 32)


def test_a_closed_port_answers_with_a_reset(stack: Stack) -> None:
    (reset,) = stack.give(Segment(SYN, seq=100, to_port=8080))
    assert (reset.flags, reset.seq, reset.ack) == (RST | ACK, 0, 101)
    (reset,) = stack.give(Segment(ACK, seq=100, ack=777, to_port=8080))
    assert (reset.flags, reset.seq) == (RST, 777)
    assert stack.give(Segment(RST, seq=100, to_port=8080)) == []
    assert stack.counter("tcp_refused") == 1


def test_a_wrong_checksum_is_dropped(stack: Stack) -> None:
    frame = bytearray(Segment(SYN, seq=1).frame)
    frame[-1] ^= 1
    assert stack.give(bytes(frame)) == []
    assert stack.counter("bad_checksums") == 1


def test_the_syn_ack_is_sent_again(stack: Stack) -> None:
    (first,) = stack.give(Segment(SYN, seq=1))
    again = stack.wait(40_000)
    assert [each.seq for each in again] == [first.seq] * 4
    (reset,) = stack.give(Segment(ACK, seq=2, ack=first.seq + 1))  # it is forgotten
    assert reset.flags == RST


def test_a_handshake_with_a_wrong_number_is_refused(stack: Stack) -> None:
    (first,) = stack.give(Segment(SYN, seq=1))
    (reset,) = stack.give(Segment(ACK, seq=2, ack=first.seq + 2))
    assert (reset.flags, reset.seq) == (RST, first.seq + 2)
    assert stack.accept() == -1


def test_floods_of_syns_leave_room_for_others(lib: ctypes.CDLL) -> None:
    """RFC 4987: no connection is taken, and a client that answers gets in by a cookie."""
    stack = Stack(lib)
    flood = [Segment(SYN, seq=i, port=1 + i % 60_000, source=f"10.0.0.{3 + i % 200}").frame for i in range(300)]
    for frame in flood:
        stack.push(frame)
        stack.frames()
    assert stack.slots() == []
    assert stack.counter("syn_cookies_sent") > 280
    client = Client(stack)
    assert client.syn_ack.option(4) is None
    stack.write(client.id, b"x" * 3000)
    assert [len(each.data) for each in stack.wait(1)] == [MSS, MSS, 80]
    (reset,) = stack.give(Segment(ACK, seq=5, ack=12345, port=4001))
    assert reset.flags == RST
    (cookie,) = stack.give(Segment(SYN, seq=20, port=4002))
    stack.wait(130_000, step=1000)  # it is too old then
    answers = stack.give(Segment(ACK, seq=21, ack=cookie.seq + 1, port=4002))
    assert [each.flags for each in answers if each.to_port == 4002] == [RST]


def test_forged_resets(stack: Stack) -> None:
    """RFC 5961, 3: only the exact number resets; another one in the window is challenged, others are dropped."""
    client = Client(stack)
    (challenge,) = stack.give(client.made(RST, seq=client.seq + 100))
    assert (challenge.flags, challenge.seq, challenge.ack) == (ACK, client.ack, client.seq)
    assert stack.give(client.made(RST, seq=client.seq - 1)) == []
    assert stack.give(client.made(RST, seq=client.seq + 70_000)) == []
    assert stack.slots() == ["established"]
    assert stack.give(client.made(RST)) == []
    assert stack.slots() == ["lost"]
    assert stack.lib.shim_state(client.id) == 3
    stack.lib.shim_close(client.id)
    assert stack.slots() == []


def test_forged_syns(stack: Stack) -> None:
    """RFC 5961, 4."""
    client = Client(stack)
    for seq in (client.seq, client.seq + 5, client.seq - 90_000):
        (challenge,) = stack.give(client.made(SYN, seq=seq))
        assert (challenge.flags, challenge.seq, challenge.ack) == (ACK, client.ack, client.seq)
    assert stack.slots() == ["established"]


def test_forged_acks(stack: Stack) -> None:
    """RFC 5961, 5: of bytes that were never sent, or older than any window; their data is dropped too."""
    client = Client(stack)
    for ack in (client.ack + 1, client.ack - 70_000):
        (challenge,) = stack.give(client.made(data=b"injected", ack=ack))
        assert (challenge.flags, challenge.ack) == (ACK, client.seq)
    assert stack.read(client.id) == b""


def test_challenges_are_few(stack: Stack) -> None:
    client = Client(stack)
    answers = stack.give(*[client.made(SYN)] * 300)
    assert len(answers) == 100
    stack.now += 1000
    assert len(stack.give(client.made(SYN))) == 1


def test_strays_are_answered_but_not_endlessly(stack: Stack) -> None:
    client = Client(stack)
    answers = stack.give(*[client.made(data=b"old", seq=client.seq - 100)] * 200)
    assert 0 < len(answers) <= 50
    assert {(each.flags, each.ack) for each in answers} == {(ACK, client.seq)}


def test_acks_are_delayed(stack: Stack) -> None:
    client = Client(stack)
    assert client.send(bytes(MSS)) == []
    assert flags(client.send(bytes(MSS))) == [ACK]  # every second segment
    assert client.send(b"x") == []
    assert stack.wait(39) == []
    (late,) = stack.wait(2, step=1)
    assert late.ack == client.seq


def test_what_comes_early_is_kept_and_reported(stack: Stack) -> None:
    """RFC 2018: at once, the newest range first."""
    client = Client(stack)
    seq = client.seq
    (one,) = stack.give(client.made(data=b"CC", seq=seq + 4))
    assert (one.ack, one.sack) == (seq, [(seq + 4, seq + 6)])
    (two,) = stack.give(client.made(data=b"FF", seq=seq + 10))
    assert two.sack == [(seq + 10, seq + 12), (seq + 4, seq + 6)]
    (three,) = stack.give(client.made(data=b"BBCC", seq=seq + 2))  # overlaps
    assert three.sack == [(seq + 2, seq + 6), (seq + 10, seq + 12)]
    (four,) = stack.give(client.made(data=b"AA", seq=seq))
    assert (four.ack, four.sack) == (seq + 6, [(seq + 10, seq + 12)])
    (five,) = stack.give(client.made(data=b"DDEE", seq=seq + 6))
    assert (five.ack, five.sack) == (seq + 12, [])
    assert stack.read(client.id) == b"AABBCCDDEEFF"


def test_ranges_are_bounded(stack: Stack) -> None:
    client = Client(stack)
    data = bytes(i % 251 for i in range(400))
    for at in range(2, 400, 4):
        stack.give(client.made(data=data[at : at + 2], seq=client.seq + at))
    assert stack.counter("tcp_ranges_full") > 50
    for _ in range(3):
        for at in range(0, 400, 4):
            stack.give(client.made(data=data[at : at + 4], seq=client.seq + at))
    assert stack.read(client.id) == data


def test_a_full_window_is_closed_and_opens(lib: ctypes.CDLL) -> None:
    """The window closes, takes nothing more, and its opening is told when it is worth a segment (RFC 9293, 3.8.6.2)."""
    stack = Stack(lib, buffer=8192)
    client = Client(stack)
    data = bytes(i % 251 for i in range(8192))
    last = [answer for at in range(0, 8192, 1024) for answer in client.send(data[at : at + 1024])][-1]
    last = (stack.wait(50) or [last])[-1]
    assert (last.ack, last.window) == (client.seq, 0)
    (refused,) = stack.give(client.made(data=b"more"))
    assert (refused.ack, refused.window) == (client.seq, 0)
    assert stack.read(client.id, 100) == data[:100]
    assert stack.answers() == []  # not worth a segment
    assert stack.read(client.id, 5000) == data[100:5100]
    (opened,) = stack.answers()
    assert opened.window == 5100
    client.send(b"more")
    assert stack.read(client.id) == data[5100:] + b"more"


def test_three_duplicates_send_again(stack: Stack) -> None:
    """RFC 5681, without SACK: not after two; and a partial ACK sends the next hole (RFC 6582)."""
    client = Client(stack, options=NO_SACK)
    stack.write(client.id, bytes(8 * MSS))
    sent = stack.answers()
    assert len(sent) == 8
    assert stack.give(client.made(), client.made()) == []
    (again,) = stack.give(client.made())
    assert (again.seq, len(again.data)) == (client.ack, MSS)
    assert stack.counter("tcp_recoveries") == 1
    (next_hole,) = stack.give(client.made(ack=client.ack + 2 * MSS))
    assert next_hole.seq == client.ack + 2 * MSS
    assert stack.give(client.made(ack=client.ack + 8 * MSS)) == []


def sack(*ranges: tuple[int, int]) -> bytes:
    return struct.pack("!BBBB", 1, 1, 5, 2 + 8 * len(ranges)) + b"".join(struct.pack("!II", *each) for each in ranges)


def test_holes_are_sent_again_and_nothing_else(stack: Stack) -> None:
    """RFC 6675: two of eight segments were lost."""
    client = Client(stack)
    stack.write(client.id, bytes(8 * MSS))
    at = [segment.seq for segment in stack.answers()]
    seen = []
    for i in (1, 2, 4, 5, 6, 7):
        got = [(at[j], at[j] + MSS) for j in (1, 2, 4, 5, 6, 7) if j <= i]
        ranges = [(got[0][0], min(at[3], got[-1][1]))] + ([(at[4], got[-1][1])] if i >= 4 else [])
        seen += stack.give(client.made(options=sack(*reversed(ranges))))
    assert [segment.seq for segment in seen] == [at[0], at[3]]
    assert stack.give(client.made(ack=at[7] + MSS)) == []
    assert stack.wait(3000) == []


def test_ranges_that_are_lies(stack: Stack) -> None:
    """Of bytes that were never sent, or turned around: they change nothing."""
    client = Client(stack)
    stack.write(client.id, bytes(2 * MSS))
    sent = stack.answers()
    wrong = [(client.ack + 1, client.ack + 90_000), (client.ack + 9, client.ack + 3), (client.ack - 99, client.ack - 9)]
    assert stack.give(*[client.made(options=sack(each)) for each in wrong * 4]) == []
    again = stack.wait(1100)
    assert [each.seq for each in again][:1] == [sent[0].seq]


def test_reneging(stack: Stack) -> None:
    """RFC 2018, 8: what was reported, and dropped again, is sent after a time-out."""
    client = Client(stack)
    stack.write(client.id, bytes(3 * MSS))
    first = stack.answers()[0].seq
    stack.give(client.made(options=sack((first + MSS, first + 3 * MSS))))
    stack.give(client.made(ack=first + MSS))
    (again,) = stack.wait(250)
    assert again.seq == first + MSS
    (rest,) = stack.give(client.made(ack=first + 2 * MSS))
    assert rest.seq == first + 2 * MSS


def test_time_outs_back_off_and_end(stack: Stack) -> None:
    """RFC 6298: the first after a second without a measurement; doubled; at last the connection is given up."""
    client = Client(stack)
    stack.write(client.id, b"hello")
    stack.wait(1)
    start, times = stack.now, []
    while stack.slots() == ["established"] and stack.now < start + 400_000:
        for segment in stack.wait(10):
            times.append((stack.now - start, segment.flags & RST))
    again = [time for time, reset in times if not reset]
    gaps = [b - a for a, b in zip([0, *again], again, strict=False)]
    assert gaps[:5] == pytest.approx([1000, 2000, 4000, 8000, 16000], abs=30)
    assert max(gaps) <= 60_030
    assert times[-1][1] == RST
    assert 100_000 < times[-1][0] < 400_000
    assert stack.slots() == ["lost"]


def test_the_time_out_follows_the_round_trip(stack: Stack) -> None:
    """And not what was sent twice (Karn)."""
    client = Client(stack)
    for _ in range(10):
        stack.write(client.id, b"x")
        client.take(stack.wait(1))
        stack.wait(100)
        stack.give(client.made())
    stack.write(client.id, b"lost")
    (lost,) = stack.wait(1)
    early, late = stack.wait(280), stack.wait(200)
    assert early == []
    assert [each.seq for each in late] == [lost.seq]  # about 100 ms + 200 ms


def test_a_zero_window_is_probed(stack: Stack) -> None:
    client = Client(stack)
    stack.give(client.made(window=0))
    assert stack.write(client.id, b"waits") == 5
    assert stack.wait(150) == []
    probes = stack.wait(20_000)
    assert len(probes) >= 4
    assert {(each.seq, each.data) for each in probes} == {(client.ack - 1, b"")}
    for _ in range(40):  # a peer that answers may keep its window closed for long
        stack.wait(20_000, step=100)
        stack.give(client.made(window=0))
    assert stack.slots() == ["established"]
    (sent,) = stack.give(client.made())
    assert sent.data == b"waits"


def test_a_window_that_closes_over_what_is_in_flight(stack: Stack) -> None:
    """Its opening was lost: we ask until it comes."""
    client = Client(stack)
    stack.write(client.id, b"gone")
    stack.wait(1)
    stack.give(client.made(window=0))
    probes = stack.wait(5000)
    assert probes
    stack.give(client.made())
    assert b"gone" in [each.data for each in stack.wait(10_000)]


def test_small_windows_are_not_filled_at_once(stack: Stack) -> None:
    """The sender's half of the silly window syndrome: it waits for a worthwhile part of the window."""
    client = Client(stack)
    stack.write(client.id, bytes(65535))
    sent = stack.answers()
    while sent:
        client.take(sent)
        sent = stack.give(client.made(window=65535 - 10 * MSS if len(sent) > 3 else 10))
        if not sent:
            break
    assert all(len(each.data) != 10 for each in sent)


def test_the_peers_scale_and_mss_count(lib: ctypes.CDLL) -> None:
    stack = Stack(lib)
    client = Client(stack, options=b"\x02\x04\x02\x58\x03\x03\x02", window=500)  # an MSS of 600, windows times 4
    stack.write(client.id, bytes(5000))
    assert [len(each.data) for each in stack.wait(1) + stack.answers()] == [600, 600, 600]


@pytest.mark.parametrize("mss", [0, 1, 63])
def test_a_tiny_mss_is_not_believed(lib: ctypes.CDLL, mss: int) -> None:
    stack = Stack(lib)
    client = Client(stack, options=struct.pack("!BBH", 2, 4, mss))
    stack.write(client.id, bytes(1000))
    assert min(len(each.data) for each in stack.wait(1)[:-1]) >= 64


def test_the_peer_closes_first(stack: Stack) -> None:
    client = Client(stack)
    (answer,) = client.send(b"last words", ACK | FIN)
    assert (answer.flags, answer.ack) == (ACK, client.seq)
    assert stack.slots() == ["close wait"]
    assert stack.lib.shim_state(client.id) == 2
    assert stack.read(client.id) == b"last words"
    assert stack.write(client.id, b"bye") == 3
    stack.lib.shim_close(client.id)
    (bye,) = stack.wait(1) or stack.answers()
    assert (bye.data, bye.flags & FIN) == (b"bye", FIN)
    client.take([bye])
    assert stack.slots() == ["last ack"]
    stack.give(client.made())
    assert stack.slots() == []


def test_we_close_first(stack: Stack) -> None:
    """What was written is still sent; then TIME-WAIT answers what comes again, and no reset ends it (RFC 1337)."""
    client = Client(stack)
    stack.write(client.id, b"bye")
    stack.lib.shim_close(client.id)
    (bye,) = stack.answers()
    assert (bye.data, bye.flags & FIN) == (b"bye", FIN)
    client.take([bye])
    assert stack.slots() == ["fin wait 1"]
    stack.give(client.made())
    assert stack.slots() == ["fin wait 2"]
    fin = client.made(ACK | FIN)
    (answer,) = client.send(b"", ACK | FIN)
    assert (answer.flags, answer.ack) == (ACK, client.seq)
    assert stack.slots() == []
    (again,) = stack.give(fin)
    assert (again.flags, again.seq, again.ack) == (ACK, client.ack, client.seq)
    assert stack.give(client.made(RST)) == []
    assert len(stack.give(fin)) == 1
    assert flags(stack.give(client.made(SYN, seq=client.seq - 5))) == [ACK]
    assert flags(stack.give(client.made(SYN, seq=client.seq + 5))) == [SYN | ACK]  # a new connection of the same name


def test_both_close_at_once(stack: Stack) -> None:
    client = Client(stack)
    stack.lib.shim_close(client.id)
    (ours,) = stack.answers()
    assert ours.flags & FIN
    (answer,) = client.send(b"", ACK | FIN)  # acknowledges nothing of ours
    assert answer.ack == client.seq
    assert stack.slots() == ["closing"]
    client.take([ours])
    stack.give(client.made())
    assert stack.slots() == []
    assert flags(stack.give(client.made(ACK | FIN, seq=client.seq - 1))) == [ACK]  # TIME-WAIT


def test_data_after_our_close(stack: Stack) -> None:
    """It is acknowledged while our last bytes are on their way; then nobody wants it."""
    client = Client(stack)
    stack.write(client.id, b"answer")
    stack.lib.shim_close(client.id)
    (ours,) = stack.answers()
    assert [each.flags & RST for each in client.send(b"more") + stack.wait(50)] == [0]
    client.take([ours])
    stack.give(client.made())
    (reset,) = client.send(b"still more")
    assert reset.flags & RST
    assert stack.slots() == []


def test_a_closed_connection_does_not_stay(stack: Stack) -> None:
    """The peer never closes, or never answers."""
    client = Client(stack)
    stack.lib.shim_close(client.id)
    client.take(stack.answers())
    stack.give(client.made())
    assert stack.slots() == ["fin wait 2"]
    assert stack.wait(101_000, step=500)[-1].flags & RST
    assert stack.slots() == []
    silent = Client(stack, port=4001)
    stack.lib.shim_close(silent.id)
    stack.wait(101_000, step=500)
    assert stack.slots() == []


def test_a_reset_of_ours(stack: Stack) -> None:
    client = Client(stack)
    stack.write(client.id, b"never sent whole")
    stack.lib.shim_reset(client.id)
    (reset,) = stack.answers()
    assert (reset.flags & RST, reset.seq) == (RST, client.ack)
    assert stack.slots() == []


def test_dead_peers_are_found(stack: Stack) -> None:
    """RFC 9293, 3.8.4: the probe has a number that the peer has; one that answers is kept."""
    client = Client(stack)
    assert stack.wait(74_000, step=100) == []
    probes = stack.wait(3000, step=100)
    assert [(each.seq, each.data) for each in probes] == [(client.ack - 1, b"")]
    stack.give(client.made())
    assert stack.wait(70_000, step=100) == []
    dead = stack.wait(80_000, step=100)
    assert dead[-1].flags & RST
    assert stack.slots() == ["lost"]


def too_big(segment: Segment, mtu: int) -> bytes:
    """What a router says."""
    return icmp(3, 4, struct.pack("!HH", 0, mtu) + segment.frame[14 : 14 + 28], source="10.0.0.254")


def test_the_path_has_a_smaller_mtu(stack: Stack) -> None:
    """RFC 1191; RFC 5927: an error that quotes no segment in flight changes nothing, nor one that claims too little."""
    client = Client(stack)
    stack.write(client.id, bytes(2 * MSS))
    sent = stack.answers()
    forged = Segment(ACK, seq=sent[0].seq - 50_000, port=80, to_port=client.port, source="10.0.0.2", to=PEER)
    assert stack.give(too_big(forged, 600)) == []
    again = stack.give(too_big(sent[0], 1400))
    assert [len(each.data) for each in again] == [1360, 1360, 200]
    assert [len(each.data) for each in stack.give(too_big(again[0], 20))][:2] == [536, 536]
    other = Client(stack, port=4001)
    stack.write(other.id, bytes(1000))
    assert len(stack.wait(1)[0].data) == 536  # the path is known


def test_the_table_of_connections_is_full(lib: ctypes.CDLL) -> None:
    """One more handshake completes when a slot is free; nobody is pushed out."""
    stack = Stack(lib, servers=2)  # and one for what is closed
    clients = [Client(stack, port=4000 + i) for i in range(2)]
    for port in (5000, 5001):
        (syn_ack,) = stack.give(Segment(SYN, seq=10, port=port))
        late = Segment(ACK, seq=11, ack=syn_ack.seq + 1, port=port, data=b"late")
        stack.give(late)
    assert stack.accept() == -1  # no number is free
    stack.give(clients[0].made(RST))
    stack.lib.shim_close(clients[0].id)
    assert stack.accept() >= 0
    stack.give(late)
    assert stack.accept() == -1
    stack.give(clients[1].made(RST))
    stack.lib.shim_close(clients[1].id)
    third = stack.accept()
    assert stack.read(third) == b"late"
    text = ctypes.create_string_buffer(40)
    stack.lib.shim_peer(third, text, 40)
    assert text.value == f"{PEER}:5001".encode()


def connect(stack: Stack, port: int = 4000) -> tuple[int, Segment]:
    client = stack.lib.kg_net_connect(stack.net, int.from_bytes(address(PEER), "big"), port)
    (syn,) = stack.answers()
    assert syn.flags == SYN
    assert 49152 <= syn.port <= 65535
    return client, syn


def test_we_connect(stack: Stack) -> None:
    client, syn = connect(stack)
    assert syn.option(2) == struct.pack("!H", MSS)
    (reset,) = stack.give(Segment(SYN | ACK, seq=900, ack=syn.seq + 7, port=4000, to_port=syn.port))
    assert (reset.flags, reset.seq) == (RST, syn.seq + 7)
    (answer,) = stack.give(Segment(SYN | ACK, seq=900, ack=syn.seq + 1, port=4000, to_port=syn.port))
    assert (answer.flags, answer.seq, answer.ack) == (ACK, syn.seq + 1, 901)
    assert stack.lib.kg_net_client_state(stack.net, client, None) == 1
    ports = {connect(stack, 4001)[1].port for _ in range(1)} | {syn.port}
    assert len(ports) == 2


def test_both_connect_at_once(stack: Stack) -> None:
    """RFC 9293, 3.5, figure 7."""
    client, syn = connect(stack)
    (both,) = stack.give(Segment(SYN, seq=900, port=4000, to_port=syn.port))
    assert (both.flags, both.seq, both.ack) == (SYN | ACK, syn.seq, 901)
    assert stack.slots() == ["syn received"]
    stack.give(Segment(SYN | ACK, seq=900, ack=syn.seq + 1, port=4000, to_port=syn.port))
    stack.give(Segment(ACK, seq=901, ack=syn.seq + 1, port=4000, to_port=syn.port, data=b"hi"))
    assert stack.slots() == ["established"]
    buffer = ctypes.create_string_buffer(10)
    assert stack.lib.kg_net_read(stack.net, client, buffer, 10) == 2


def test_nobody_answers_us(stack: Stack) -> None:
    client, syn = connect(stack)
    assert [each.seq for each in stack.wait(180_000, step=50)] == [syn.seq] * 7  # RFC 9293, MUST-23: three minutes
    assert stack.lib.kg_net_client_state(stack.net, client, None) == 0
    assert stack.wait(10_000, step=50) == []
    problem = ctypes.c_char_p()
    assert stack.lib.kg_net_client_state(stack.net, client, ctypes.byref(problem)) == 3
    assert problem.value == b"the peer does not answer"


def test_a_full_queue_of_the_card_loses_nothing(stack: Stack) -> None:
    client = Client(stack)
    stack.lib.shim_link(1, 1)
    stack.write(client.id, bytes(3000))
    stack.wait(20)
    stack.lib.shim_link(1, 0)
    assert sum(len(each.data) for each in stack.wait(10)) == 3000
