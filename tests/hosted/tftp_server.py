"""A made-up TFTP server on the loopback address (RFC 1350, 2347 to 2349, 7440), which loses, doubles and swaps packets,
and lies where a test says how.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

READ, DATA, ACKNOWLEDGE, ERROR, OPTIONS = 1, 3, 4, 5, 6
TRIES = 100
SILENCE = 600.0


@dataclass(frozen=True)
class How:
    """What the server does. ``options``: its answer in place of the true one, None for none."""

    block: int = 1428
    window: int = 16
    loses: float = 0
    doubles: float = 0
    swaps: float = 0
    error: tuple[int, str] | None = None
    """Instead of an answer."""
    fails_behind: int | None = None
    """A block, behind which an error comes."""
    options: Mapping[str, str] | None = field(default_factory=dict)
    body: bytes | None = None
    """What is sent in place of the file."""
    ignores_missing: bool = False
    """Requests for files that are not there get no answer."""
    silent_behind: tuple[str, int] | None = None
    """The name of a file, and the blocks behind which nothing more comes of it."""
    seconds: float = 0.05
    """After which a window is sent again."""
    seed: int = 1


class TftpServer:
    """Serves ``files`` by name."""

    def __init__(self, files: Mapping[str, bytes], how: How, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.files, self.how = files, how
        self.requests: list[str] = []
        self.told: list[dict[str, str]] = []
        self.errors: list[int] = []
        self.ends = False
        self.rng = random.Random(how.seed)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.port = int(self.socket.getsockname()[1])
        threading.Thread(target=self._listen, daemon=True).start()

    def url(self, name: str) -> str:
        return f"tftp://127.0.0.1:{self.port}/{name}"

    def _listen(self) -> None:
        while not self.ends:
            try:
                packet, client = self.socket.recvfrom(2048)
            except OSError:
                return
            threading.Thread(target=self._transfer, args=(packet, client), daemon=True).start()

    def _transfer(self, packet: bytes, client: tuple[str, int]) -> None:
        assert struct.unpack(">H", packet[:2]) == (READ,)
        name, mode, *words = packet[2:].rstrip(b"\0").decode().split("\0")
        assert mode == "octet"
        self.requests.append(name)
        asked = dict(zip(words[::2], words[1::2], strict=True))
        self.told.append(asked)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.settimeout(self.how.seconds)
            own.connect(client)
            try:
                self._answer(own, name, asked)
            except OSError:
                return  # the client has gone

    def _answer(self, own: socket.socket, name: str, asked: Mapping[str, str]) -> None:
        how = self.how
        data = self.files.get(name)
        if data is None and how.ignores_missing:
            return
        if data is None or (how.error and not name.endswith((".sha256", ".kgct"))):
            code, text = how.error if how.error and data is not None else (1, "not found")
            own.send(struct.pack(">HH", ERROR, code) + text.encode() + b"\0")
            return
        body = data if how.body is None else how.body
        stop = how.silent_behind[1] if how.silent_behind and how.silent_behind[0] == name else None
        block, window = min(how.block, int(asked.get("blksize", 512))), min(how.window, int(asked.get("windowsize", 1)))
        if how.options is None:
            self._send_blocks(own, body, 512, 1, stop)
            return
        known = {"tsize": str(len(data)), "blksize": str(block), "windowsize": str(window)}
        options = {key: value for key, value in known.items() if key in asked}
        options |= how.options
        words = "".join(f"{key}\0{value}\0" for key, value in options.items() if value)
        if self._until(own, struct.pack(">H", OPTIONS) + words.encode(), 0):
            self._send_blocks(own, body, block, window, stop)

    def _until(self, own: socket.socket, packet: bytes, number: int) -> bool:
        """Send until ``number`` is acknowledged."""
        for _ in range(TRIES):
            self._send(own, [packet])
            if self._acknowledged(own) == number:
                return True
        return False

    def _acknowledged(self, own: socket.socket) -> int | None:
        try:
            code, number = struct.unpack(">HH", own.recv(2048)[:4])
        except TimeoutError:
            return None
        if code == ERROR:
            self.errors.append(number)
            raise OSError("the client has ended it")
        return int(number) if self.rng.random() >= self.how.loses else None

    def _send(self, own: socket.socket, packets: list[bytes]) -> None:
        how, rng = self.how, self.rng
        packets = [packet for packet in packets if rng.random() >= how.loses]
        packets = [packet for packet in packets for _ in range(1 + (rng.random() < how.doubles))]
        for i in range(1, len(packets)):
            if rng.random() < how.swaps:
                packets[i - 1], packets[i] = packets[i], packets[i - 1]
        for packet in packets:
            own.send(packet)

    def _send_blocks(self, own: socket.socket, body: bytes, block: int, window: int, stop: int | None) -> None:
        """Go-back-N, as RFC 7440 has it. Behind the block ``stop`` nothing comes."""
        count, done, tries = len(body) // block + 1, 0, 0
        while done < count and tries < TRIES:
            if stop is not None and done >= stop:
                time.sleep(SILENCE)  # the port stays open: the client's machine must not hear that nobody is there
                return
            until = min(done + window, count if stop is None else stop)
            self._send(own, [
                struct.pack(">HH", DATA, (number + 1) & 0xFFFF) + body[number * block : (number + 1) * block]
                for number in range(done, until)
            ])  # fmt: skip
            if self.how.fails_behind is not None and done >= self.how.fails_behind:
                own.send(struct.pack(">HH", ERROR, 0) + b"the disk fails\0")
                return
            acknowledged = self._acknowledged(own)
            tries += 1
            if acknowledged is not None and (moved := (acknowledged - done) & 0xFFFF) <= until - done:
                done, tries = done + moved, 0 if moved else tries


@contextmanager
def tftp_server(files: Mapping[str, bytes], how: How | None = None) -> Iterator[TftpServer]:
    """The server while the block runs."""
    server = TftpServer(files, how or How())
    try:
        yield server
    finally:
        server.ends = True
        server.socket.close()
