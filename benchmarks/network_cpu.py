"""``python -m benchmarks.network_cpu MODEL``: would a processor for the network alone serve better?

kgpt serve polls its connections between the layers of a pass, and all processors compute. With one of them for the
network alone, the others would compute: at best as fast as a server with one processor less, and at best with the
answers of a server that computes nothing. Both bounds are measured beside today's way, in turn: the tokens per second
of some clients, and meanwhile the time from a request for /health to its answer, on a connection that stays open.
``--target bare`` asks a kernel in QEMU, over our own TCP and a network card.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import sys
import threading
import time
from pathlib import Path

from benchmarks.inference import files
from benchmarks.machine import machine_line
from benchmarks.serving_peers import Server, one_round, running
from kgpt_build.cli.shared.reach import free_port

_IDLE_S = 3.0
_PAUSE_S = 0.01


class Probe:
    """Asks /health again and again while the block runs; ``seconds`` of each answer."""

    def __init__(self, port: int) -> None:
        self.port, self.seconds = port, list[float]()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Probe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        while not self._over.is_set():
            start = time.perf_counter()
            connection.request("GET", "/health")
            connection.getresponse().read()
            self.seconds.append(time.perf_counter() - start)
            time.sleep(_PAUSE_S)


def told(name: str, rates: list[float], seconds: list[float]) -> str:
    """A row of the table."""
    found = sorted(1000 * value for value in seconds)
    rate = f"{statistics.median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f})" if rates else "–"
    return f"| {name} | {rate} | {found[len(found) // 2]:.1f} | {found[len(found) * 99 // 100]:.1f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.network_cpu", description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--target", choices=["hosted", "bare"], default="hosted")
    parser.add_argument("--cpus", type=int, default=2, help="of today's way; at least 2")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model, machine = files.load(options.model).path, machine_line()
    servers = []
    for cpus in (options.cpus, options.cpus - 1):
        port = free_port("127.0.0.1")
        words = f"--target {options.target} --cpus {cpus} --slots {options.clients} --port {port} --ctx 512".split()
        servers.append(Server(f"{cpus}", [Path(sys.executable).with_name("kgpt"), "serve", model, *words], port))
    rates: dict[str, list[float]] = {server.name: [] for server in servers}
    busy: dict[str, list[float]] = {server.name: [] for server in servers}
    with running(servers[0]), running(servers[1]):
        with Probe(servers[0].port) as idle:
            time.sleep(_IDLE_S)
        for number in range(-1, options.rounds):  # round -1 warms up
            for server in servers if number % 2 == 0 else reversed(servers):
                with Probe(server.port) as probe:
                    rate = one_round(server, options.clients, options.tokens, number + 1).rate
                rates[server.name] += [rate] * (number >= 0)
                busy[server.name] += probe.seconds * (number >= 0)
    most, fewer = servers[0].name, servers[1].name
    print("| way | tokens/s, all clients | ms to an answer, median | 99 % |\n|---|---|---|---|")
    print(told(f"polled between layers, {most} processors compute", rates[most], busy[most]))
    print(told(f"polled between layers, {fewer} computes", rates[fewer], busy[fewer]))
    print(told("polled, nothing is computed", [], idle.seconds))
    print(f"\n{options.target}, {options.clients} clients, {options.tokens} tokens each; {machine}")


if __name__ == "__main__":
    main()
