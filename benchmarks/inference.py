"""``python -m benchmarks.inference MODEL``: tokens per second for prompts (pp) and replies (tg), beside llama.cpp.

Both read the same file with the same number of threads, and run in turn, so that other load affects both. The figures
are medians of all rounds, and the ratios medians of ratios. llama.cpp is the PyPI package llama-cpp-python of this
Python, or of the Python that ``--llama-python`` names; without the package only kgpt is measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import machine_line
from kgpt_build import models
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.hosted import run_hosted
from kgpt_build.models import GgufModel
from kgpt_build.models.catalog import resolve

_PEER = Path(__file__).parent / "llama_peer.py"


@dataclass(frozen=True)
class Test:
    """A measurement with ``tokens`` tokens, as one prompt or one by one."""

    kind: str
    tokens: int

    @property
    def name(self) -> str:
        """The name in llama-bench."""
        return f"{self.kind}{self.tokens}"


class Ours:
    """kgpt's hosted build."""

    def __init__(self, model: GgufModel, threads: int) -> None:
        """Build it, unless it is in the cache."""
        self._program = build_cached(model, target="hosted")
        self._threads = threads

    def rates(self, tests: Sequence[Test]) -> dict[str, float]:
        """Tokens per second of each test, measured once after a warm-up, in one process."""
        found = {}
        for test in tests:
            pp, tg = (test.tokens, 0) if test.kind == "pp" else (0, test.tokens)
            ctx = max(256, test.tokens)
            words = f"mode=bench cpus={self._threads} pp={pp} tg={tg} repeat=1 ctx={ctx} exit"
            events = [json.loads(line) for line in run_hosted(self._program, words, timeout=600)]
            found[test.name] = next(e["tokens"] * 1e6 / e["us"][0] for e in events if e["event"] == "bench")
        return found


class Llama:
    """llama.cpp in a process that lives until close()."""

    def __init__(self, python: str, model: Path, threads: int) -> None:
        """Start the process and load the model."""
        self._process = subprocess.Popen(
            [python, str(_PEER), str(model), str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def rates(self, tests: Sequence[Test]) -> dict[str, float]:
        """Tokens per second of each test, as Ours.rates."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        found = {}
        for test in tests:
            self._process.stdin.write(f"{test.kind} {test.tokens}\n")
            self._process.stdin.flush()
            found[test.name] = float(self._process.stdout.readline())
        return found

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()


def _has_llama(python: str) -> bool:
    return subprocess.run([python, "-c", "import llama_cpp"], capture_output=True, check=False).returncode == 0


def _row(test: Test, threads: int, ours: Sequence[float], theirs: Sequence[float]) -> str:
    median = statistics.median(ours)
    row = f"| {test.name} | {threads} | {median:.1f} |"
    if not theirs:
        return f"{row} - | - |"
    ratio = statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
    return f"{row} {statistics.median(theirs):.1f} | {ratio:.2f} |"


def measure(model: GgufModel, python: str | None, threads: int, tests: Sequence[Test], rounds: int) -> None:
    """Print a row for each test."""
    ours = Ours(model, threads)
    llama = Llama(python, model.path, threads) if python else None
    mine: dict[str, list[float]] = {test.name: [] for test in tests}
    others: dict[str, list[float]] = {test.name: [] for test in tests}
    try:
        for _ in range(rounds):
            for test in tests:
                mine[test.name].append(ours.rates([test])[test.name])
                if llama:
                    others[test.name].append(llama.rates([test])[test.name])
    finally:
        if llama:
            llama.close()
    for test in tests:
        print(_row(test, threads, mine[test.name], others[test.name]), flush=True)


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a GGUF file, or the name of one that was pulled")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--prompt", type=int, nargs="+", default=[64, 512])
    parser.add_argument("--decode", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--llama-python", default=sys.executable, help="a Python that has llama-cpp-python")
    arguments = parser.parse_args()
    model = models.load(resolve(arguments.model))
    if not isinstance(model, GgufModel):
        parser.error(f"{arguments.model} is no language model")
    python = arguments.llama_python if _has_llama(arguments.llama_python) else None
    if python is None:
        print("llama.cpp is not installed (pip install llama-cpp-python): ours alone")
    tests = [*(Test("pp", n) for n in arguments.prompt), Test("tg", arguments.decode)]
    print(machine_line())
    print(f"{model.name}, {model.type_text}, {model.size / 1e6:.0f} MB; medians of {arguments.rounds} rounds, in turn")
    print("| test | threads | kgpt t/s | llama.cpp t/s | ratio |\n|---|---|---|---|---|")
    for threads in arguments.threads:
        measure(model, python, threads, tests, arguments.rounds)


if __name__ == "__main__":
    main()
