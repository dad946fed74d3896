"""Sections of work on threads, and the pieces in which workers take it, also under ThreadSanitizer."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pace
import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    "tests/hosted/workers_driver.c",
    "kernel_c/platform/linux/threads.c",
    "kernel_c/platform/linux/x86_64/processor.c",
]
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"]


@pytest.fixture(scope="module", params=["", "thread"])
def driver(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("workers") / "workers"
    flags = [*FLAGS, *([f"-fsanitize={request.param}"] if request.param else [])]
    include = ["-Ikernel_c/include", "-Ikernel_c"]
    subprocess.run(["gcc", *flags, *include, *SOURCES, "-o", str(program)], cwd=ROOT, check=True)
    return program


@pytest.mark.parametrize("threads", [1, 2, 3, 20])
def test_each_unit_is_done_once(driver: Path, threads: int) -> None:
    """20 threads are more than there are lanes, and than most machines have processors."""
    sections = 300
    run = subprocess.run(
        [str(driver), str(threads), str(sections)], capture_output=True, text=True, timeout=pace.limit(120)
    )
    assert run.returncode == 0, run.stdout + run.stderr
    found = re.fullmatch(r"(\d+) threads, (\d+) sections, slow (\d+) of (\d+)\n", run.stdout)
    assert found, run.stdout
    assert (int(found[1]), int(found[2])) == (threads, sections)
    assert threads > 1 or found[3] == found[4]
