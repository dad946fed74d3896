"""Our network stack as a process beside Linux's, in a network namespace that tests/hosted/net_driver.c makes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from socket import AF_INET, SOCK_STREAM
from socket import socket as Socket
from types import TracebackType

import pace
import pytest
from native import COMPILERS, ROOT
from rooms import listed

OURS, LINUX = "10.77.0.2", "10.77.0.1"
ECHO, COUNT, SOURCE, SLOW = 7, 9, 19, 11
"""Ports of the driver."""
STACK = (
    *listed("ENGINE_LM", rooms=("net", "net/ip", "net/tcp")),
    *(f"kernel_c/core/{name}.c" for name in ("arena", "arena_count", "error", "format", "parse", "str", "utf8")),
)
"""The sources of the stack, but for self-tests, and what they use."""
_SKIPPED = 77
_FLAGS = ["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"]
_INCLUDES = ["-Ikernel_c/include", "-Ikernel_c", "-Itests/hosted", "-Itests/fuzz"]
_PERIOD = bytes(((i * 2654435761) >> 11) & 255 for i in range(1 << 19))


def pattern(n: int) -> bytes:
    """The bytes that the driver sends."""
    return (_PERIOD * (n // len(_PERIOD) + 1))[:n]


def compile_driver(folder: Path, name: str = "net_driver") -> Path:
    """tests/hosted/NAME.c with the stack, under sanitizers where gcc is installed."""
    program = folder / name
    sanitized = ["gcc", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    compiler = sanitized if shutil.which("gcc") else COMPILERS["zig"]
    sources = [path for path in STACK if not path.endswith("_test.c")]
    words = [*compiler, *_FLAGS, *_INCLUDES, f"tests/hosted/{name}.c", *sources, "-o", str(program)]
    subprocess.run(words, cwd=ROOT, check=True)
    return program


@contextlib.contextmanager
def namespace(pid: int) -> Iterator[None]:
    """Inside, this thread makes sockets in the network namespace of a process."""
    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    other = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        assert libc.setns(other, 0) == 0
        yield
    finally:
        assert libc.setns(own, 0) == 0
        os.close(own)
        os.close(other)


class Peer:
    """The driver while it runs. As a context it ends with the driver's exit."""

    def __init__(
        self, program: Path, *words: object, mtu: int = 1500, wire: str = "", mode: str = "serve", ip: str = "-"
    ) -> None:
        argv = [str(program), mode, ip, str(mtu), wire, *map(str, words)]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        first = self.process.stdout.readline()
        if not first.startswith("ready"):
            self.process.wait()
        if self.process.returncode == _SKIPPED:
            pytest.skip(first.removeprefix("skip: ").strip())
        assert first == "ready\n", (first, self.process.returncode)

    def namespace(self) -> contextlib.AbstractContextManager[None]:
        """Inside, sockets are made on Linux's side of the driver's namespace."""
        return namespace(self.process.pid)

    def socket(self, kind: int = SOCK_STREAM, protocol: int = 0) -> Socket:
        with self.namespace():
            made = Socket(AF_INET, kind, protocol)
        made.settimeout(pace.limit(60))
        return made

    def connect(self, port: int, to: str = OURS) -> Socket:
        made = self.socket()
        made.connect((to, port))
        return made

    def line(self) -> str:
        """The next one that the driver prints."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def output(self) -> str:
        """What the driver says until it ends on its own."""
        assert self.process.stdout
        return self.process.stdout.read()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        code = self.process.wait(pace.limit(30))
        if kind is None:
            assert code == 0


def read_some(connection: Socket, n: int) -> bytes:
    """Exactly n bytes, or fewer if the other end sends no more."""
    data = b""
    while len(data) < n and (part := connection.recv(n - len(data))):
        data += part
    return data


def read_all(connection: Socket) -> bytes:
    """Until the other end has sent all."""
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)
