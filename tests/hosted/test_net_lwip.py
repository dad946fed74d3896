"""Our TCP/IP against lwIP's, each a process, over a pair of sockets that carries frames and a wire that loses some."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pace
import pytest
from native import ROOT
from net_linux import COUNT, ECHO, SOURCE, compile_driver

pytestmark = pytest.mark.slow

HEADERS = Path("/usr/include/lwip")
SECONDS = 240.0
WIRES = {
    "none": "",
    "1 % loss": "loss=100,delay=1",
    "5 % loss": "loss=500,delay=1",
    "reordering": "reorder=3000,delay=2",
    "duplicates": "duplicate=3000",
    "damage": "corrupt=300,delay=1",
    "everything": "loss=200,reorder=1000,duplicate=500,corrupt=100,delay=3",
}
wires = pytest.mark.parametrize("wire", WIRES.values(), ids=list(WIRES))


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_driver(tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="module")
def lwip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not HEADERS.exists() or not shutil.which("gcc"):
        pytest.skip("lwIP is not installed (Debian's liblwip-dev)")
    program = tmp_path_factory.mktemp("lwip") / "lwip_driver"
    words = ["gcc", "-std=gnu11", "-O1", "-g", "-Wall", "-D_GNU_SOURCE", f"-isystem{HEADERS}"]
    words += ["tests/hosted/lwip_driver.c", "-o", str(program), "-llwip", "-pthread"]
    subprocess.run(words, cwd=ROOT, check=True)
    return program


@contextmanager
def started(ours: list[str], lwip: list[str]) -> Iterator[tuple[subprocess.Popen[str], subprocess.Popen[str]]]:
    """Both, joined. A word "FD" is lwIP's end."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    numbers = [end.fileno() for end in ends]
    words = [word if word != "FD" else str(numbers[1]) for word in lwip]
    env = {**os.environ, "NET_LINK": str(numbers[0])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    first = subprocess.Popen(ours, env=env, pass_fds=numbers[:1], **pipes)  # type: ignore[call-overload]
    second = subprocess.Popen(words, pass_fds=numbers[1:], **pipes)  # type: ignore[call-overload]
    bound = threading.Timer(pace.limit(SECONDS), first.kill)  # then both end, and say nothing more
    bound.start()
    try:
        for end in ends:
            end.close()
        yield first, second
    finally:
        bound.cancel()
        for process in (first, second):
            process.kill()
            process.communicate()


def lwip_says(ours: Path, lwip: Path, wire: str, what: str, port: int, size: int) -> str:
    words = [str(lwip), what, "FD", str(port), str(size)]
    with started([str(ours), "serve", "-", "1500", f"{wire},seed=4" if wire else ""], words) as (_, peer):
        return peer.communicate()[0].strip()


@wires
def test_lwip_is_our_client(ours: Path, lwip: Path, wire: str) -> None:
    """What it sends comes back, in both directions at once; what we send to it arrives; what it sends is counted."""
    assert lwip_says(ours, lwip, wire, "ask", ECHO, 200_000) == "200000 bytes, 200000 right, ended"
    assert lwip_says(ours, lwip, wire, "fetch", SOURCE, 300_000) == "300000 bytes, 300000 right, ended"
    counted = "200000 bytes, 0 wrong\n"
    assert lwip_says(ours, lwip, wire, "ask", COUNT, 200_000).startswith(f"{len(counted)} bytes")


@wires
def test_lwip_is_our_server(ours: Path, lwip: Path, wire: str) -> None:
    words = [str(ours), "client", "-", "1500", f"{wire},seed=9" if wire else "", "wait", "200000"]
    with started(words, [str(lwip), "echo", "FD"]) as (client, server):
        assert server.stdout
        assert client.stdin
        assert client.stdout
        assert client.stdout.readline() == "ready\n"
        client.stdin.write(server.stdout.readline())
        client.stdin.flush()  # and stays open: the driver ends with it
        assert client.stdout.readline() == "200000 bytes came back\n"


def test_lwip_is_refused_where_nobody_listens(ours: Path, lwip: Path) -> None:
    assert lwip_says(ours, lwip, "", "ask", 8, 1) == "no connection"
