"""From the start of a process to its first token, and the memory that it takes, beside llama.cpp's own program.

The file is in the page cache, as for someone who starts a model again. Time is counted until the first token arrives:
kgpt's as an event, llama.cpp's as the first byte on standard output, where it writes only the reply. Memory is read
from /proc at that moment: the peak of all resident pages, and those that are not pages of a file, which other processes
cannot share.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.inference.figures import Spread
from benchmarks.inference.ours import Ours
from benchmarks.inference.peers import Peer
from kgpt_build.errors import KgptError
from kgpt_build.kernel.hosted import MEMORY_MB, hosted_argv
from kgpt_build.models import GgufModel
from kgpt_build.settings import Settings

PROMPT = "Once upon a time"
_TOKENS = 8
"""Tokens of the reply: the process must still live when its first one was seen."""
_OUR_TOKEN = b'"event":"token"'


@dataclass(frozen=True)
class Program:
    """A command, and the bytes in its output that tell that the first token is there."""

    name: str
    words: Sequence[str]
    marker: bytes = b""


@dataclass(frozen=True)
class Start:
    """Seconds to the first token, and bytes: the peak of resident pages, and those without a file."""

    seconds: float
    peak: int
    private: int


def run(model: GgufModel, peers: Sequence[Peer], threads: Sequence[int], rounds: int) -> None:
    """Print a table for ``model``; programs take turns."""
    print("| program | threads | ms to the first token | peak MB | of these not of a file |")
    print("|---|---|---|---|---|")
    for count in threads:
        programs = _programs(model, peers, count)
        found: dict[str, list[Start]] = {program.name: [] for program in programs}
        for _ in range(rounds):
            for program in programs:
                found[program.name].append(measure(program))
        for name, starts in found.items():
            print(_row(name, count, starts), flush=True)


def measure(program: Program) -> Start:
    """Start the program, wait for its first token, and end it. Raises KgptError if there is none."""
    start = time.perf_counter()
    with subprocess.Popen(program.words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            output = b""
            while not output or program.marker not in output:
                piece = os.read(process.stdout.fileno(), 1 << 16)
                if not piece:
                    raise KgptError(f"{program.name} gave no token", f"run it by hand: {shlex.join(program.words)}")
                output += piece
            seconds = time.perf_counter() - start
            status = Path(f"/proc/{process.pid}/status").read_text()
        finally:
            process.kill()
    return Start(seconds, *memory(status))


def memory(status: str) -> tuple[int, int]:
    """(peak of resident bytes, resident bytes without a file) of a /proc/PID/status."""
    fields = {key: value.split() for key, _, value in (line.partition(":") for line in status.splitlines())}
    peak, anonymous = (int(fields[key][0]) << 10 for key in ("VmHWM", "RssAnon"))
    return peak, anonymous


def _programs(model: GgufModel, peers: Sequence[Peer], threads: int) -> list[Program]:
    ours = Ours(model)
    words = Settings(prompt=PROMPT, max_tokens=_TOKENS, temperature=0.0).cmdline_words()
    line = " ".join(["mode=generate", "exit", f"cpus={threads}", *words])
    argv = hosted_argv(ours.program, line, modules=ours.modules, memory=MEMORY_MB)
    found = [Program("kgpt, hosted", [*argv, "--events-fd", "1"], _OUR_TOKEN)]
    for peer in peers:
        program = peer.tool("llama-completion")
        if program.exists():
            theirs = [str(program), "-m", str(model.path), "-t", str(threads), "-p", PROMPT, "-n", str(_TOKENS)]
            theirs += ["--temp", "0", "-no-cnv", "--no-display-prompt"]
            found.append(Program(f"{peer.name}, llama-completion", theirs))
            found.append(Program(f"{peer.name}, the same --no-warmup", [*theirs, "--no-warmup"]))
    return found


def _row(name: str, threads: int, starts: Sequence[Start]) -> str:
    times = Spread.of(1000 * start.seconds for start in starts)
    peak, private = (max(values) / 1e6 for values in ([s.peak for s in starts], [s.private for s in starts]))
    shown = f"{times.median:.0f} ({times.least:.0f} – {times.greatest:.0f})"
    return f"| {name} | {threads} | {shown} | {peak:.0f} | {private:.0f} |"
