"""The HTTP server over our own TCP, as in a kernel, with Linux's TCP as clients and a wire that loses frames."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from chats import write_talker
from hosted import Hosted
from over_tap import TapWire, build_over_tap, retransmitted, serving_over_tap
from serving import Server, Wire, request, serving, talker_modules

WORDS = "slots=4 queue=64 ctx=4096"
CLIENTS = 16
A_CONNECTION = 40
"""Requests, until a client connects anew."""
REPLIES = 10
"""One request in so many is for a reply of the model."""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    return talker_modules(write_talker(tmp_path_factory.mktemp("loss"), n_ctx=4096))


@pytest.fixture(scope="module")
def over_tap(tmp_path_factory: pytest.TempPathFactory) -> Hosted:
    return build_over_tap(tmp_path_factory.mktemp("over_tap"))


@pytest.fixture(scope="module")
def plain(without_model: Hosted, modules: tuple[str, ...]) -> Iterator[Server]:
    """Over the host's sockets, and asked one request at a time."""
    with serving(without_model, modules, WORDS) as server:
        yield server


def post(path: str, **fields: Any) -> bytes:
    return request("POST", path, json.dumps(fields).encode(), more="Content-Type: application/json\r\n")


def reply(number: int) -> bytes:
    messages = [{"role": "user", "content": f"number {number}"}]
    return post("/v1/chat/completions", messages=messages, max_tokens=4, seed=number, temperature=1)


def text_of(number: int) -> str:
    """Long or short, and no other number's."""
    pick = random.Random(number)
    return f"{number}:" + "".join(pick.choices("abcdefgh ", k=pick.choice([1, 100, 1400, 3900])))


def ask(wire: Wire, number: int) -> Any:
    """What identifies the answer."""
    if number % REPLIES == 0:
        wire.send(reply(number))
        answer = wire.answer()
        return answer.status, answer.json().get("choices", answer.body)
    wire.send(post("/apply-template", messages=[{"role": "user", "content": text_of(number)}]))
    answer = wire.answer()
    return answer.status, answer.json().get("prompt", answer.body)


def right(plain: Server, number: int) -> Any:
    if number % REPLIES:
        return 200, f"<|im_start|>user\n{text_of(number)}<|im_end|>\n<|im_start|>assistant\n"
    with plain.wire() as wire:
        return ask(wire, number)


def check_requests(program: Hosted, modules: tuple[str, ...], plain: Server, count: int) -> None:
    """None may fail, and each gets its own answer."""
    numbers, lock = itertools.count(), threading.Lock()
    wrong: list[Any] = []

    def client(server: Server) -> int:
        done, wire = 0, None
        while True:
            with lock:
                number = next(numbers)
            if number >= count or wrong:
                return done
            wire = wire or TapWire(server)
            found, wanted = ask(wire, number), right(plain, number)
            if found != wanted:
                wrong.append((number, found, wanted))
            done += 1
            if done % A_CONNECTION == 0:
                wire.socket.close()
                wire = None

    with serving_over_tap(program, modules, WORDS, "loss=100,seed=16") as server:
        with ThreadPoolExecutor(CLIENTS) as pool:
            done = list(pool.map(client, [server] * CLIENTS))
        assert wrong == []
        assert sum(done) == count
        assert retransmitted(server) > count // 1000  # how many more is chance


def test_every_request_is_answered_at_one_percent_of_loss(
    over_tap: Hosted, modules: tuple[str, ...], plain: Server
) -> None:
    check_requests(over_tap, modules, plain, 500)


@pytest.mark.slow
def test_ten_thousand_requests_are_answered_at_one_percent_of_loss(
    over_tap: Hosted, modules: tuple[str, ...], plain: Server
) -> None:
    check_requests(over_tap, modules, plain, 10_000)


def test_sixty_four_connections_are_held_and_the_next_one_has_room(over_tap: Hosted, modules: tuple[str, ...]) -> None:
    """All are asked twice; the one that has been idle longest makes room for the next client."""
    with serving_over_tap(over_tap, modules, WORDS) as server:
        wires = [TapWire(server) for _ in range(64)]
        for turn in range(2):
            for i, wire in enumerate(wires):
                assert ask(wire, 1 + REPLIES * i + turn)[0] == 200
        with TapWire(server) as more:
            assert ask(more, 1)[0] == 200
        assert wires[0].ends()
        assert all(ask(wire, 1)[0] == 200 for wire in wires[1:])
        for wire in wires:
            wire.socket.close()


def test_more_clients_than_connections_wait_for_their_turn(over_tap: Hosted, modules: tuple[str, ...]) -> None:
    """All are busy. What comes meanwhile is taken when they have been refused for their slowness."""
    with serving_over_tap(over_tap, modules, f"{WORDS} timeout=3") as server:
        busy = []
        for _ in range(65):
            busy.append(TapWire(server))
            busy[-1].send(b"GET /hea")
        server.waits_for(lambda: True)
        late = [TapWire(server) for _ in range(16)]
        for wire in late:
            wire.send(request("GET", "/health"))
        assert [wire.answer().status for wire in late] == [200] * 16
        assert {wire.answer().status for wire in busy} == {408}
        for wire in [*busy, *late]:
            wire.socket.close()
