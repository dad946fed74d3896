"""The terminal is as it was before, however raw mode is left; and what is said of it to the kernel."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pace
import pytest

from kgpt_build.vm.console import WithoutQuestions, raw_terminal
from kgpt_build.vm.terminal import LineEnds, kernel_words

PROGRAM = """
import os, sys
from kgpt_build.vm.console import raw_terminal
with raw_terminal(0):
    os.write(1, b"raw")
    os.read(0, 1)
    {then}
"""


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def test_every_key_reaches_the_program(terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    with raw_terminal(theirs):
        os.write(ours, b"\x03\x04\x1a\r\x11a")
        assert os.read(theirs, 100) == b"\x03\x04\x1a\r\x11a"
        os.write(theirs, b"x\n")
        assert os.read(ours, 100) == b"x\r\n", "nothing is echoed, and lines still end well"
    assert termios.tcgetattr(theirs) == before


def test_restored_after_an_exception(terminal: tuple[int, int]) -> None:
    before = termios.tcgetattr(terminal[1])
    handler = signal.getsignal(signal.SIGTERM)

    def fail() -> None:
        with raw_terminal(terminal[1]):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert termios.tcgetattr(terminal[1]) == before
    assert signal.getsignal(signal.SIGTERM) == handler


def ended(process: subprocess.Popen[bytes], number: int) -> int:
    """Its status. Python looks for signals before it reads, so one that comes just then waits for the next one."""
    deadline = time.monotonic() + pace.limit(60)
    while time.monotonic() < deadline:
        if number:
            process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(5)
    raise AssertionError("it does not end")


@pytest.mark.parametrize(
    ("then", "number", "status"),
    [
        ("pass", 0, 0),
        ("sys.exit(7)", 0, 7),
        ("raise ValueError", 0, 1),
        ("os.read(0, 1)", signal.SIGTERM, 128 + signal.SIGTERM),
        ("os.read(0, 1)", signal.SIGHUP, 128 + signal.SIGHUP),
        ("os.read(0, 1)", signal.SIGQUIT, 128 + signal.SIGQUIT),
        ("os.read(0, 1)", signal.SIGINT, -signal.SIGINT),
    ],
)
def test_restored_when_the_process_ends(terminal: tuple[int, int], then: str, number: int, status: int) -> None:
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    program = PROGRAM.format(then=then)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert os.read(ours, 3) == b"raw"
    assert termios.tcgetattr(theirs) != before
    os.write(ours, b"a")
    assert ended(process, number) == status
    assert termios.tcgetattr(theirs) == before


def test_line_ends_are_those_of_a_terminal_that_adds_a_return_itself() -> None:
    written = b"a\r\nb\rc\n\r\r\n\r\nend\rx"
    for size in range(1, len(written)):
        lines = LineEnds()
        pieces = [lines.feed(written[i : i + size]) for i in range(0, len(written), size)]
        assert b"".join(pieces) == b"a\nb\rc\n\r\n\nend\rx"


@pytest.mark.parametrize(
    ("env", "columns", "words"),
    [
        ({"TERM": "xterm"}, 40, ["output=color", "columns=40"]),
        ({"TERM": "xterm", "NO_COLOR": ""}, 0, ["output=color"]),
        ({"TERM": "xterm", "NO_COLOR": "1"}, 80, ["output=plain", "columns=80"]),
        ({"TERM": "dumb"}, 80, ["output=plain", "columns=80"]),
        ({}, 80, ["output=plain", "columns=80"]),
    ],
)
def test_the_kernel_is_told_what_the_terminal_is(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch, env: dict[str, str], columns: int, words: list[str]
) -> None:
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    termios.tcsetwinsize(terminal[1], (24, columns))
    assert kernel_words(terminal[1], interactive=True) == words
    assert kernel_words(terminal[1], interactive=False) == []


def test_a_pipe_is_raw() -> None:
    read, write = os.pipe()
    assert kernel_words(write, interactive=False) == ["output=raw"]
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_a_guest_s_questions_are_left_out_however_they_are_cut(size: int) -> None:
    said = b"\x1b[?2004h\x1b[5n> hi\x1b[K\x1b[?25h\r\x1b[5D\x1b[?2004l bye"
    plain = WithoutQuestions()
    shown = b"".join(plain.feed(said[at : at + size]) for at in range(0, len(said), size))
    assert shown == b"> hi\x1b[K\x1b[?25h\r\x1b[5D bye"
