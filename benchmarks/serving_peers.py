"""``python -m benchmarks.serving_peers MODEL``: kgpt serve beside llama-server, through the API, on this machine.

Both servers hold the same file, with the same threads, slots and context. They take turns: in each round a number of
clients asks one of them at once, each with its own question, so that no prefix but the template's is reused, and reads
the stream. Measured at the client: the time to the first token, and the tokens of all replies over the time from the
first request to the last token. And from /proc: the processor time of the server and its children for each token. With
one thread it is a measure on a busy machine too; several threads also spin while they wait for each other. Who begins
changes from round to round; medians, and the ratios of their pairs.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.inference import files
from benchmarks.inference.peers import FOLDER, Peer
from benchmarks.machine import machine_line
from kgpt_build.cli.talk.reach import free_port
from kgpt_build.errors import KgptError

_STARTED_S = 120.0
Question = Callable[[int, int], str]
"""What client ``i`` asks in a round: ``question(round, i)``."""
_TOPICS = ("rain", "bridges", "bread", "maps", "clocks", "rivers", "glass", "salt", "trains", "paper", "wool", "stars")


@dataclass(frozen=True)
class Server:
    """A server that listens on ``port`` of this machine."""

    name: str
    argv: Sequence[str | Path]
    port: int
    pid: int = 0  # while it runs


@dataclass
class Round:
    """What the clients of one round met: seconds to the first token of each, tokens of all, seconds of all; and the
    processor time that the server took.
    """

    first: list[float] = field(default_factory=list)
    tokens: int = 0
    seconds: float = 0.0
    processor: float = 0.0

    @property
    def rate(self) -> float:
        """Tokens per second of all clients together."""
        return self.tokens / self.seconds

    @property
    def cost(self) -> float:
        """Milliseconds of processor time for each token, prompts included."""
        return 1000 * self.processor / self.tokens


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server, from when it answers /health until the end of the block. Raises KgptError."""
    process = subprocess.Popen([*map(str, server.argv)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + _STARTED_S
        while not healthy(server.port):
            if process.poll() is not None or time.monotonic() > until:
                raise KgptError(
                    f"{server.name} does not answer", f"start it by hand: {' '.join(map(str, server.argv))}"
                )
            time.sleep(0.2)
        yield replace(server, pid=process.pid)
    finally:
        process.terminate()
        process.wait()


def healthy(port: int) -> bool:
    """Does /health give 200?"""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False


def processor_seconds(pid: int) -> float:
    """The processor time so far of a process and its children."""
    nanoseconds, children = 0, ""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # a thread may end meanwhile
            nanoseconds += int((task / "schedstat").read_text(encoding="ascii").split()[0])
            children += (task / "children").read_text(encoding="ascii")
    return nanoseconds / 1e9 + sum(processor_seconds(int(child)) for child in children.split())


def ask(port: int, question: str, tokens: int, into: Round, lock: threading.Lock, start: float) -> None:
    """Stream one reply of ``tokens`` tokens; the count is the server's own usage."""
    body = {
        "messages": [{"role": "user", "content": question}],
        "max_tokens": tokens,
        "temperature": 0,
        "seed": 1,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise KgptError(f"the server answers {answer.status}: {answer.read()[:300]!r}")
    first, used = None, 0
    for line in answer:
        if not line.startswith(b"data: {"):
            continue
        data = json.loads(line[6:])
        if first is None and any(choice["delta"].get("content") for choice in data["choices"]):
            first = time.perf_counter() - start
        used = (data.get("usage") or {}).get("completion_tokens", used)
    connection.close()
    with lock:
        into.first.append(first or 0.0)
        into.tokens += used


def topic(number: int, client: int) -> str:
    """A question with a beginning of its own."""
    of = _TOPICS[(number + client) % len(_TOPICS)]
    return f"Round {number}, client {client}: write about {of} in some sentences."


def one_round(server: Server, clients: int, tokens: int, number: int, question: Question = topic) -> Round:
    """All clients at once."""
    before = processor_seconds(server.pid)
    result, lock, start = Round(), threading.Lock(), time.perf_counter()
    threads = []
    for i in range(clients):
        said = question(number, i)
        threads.append(threading.Thread(target=ask, args=(server.port, said, tokens, result, lock, start)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.seconds = time.perf_counter() - start
    result.processor = processor_seconds(server.pid) - before
    if len(result.first) != clients or result.tokens < clients:
        raise KgptError(f"{server.name} answered {len(result.first)} of {clients} clients, {result.tokens} tokens")
    return result


def compare(
    servers: Sequence[Server], clients: int, tokens: int, rounds: int, question: Question = topic
) -> dict[str, list[Round]]:
    """The rounds of each server, in turn; one before them, which is not counted, warms both up."""
    for server in servers:
        one_round(server, clients, tokens, 1000 + clients, question)
    found: dict[str, list[Round]] = {server.name: [] for server in servers}
    for number in range(rounds):
        for server in servers if number % 2 == 0 else reversed(servers):
            found[server.name].append(one_round(server, clients, tokens, number, question))
    return found


HEAD = (
    "| clients | server | tokens/s, all | ms to the first token | ms of processor time a token |\n|---|---|---|---|---|"
)


def report(found: dict[str, list[Round]], clients: int) -> None:
    """Two rows of a table, and the ratios of the rounds' pairs: above 1 the first server is better."""
    columns: list[list[tuple[float, float, float]]] = []
    for name, rounds in found.items():
        columns.append([(one.rate, 1000 * statistics.median(one.first), one.cost) for one in rounds])
        cells = [
            f"{statistics.median(cell):.1f} ({min(cell):.1f} to {max(cell):.1f})"
            for cell in zip(*columns[-1], strict=True)
        ]
        print(f"| {clients} | {name} | {' | '.join(cells)} |")
    pairs = [
        (ours[0] / theirs[0], theirs[1] / ours[1], theirs[2] / ours[2]) for ours, theirs in zip(*columns, strict=True)
    ]
    ratios = [f"{statistics.median(ratio):.2f}" for ratio in zip(*pairs, strict=True)]
    print(f"| {clients} | ratio | {' | '.join(ratios)} |", flush=True)


def servers_of(model: Path, slots: int, threads: int, context: int) -> tuple[Server, Server]:
    """Ours and llama-server; the context is that of one slot."""
    port, other = free_port("127.0.0.1"), free_port("127.0.0.1")
    words = f"--target hosted --cpus {threads} --slots {slots} --port {port} --ctx {context}".split()
    kgpt = Server("kgpt", [Path(sys.executable).with_name("kgpt"), "serve", model, *words], port)
    program = Peer("llama.cpp", FOLDER / "llama.cpp").tool("llama-server")
    if not program.is_file():
        raise KgptError("there is no llama-server", "make peers PEERS=llama.cpp")
    words = f"-t {threads} -np {slots} -c {context * slots} --port {other} --host 127.0.0.1".split()
    return kgpt, Server("llama-server", [program, "-m", model, *words], other)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving_peers", description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--context", type=int, default=1024)
    options = parser.parse_args()
    model, machine = files.load(options.model).path, machine_line()
    servers = servers_of(model, max(options.clients), options.threads, options.context)
    with running(servers[0]) as ours, running(servers[1]) as theirs:
        print(HEAD)
        for clients in options.clients:
            report(compare((ours, theirs), clients, options.tokens, options.rounds), clients)
    print(f"\n{options.tokens} tokens each, {options.rounds} rounds, {options.threads} threads; {machine}")


if __name__ == "__main__":
    main()
