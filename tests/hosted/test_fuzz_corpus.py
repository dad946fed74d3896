"""What fuzzing begins with and has found, through the same entry points, without a fuzzer: see ``make fuzz``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from targets import ROOT, TARGETS, build

SANITIZED = ["gcc", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
PLAIN = [sys.executable, "-m", "ziglang", "cc", "-O2", "-target", "x86_64-linux-gnu.2.28", "-fno-sanitize=all"]
MOST_BYTES = 300_000


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_finds_nothing(tmp_path: Path, name: str) -> None:
    program, inputs = tmp_path / "replay", sorted(TARGETS[name].corpus.iterdir())
    build(TARGETS[name], program, SANITIZED if shutil.which("gcc") else PLAIN, "tests/fuzz/replay.c")
    ran = subprocess.run([program, *inputs], capture_output=True, text=True, errors="replace", check=False)
    assert ran.returncode == 0, [*ran.stdout.splitlines()[-1:], ran.stderr]
    assert ran.stdout.splitlines() == [str(path) for path in inputs]
    assert len(inputs) > 5


def test_make_fuzz_starts() -> None:
    """Its command finds the modules that it imports, outside pytest too."""
    make = ["make", "-n", "fuzz", f"BIN={Path(sys.executable).parent}", "FUZZ_TARGETS=--help"]
    recipe = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    command = next(line for line in recipe.splitlines() if "fuzz.py" in line)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert all(name in ran.stdout for name in TARGETS)


def test_the_corpus_is_small_and_belongs_to_targets() -> None:
    files = [path for path in (ROOT / "tests" / "fuzz" / "corpus").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    assert {path.parent.name for path in files} == {*TARGETS}
