"""``python -m benchmarks.serving URL``: a soak of a running server (kgpt serve) with clients that misbehave.

Some clients ask and compare: the reply to a question by a seed must always be the same. Others hang up while they are
answered, stall in the middle of a request, send nonsense, or hold a connection. A line for each period tells what was
answered and, with --pid, the memory of the server, which must stay flat. Exit code 1 if an answer was wrong.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

PATH = "/v1/chat/completions"
NONSENSE = (b"\r\n\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"\xff" * 9000)


class Soak:
    """The server, and what its clients have met."""

    def __init__(self, url: str, key: str | None) -> None:
        split = urlsplit(url)
        self.host, self.port = split.hostname or "127.0.0.1", split.port or 80
        self.counts: Counter[str] = Counter()
        self.over = threading.Event()
        self._fields = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        self._said: dict[int, str] = {}

    def run(self, client: Callable[[random.Random], None], seed: int) -> None:
        """Repeat a client until the soak is over."""
        rng = random.Random(seed)
        while not self.over.is_set():
            try:
                client(rng)
                self.counts[client.__name__] += 1
            except (OSError, http.client.HTTPException) as error:
                self.counts[f"broken {client.__name__}: {type(error).__name__}"] += 1
                time.sleep(0.1)

    def asks(self, rng: random.Random) -> None:
        """A question, whose answer is the same each time."""
        seed = rng.randrange(20)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=600)
        connection.request("POST", PATH, self._body(seed), self._fields)
        answer = connection.getresponse()
        data = json.loads(answer.read())
        connection.close()
        if answer.status == 503:
            self.counts["full"] += 1
            time.sleep(1)
            return
        said = data["choices"][0]["message"]["content"]
        if self._said.setdefault(seed, said) != said:
            self.counts["WRONG"] += 1

    def hangs_up(self, rng: random.Random) -> None:
        """A stream, of which only the beginning is read."""
        with self._connect() as wire:
            body = self._body(rng.randrange(1000), stream=True, max_tokens=2000)
            fields = "".join(f"{name}: {value}\r\n" for name, value in self._fields.items())
            head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{fields}Content-Length: {len(body)}\r\n\r\n"
            wire.sendall(head.encode() + body)
            wire.recv(rng.randrange(1, 4000))

    def stalls(self, rng: random.Random) -> None:
        """Half a request, and then nothing."""
        with self._connect() as wire:
            wire.sendall(
                f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n"[: rng.randrange(1, 70)].encode()
            )
            wire.settimeout(120)
            while wire.recv(4096):
                pass

    def lies(self, rng: random.Random) -> None:
        """What is no request."""
        with self._connect() as wire:
            wire.sendall(rng.choice((*NONSENSE, rng.randbytes(rng.randrange(1, 500)) + b"\r\n\r\n")))
            wire.settimeout(120)
            wire.recv(4096)

    def holds(self, rng: random.Random) -> None:
        """A connection that is used now and then."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        for _ in range(20):
            connection.request("GET", "/health")
            assert connection.getresponse().read() == b'{"status":"ok"}'
            if self.over.wait(rng.random()):
                break
        connection.close()

    def _connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=60)

    def _body(self, seed: int, **more: object) -> bytes:
        said = [{"role": "user", "content": f"Tell me about the number {seed}."}]
        return json.dumps({"messages": said, "seed": seed, "max_tokens": 16, **more}).encode()


def resident(pid: int) -> str:
    """The memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(line.split(":")[1].strip() for line in lines if line.startswith("VmRSS"))


def main() -> int:
    """Print a line for each period."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--key")
    parser.add_argument("--pid", type=int, help="of the server, if it runs here")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--period", type=float, default=60)
    options = parser.parse_args()
    soak = Soak(options.url, options.key)
    clients = [*[soak.asks] * 4, *[soak.hangs_up] * 2, *[soak.stalls] * 2, soak.lies, *[soak.holds] * 8]
    threads = [threading.Thread(target=soak.run, args=(client, i), daemon=True) for i, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    start = time.monotonic()
    while (passed := time.monotonic() - start) < options.seconds:
        time.sleep(min(options.period, options.seconds - passed))
        memory = f"{resident(options.pid)}, " if options.pid else ""
        counts = ", ".join(f"{name} {n:,}" for name, n in sorted(soak.counts.items()))
        print(f"{time.monotonic() - start:.0f} s: {memory}{counts}", flush=True)
    soak.over.set()
    return 1 if soak.counts["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
