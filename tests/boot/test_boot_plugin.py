"""The pytest plugin as a user has it: a suite of its own in another process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pace
import pytest
from boots import ENVIRONMENT

SUITE = """
import pytest

def test_talks(kgpt_machine):
    guest = kgpt_machine(cmdline="samples=2 seed=7")
    guest.expect(r"^sample  2: [a-z]+$")
    guest.expect_event("shell", prompt="kgpt> ")
    guest.send_line("halt")
    assert guest.wait().ok
    assert guest.expect_event("sample", index=1).text

def test_line_that_never_comes(kgpt_machine):
    kgpt_machine(cmdline="samples=1 exit").expect("the moon")

def test_event_that_never_comes(kgpt_machine):
    kgpt_machine(cmdline="samples=1").expect_event("panic", timeout=2)

def test_own_assertion(kgpt_machine):
    assert kgpt_machine(cmdline="fault=ud").wait().ok
"""


@pytest.fixture
def report(kernel: Path, tmp_path: Path) -> str:
    """What pytest says of SUITE."""
    (tmp_path / "test_user.py").write_text(SUITE)
    plugin = [] if _installed() else ["-p", "kgpt_build.pytest_plugin"]
    words = [sys.executable, "-m", "pytest", *plugin, "-p", "no:cacheprovider", "--kgpt-accel", "tcg"]
    done = subprocess.run(
        [*words, "--kgpt-image", kernel, "test_user.py"],
        cwd=tmp_path,
        env={key: value for key, value in ENVIRONMENT.items() if not key.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=pace.limit(300),
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def _installed() -> bool:
    from importlib.metadata import entry_points

    return any(entry.value == "kgpt_build.pytest_plugin" for entry in entry_points(group="pytest11"))


def test_pass_and_failures(report: str) -> None:
    assert "3 failed, 1 passed" in report
    assert "the console did not show /the moon/, and the guest has ended" in report
    assert "did not carry the expected event panic, and 2 seconds went by" in report
    assert report.count("kgpt console 1") == 3
    assert report.count("sample  1: ") >= 2
    assert "panic: #UD" in report
