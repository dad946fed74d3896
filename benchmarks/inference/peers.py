"""Other engines, built by ``make peers`` from their own sources and measured by their own llama-bench."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.inference.figures import Workload, rate
from kgpt_build.errors import KgptError

FOLDER = Path(os.environ.get("KGPT_PEERS", Path(__file__).parents[2] / "build" / "peers"))
NAMES = ("llama.cpp", "ik_llama.cpp")
_LONG = 2048
"""Tokens of a prompt from which no warm-up is made: it computes the whole prompt."""
_KV = {"f16": "f16", "q8": "q8_0", "f32": "f32"}


@dataclass(frozen=True)
class Peer:
    """An engine with a llama-bench."""

    name: str
    folder: Path

    @property
    def program(self) -> Path:
        """Its llama-bench."""
        return self.tool("llama-bench")

    def tool(self, name: str) -> Path:
        """Another program of the build."""
        return self.folder / "bin" / name

    @property
    def exists(self) -> bool:
        """Was it built?"""
        return self.program.is_file()

    @property
    def has_depth(self) -> bool:
        """Does its llama-bench know -d? ik_llama.cpp's does not."""
        return "--n-depth" in output_of([self.program, "--help"], self.program.name)

    def flags(self) -> str:
        """How it was compiled: build type and options of CMake's cache, and the compiler."""
        cache = self.folder / "CMakeCache.txt"
        wanted = ("CMAKE_BUILD_TYPE", "GGML_NATIVE", "GGML_OPENMP", "GGML_LLAMAFILE", "CMAKE_CXX_FLAGS_RELEASE")
        found = {}
        for line in cache.read_text().splitlines() if cache.exists() else []:
            key, _, value = line.partition("=")
            found[key.partition(":")[0]] = value
        return ", ".join(f"{key}={found[key]}" for key in wanted if found.get(key))

    def rates(self, model: Path, tests: Sequence[Workload], threads: int, repeat: int) -> list[float]:
        """Tokens per second of each test, in one process; all have the same depth and KV type."""
        return parse(self._run(model, tests, threads, repeat), tests)

    def _run(self, model: Path, tests: Sequence[Workload], threads: int, repeat: int) -> str:
        words: list[object] = [self.program, "-m", model, "-t", threads, "-r", repeat, "-o", "json"]
        words += ["-p", _joined(tests, "pp"), "-n", _joined(tests, "tg")]
        depth, kv = tests[0].depth, tests[0].kv
        if depth:
            words += ["-d", depth]
        if kv != "f16":
            words += ["-ctk", _KV[kv], "-ctv", _KV[kv], "-fa", 1]
        if any(test.kind == "pp" and test.tokens >= _LONG for test in tests):
            words += ["--no-warmup"] if self.has_depth else ["-w", 0]
        return output_of(words, f"{self.name}'s llama-bench")


def parse(output: str, tests: Sequence[Workload]) -> list[float]:
    """The rates of ``tests`` from llama-bench's JSON. Raises KgptError if one is missing."""
    try:
        entries: list[dict[str, Any]] = json.loads(output)
        found = {
            (entry["n_prompt"], entry["n_gen"], entry.get("n_depth", 0)): rate(
                entry["n_prompt"] + entry["n_gen"], entry["samples_ns"]
            )
            for entry in entries
        }
    except (ValueError, KeyError, TypeError) as error:
        raise KgptError(f"llama-bench printed no JSON that is understood: {error}", "make peers builds it") from error
    wanted = [(t.tokens, 0, t.depth) if t.kind == "pp" else (0, t.tokens, t.depth) for t in tests]
    missing = [test.name for test, key in zip(tests, wanted, strict=True) if key not in found]
    if missing:
        raise KgptError(f"llama-bench did not measure {', '.join(missing)}", "run it by hand to see why")
    return [found[key] for key in wanted]


def available(names: Sequence[str] = NAMES) -> list[Peer]:
    """The engines that were built."""
    return [peer for peer in (Peer(name, FOLDER / name) for name in names) if peer.exists]


def _joined(tests: Sequence[Workload], kind: str) -> str:
    return ",".join(str(test.tokens) for test in tests if test.kind == kind) or "0"


def output_of(words: Sequence[object], what: str) -> str:
    """What a program prints. Raises KgptError with its last line if it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "nothing was printed").splitlines()[-1]
        raise KgptError(f"{what} failed: {last}", f"run it by hand: {' '.join(map(str, words))}")
    return done.stdout
