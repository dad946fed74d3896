"""Messages of many lines on a serial line: marked by the terminal, by nobody, and by hand."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from boots import ENVIRONMENT
from chats import HERE, PASTE, PASTED, PROMPT, asked, replies, write_talker
from terminal import Terminal

LINES = [f"\t{i}" for i in range(1000, 1100)]  # few tokens: computing them takes most of the time
TEXT = "\n".join([*LINES, "and a backslash at the end \\"])

ChatOn = Callable[..., Terminal]


@pytest.fixture
def chat_on(kernel_without_model: Path, tmp_path: Path) -> Iterator[ChatOn]:
    """``chat_on(**environment)``: `kgpt run` of a small model in QEMU, on a terminal of its own."""
    opened: list[Terminal] = []
    model = write_talker(tmp_path)

    def start(**environment: str) -> Terminal:
        words = (
            "--model",
            str(model),
            "--accel",
            "tcg",
            "--ctx",
            "4096",
            "--max-tokens",
            "3",
            "--cpus",
            "1",
            "--cmdline",
            "stats=on",
        )
        argv = [sys.executable, "-m", "kgpt_build", "run", str(kernel_without_model), *words]
        opened.append(Terminal(argv, {**ENVIRONMENT, "TERM": "xterm", **environment}, tmp_path))
        opened[-1].expect(r"kgpt: chat with ")
        opened[-1].expect(PROMPT)
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.__exit__(None, None, None)


def assert_answered(terminal: Terminal, text: str) -> None:
    """One reply, to ``text`` whole; and the run ends."""
    terminal.expect("kgpt: prompt ")
    terminal.expect(PROMPT)
    terminal.type("/history\r")
    terminal.expect(r"of 4096 tokens")
    terminal.type("/bye\r")
    assert terminal.wait() == 0
    assert asked(terminal.text) == [text]
    assert replies(terminal.text) == 1


def test_a_marked_paste(chat_on: ChatOn) -> None:
    terminal = chat_on()
    assert b"\x1b[?2004h" in terminal.raw
    terminal.type(PASTE + TEXT.replace("\n", "\r") + PASTED + "\r")
    assert_answered(terminal, TEXT)
    assert terminal.raw.rindex(b"\x1b[?2004l") > terminal.raw.rindex(b"\x1b[?2004h")


def test_a_paste_that_is_not_marked(chat_on: ChatOn) -> None:
    terminal = chat_on()
    terminal.type(HERE)
    terminal.type(TEXT.replace("\n", "\r") + "\r")
    assert_answered(terminal, TEXT)


def test_paste_until_end_on_a_dumb_terminal(chat_on: ChatOn) -> None:
    terminal = chat_on(TERM="dumb")
    assert not re.search(rb"\x1b\[[?5]", terminal.raw)
    terminal.type("/paste\r" + TEXT.replace("\n", "\r") + "\r/end\r")
    assert_answered(terminal, TEXT)


def test_leaving_takes_the_question_back(chat_on: ChatOn) -> None:
    terminal = chat_on()
    terminal.type("\x1d")
    assert terminal.wait() == 0
    assert terminal.raw.rindex(b"\x1b[?2004l") > terminal.raw.rindex(b"\x1b[?2004h")
