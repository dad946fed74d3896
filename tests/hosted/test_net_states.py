"""Random packets at one connection, against a simple model of RFC 9293's state machine with RFC 5961's rules.

The model knows states, numbers and what has to be answered; it knows no timers, and none ends within a step.
"""

from __future__ import annotations

import ctypes
import random
from dataclasses import dataclass, field

import pytest
from net_packets import ACK, FIN, RST, SYN, Segment, Stack, library

WINDOW = 65535
BUFFER = 65536
STREAM = 40
"""Bytes that the peer sends before its FIN."""
DATA = bytes(range(1, STREAM + 1))


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return library(tmp_path_factory.mktemp("net"))


@dataclass
class Model:
    """Of our end. Numbers are relative: the peer's begin at 0 with its SYN, ours with our SYN."""

    state: str = "listen"
    held: bool = False
    got: set[int] = field(default_factory=set)
    fin: bool = False
    sent: int = 1
    """Ours that were sent: SYN, data, FIN."""
    acked: int = 1
    closed: bool = False

    @property
    def next(self) -> int:
        at = 1
        while at in self.got:
            at += 1
        return at + (self.fin and at == STREAM + 1)

    def segment(self, flags: int, seq: int, ack: int, n: int) -> set[str]:
        """Take a segment. Returns which answers are right."""
        if self.state == "listen":
            return self.listening(flags)
        if self.state == "half open":
            return self.half_open(flags, seq, ack)
        if self.state == "time wait":
            return self.waiting(flags, seq)
        length = n + bool(flags & SYN) + bool(flags & FIN)
        if not self.acceptable(seq, length):
            old = flags & (SYN | ACK | RST) == ACK and 0 <= self.next - seq - 1 < BUFFER
            if old and self.acked < ack <= self.sent and self.acknowledge(ack):
                return {""}
            return {""} if flags & RST else {"ack"}
        if flags & RST:
            if seq != self.next:
                return {"ack"}
            self.state = "lost" if self.held else "gone"
            return {""}
        if flags & SYN:
            return {"ack"}
        return self.synchronized(flags, seq, ack, n) if flags & ACK else {""}

    def listening(self, flags: int) -> set[str]:
        flags &= SYN | ACK | RST
        if flags == SYN:
            self.state = "half open"
            return {"syn ack"}
        return {"reset"} if flags & ACK and not flags & RST else {""}

    def half_open(self, flags: int, seq: int, ack: int) -> set[str]:
        if flags & (SYN | ACK | RST) == SYN:
            return {"syn ack"}
        if flags & RST:
            if seq == 1:
                self.state = "listen"
            return {""}
        if not flags & ACK:
            return {""}
        if ack != 1:
            return {"reset"}
        if flags & SYN or not 0 <= seq - 1 < WINDOW:
            return {"syn ack"}
        self.state = "established"
        return {"new"}

    def waiting(self, flags: int, seq: int) -> set[str]:
        if flags & (SYN | ACK | RST) == SYN and seq > self.next:
            self.state = "gone"
            return {"syn ack"}
        return {""} if flags & RST else {"ack"}

    def acceptable(self, seq: int, length: int) -> bool:
        first, last = self.next, WINDOW + 1  # the right edge does not move for so few bytes
        if length == 0:
            return first <= seq <= last
        return first <= seq < last or first <= seq + length - 1 < last or (seq < first < seq + length)

    def synchronized(self, flags: int, seq: int, ack: int, n: int) -> set[str]:
        if ack > self.sent or ack < self.acked - WINDOW:
            return {"ack"}
        if self.acknowledge(ack):
            return {""}
        if self.state == "fin wait 2" and n:
            self.state = "gone"
            return {"reset"}
        if self.state not in ("established", "fin wait 1", "fin wait 2"):
            return {"ack"} if n or flags & FIN else {""}
        return self.receive(flags, seq, n)

    def acknowledge(self, ack: int) -> bool:
        """True if it ends the connection."""
        self.acked = max(self.acked, ack)
        if not self.closed or self.acked < self.sent:
            return False
        change = {"fin wait 1": "fin wait 2", "closing": "time wait", "last ack": "gone"}
        before, self.state = self.state, change.get(self.state, self.state)
        return before in ("closing", "last ack")

    def receive(self, flags: int, seq: int, n: int) -> set[str]:
        before = self.next
        if self.fin and seq + n > STREAM + 1:
            return {""}
        self.got |= {at for at in range(seq, seq + n) if at >= before}
        late = seq < before and n > 0
        self.fin = self.fin or (bool(flags & FIN) and seq + n >= before)
        if self.next == STREAM + 2:
            change = {"established": "close wait", "fin wait 1": "closing", "fin wait 2": "time wait"}
            self.state = change[self.state]
        if flags & FIN or late or seq > before:
            return {"ack"} if n or flags & FIN else {""}
        return {"", "ack"}  # every second segment, otherwise later

    def close(self) -> set[str]:
        self.held = False
        if self.state == "lost":
            self.state = "gone"
            return {""}
        self.closed = True
        self.sent += 1
        self.state = {"established": "fin wait 1", "close wait": "last ack"}[self.state]
        return {"fin"}


