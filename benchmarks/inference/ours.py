"""kgpt's side of a comparison: the hosted program, measured by its own ``mode=bench``."""

from __future__ import annotations

import json
from collections.abc import Sequence

from benchmarks.inference.figures import Workload, rate
from kgpt_build.boot_modules import BootModule
from kgpt_build.errors import KgptError
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.hosted import MEMORY_MB, run_hosted
from kgpt_build.models import NO_MODEL, GgufModel
from kgpt_build.settings import options

MOST_LINKED = 1 << 30
"""Bytes of a model that is linked into the program; a larger one is brought as a module, as by ``--model``."""
_TIMEOUT = 3600
_LEAST_CTX = 256


class Ours:
    """The hosted program with a model."""

    def __init__(self, model: GgufModel) -> None:
        """Build it, unless it is in the cache. Raises KgptError, ToolMissing."""
        self.is_linked = model.size <= MOST_LINKED
        self.program = build_cached(model if self.is_linked else NO_MODEL, target="hosted")
        self.modules = () if self.is_linked else (BootModule(model.path),)

    def rates(self, tests: Sequence[Workload], threads: int, repeat: int) -> list[float]:
        """Tokens per second of each test; a prompt and a reply share a process, as llama-bench's tests do."""
        found: dict[Workload, float] = {}
        for pair in _pairs(tests):
            found.update(zip(pair, self._measured(pair, threads, repeat), strict=True))
        return [found[test] for test in tests]

    def _measured(self, tests: Sequence[Workload], threads: int, repeat: int) -> list[float]:
        sizes = {test.kind: test.tokens for test in tests}
        depth, kv = tests[0].depth, tests[0].kv
        ctx = max(_LEAST_CTX, depth + max(sizes.values()))
        words = f"cpus={threads} pp={sizes.get('pp', 0)} tg={sizes.get('tg', 0)}"
        return parse(self._run(f"{words} repeat={repeat} depth={depth} kv={kv} ctx={ctx}"), tests)

    def _run(self, words: str) -> list[bytes]:
        line = f"mode=bench exit {words}"
        return run_hosted(self.program, line, timeout=_TIMEOUT, modules=self.modules, memory=MEMORY_MB)

    @staticmethod
    def has_slots() -> bool:
        """Can several sequences be computed in one pass?"""
        return "slots" in options()

    def sequences(self, tokens: int, depth: int, most: int, threads: int, repeat: int) -> list[bytes]:
        """The events of tests with 1, 2, 4, … up to ``most`` sequences, ``tokens`` each after ``depth`` shared ones."""
        slots = f"slots={most} " if self.has_slots() else ""
        ctx = max(_LEAST_CTX, depth + tokens)
        return self._run(f"{slots}cpus={threads} pp=0 tg={tokens} repeat={repeat} depth={depth} ctx={ctx}")


def parse(lines: Sequence[bytes], tests: Sequence[Workload]) -> list[float]:
    """The rates of ``tests`` from the events of a run. Raises KgptError if one is missing."""
    events = [event for event in map(json.loads, lines) if event["event"] == "bench"]
    found = {
        (event["test"].split()[0], event["depth"]): rate(event["tokens"], [1000 * us for us in event["us"]])
        for event in events
        if all(event["us"])
    }
    wanted = [(f"{test.kind}{test.tokens}", test.depth) for test in tests]
    missing = [test.name for test, key in zip(tests, wanted, strict=True) if key not in found]
    if missing:
        raise KgptError(f"kgpt did not measure {', '.join(missing)}", "the model's context may be shorter than that")
    return [found[key] for key in wanted]


def _pairs(tests: Sequence[Workload]) -> list[list[Workload]]:
    """Runs of mode=bench, which measures at most one prompt and one reply."""
    prompts = [test for test in tests if test.kind == "pp"]
    replies = [test for test in tests if test.kind == "tg"]
    return [[*prompts[i : i + 1], *replies[i : i + 1]] for i in range(max(len(prompts), len(replies)))]
