"""The soak: one machine runs for hours with a generation every few seconds; no result may drift.

A round sets one seed, generates, and compares. The seeds repeat: each must always give the texts of its first round,
and use as much of the arena.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kgpt_build.errors import GuestFailed
from kgpt_build.events import Error, Exit, Sample, Shell, Stats
from kgpt_build.vm.qemu.machine import Machine
from kgpt_build.vm.transcript import NotSeen
from kgpt_build.words import counted

SEEDS = (42, 7, 1, 1_000_003)
"""Several seeds, so that state left by one generation would change the next one."""

_END_SECONDS = 60.0
_KB = 1024


@dataclass
class SoakReport:
    """The results of a soak so far; sizes in bytes; ``resident`` is QEMU's resident memory."""

    rounds: int = 0
    samples: int = 0
    tokens: int = 0
    seconds: float = 0.0
    used: int = 0
    """Used bytes of the arena after every generation."""
    resident_first: int = 0
    """Measured after one round of each seed: until then QEMU itself grows."""
    resident_last: int = 0
    resident_most: int = 0
    us_first: int = 0
    """Microseconds of the first generation, by the guest's clock."""
    us_last: int = 0
    texts: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """The expected texts of each seed."""

    @property
    def line(self) -> str:
        """The results as one line."""
        return (
            f"{self.seconds / 60:.1f} minutes, {counted(self.rounds, 'generation')}, {counted(self.samples, 'text')}, "
            f"{counted(self.tokens, 'token')},"
            f" the same each time; arena {self.used:,} bytes; QEMU {self.resident_first >> 20} MB at first,"
            f" {self.resident_last >> 20} MB now, {self.resident_most >> 20} MB at most"
        )


class Soak:
    """Drives one machine that was started with soak_words()."""

    def __init__(self, machine: Machine, *, patience: float) -> None:
        """``patience``: seconds that one generation may take."""
        self._machine = machine
        self._patience = patience
        self.report = SoakReport()

    def run(self, seconds: float, every: float, tell: Callable[[SoakReport], None] = lambda report: None) -> SoakReport:
        """Run for ``seconds``, at least once for each seed, with a round every ``every`` seconds; then halt.

        ``tell`` is called after each round. Raises GuestFailed at the first drift or missing answer, and the error of
        the verdict if the machine ends by itself.
        """
        start = time.monotonic()
        self._expect_shell()
        while self.report.rounds <= len(SEEDS) or time.monotonic() - start < seconds:
            begun = time.monotonic()
            self._round(SEEDS[self.report.rounds % len(SEEDS)])
            self.report.seconds = time.monotonic() - start
            tell(self.report)
            time.sleep(max(0.0, begun + every - time.monotonic()))
        self._halt()
        return self.report

    def _round(self, seed: int) -> None:
        machine, report = self._machine, self.report
        self._say(f"set seed {seed}")
        self._say("generate")
        stats = next((event for event in machine.events if isinstance(event, Stats)), None)
        if stats is None:
            refused = next(
                (event.message for event in machine.events if isinstance(event, Error)), "it did not say why"
            )
            raise GuestFailed(f"round {report.rounds + 1}: the guest generated nothing: {refused}")
        texts = tuple(event.text for event in machine.events if isinstance(event, Sample))
        self._compare(seed, texts, stats)
        report.rounds += 1
        report.samples += len(texts)
        report.tokens += stats.tokens
        report.us_first = report.us_first or stats.us
        report.us_last = stats.us
        self._weigh()

    def _say(self, line: str) -> None:
        """Type a line, and wait until the shell reads the next one."""
        self._machine.forget()
        self._machine.send(line.encode() + b"\r")
        self._expect_shell()

    def _expect_shell(self) -> None:
        try:
            self._machine.expect_event(Shell, self._patience)
        except NotSeen as error:
            where = f"round {self.report.rounds + 1}, after {counted(round(self.report.seconds), 'second')}"
            ended = None if self._machine.running else self._machine.wait().error()
            if ended is not None:
                raise type(ended)(f"{where}: {ended.message}", ended.hint) from error
            raise GuestFailed(f"{where}: the shell did not come back: {error.message}", error.hint) from error

    def _compare(self, seed: int, texts: tuple[str, ...], stats: Stats) -> None:
        report = self.report
        where = f"round {report.rounds + 1}, after {counted(round(report.seconds), 'second')}, seed {seed}"
        if not texts or not stats.used:
            raise GuestFailed(f"{where}: the image generated no text, or does not say what it uses of its arena")
        expected = report.texts.setdefault(seed, texts)
        if texts != expected:
            wrong = next((i for i, (a, b) in enumerate(zip(texts, expected, strict=False)) if a != b), len(expected))
            raise GuestFailed(
                f"{where}: the texts are not those of the first time",
                f"sample {wrong + 1}: {list(texts[wrong : wrong + 1])}, not {list(expected[wrong : wrong + 1])}",
            )
        report.used = report.used or stats.used
        if stats.used != report.used:
            raise GuestFailed(f"{where}: {stats.used:,} bytes of the arena are used, and {report.used:,} were at first")

    def _weigh(self) -> None:
        report = self.report
        report.resident_last = resident_bytes(self._machine.pid)
        report.resident_most = max(report.resident_most, report.resident_last)
        if report.rounds <= len(SEEDS):
            report.resident_first = report.resident_last

    def _halt(self) -> None:
        self._machine.send(b"halt\r")
        self._machine.expect_event(Exit, _END_SECONDS)
        error = self._machine.wait().error()
        if error is not None:
            raise error


def soak_words(extra: str = "") -> str:
    """The kernel's command line for a soak."""
    return " ".join(word for word in ("mode=shell", extra) if word)


def resident_bytes(pid: int) -> int:
    """The resident memory of a process in bytes; 0 if it is unknown."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * _KB for line in lines if line.startswith("VmRSS:")), 0)
