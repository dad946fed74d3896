"""The bound of a start of Modbus, in forward passes, while HTTP clients keep the other slot busy: docs/modbus.md."""

from __future__ import annotations

import json
import socket
import struct
import threading
from pathlib import Path
from typing import Any

import pace
from chats import write_talker
from hosted import SECONDS, Hosted
from serving import Server, request, serving, talker_modules

from kgpt_build.def_files import rows

PLACE = {(row.arguments[0], row.arguments[1]): int(row.arguments[2]) for row in rows("app/server/modbus/modbus.def")}
UBATCH, BUDGET, STARTS = 8, 12, 8
LONG, MIDDLE = "the line of the number " * 50, 150
"""A prompt of a chat; fewer tokens than it has, and more than the texts of starts have."""
WORDS = f"slots=2 queue=8 ctx=16384 ubatch={UBATCH} modbus=on modbus_port=0 labels=ok,warn,alarm seed=5"


class Controller:
    """One connection."""

    def __init__(self, host: str, port: int) -> None:
        self.wire = socket.create_connection((host, port), pace.limit(SECONDS))

    def ask(self, pdu: bytes) -> bytes:
        self.wire.sendall(struct.pack(">HHHB", 7, 0, len(pdu) + 1, 1) + pdu)
        answer = b""
        while len(answer) < 7 or len(answer) < 6 + int.from_bytes(answer[4:6]):
            answer += self.wire.recv(1000)
        return answer[7:]

    def start(self, text: str) -> None:
        data = text.encode() + b"\0" * (len(text) % 2)
        head = struct.pack(">BHHB", 16, PLACE["HOLDING", "START"], 4 + len(data) // 2, 8 + len(data))
        assert self.ask(head + struct.pack(">HHHH", 1, BUDGET, 0, len(text)) + data)[0] == 16

    def status(self) -> int:
        return int.from_bytes(self.ask(struct.pack(">BHH", 4, PLACE["INPUT", "STATUS"], 1))[2:])


def _chat(server: Server, over: threading.Event) -> None:
    """One stream after the other, with a long prompt, until it is over."""
    body = {"messages": [{"role": "user", "content": LONG}], "max_tokens": 60, "stream": True}
    number = 0
    while not over.is_set():
        number += 1
        body["messages"] = [{"role": "user", "content": f"{number} {LONG}"}]
        with server.wire() as wire:
            wire.send(request("POST", "/v1/chat/completions", json.dumps(body).encode()))
            wire.answer()


def passes_at_most(event: Any, other_prompt: int) -> int:
    """A pass has ``ubatch`` tokens: one of the other slot, and of prompts. That of the other slot may be read first."""
    prompt = int(event["prompt_tokens"]) - int(event["cached_tokens"]) + other_prompt
    return -(-prompt // (UBATCH - 1)) + int(event["tokens"]) + 1  # … and the pass during which the start came


def test_a_start_takes_a_bounded_number_of_passes(without_model: Hosted, tmp_path: Path) -> None:
    with serving(without_model, talker_modules(write_talker(tmp_path, n_ctx=16384)), WORDS) as server:
        assert server.process.stdout is not None
        told = next(line for line in server.process.stdout if b"Modbus/TCP on" in line)
        port = int(told.split(b" on ")[1].split()[0].rsplit(b":", 1)[1])
        over = threading.Event()
        chats = threading.Thread(target=_chat, args=(server, over), daemon=True)
        chats.start()
        server.served(1)
        controller = Controller(server.host, port)
        for number in range(STARTS):
            controller.start(f"{number} the number of the line" * (1 + number % 4))
            server.waits_for(lambda: controller.status() in (3, 4))
        over.set()
        chats.join()
        events = [event for event in server.events if event["event"] == "served"]
    starts = [event for event in events if event["prompt_tokens"] < MIDDLE]
    chats_served = [event for event in events if event["prompt_tokens"] >= MIDDLE]
    assert len(starts) == STARTS
    longest = max(event["prompt_tokens"] for event in chats_served)
    for event in starts:
        assert event["tokens"] <= event["passes"] + 1  # its own tokens are computed one in a pass, but the last
        assert event["passes"] <= passes_at_most(event, longest)
