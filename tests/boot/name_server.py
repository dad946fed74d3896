"""A program for test_boot_names.py: in a network of its own (unshare --net), a DNS server on 127.0.0.1:53 and an HTTP
server of the tiny model, and beside them ``kgpt WORDS``, whose {port} is that of the HTTP server. QEMU's user network
shows a machine the loopback address as 10.0.2.2, which is its DNS server. What was asked is printed at the end.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

from file_server import file_server

HOST = bytes((10, 0, 2, 2))
FOLDER = Path(__file__).parents[1] / "fuzz" / "shell"
FILES = {"/talks.gguf": (FOLDER / "chat.gguf").read_bytes(), "/talks.kgct": (FOLDER / "chat.kgct").read_bytes()}
NO_NAME, REFUSED = 3, 5
A, CNAME = 1, 5


def encoded(name: str) -> bytes:
    """As DNS writes a name."""
    return b"".join(bytes((len(part),)) + part.encode() for part in name.split(".")) + b"\0"


def record(name: bytes, kind: int, data: bytes) -> bytes:
    """A resource record, of the class IN."""
    return name + struct.pack(">HHIH", kind, 1, 60, len(data)) + data


def answer(query: bytes, number: int) -> bytes | None:
    """The answer to the query ``number`` for its name, from 0; None: silence."""
    end = query.index(b"\0", 12)
    question = query[12 : end + 5]
    name, code, records = question[1:].split(b"\0")[0], 0, list[bytes]()
    if name.startswith(b"models"):  # an alias of another name, and its address
        other = encoded("host.kgpt.test")
        records = [record(b"\xc0\x0c", CNAME, other), record(other, A, HOST)]
    elif name.startswith(b"late") and number:
        records = [record(b"\xc0\x0c", A, HOST)]
    elif name.startswith(b"broken"):
        code = REFUSED
    elif name.startswith(b"gone"):
        code = NO_NAME
    else:
        return None
    return query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(records), 0, 0) + question + b"".join(records)


def serve(server: socket.socket, asked: list[bytes]) -> None:
    """Until the program ends."""
    while True:
        query, client = server.recvfrom(512)
        reply = answer(query, asked.count(query[12:]))
        asked.append(query[12:])
        if reply:
            server.sendto(reply, client)


def raise_loopback() -> None:
    """The loopback interface of a new network is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as some:
        request = struct.pack("16sh14x", b"lo", 1)  # IFF_UP
        fcntl.ioctl(some, 0x8914, request)  # SIOCSIFFLAGS


def main() -> int:
    """Run kgpt; its exit code."""
    raise_loopback()
    asked = list[bytes]()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, file_server(FILES) as files:
        server.bind(("127.0.0.1", 53))
        threading.Thread(target=serve, args=(server, asked), daemon=True).start()
        words = [word.replace("{port}", str(files.port)) for word in sys.argv[1:]]
        done = subprocess.run([sys.executable, "-m", "kgpt_build", *words], check=False)
        sys.stdout.write(f"{len(asked)} queries, {len(files.asked('/talks.gguf'))} requests\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
