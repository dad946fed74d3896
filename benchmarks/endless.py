"""``python -m benchmarks.endless MODEL``: seconds for each 1,000 characters of a text that goes on for ever.

MODEL has a running text's vocabulary. The text comes from ``kgpt run --max-tokens 0``, in QEMU or as a process, and is
stopped as a user stops it. If the rate is steady, the last rows are like the first.
"""

from __future__ import annotations

import argparse
import codecs
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.machine import machine_line

BLOCK = 1000
"""Characters of one measurement."""

_ROWS = 10


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endless", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--prompt", default="static int ")
    parser.add_argument("--characters", type=int, default=100_000)
    parser.add_argument("--cpus", default="1", help="processors, or threads of the process")
    parser.add_argument("--target", choices=["bare", "hosted"], default="hosted")
    options = parser.parse_args()
    blocks = options.characters // BLOCK
    print(f"on {machine_line()}, {options.target}, {blocks * BLOCK:,} characters")
    words = ["run", str(options.model), "--target", options.target, "--prompt", options.prompt, "--max-tokens", "0"]
    words += ["--cpus", options.cpus]
    with subprocess.Popen([sys.executable, "-m", "kgpt_build", *words], bufsize=0, stdout=subprocess.PIPE) as process:
        seconds = list(_seconds(process, blocks))
        process.send_signal(signal.SIGINT)
        process.communicate()
    _print_rows(seconds)


def _seconds(process: subprocess.Popen[bytes], blocks: int) -> Iterator[float]:
    """The duration of each block. The first one begins with the first character, when everything is loaded."""
    assert process.stdout is not None
    decoder = codecs.getincrementaldecoder("utf-8")()
    count, done, before = 0, 0, 0.0
    while done < blocks and (piece := os.read(process.stdout.fileno(), 4096)):
        now = time.monotonic()
        before = before or now
        count += len(decoder.decode(piece))
        while done < blocks and count >= (done + 1) * BLOCK:
            yield now - before
            before, done = now, done + 1


def _print_rows(seconds: list[float]) -> None:
    """Medians of equal parts of the run."""
    part = max(1, len(seconds) // _ROWS)
    medians = []
    print(f"{'characters':>21}  seconds for {BLOCK:,}")
    for start in range(0, len(seconds) - part + 1, part):
        medians.append(statistics.median(seconds[start : start + part]))
        print(f"{start * BLOCK:>9,} - {(start + part) * BLOCK:>9,}  {medians[-1]:.4f}")
    if medians:
        print(f"last over first part: {medians[-1] / medians[0]:.2f}")


if __name__ == "__main__":
    main()
