"""``python -m benchmarks.modbus_latency PORT``: how long a controller waits for a running server (kgpt serve --modbus).

Two times are measured. *Answer*: from a request, which reads the status, to its answer. *Class*: from the request that
starts a classification to the first answer that says it is done; a text has 32, 128 and 512 bytes. Each text differs
from the others at its first byte, so no prefix is reused. With --http URL a client chats all the time, so that both
times are those beside other work. A line tells the median, the 99th percentile and the largest of each.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import struct
import threading
import time
import urllib.request

from benchmarks.machine import machine_line
from kgpt_build.def_files import rows

PLACE = {(row.arguments[0], row.arguments[1]): int(row.arguments[2]) for row in rows("app/server/modbus/modbus.def")}
SIZES = (32, 128, 512)
BUSY = (1, 2)  # queued, running
AT_ONCE = 119  # registers of the text in the request that starts it
JSON = "application/json"
LETTERS = "abcdefghijklmnopqrstuvwxyz .0123456789"


class Controller:
    """One connection; requests and answers in turn."""

    def __init__(self, host: str, port: int) -> None:
        self.wire = socket.create_connection((host, port), 600)
        self.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = 0
        self.answers: list[float] = []

    def ask(self, pdu: bytes) -> bytes:
        """The answer to a request, whose time is noted."""
        self.number = (self.number + 1) % 65536
        start = time.perf_counter()
        self.wire.sendall(struct.pack(">HHHB", self.number, 0, len(pdu) + 1, 1) + pdu)
        head = self._take(7)
        answer = self._take(struct.unpack(">H", head[4:6])[0] - 1)
        self.answers.append(time.perf_counter() - start)
        if answer[0] != pdu[0]:
            raise RuntimeError(f"the server answers with the exception {answer[1]}")
        return answer

    def _take(self, n: int) -> bytes:
        data = b""
        while len(data) < n:
            part = self.wire.recv(n - len(data))
            if not part:
                raise RuntimeError("the server has closed the connection")
            data += part
        return data

    def write(self, first: int, words: list[int]) -> None:
        """Several holding registers."""
        self.ask(struct.pack(f">BHHB{len(words)}H", 16, first, len(words), 2 * len(words), *words))

    def status(self) -> int:
        """The register STATUS."""
        answer = self.ask(struct.pack(">BHH", 4, PLACE["INPUT", "STATUS"], 1))
        return int.from_bytes(answer[2:4])

    def classify(self, text: str) -> float:
        """The seconds from the start to the class."""
        data = text.encode().ljust(len(text) + len(text) % 2, b"\0")
        words = list(struct.unpack(f">{len(data) // 2}H", data))
        for at in range(AT_ONCE, len(words), AT_ONCE):
            self.write(PLACE["HOLDING", "TEXT"] + at, words[at : at + AT_ONCE])
        start = time.perf_counter()
        self.write(PLACE["HOLDING", "START"], [1, 64, 0, len(text), *words[:AT_ONCE]])
        while (status := self.status()) in BUSY:
            time.sleep(0.002)
        if status != 3:
            raise RuntimeError(f"the text {text!r} gave no class: status {status}")
        return time.perf_counter() - start


def chat(url: str, over: threading.Event, replies: list[int]) -> None:
    """One client after the other, each with a reply of up to 100 tokens; their numbers of tokens go to ``replies``."""
    body = json.dumps({"messages": [{"role": "user", "content": "Tell me a long story."}], "max_tokens": 100})
    while not over.is_set():
        request = urllib.request.Request(f"{url}/v1/chat/completions", body.encode(), {"Content-Type": JSON})
        with urllib.request.urlopen(request, timeout=600) as answer:
            replies.append(json.load(answer)["usage"]["completion_tokens"])


def table_row(name: str, seconds: list[float]) -> str:
    """A row of the table, in milliseconds."""
    found = sorted(1000 * value for value in seconds)
    p99 = found[min(len(found) - 1, len(found) * 99 // 100)]
    return f"| {name} | {len(found)} | {found[len(found) // 2]:.1f} | {p99:.1f} | {found[-1]:.1f} |"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.modbus_latency", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--http", metavar="URL", help="chat with the server of this address meanwhile")
    parser.add_argument("--runs", type=int, default=20, help="texts of each length")
    options = parser.parse_args()
    over, choose, replies = threading.Event(), random.Random(1), list[int]()
    chats = threading.Thread(target=chat, args=(options.http, over, replies), daemon=True)
    if options.http:
        chats.start()
    controller = Controller(options.host, options.port)
    print(f"on {machine_line()}{', beside a chat' if options.http else ''}\n")
    print("| time of | number | median | 99 % | largest |\n|---|---:|---:|---:|---:|")
    for size in SIZES:
        texts = ["".join(choose.choices(LETTERS, k=size)) for _ in range(options.runs)]
        print(table_row(f"a class, {size} bytes", [controller.classify(text) for text in texts]), flush=True)
    print(table_row("an answer", controller.answers))
    if options.http:
        if not chats.is_alive() or not replies:
            raise SystemExit("the client that chats has failed: the times are those without it")
        print(f"\nMeanwhile {len(replies)} replies of {sum(replies)} tokens in all.")
    over.set()


if __name__ == "__main__":
    main()
