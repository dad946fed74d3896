"""The shell in the machine, on a terminal, and the terminal afterwards."""

from __future__ import annotations

import os
import re
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from boots import ENVIRONMENT, Boot
from terminal import Terminal

KgptOn = Callable[..., Terminal]


@pytest.fixture
def on_terminal(kernel: Path, tmp_path: Path) -> Iterator[KgptOn]:
    """``on_terminal(*words)``: `kgpt run` of the default image on a terminal of its own."""
    opened: list[Terminal] = []

    def start(*words: str) -> Terminal:
        argv = [sys.executable, "-m", "kgpt_build", "run", str(kernel), "--accel", "tcg", *words]
        opened.append(Terminal(argv, ENVIRONMENT, tmp_path))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.__exit__(None, None, None)


def test_twenty_names_then_the_shell(on_terminal: KgptOn) -> None:
    terminal = on_terminal()
    terminal.expect(r"Ctrl-\] leaves")
    terminal.expect(r"^sample 20: [a-z]+$")
    terminal.expect(r"20 samples, \d+ tokens")
    terminal.expect(r"^kgpt> $")
    terminal.type("model\r")
    terminal.expect(r"parameters +4,192")
    terminal.type("mem\r")
    terminal.expect(r"^arena +\d+ MB")
    terminal.type("cpu\r")
    terminal.expect(r"^isa +avx2")
    terminal.type("generate mar\r")
    terminal.expect(r"^sample  1: mar[a-z]*$")
    terminal.expect(r"^kgpt> $")
    terminal.type("selftest crc32\r")
    terminal.expect(r"^test crc32\.known_answers: ok$")
    terminal.type("halt\r")
    assert terminal.wait() == 0


def test_a_mistyped_command_and_a_refused_setting(on_terminal: KgptOn) -> None:
    terminal = on_terminal("--samples", "1")
    terminal.expect(r"^kgpt> $")
    terminal.type("genrate\r")
    terminal.expect('did you mean "generate"')
    terminal.type("set temperature hot\r")
    terminal.expect("temperature")
    terminal.expect(r"^kgpt> $")
    terminal.type("set samples 2\r")
    terminal.expect(r"^kgpt> $")
    terminal.type("generate\r")
    terminal.expect(r"^sample  2: ")
    terminal.expect(r"2 samples, ")
    terminal.type("\x04")  # Ctrl-D on an empty line
    assert terminal.wait() == 0


def test_line_editing(on_terminal: KgptOn) -> None:
    terminal = on_terminal("--samples", "1")
    terminal.expect(r"^kgpt> $")
    terminal.type("generatx\x7fe")  # backspace
    terminal.type("\x1b[D" * 8 + "\x1b[C" * 8)  # arrows, there and back
    terminal.type(" za\x7f\x7fka\r")
    terminal.expect(r"^sample  1: ka")
    terminal.expect(r"^kgpt> $")
    terminal.type("nonsense\x15model\r")  # Ctrl-U empties the line
    terminal.expect("parameters")
    terminal.expect(r"^kgpt> $")
    terminal.type("\x1b[A\x1b[A\r")  # the line before the last, again
    terminal.expect(r"^sample  1: ka")
    terminal.expect(r"^kgpt> $")
    terminal.type("\x04")
    assert terminal.wait() == 0


def test_ctrl_c_stops_a_generation_and_keeps_the_session(on_terminal: KgptOn) -> None:
    terminal = on_terminal("--samples", "1")
    terminal.expect(r"^kgpt> $")
    terminal.type("set samples 1000000\r")
    terminal.expect(r"^kgpt> $")
    terminal.type("generate\r")
    terminal.expect(r"^sample 30: ")
    terminal.type("\x03")
    match = terminal.expect(r"^kgpt: stopped after ([\d,]+) samples")
    assert int(match[1].replace(",", "")) < 1_000_000
    terminal.expect(r"^kgpt> $")
    terminal.type("halt\r")
    assert terminal.wait() == 0


def test_reboot_is_an_end_that_was_asked_for(on_terminal: KgptOn) -> None:
    terminal = on_terminal("--mode", "shell")
    terminal.expect(r"^kgpt> $")
    assert "sample" not in terminal.text
    terminal.type("reboot\r")
    assert terminal.wait() == 0


def test_the_shell_over_the_plugin(boot: Boot) -> None:
    guest = boot("mode=shell")
    guest.expect_event("shell", prompt="kgpt> ")
    guest.send_line("generate ka")
    guest.expect(r"^sample  1: ka")
    guest.expect_event("stats")
    guest.send_line("bogus")
    guest.expect_event("error", message='unknown command "bogus"')
    guest.send_line("halt")
    assert guest.wait().ok
    guest.expect_event("exit", code=0, reason="halt")


def qemu_of(terminal: Terminal) -> int:
    """QEMU's process id: the child of kgpt."""
    children = Path(f"/proc/{terminal.process.pid}/task/{terminal.process.pid}/children").read_text().split()
    (qemu,) = [int(pid) for pid in children if "qemu" in Path(f"/proc/{pid}/comm").read_text()]
    return qemu


def leave(terminal: Terminal) -> None:
    terminal.type("\x1d")


def kill_qemu(terminal: Terminal) -> None:
    os.kill(qemu_of(terminal), signal.SIGKILL)


def terminate(terminal: Terminal) -> None:
    terminal.process.terminate()


def hang_up(terminal: Terminal) -> None:
    terminal.process.send_signal(signal.SIGHUP)


@pytest.mark.parametrize(
    ("end", "status"),
    [(leave, 0), (kill_qemu, 5), (terminate, 128 + signal.SIGTERM), (hang_up, 128 + signal.SIGHUP)],
)
def test_the_terminal_is_restored(on_terminal: KgptOn, end: Callable[[Terminal], None], status: int) -> None:
    terminal = on_terminal("--samples", "1")
    before = termios.tcgetattr(terminal.theirs)
    terminal.expect(r"^kgpt> $")
    assert termios.tcgetattr(terminal.theirs) != before
    qemu = qemu_of(terminal)
    end(terminal)
    assert terminal.wait() == status
    assert termios.tcgetattr(terminal.theirs) == before
    for _ in range(500):
        if not Path(f"/proc/{qemu}").exists():
            break
        time.sleep(0.01)
    assert not Path(f"/proc/{qemu}").exists(), "QEMU was left behind"


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--cmdline", "fault=null"], 4, r"panic: #PF \(page fault"),
        (["--cmdline", "fault=reset"], 5, "the guest reset"),
        (["--cmdline", "fault=hang", "--timeout", "2"], 124, "did not end within 2 seconds"),
    ],
)
def test_a_broken_guest_on_a_terminal(on_terminal: KgptOn, words: list[str], status: int, message: str) -> None:
    terminal = on_terminal(*words)
    before = termios.tcgetattr(terminal.theirs)
    terminal.expect("leaves the machine")
    assert terminal.wait() == status
    assert re.search(f"^kgpt: error: .*{message}", terminal.text, re.MULTILINE)
    assert termios.tcgetattr(terminal.theirs) == before
