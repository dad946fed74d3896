"""A server over our own TCP among clients that hang up, stall and lie: its memory stays flat, honest ones are served.

90 seconds; an hour with ``SOAK_SECONDS=3600``.
"""

from __future__ import annotations

import json
import os
import random
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pace
import pytest
from chats import write_talker
from over_tap import TapWire, build_over_tap, serving_over_tap
from serving import Server, request, talker_modules

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("SOAK_SECONDS", "90"))
SAMPLES = 60
WARM = SAMPLES // 3
"""Samples until every page of every connection has been written to once."""
GROWTH = 1 << 20
CHAT = "/v1/chat/completions"
LIES = (
    b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nContent-Length: 2\r\n\r\n",
    b"POST /tokenize HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    b"POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000000\r\n\r\n",
    b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)


def chat(seed: int, tokens: int, *, stream: bool = False) -> bytes:
    said = [{"role": "user", "content": f"number {seed}"}]
    fields = {"messages": said, "seed": seed, "max_tokens": tokens, "temperature": 1, "stream": stream}
    return request("POST", CHAT, json.dumps(fields).encode(), more="Content-Type: application/json\r\n")


def is_honest(server: Server, pick: random.Random, replies: dict[int, str]) -> None:
    """The same seed gets the same reply, whatever others do meanwhile."""
    with TapWire(server) as wire:
        for _ in range(5):
            seed = pick.randrange(20)
            wire.send(chat(seed, 6))
            answer = wire.answer()
            assert answer.status in (200, 503), answer
            if answer.status == 200:
                text = answer.json()["choices"][0]["message"]["content"]
                assert replies.setdefault(seed, text) == text


def hangs_up(server: Server, pick: random.Random, _: dict[int, str]) -> None:
    """In the middle of a stream: with a FIN, or with a RST."""
    with TapWire(server) as wire:
        wire.send(chat(pick.randrange(99), 400, stream=True))
        wire.socket.recv(pick.choice([1, 500, 3000]))
        if pick.random() < 0.5:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def stalls(server: Server, pick: random.Random, _: dict[int, str]) -> None:
    """In the head, in the body, or before it reads an answer."""
    with TapWire(server) as wire:
        wire.send(pick.choice([b"GET /hea", chat(1, 5)[:-10], chat(1, 400, stream=True)]))
        threading.Event().wait(pick.random() * 6)


def lies(server: Server, pick: random.Random, _: dict[int, str]) -> None:
    with TapWire(server) as wire:
        wire.send(pick.choice([*LIES, pick.randbytes(pick.randrange(1, 3000)) + b"\r\n\r\n"]))
        wire.socket.shutdown(socket.SHUT_WR)
        wire.ends()


def resident(pid: int) -> int:
    """Bytes."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.split("VmRSS:")[1].split()[0]) << 10


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_memory_is_flat_among_clients_that_hang_up_stall_and_lie(tmp_path: Path) -> None:
    modules = talker_modules(write_talker(tmp_path, n_ctx=1024))
    done: Counter[str] = Counter()
    wrong: list[str] = []
    replies: dict[int, str] = {}
    over = threading.Event()

    def client(what: Callable[[Server, random.Random, dict[int, str]], None], seed: int) -> None:
        pick = random.Random(seed)
        while not over.is_set():
            try:
                what(server, pick, replies)
                done[what.__name__] += 1
            except (AssertionError, OSError, EOFError) as error:
                rude = what is not is_honest and isinstance(error, OSError)  # it may be cut off: that is right
                if not rude:
                    wrong.append(f"{what.__name__}: {error!r}")
                    return

    program = build_over_tap(tmp_path)
    words = "slots=4 queue=16 ctx=1024 timeout=2"
    with serving_over_tap(program, modules, words, "loss=100,duplicate=50,reorder=100,seed=6") as server:
        kinds = [is_honest] * 4 + [hangs_up] * 3 + [stalls] * 8 + [lies] * 3
        threads = [threading.Thread(target=client, args=(what, seed)) for seed, what in enumerate(kinds)]
        for thread in threads:
            thread.start()
        files = open_files(server.process.pid)
        sizes = []
        for _ in range(SAMPLES):
            threading.Event().wait(SECONDS / SAMPLES)
            sizes.append(resident(server.process.pid))
        over.set()
        for thread in threads:
            thread.join(pace.limit(120))
        sys.stderr.write(
            f"{dict(done)}; resident at first {sizes[0]}, after a third {sizes[WARM]}, at last {sizes[-1]}\n"
        )
        assert wrong == []
        assert server.process.poll() is None
        assert open_files(server.process.pid) == files
        assert max(sizes[WARM:]) - sizes[WARM] <= GROWTH, sizes
        assert all(done[what.__name__] for what in kinds)
        with TapWire(server) as wire:
            wire.send(request("GET", "/slots"))
            slots = wire.answer().json()
        assert [slot["is_processing"] for slot in slots] == [False] * 4