def kinds(answers: list[Segment]) -> set[str]:
    """What the answers are; "" for none."""
    names = {RST: "reset", RST | ACK: "reset", SYN | ACK: "syn ack", ACK: "ack", FIN | ACK: "fin"}
    return {names[answer.flags & (FIN | SYN | RST | ACK)] for answer in answers} or {""}


class Run:
    """One sequence of random events."""

    def __init__(self, lib: ctypes.CDLL, seed: int) -> None:
        self.random = random.Random(seed)
        self.stack = Stack(lib, seed=seed + 1)
        self.model = Model()
        self.first = self.random.choice([1, 0xFFFFFFE0, 0x7FFFFFF0])  # also across the ends of the numbers
        self.ours = self.id = 0
        self.story: list[str] = []

    def choose(self) -> tuple[int, int, int, int]:
        """A segment: mostly of those that a peer sends."""
        model, pick = self.model, self.random
        flags = pick.choice([ACK] * 9 + [ACK | FIN] * 4 + [RST, RST | ACK, SYN, SYN | ACK, FIN, 0])
        if model.state == "listen":
            flags = pick.choice([SYN, SYN, SYN, ACK, RST, FIN, 0, SYN | RST])
        seq = model.next + pick.choice([0] * 8 + [1, 2, 7, 20, -1, -5, 65600, -65600])
        seq = 0 if flags & SYN and model.state in ("listen", "half open") else seq
        ack = pick.choice([model.sent] * 8 + [model.acked, model.acked - 1, model.sent + 1, model.sent - 70_000])
        n = pick.choice([0, 0, 1, 5, 12]) if flags & ACK and not flags & (SYN | RST) else 0
        inside = 1 <= seq <= STREAM + 1
        n = min(n, STREAM + 1 - seq) if inside else n
        if flags & FIN and inside and not flags & SYN:
            n = STREAM + 1 - seq if n or pick.random() < 0.5 else n
        if flags & FIN and abs(seq) < WINDOW and seq + n != STREAM + 1 and model.state != "listen":
            flags &= ~FIN  # the stream has one end
        return flags, seq, ack, n

    def step(self) -> None:
        model = self.model
        self.stack.wait(60)  # delayed ACKs are gone; no retransmission is due within a step
        closes = model.state in ("established", "close wait") and self.random.random() < 0.08
        if model.state == "lost" or (model.held and closes):
            right = model.close()
            self.stack.lib.shim_close(self.id)
            self.check("close", right, self.stack.answers())
            return
        flags, seq, ack, n = self.choose()
        data = bytes(DATA[at - 1] if 1 <= at <= STREAM else 0 for at in range(seq, seq + n))
        known = model.state not in ("listen", "gone")
        right = model.segment(flags, seq, ack, n)
        answers = self.stack.give(Segment(flags, self.first + seq, (self.ours + ack) if known else ack, data))
        if right == {"syn ack"}:
            self.ours = answers[0].seq if answers else 0
        if right == {"new"}:
            model.held = True
            self.id = self.stack.accept()
            right = model.receive(flags, seq, n) if model.acceptable(seq, n + bool(flags & FIN)) else {"ack"}
        self.check(f"{flags:#x} {seq} {ack} +{n}", right, answers)

    def check(self, event: str, right: set[str], answers: list[Segment]) -> None:
        model = self.model
        self.story.append(f"{event} -> {model.state} {sorted(right)}")
        assert kinds(answers) <= right, (self.story[-8:], answers)
        slots: dict[str, list[str]] = {"listen": [], "half open": [], "time wait": [], "gone": []}
        assert self.stack.slots() == slots.get(model.state, [model.state]), self.story[-8:]
        for answer in answers:
            if kinds([answer]) == {"ack"}:
                assert (answer.ack - self.first) % (1 << 32) == model.next, (self.story[-8:], answer)
        if model.held and model.state not in ("lost",):
            read = self.stack.read(self.id)
            self.given = getattr(self, "given", b"") + read
            assert self.given == DATA[: len(self.given)]
            assert len(self.given) == min(model.next - 1, STREAM), self.story[-8:]


def check_runs(lib: ctypes.CDLL, seeds: range) -> set[str]:
    states = set()
    for seed in seeds:
        run = Run(lib, seed)
        for _ in range(25):
            try:
                run.step()
            except AssertionError as error:
                raise AssertionError(f"seed {seed}") from error
            states.add(run.model.state)
            if run.model.state == "gone":
                break
    return states


STATES = {
    *("listen", "half open", "established", "fin wait 1", "fin wait 2", "close wait", "closing", "last ack"),
    *("time wait", "lost", "gone"),
}


def test_random_packets_do_what_the_model_says(lib: ctypes.CDLL) -> None:
    assert check_runs(lib, range(500)) == STATES


@pytest.mark.slow
def test_many_random_packets_do_what_the_model_says(lib: ctypes.CDLL) -> None:
    assert check_runs(lib, range(10_000, 40_000)) == STATES
