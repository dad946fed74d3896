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
    return run(tmp_path, SUITE, kernel)


def run(folder: Path, suite: str, image: Path | None, *options: str) -> str:
    """What pytest says of ``suite``, in which something fails."""
    (folder / "test_user.py").write_text(suite)
    plugin = [] if _installed() else ["-p", "kgpt_build.pytest_plugin"]
    words = [sys.executable, "-m", "pytest", *plugin, "-p", "no:cacheprovider", "--kgpt-accel", "tcg"]
    done = subprocess.run(
        [*words, *(["--kgpt-image", str(image)] if image else []), *options, "test_user.py"],
        cwd=folder,
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


MISSING = """
def test_the_given_one(kgpt_machine):
    kgpt_machine()

def test_another(kgpt_machine):
    kgpt_machine("is not here.elf")

def test_a_folder(kgpt_machine):
    kgpt_machine("/")

def test_an_empty_one(kgpt_machine, tmp_path):
    (tmp_path / "empty.elf").write_bytes(b"")
    kgpt_machine(tmp_path / "empty.elf")

def test_a_wrong_setting(kgpt_machine):
    kgpt_machine("/", machine="toaster")
"""


def test_a_missing_image_fails_the_test_in_one_line(tmp_path: Path) -> None:
    """It is neither skipped, nor an error of the fixture, nor a guest that has ended without a word."""
    report = run(tmp_path, MISSING, tmp_path / "absent.elf")
    assert "5 failed" in report
    assert "error" not in report.splitlines()[-1]
    for reason in (
        f"kgpt: cannot read the image {tmp_path}/absent.elf: No such file or directory",
        "kgpt: cannot read the image is not here.elf: No such file or directory",
        "kgpt: cannot read the image /: Is a directory",
        "empty.elf is empty",
    ):
        assert reason in report
    assert "Traceback" not in report
    assert "kgpt build makes one" in report
