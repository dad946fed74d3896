"""A hosted program that serves a tiny model, and clients of it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pace
import pytest
from hosted import SECONDS, Hosted

NAME = "talker"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, without its framing."""

    status: int
    fields: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class Wire:
    """A raw connection to the server."""

    def __init__(self, server: Server, *, window: int | None = None) -> None:
        """``window``: bytes that wait for us in our kernel."""
        self.socket = socket.socket()
        if window is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(pace.limit(SECONDS))
        self.socket.connect((server.host, server.port))
        self.left = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ends(self) -> bool:
        """Wait for the server to close, and drop what it still sends."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(self.left)
        self.left += data

    def _take(self, n: int) -> bytes:
        while len(self.left) < n:
            self._more()
        taken, self.left = self.left[:n], self.left[n:]
        return taken

    def _line(self) -> bytes:
        while b"\r\n" not in self.left:
            self._more()
        line, self.left = self.left.split(b"\r\n", 1)
        return line

    def answer(self, *, head: bool = False) -> Answer:
        """The next answer."""
        _, status, _ = self._line().split(b" ", 2)
        fields = {}
        while line := self._line():
            name, value = line.decode().split(": ", 1)
            fields[name.lower()] = value
        body = b""
        if head or status in (b"204", b"100"):
            pass
        elif fields.get("transfer-encoding") == "chunked":
            while size := int(self._line(), 16):
                body += self._take(size)
                assert self._line() == b""
            assert self._line() == b""
        elif "content-length" in fields:
            body = self._take(int(fields["content-length"]))
        else:
            try:
                while True:
                    self._more()
            except EOFError:
                body, self.left = self.left, b""
        return Answer(int(status), fields, body)


@dataclass(frozen=True)
class Server:
    """A running server."""

    host: str
    port: int
    process: subprocess.Popen[bytes]
    events: list[Any]
    """Those of the machine channel so far."""

    def served(self, n: int) -> list[Any]:
        """The first ``n`` events about requests for replies."""
        return self.waits_for(lambda: len(self._served()) >= n) and self._served()[:n]

    def _served(self) -> list[Any]:
        return [event for event in list(self.events) if event["event"] == "served"]

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def wire(self, *, window: int | None = None) -> Wire:
        return Wire(self, window=window)

    def ask(self, method: str, path: str, body: bytes | None = None, *, more: str = "", version: str = "1.1") -> Answer:
        """One request on a connection of its own."""
        with self.wire() as wire:
            wire.send(request(method, path, body, more=more, version=version))
            return wire.answer(head=method == "HEAD")

    def post(self, path: str, **fields: Any) -> Answer:
        """A request with a JSON object."""
        return self.ask("POST", path, json.dumps(fields).encode(), more="Content-Type: application/json\r\n")

    def chat(self, text: str = "hello", **fields: Any) -> Answer:
        """A chat with one message."""
        return self.post("/v1/chat/completions", messages=[{"role": "user", "content": text}], **fields)

    def waits_for(self, what: Any) -> Any:
        """What ``what()`` gives when it is true."""
        end = time.monotonic() + pace.limit(SECONDS)
        while not (found := what()):
            assert time.monotonic() < end, "it did not come"
            time.sleep(0.01)
        return found


def request(method: str, path: str, body: bytes | None = None, *, more: str = "", version: str = "1.1") -> bytes:
    """The bytes of a request."""
    length = f"Content-Length: {len(body)}\r\n" if body is not None else ""
    return f"{method} {path} HTTP/{version}\r\nHost: x\r\n{length}{more}\r\n".encode() + (body or b"")


def metrics(server: Server, more: str = "") -> dict[str, float]:
    """The counters. Each has a help and a type, as Prometheus wants them."""
    answer = server.ask("GET", "/metrics", more=more)
    assert answer.fields["content-type"].startswith("text/plain; version=0.0.4")
    found = {}
    for block in answer.body.decode().split("# HELP ")[1:]:
        match = re.fullmatch(r"([a-z:_]+) .+\n# TYPE \1 (?:counter|gauge)\n\1 ([0-9.]+)\n", block)
        assert match, block
        found[match[1]] = float(match[2])
    return found


def _read_events(channel: int, events: list[Any]) -> None:
    with os.fdopen(channel, "rb") as lines:
        for line in lines:
            events.append(json.loads(line))


def also_sanitized(metafunc: pytest.Metafunc) -> None:
    """``pytest_generate_tests`` of a module: its tests run with a sanitized program, too.

    Those that its ``SANITIZED`` names do so always, the others when slow tests are run.
    """
    if "without_model" in metafunc.fixturenames:
        always = metafunc.function.__name__ in metafunc.module.SANITIZED
        marks = () if always else (pytest.mark.slow,)
        programs = [pytest.param("plain", id="plain"), pytest.param("sanitized", id="sanitized", marks=marks)]
        metafunc.parametrize("without_model", programs, indirect=True, scope="session")


@contextmanager
def serving(
    program: Hosted, modules: tuple[str, ...], words: str = "", *, port: int = 0, env: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """The server while the block runs."""
    read, write = os.pipe()
    argv = program.argv(f"mode=serve port={port} cpus=1 alias={NAME} {words}", write, *modules)
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[write],
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0", **(env or {})},
    )
    os.close(write)
    try:
        events: list[Any] = []
        threading.Thread(target=_read_events, args=(read, events), daemon=True).start()
        end = time.monotonic() + pace.limit(SECONDS)
        while not (found := [event for event in list(events) if event["event"] in ("serving", "exit")]):
            assert time.monotonic() < end, "it did not start"
            time.sleep(0.005)
        assert process.stdout is not None
        assert found[0]["event"] == "serving", process.stdout.read().decode()
        host, port = found[0]["address"].rsplit(":", 1)
        yield Server(host, int(port), process, events)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def talker_modules(model: Path) -> tuple[str, ...]:
    """Options of the program that bring the model of ``write_talker``."""
    return ("--module", str(model), "--module", str(model.with_suffix(".kgct")))
