"""Our TCP/IP against Linux's, over a TAP device in a namespace of the test's own."""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pace
import pytest
from net_linux import COUNT, ECHO, LINUX, OURS, SLOW, SOURCE, Peer, compile_driver, pattern, read_all, read_some

LOSS = "loss=100,delay=1"
WIRES = {
    "10 % loss": "loss=1000,delay=1",
    "delay": "delay=40",
    "reordering": "reorder=3000,delay=2",
    "duplicates": "duplicate=3000",
    "damage": "corrupt=300,delay=1",
    "everything": "loss=200,reorder=1000,duplicate=500,corrupt=100,delay=3",
}


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_driver(tmp_path_factory.mktemp("net"))


def checksum(data: bytes) -> int:
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2))
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def send_all(connection: socket.socket, data: bytes) -> None:
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def check_exchange(peer: Peer, size: int) -> None:
    """Bulk data to us, from us, and both at once."""
    data = pattern(size)
    with peer.connect(SOURCE) as connection:
        connection.sendall(b"%d\n" % size)
        assert read_all(connection) == data
    with peer.connect(COUNT) as connection:
        send_all(connection, data)
        assert read_all(connection) == b"%d bytes, 0 wrong\n" % size
    with peer.connect(ECHO) as connection:
        sender = threading.Thread(target=send_all, args=(connection, data))
        sender.start()
        assert read_all(connection) == data
        sender.join()


def echo_server(peer: Peer) -> int:
    """Linux echoes one connection. Returns the port."""
    with peer.namespace():
        server = socket.create_server((LINUX, 0))
    server.settimeout(pace.limit(60))

    def serve() -> None:
        connection, _ = server.accept()
        while part := connection.recv(1 << 16):
            connection.sendall(part)
        connection.close()
        server.close()

    port = int(server.getsockname()[1])
    threading.Thread(target=serve, daemon=True).start()
    return port


@pytest.mark.parametrize("size", [0, 56, 1472])
def test_linux_pings_us(driver: Path, size: int) -> None:
    with Peer(driver) as peer, peer.socket(socket.SOCK_RAW, socket.IPPROTO_ICMP) as ping:
        body = struct.pack("!HH", 4711, 1) + pattern(size)
        header = struct.pack("!BBH", 8, 0, checksum(b"\x08\x00\x00\x00" + body))
        ping.sendto(header + body, (OURS, 0))
        answer = ping.recv(65536)[20:]
        assert answer[:2] == b"\x00\x00"
        assert checksum(answer) == 0
        assert answer[4:] == body


def test_streams_arrive(driver: Path) -> None:
    with Peer(driver) as peer:
        check_exchange(peer, 2_000_001)
        with peer.connect(ECHO) as connection:
            for word in (b"a", b"bc", bytes(3000)):
                connection.sendall(word)
                assert read_some(connection, len(word)) == word


def test_streams_arrive_with_one_percent_of_loss(driver: Path) -> None:
    with Peer(driver, wire=f"{LOSS},seed=3") as peer:
        check_exchange(peer, 300_000)


def test_streams_arrive_with_a_small_mtu(driver: Path) -> None:
    with Peer(driver, mtu=1400) as peer:
        check_exchange(peer, 300_000)


def test_a_closed_port_refuses(driver: Path) -> None:
    with Peer(driver) as peer, peer.socket() as connection, pytest.raises(ConnectionRefusedError):
        connection.connect((OURS, 8))


def test_many_connections_at_once(driver: Path) -> None:
    """As many as the table holds; one more waits, and works when another one is closed."""
    with Peer(driver) as peer:
        held = [peer.connect(ECHO) for _ in range(64)]
        for i, connection in enumerate(held):
            connection.sendall(b"%d" % i)
        for i, connection in enumerate(held):
            assert connection.recv(10) == b"%d" % i
        more = [peer.connect(ECHO) for _ in range(30)]
        for connection in held:
            connection.close()
        for connection in more:
            connection.sendall(b"more")
            assert connection.recv(10) == b"more"
            connection.close()


