"""`kgpt run --target hosted` and `kgpt chat`: the engine as a process, as one runs it in QEMU."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pace
import pytest
from boots import ENVIRONMENT, Kgpt
from processes import children, runs
from terminal import Terminal
from tiny_lm import write_lm

from kgpt_build.kernel.build import build_cached


@pytest.fixture(scope="module")
def program() -> Path:
    """The default model's."""
    return build_cached(target="hosted")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A language model with a chat template and random weights."""
    return write_lm(tmp_path / "tiny.gguf")


def on_a_terminal(tmp_path: Path, *words: str | Path | int) -> Terminal:
    command = [sys.executable, "-m", "kgpt_build", *map(str, words)]
    return Terminal(command, {**ENVIRONMENT, "TERM": "xterm"}, tmp_path)


SETTINGS = ("--samples", 3, "--seed", 5, "--temperature", 0.7, "--top-k", 9, "--max-tokens", 6)


def test_names_are_those_of_the_kernel(kgpt: Kgpt) -> None:
    """Options mean the same, and a seed gives the same texts."""
    hosted = kgpt("run", "--target", "hosted", "--prompt", "ka", *SETTINGS)
    assert hosted.returncode == 0, hosted.stderr
    assert len(hosted.stdout.splitlines()) == 3
    assert re.search(r"3 samples, \d+ tokens in .* seed 5$", hosted.stderr, re.MULTILINE)
    assert kgpt("run", "--accel", "tcg", "--prompt", "ka", *SETTINGS).stdout == hosted.stdout


def test_replies_are_those_of_the_kernel(kgpt: Kgpt, tiny: Path) -> None:
    words = [tiny, "--system", "b", "--prompt", "a", "--max-tokens", 6, "--temperature", 3, "--repeat-penalty", 1.1]
    replies = ""
    for seed in (1, 2, 3):
        hosted = kgpt("chat", *words, "--seed", seed)
        assert hosted.returncode == 0, hosted.stderr
        assert kgpt("run", *words, "--seed", seed, "--accel", "tcg").stdout == hosted.stdout
        replies += hosted.stdout
    assert replies.strip()
    assert kgpt("run", "--target", "hosted", *words, "--seed", 3).stdout == hosted.stdout
    events = [json.loads(line) for line in kgpt("chat", *words, "--json", "--cpus", 3).stdout.splitlines()]
    assert events[-1] == {"event": "exit", "code": 0, "reason": "done"}
    assert [event["started"] for event in events if event["event"] == "cpus"] == [3]


def test_a_chat_is_typed_to_as_in_qemu(tiny: Path, tmp_path: Path) -> None:
    """Tab completes, and the terminal is asked to mark pastes, though the program itself has pipes."""
    with on_a_terminal(tmp_path, "chat", tiny, "--max-tokens", 2) as terminal:
        terminal.expect("^> ")
        assert b"\x1b[?2004h" in terminal.raw
        terminal.type("/his\t")
        terminal.expect("/history")
        terminal.type("\r")
        terminal.expect("0 of [0-9]+ tokens")
        terminal.type("\x1b[200~a\rb\x1b[201~\r")
        terminal.expect("^> ")
        terminal.type("/bye\r")
        assert terminal.wait() == 0
    assert terminal.raw.rindex(b"\x1b[?2004l") > terminal.raw.rindex(b"\x1b[?2004h")


def test_a_long_prompt_reaches_it(kgpt: Kgpt) -> None:
    """More than fits its command line: it comes as in QEMU, as a module."""
    done = kgpt("run", "--target", "hosted", "--json", "--samples", 1, "--prompt", "k" * 9000)
    assert "prompt" in done.stdout
    assert done.returncode == kgpt("run", "--accel", "tcg", "--samples", 1, "--prompt", "k" * 9000).returncode


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--mode", "selftest"], 0, ""),
        (["--temperature", "-1"], 2, "temperature"),
        (["--cmdline", "nokey=1"], 1, "nokey"),
        (["--cmdline", "fault=ud"], 4, "panic: #UD"),
        (["--cmdline", "fault=reset"], 5, "ended without a verdict (killed by SIGKILL)"),
        (["--cmdline", "fault=hang", "--timeout", "2"], 124, "did not end within 2 seconds\n  give it more"),
        (["--accel", "tcg"], 2, "--accel is for QEMU"),
        (["--no-serial"], 2, "--no-serial is for QEMU"),
        (["--keyboard", "usb"], 2, "--keyboard is for QEMU"),
        (["--secure-boot", "own.crt"], 2, "--secure-boot is for QEMU"),
        (["--ctx", "5"], 2, "--ctx is for language models"),
    ],
)
def test_exit_codes_are_those_of_a_machine(kgpt: Kgpt, words: list[str], code: int, message: str) -> None:
    done = kgpt("run", "--target", "hosted", *words)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "--gdb" not in done.stderr  # which is QEMU's


def test_the_program_itself_is_run(kgpt: Kgpt, program: Path, kernel: Path, tmp_path: Path) -> None:
    """And the one in ./build; --target says which, where both could be meant."""
    named = kgpt("run", program, "--samples", 2)
    assert named.returncode == 0, named.stderr
    assert "booted by process" in named.stdout
    assert kgpt("build", "--target", "hosted", "--cmdline", "samples=2").returncode == 0
    here = kgpt("run")
    assert "booted by process" in here.stdout
    assert len(re.findall("^sample", here.stdout, re.MULTILINE)) == 2
    assert "compiling" not in here.stderr
    bare = kgpt("run", "--target", "bare", "--accel", "tcg")
    assert "booted by multiboot1" in bare.stdout
    assert len(re.findall("^sample", bare.stdout, re.MULTILINE)) == 2
    wrong = kgpt("run", kernel, "--target", "hosted")
    assert (wrong.returncode, "not a program for Linux" in wrong.stderr) == (2, True)
    wrong = kgpt("run", program, "--target", "bare")
    assert (wrong.returncode, "is a program for Linux" in wrong.stderr) == (2, True)


def test_without_qemu(kgpt: Kgpt, program: Path, tmp_path: Path) -> None:
    done = kgpt("run", program, "--samples", 1, env={"PATH": str(tmp_path)})
    assert done.returncode == 0, done.stderr


def test_a_dry_run_is_a_line_that_works(kgpt: Kgpt, program: Path) -> None:
    done = kgpt("run", program, "--dry-run", "--samples", 2, "--cpus", 2)
    shown = subprocess.run(done.stdout, shell=True, capture_output=True, text=True, timeout=pace.limit(60), check=False)
    assert shown.returncode == 0
    assert "sample  2: " in shown.stdout


def test_smoke(kgpt: Kgpt, program: Path, tmp_path: Path) -> None:
    done = kgpt("smoke", program, "--expect", r"^sample 20: \w+$", "--junit", "j.xml")
    assert done.returncode == 0, done.stderr
    assert "passed: 2 checks" in done.stderr
    assert (tmp_path / "j.xml").is_file()
    assert kgpt("smoke", program, "--expect", "nothing of the kind").returncode == 4
    assert kgpt("smoke", program, "--cmdline", "fault=div").returncode == 4
    assert kgpt("smoke", program, "--machine", "pc").returncode == 2


def test_keys_are_those_of_a_machine(tmp_path: Path, program: Path) -> None:
    with on_a_terminal(tmp_path, "run", program, "--samples", 1) as terminal:
        terminal.expect(r"Ctrl-\] leaves the program")
        terminal.expect("^sample  1: ")
        terminal.expect("kgpt> $")
        terminal.type("generate ka\r")
        terminal.expect("^sample  1: ka")
        terminal.expect("kgpt> $")
        terminal.type("\x04")
        assert terminal.wait() == 0


def test_ctrl_bracket_leaves_it(tmp_path: Path, program: Path) -> None:
    with on_a_terminal(tmp_path, "run", program, "--samples", 1) as terminal:
        terminal.expect("kgpt> $")
        terminal.type("\x1d")
        assert terminal.wait() == 0


def test_ctrl_c_interrupts_it_and_no_more(tmp_path: Path, program: Path) -> None:
    with on_a_terminal(tmp_path, "run", program, "--samples", 1_000_000) as terminal:
        terminal.expect("^sample  1: ")
        terminal.type("\x03")
        terminal.expect("kgpt> $")
        terminal.type("\x04")
        assert terminal.wait() == 0


def test_a_chat_on_a_terminal(tmp_path: Path, tiny: Path) -> None:
    with on_a_terminal(tmp_path, "chat", tiny, "--max-tokens", 3) as terminal:
        terminal.expect("> $")
        terminal.type("abc\r")
        terminal.expect("> $")
        terminal.type("\x04")
        assert terminal.wait() == 0


def test_no_process_is_left_behind(tmp_path: Path, program: Path) -> None:
    with on_a_terminal(tmp_path, "run", program, "--samples", 1) as terminal:
        terminal.expect("kgpt> $")
        (child,) = children(terminal.process.pid)
        os.kill(terminal.process.pid, signal.SIGKILL)
        terminal.process.wait()
        assert any(not runs(child) for _ in pace.attempts(60, 0.05))


def test_chat_without_a_model_takes_the_one_in_build(kgpt: Kgpt, tiny: Path, tmp_path: Path) -> None:
    assert kgpt("build", tiny).returncode == 0
    done = kgpt("chat", "--prompt", "a", "--max-tokens", 2, "--dry-run")
    assert done.returncode == 0, done.stderr
    program = Path(shlex.split(done.stdout)[0])
    assert program.name == "kgpt-hosted"
    assert "smollm2" not in done.stderr.lower()
