"""What fuzzing begins with and has found, through the same entry points, without a fuzzer: see ``make fuzz``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz import summary
from fuzz_build import INCLUDES, ROOT, build
from targets import TARGETS

SANITIZED = ["gcc", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
PLAIN = [sys.executable, "-m", "ziglang", "cc", "-O2", "-target", "x86_64-linux-gnu.2.28", "-fno-sanitize=all"]
MOST_BYTES = 330_000


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
    ran = outside_pytest(command)
    assert ran.returncode == 0, ran.stderr
    assert all(name in ran.stdout for name in TARGETS)


def test_the_command_for_seeds_starts_and_knows_every_target() -> None:
    ran = outside_pytest(f"{sys.executable} tests/fuzz/seeds.py no-target")
    assert ran.returncode == 2
    problem, _, known = ran.stderr.splitlines()[-1].partition("; there are ")
    assert problem == "seeds.py: error: unknown target 'no-target'"
    assert {*known.split(", ")} == {*TARGETS}


def outside_pytest(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a shell does that has no PYTHONPATH."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_corpus_is_small_and_belongs_to_targets() -> None:
    files = [path for path in (ROOT / "tests" / "fuzz" / "corpus").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    assert {path.parent.name for path in files} == {*TARGETS}


def test_figures_of_a_run_are_of_a_processor() -> None:
    log = "#7 INITED cov: 5 ft: 9\n#900 DONE cov: 12 ft: 30\nstat::number_of_executed_units: 12345\n"
    assert summary(log, 100, 2) == (
        "12,345 inputs in 100 s (2 s of a processor, 6,172 inputs/s of it; 12 edges covered)"
    )
    assert summary("ld: no such file", 1, 1) == "a run without figures"


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc's sanitizers")
def test_a_byte_beyond_memory_for_dma_is_seen(tmp_path: Path) -> None:
    """Fuzzers of drivers have one region for all pieces: what lies between them is poisoned, before and after."""
    source = tmp_path / "beyond.c"
    source.write_text(
        """#include "made_dma.h"
int main(int argc, char **argv)
{
    made_dma_begin(2);
    (void)plat_dma(100, 8, 0);
    made_dma_begin(2); /* the second piece was never used, the first one was */
    uint8_t *a = plat_dma(20, 8, 0), *b = plat_dma(4096, 4096, 0);
    promise(a && b && !plat_dma(1, 8, 0) && (uintptr_t)b % 4096 == 0);
    a[19] = b[4095] = (uint8_t)argc;
    volatile uint8_t *at = argc > 2 ? b : a;
    at[argc > 1 ? atoi(argv[1]) : 0] = 1;
    return 0;
}
""",
        encoding="utf-8",
    )
    program = tmp_path / "beyond"
    subprocess.run([*SANITIZED, *INCLUDES, source, "-o", program], cwd=ROOT, check=True)

    def run(*words: str) -> bool:
        ran = subprocess.run([program, *words], capture_output=True, text=True, check=False)
        assert ran.returncode == 0 or "use-after-poison" in ran.stderr
        return ran.returncode == 0

    assert all((run("19"), run("4095", "b")))
    assert not any((run("20"), run("83"), run("99"), run("4096", "b"), run("-1", "b")))
