"""Whatever the host imports the kernel runs: random edits of models of every format that can be imported.

Each is either refused in one line, without a trace on the disk, or becomes a file that the kernel's readers take and
the hosted kernel generates with.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import import_fuzz
import pace
import pytest
from hosted import Hosted, Run
from import_seeds import KINDS
from verdicts import Kernel

COUNT, RUNS = 250, 8
"""Edits of each format, and how many of the models that were taken generate."""
NOT_FINITE = 4  # the exit code of a kernel whose logits are not finite: its weights may be as large as f32 allows


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    return Kernel(tmp_path_factory.mktemp("verdicts"))


def fuzzed(kind: str, seed: str, count: int, folder: Path, part: int = 2000) -> Iterator[dict[str, Any]]:
    """What became of ``count`` edits, in processes of ``part`` edits each. A crash fails the test."""
    for first in range(0, count, part):
        words = [
            sys.executable,
            import_fuzz.__file__,
            kind,
            seed,
            str(first),
            str(min(part, count - first)),
            str(folder),
        ]
        limit = pace.limit(60 + part)
        done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=limit, check=False)
        lines = done.stdout.splitlines()
        assert done.returncode == 0, f"{lines[-1:]}\n{done.stderr[-4000:]}"
        assert not done.stderr, done.stderr[-4000:]
        for line in lines:
            found = json.loads(line)
            yield found
            (folder / "taken" / f"{found['number']}.gguf").unlink(missing_ok=True)


def environment() -> dict[str, str]:
    """The process finds the modules that this one has, and gives an import as long as this machine needs."""
    path = os.pathsep.join(filter(None, sys.path))
    return {**os.environ, "PYTHONPATH": path, "KGPT_PACE": str(pace.limit(1)), "OMP_NUM_THREADS": "1"}


def check(kind: str, seed: str, count: int, runs: int, folder: Path, kernel: Kernel, program: Hosted) -> None:
    seen, ran, faults = {"taken": 0, "refused": 0}, 0, []
    for found in fuzzed(kind, seed, count, folder):
        if found["result"] == "fault":
            faults.append(found)
            continue
        seen[found["result"]] += 1
        if found["result"] == "taken":
            path = folder / "taken" / f"{found['number']}.gguf"
            verdict = kernel.verdict(path.read_bytes())
            if not verdict.taken:
                faults.append({**found, "fault": f"the kernel refuses it: {verdict.message}"})
            elif ran < runs and (fault := generation_fault(program, path)):
                faults.append({**found, "fault": fault})
            ran += verdict.taken
    assert not faults, "\n".join(describe(fault) for fault in faults[:5]) + f"\n{len(faults)} faults"
    assert min(seen.values()) > count // 20, seen  # an answer that is always the same would prove nothing


def generation_fault(program: Hosted, path: Path) -> str:
    """Why the hosted kernel makes no token with the model, or ""."""
    run = _generated(program, path, "prompt=a ")
    if any("is not in the model's vocabulary" in event["message"] for event in run.of("error")):
        run = _generated(program, path, "")
    if run.returncode == 0 and run.of("token"):
        return ""
    errors = [event["message"] for event in run.of("error")]
    if run.returncode == NOT_FINITE and any("finite" in message for message in errors):
        return ""
    return f"the hosted kernel ends with {run.returncode}: {errors}"


def _generated(program: Hosted, path: Path, prompt: str) -> Run:
    return program.run(f"exit {prompt}max_tokens=1 temperature=0", options=("--module", str(path)))


def describe(fault: dict[str, Any]) -> str:
    return f"{fault['seed']}, edit {fault['number']} ({fault['edit']}): {fault['fault']}\n{fault.get('trace', '')}"


@pytest.mark.parametrize("kind", list(KINDS))
def test_random_edits(kernel: Kernel, without_model: Hosted, tmp_path: Path, kind: str) -> None:
    check(kind, "1", COUNT, RUNS, tmp_path, kernel, without_model)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(KINDS))
def test_twenty_thousand_edits(kernel: Kernel, without_model: Hosted, tmp_path: Path, kind: str) -> None:
    check(kind, os.environ.get("KGPT_SEED", "2"), 20_000, 500, tmp_path, kernel, without_model)
