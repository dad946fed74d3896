"""`kgpt test --soak`, for seconds instead of hours; and that it sees a drift, a panic and a silence."""

from __future__ import annotations

import json
import os

import pace
import pytest
from boots import Boot, Kgpt
from refusals import lacks, refused

from kgpt_build.errors import GuestFailed, KgptError, MachineLost
from kgpt_build.events import Event, Sample, Shell, Stats
from kgpt_build.proof.soak import SEEDS, Soak, SoakReport, resident_bytes, soak_words


def test_a_short_soak(kgpt: Kgpt) -> None:
    done = kgpt("test", "--soak", "0.15", "--every", "0.2", "--accel", "tcg", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["seconds"] >= 8
    assert report["rounds"] > len(SEEDS)
    assert report["samples"] == 20 * report["rounds"]
    assert len({tuple(texts) for texts in report["texts"].values()}) == len(SEEDS)
    assert 0 < report["used"] < 1 << 20
    assert report["resident_most"] >= report["resident_last"] > 1 << 20


@pytest.mark.parametrize(
    ("command", "kind", "message"),
    [
        ("inject-nmi", GuestFailed, "panic: NMI"),
        ("system_reset", MachineLost, "ended kernel's verdict"),
        ("stop", GuestFailed, "shell back"),
    ],
)
def test_what_breaks_between_two_rounds_is_seen(boot: Boot, command: str, kind: type[KgptError], message: str) -> None:
    guest = boot(soak_words("samples=2"), machine="pc", timeout=60)
    soak = Soak(guest.machine, patience=pace.limit(5))

    def sabotage(report: SoakReport) -> None:
        if report.rounds == 2:
            guest.machine.execute(command)

    with pytest.raises(kind) as caught:
        soak.run(5, 0, sabotage)
    assert not lacks(caught.value.message, f"round 3, {message}")


class FakeMachine:
    """Answers `generate` with what is given for each round."""

    pid = 0
    running = True

    def __init__(self, rounds: list[tuple[str, int]]) -> None:
        self.events: list[Event] = []
        self._rounds = iter(rounds)

    def forget(self) -> None:
        self.events.clear()

    def send(self, data: bytes) -> None:
        if data == b"generate\r":
            text, used = next(self._rounds)
            self.events += [Sample(0, text, 3, "eos"), Stats(1, 1, 3, 9, 9, 9, 9, used=used)]

    def expect_event(self, kind: type[Event], timeout: float) -> Event:
        return Shell("kgpt> ")


@pytest.mark.parametrize(
    ("fifth", "message"),
    [
        (("mia", 64), "round 5, seed 42: texts first"),
        (("anna", 128), "round 5, 128 bytes arena 64 first"),
        (("anna", 0), "round 5, uses"),
    ],
)
def test_a_drift_is_seen(fifth: tuple[str, int], message: str) -> None:
    machine = FakeMachine([("anna", 64), ("bob", 64), ("carl", 64), ("dora", 64), fifth])
    with refused(GuestFailed, message):
        Soak(machine, patience=1).run(0, 0)  # type: ignore[arg-type]


def test_memory_of_a_process() -> None:
    assert resident_bytes(os.getpid()) > 1 << 20
    assert resident_bytes(0) == 0
