"""``python -m benchmarks.serving_ways MODEL``: what drafts and a prefill are worth to a server, beside one without.

Two servers, kgpt serve with and without ``--speculate ngram`` (or ``--prefill``), take turns as in serving_peers. Of
drafts there are two kinds of texts: those that repeat what their question says, and others. The servers of a prefill
have a system prompt of 50 lines, and are started anew for each round, since after the first chat in a slot its context
is the prefix in any case. A row has the medians; the last column is the median ratio of the rounds' pairs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.inference import files
from benchmarks.machine import machine_line
from benchmarks.serving_peers import HEAD, Question, Round, Server, compare, one_round, report, running, topic
from kgpt_build.cli.talk.reach import free_port

_ROWS = 6


def repeating(number: int, client: int) -> str:
    """A question whose answer is mostly its own text."""
    rows = "".join(f"| part {client}{row} | {(number * 31 + row * 17) % 97} pieces |\n" for row in range(_ROWS))
    return f"Copy this table of list {number} exactly, row by row:\n{rows}"


def server_of(name: str, model: Path, options: argparse.Namespace, *words: str) -> Server:
    """kgpt serve with these words."""
    port, clients = free_port("127.0.0.1"), max(options.clients)
    given = (
        "--target",
        "hosted",
        "--cpus",
        options.threads,
        "--slots",
        clients,
        "--port",
        port,
        "--ctx",
        options.context,
        *words,
    )
    return Server(name, [Path(sys.executable).with_name("kgpt"), "serve", model, *map(str, given)], port)


def drafts(model: Path, options: argparse.Namespace) -> None:
    """Rows for texts that repeat their question, and others."""
    servers = [server_of("ngram", model, options, "--speculate", "ngram"), server_of("plain", model, options)]
    kinds: Sequence[tuple[str, Question]] = (("repeats", repeating), ("other", topic))
    with running(servers[0]) as ours, running(servers[1]) as theirs:
        for name, question in kinds:
            print(f"\n{name}:\n{HEAD}")
            for clients in options.clients:
                report(compare((ours, theirs), clients, options.tokens, options.rounds, question), clients)


def prefill(model: Path, options: argparse.Namespace) -> None:
    """Rows for the first chat in each slot."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "system.txt")
        path.write_text("".join(f"Rule {i}: answer in short sentences, and name part {i * 7}.\n" for i in range(50)))
        print(f"\nfirst chats:\n{HEAD}")
        for clients in options.clients:
            found: dict[str, list[Round]] = {"prefill": [], "plain": []}
            for number in range(options.rounds):
                for name in list(found) if number % 2 == 0 else reversed(found):
                    more = ["--prefill"] if name == "prefill" else []
                    with running(server_of(name, model, options, "--system", f"@{path}", *more)) as server:
                        found[name].append(one_round(server, clients, 1, number))
            report(found, clients)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving_ways", description=__doc__)
    parser.add_argument("model")
    parser.add_argument("what", choices=["drafts", "prefill"], nargs="+")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--context", type=int, default=2048)
    options = parser.parse_args()
    model, machine = files.load(options.model).path, machine_line()
    for what in options.what:
        {"drafts": drafts, "prefill": prefill}[what](model, options)
    print(f"\n{options.tokens} tokens each, {options.rounds} rounds, {options.threads} threads; {machine}")


if __name__ == "__main__":
    main()