def test_a_reader_that_stalls(driver: Path) -> None:
    """Its window closes, and opens again."""
    data = pattern(400_000)
    with Peer(driver) as peer, peer.connect(SLOW) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection).startswith(b"400000 bytes")
    with Peer(driver) as peer, peer.connect(SOURCE) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"1000000\n")
        threading.Event().wait(1)  # until our stack has filled Linux's buffers
        assert read_all(connection) == pattern(1_000_000)


@pytest.mark.parametrize("wire", ["", "loss=100,delay=1,seed=5"])
def test_we_connect_to_linux(driver: Path, wire: str) -> None:
    """An echo of Linux's, in both directions at once; the port is known only when the driver's namespace is."""
    with Peer(driver, "wait", 500_000, mode="client", wire=wire) as peer:
        assert peer.process.stdin
        peer.process.stdin.write(f"{echo_server(peer)}\n")
        peer.process.stdin.flush()
        assert peer.output() == "500000 bytes came back\n"


def test_we_are_refused(driver: Path) -> None:
    with Peer(driver, "wait", 1, mode="client") as peer:
        assert peer.process.stdin
        peer.process.stdin.write("9\n")
        peer.process.stdin.flush()
        assert peer.output() == "failed: the connection was refused\n"
        assert peer.process.wait(pace.limit(30)) == 1
        peer.process.returncode = 0


@contextlib.contextmanager
def dnsmasq(peer: Peer, folder: Path) -> Iterator[None]:
    """Serves addresses for two minutes each, and two names, in the driver's namespace."""
    program = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if not program or not shutil.which("nsenter"):
        pytest.skip("dnsmasq is not installed (Debian's dnsmasq-base)")
    words = [
        *(
            "nsenter",
            f"--net=/proc/{peer.process.pid}/ns/net",
            program,
            "--keep-in-foreground",
            "--conf-file=/dev/null",
        ),
        *("--interface=tap0", "--bind-interfaces", "--no-resolv", "--no-hosts", "--user=root", "--pid-file="),
        *(
            "--dhcp-range=10.77.0.50,10.77.0.59,2m",
            "--dhcp-authoritative",
            "--no-ping",
            f"--dhcp-leasefile={folder}/leases",
        ),
        *(f"--address=/model.example/{LINUX}", "--local=/example/"),
    ]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def test_dnsmasq_gives_us_an_address(driver: Path, tmp_path: Path) -> None:
    with Peer(driver, ip="dhcp") as peer, dnsmasq(peer, tmp_path):
        word, address = peer.line().split()
        assert word == "address"
        assert address.startswith("10.77.0.5")
        assert f" {address} kgpt " in (tmp_path / "leases").read_text()
        with peer.connect(ECHO, address) as connection:
            connection.sendall(b"hello")
            assert read_some(connection, 5) == b"hello"


@pytest.mark.parametrize(
    ("name", "says"),
    [("model.example", LINUX), ("none.example", "the name does not exist"), ("a b", "this is no host name")],
)
def test_dnsmasq_resolves_names(driver: Path, tmp_path: Path, name: str, says: str) -> None:
    with Peer(driver, name, mode="resolve", ip="dhcp") as peer, dnsmasq(peer, tmp_path):
        assert peer.line().startswith("address 10.77.0.5")
        assert peer.line() == says


@pytest.mark.slow
@pytest.mark.parametrize("name", WIRES)
@pytest.mark.parametrize("mtu", [1500, 1400])
def test_streams_arrive_over_a_bad_wire(driver: Path, name: str, mtu: int) -> None:
    for seed in range(3):
        with Peer(driver, mtu=mtu, wire=f"{WIRES[name]},seed={seed}") as peer:
            check_exchange(peer, 1_000_000)
