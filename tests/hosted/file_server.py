"""A made-up HTTP server of files on the loopback address, which gives ranges, and lies where a test says how."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

Lie = Callable[["Request"], "Answer | None"]


@dataclass(frozen=True)
class Request:
    """What a client asked for. ``number`` counts the requests for this path, from 0."""

    path: str
    fields: Mapping[str, str]
    number: int

    @property
    def start(self) -> int:
        """The first byte that is asked for."""
        match = re.fullmatch(r"bytes=(\d+)-", self.fields.get("range", ""))
        return int(match[1]) if match else 0


@dataclass
class Answer:
    """``cut``: bytes of the body after which the connection breaks; ``reset``: … by a RST. ``slow``: seconds between
    its pieces of 1,000 bytes. ``silent``: nothing comes behind ``cut``, and the connection stays.
    """

    status: int = 200
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    reset: bool = False
    silent: bool = False
    slow: float = 0
    raw: bytes | None = None
    """Instead of all that."""


def whole(data: bytes, tag: str = '"1"', **more: str) -> Answer:
    """All of a file."""
    fields = {"Content-Length": str(len(data)), **({"ETag": tag} if tag else {})}
    return Answer(200, fields | {name.replace("_", "-"): value for name, value in more.items()}, data)


def part(data: bytes, start: int, tag: str = '"1"', claim: str = "", length: int | None = None) -> Answer:
    """The rest of a file; ``claim`` in place of its true Content-Range."""
    fields = {"Content-Range": claim or f"bytes {start}-{len(data) - 1}/{len(data)}"}
    fields["Content-Length"] = str(len(data) - start if length is None else length)
    return Answer(206, fields | ({"ETag": tag} if tag else {}), data[start:])


class FileServer:
    """Serves ``files`` by path. ``lie`` may answer in their place; None: as it should be."""

    def __init__(self, files: Mapping[str, bytes], lie: Lie | None) -> None:
        self.files, self.lie = dict(files), lie
        self.requests: list[Request] = []
        self.ends = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def _accept(self) -> None:
        while not self.ends.is_set():
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                data = b""
                while b"\r\n\r\n" not in data:
                    more = client.recv(4096)
                    if not more:
                        return
                    data += more
                self._answer(client, data)
            except OSError:
                return

    def _answer(self, client: socket.socket, data: bytes) -> None:
        first, *lines = data.decode().split("\r\n\r\n")[0].split("\r\n")
        method, path, version = first.split(" ")
        assert (method, version) == ("GET", "HTTP/1.1")
        fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        request = Request(path, fields, len(self.asked(path)))
        self.requests.append(request)
        answer = (self.lie and self.lie(request)) or self._true(request)
        if answer.raw is not None:
            client.sendall(answer.raw)
            return
        head = [f"HTTP/1.1 {answer.status} x", *(f"{name}: {value}" for name, value in answer.fields.items()), "", ""]
        client.sendall("\r\n".join(head).encode())
        body = answer.body if answer.cut is None else answer.body[: answer.cut]
        step = 1000 if answer.slow else max(len(body), 1)
        for at in range(0, len(body), step):
            client.sendall(body[at : at + step])
            time.sleep(answer.slow)
        if answer.silent:
            self.ends.wait()
        if answer.reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _true(self, request: Request) -> Answer:
        data = self.files.get(request.path)
        if data is None:
            return Answer(404, {"Content-Length": "0"})
        if request.start >= len(data):
            return Answer(416, {"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"})
        same = request.fields.get("if-range", '"1"') == '"1"'
        return part(data, request.start) if request.start and same else whole(data)


@contextmanager
def file_server(files: Mapping[str, bytes], lie: Lie | None = None) -> Iterator[FileServer]:
    """The server while the block runs."""
    server = FileServer(files, lie)
    try:
        yield server
    finally:
        server.ends.set()
        server.socket.close()
