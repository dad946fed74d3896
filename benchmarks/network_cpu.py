"""``python -m benchmarks.network_cpu MODEL``: would a processor for the network alone serve better?

kgpt serve polls its connections between the layers of a pass, and all processors compute. With one of them for the
network alone, the others would compute: at best as fast as a server with one processor less, and at best with the
answers of a server that computes nothing. Both bounds are measured beside today's way, in turn: the tokens per second
of some clients, and meanwhile the time from a request for /health to its answer, on a connection that stays open.
``--target bare`` asks a kernel in QEMU, over our own TCP and a network card. Without KVM two clients with two tokens
each took 16 to 40 s on a busy machine: so there are fewer tokens there, and each round is told when it has ended. No
round begins that would end after ``--limit`` seconds; the table has those that there are.
"""

from __future__ import annotations

import argparse
import http.client
import math
import statistics
import sys
import threading
import time
from pathlib import Path

from benchmarks.inference import files
from benchmarks.machine import machine_line
from benchmarks.serving_peers import Server, one_round, running
from kgpt_build.cli.talk.reach import free_port
from kgpt_build.errors import KgptError

_IDLE_S = 3.0
_PAUSE_S = 0.01
_ANSWER_S = 60.0
_TOKENS = {"hosted": 32, "bare": 8}


class Probe:
    """Asks /health again and again while the block runs; ``seconds`` of each answer.

    The block ends with KgptError if there was none, or an answer took a minute.
    """

    def __init__(self, port: int) -> None:
        self.port, self.seconds = port, list[float]()
        self._problem = "gave no answer"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Probe:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if kind is None and (not self.seconds or self.seconds[-1] == math.inf):
            raise KgptError(f"/health {self._problem}")

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_S)
        try:
            while not self._over.is_set():
                start = time.perf_counter()
                connection.request("GET", "/health")
                connection.getresponse().read()
                self.seconds.append(time.perf_counter() - start)
                time.sleep(_PAUSE_S)
        except (OSError, http.client.HTTPException) as error:
            self._problem = f"failed: {error}"
            self.seconds.append(math.inf)


def told(name: str, rates: list[float], seconds: list[float]) -> str:
    """A row of the table."""
    found = sorted(1000 * value for value in seconds)
    rate = f"{statistics.median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f})" if rates else "–"
    return f"| {name} | {rate} | {found[len(found) // 2]:.1f} | {found[len(found) * 99 // 100]:.1f} |"


def servers_of(options: argparse.Namespace) -> tuple[Server, Server]:
    """Today's way, and a server with one processor less."""
    model, servers = files.load(options.model).path, []
    for cpus in (options.cpus, options.cpus - 1):
        port = free_port("127.0.0.1")
        words = f"--target {options.target} --cpus {cpus} --slots {options.clients} --port {port} --ctx 512".split()
        servers.append(Server(f"{cpus}", [Path(sys.executable).with_name("kgpt"), "serve", model, *words], port))
    return servers[0], servers[1]


def measure(servers: tuple[Server, Server], options: argparse.Namespace) -> dict[str, tuple[list[float], list[float]]]:
    """Rates, and seconds of answers, of each server. A round before them, which is not counted, warms both up."""
    found: dict[str, tuple[list[float], list[float]]] = {server.name: ([], []) for server in servers}
    begun, longest = time.monotonic(), 0.0
    for number in range(-1, options.rounds):
        for server in servers if number % 2 == 0 else reversed(servers):
            start = time.monotonic()
            if start - begun + longest > options.limit and number >= 0:
                tell(f"stopped before round {number + 1} of {options.rounds}: it would end after --limit")
                return found
            with Probe(server.port) as probe:
                rate = one_round(server, options.clients, options.tokens, number + 1).rate
            longest = max(longest, time.monotonic() - start)
            if number >= 0:
                found[server.name][0].append(rate)
                found[server.name][1].extend(probe.seconds)
            tell(
                f"{f'round {number + 1} of {options.rounds}' if number >= 0 else 'warmed up'}, {server.name} compute: "
                f"{rate:.1f} tokens/s, {len(probe.seconds)} answers, {time.monotonic() - start:.0f} s"
            )
    return found


def tell(what: str) -> None:
    """What goes on, for whoever waits."""
    print(f"network_cpu: {what}", file=sys.stderr, flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.network_cpu", description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--target", choices=["hosted", "bare"], default="hosted")
    parser.add_argument("--cpus", type=int, default=2, help="of today's way; at least 2")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--tokens", type=int, help="of each reply; 32, with --target bare 8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=600.0, metavar="SECONDS", help="no round begins that ends later")
    options = parser.parse_args()
    options.tokens = options.tokens or _TOKENS[options.target]
    machine, servers = machine_line(), servers_of(options)
    try:
        tell(f"starting two servers ({options.target})")
        with running(servers[0]) as more, running(servers[1]) as less:
            tell(f"they run; {_IDLE_S:.0f} s without work")
            with Probe(servers[0].port) as idle:
                time.sleep(_IDLE_S)
            found = measure((more, less), options)
    except KgptError as error:
        raise SystemExit(f"network_cpu: {error.message}") from error
    if not all(rates for rates, _ in found.values()):
        raise SystemExit("network_cpu: no round was measured on both servers: give fewer --tokens, or a longer --limit")
    most, fewer = servers[0].name, servers[1].name
    print("| way | tokens/s, all clients | ms to an answer, median | 99 % |\n|---|---|---|---|")
    print(told(f"polled between layers, {most} processors compute", *found[most]))
    print(told(f"polled between layers, {fewer} computes", *found[fewer]))
    print(told("polled, nothing is computed", [], idle.seconds))
    print(f"\n{options.target}, {options.clients} clients, {options.tokens} tokens each; {machine}")


if __name__ == "__main__":
    main()
