"""The terminal on which a machine's console is shown: colours, whole words, and nothing that steers it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from boots import ENVIRONMENT, Boot, Kgpt, press, see
from hosted import random_model
from terminal import Terminal

from kgpt_build.events import Sample
from kgpt_build.kernel.build import build_cached
from kgpt_build.vm.screen import Screen
from kgpt_build.vm.terminal import visible

CYAN, DIM, PLAIN = "\x1b[36m", "\x1b[90m", "\x1b[m"
KgptOn = Callable[..., Terminal]


@pytest.fixture(scope="module")
def hostile_kernel() -> Path:
    """A model that says whatever steers a terminal."""
    model = random_model("\x1b[2Jm\x07\x9b ab", n_ctx=32, n_embd=4, n_layer=1, n_head=2, n_ff=8, name="hostile")
    return build_cached(model)


@pytest.fixture
def on_terminal(tmp_path: Path) -> Iterator[KgptOn]:
    """``on_terminal(image, *words, columns, **env)``: `kgpt run` on a terminal of its own."""
    opened: list[Terminal] = []

    def start(image: Path, *words: str, columns: int = 0, **env: str) -> Terminal:
        argv = [sys.executable, "-m", "kgpt_build", "run", str(image), "--accel", "tcg", *words]
        clean = {key: value for key, value in ENVIRONMENT.items() if key != "NO_COLOR"}
        opened.append(Terminal(argv, {**clean, "TERM": "xterm", **env}, tmp_path, columns))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.__exit__(None, None, None)


def test_words_are_whole_and_typing_has_a_colour(on_terminal: KgptOn, kernel: Path) -> None:
    terminal = on_terminal(kernel, "--samples", "2", columns=40)
    terminal.expect(r"^kgpt> $")
    terminal.type("mem\r")
    terminal.expect(r"^machine")
    terminal.expect(r"^kgpt> $")
    terminal.type("\x04")
    assert terminal.wait() == 0
    raw = terminal.raw.decode()
    assert f"{CYAN}kgpt> mem\r\n{PLAIN}machine" in raw
    assert raw.rfind(PLAIN) > raw.rfind(CYAN)
    assert "\r\r\n" not in raw
    moved = re.findall(r"([^ \n\x08]+)\x08+ +\x08+\r\n(\S+)", raw)  # erased at the line's end, and again on the next
    assert moved
    assert all(word.startswith(part) for part, word in moved)


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_they_are_not_wanted(on_terminal: KgptOn, kernel: Path, env: dict[str, str]) -> None:
    terminal = on_terminal(kernel, "--samples", "1", columns=80, **env)
    terminal.expect(r"^kgpt> $")
    terminal.type("halt\r")
    assert terminal.wait() == 0
    assert CYAN not in terminal.raw.decode()
    assert PLAIN not in terminal.raw.decode()


def test_a_model_steers_neither_terminal_nor_screen(
    on_terminal: KgptOn, hostile_kernel: Path, boot: Boot, kgpt: Kgpt
) -> None:
    words = ["--seed", "1", "--temperature", "1", "--samples", "9"]
    piped = kgpt("run", hostile_kernel, "--accel", "tcg", "--json", *words)
    guest = boot("seed=1 temperature=1 samples=9", image=hostile_kernel, machine="pc")
    guest.expect_event("shell")
    samples = [event.text for event in guest.events if isinstance(event, Sample)]
    assert any("\x1b" in sample for sample in samples)
    assert piped.stdout.count('"event":"sample"') == len(samples)
    lines = [f"sample {i + 1:2d}: {visible(sample)}" for i, sample in enumerate(samples)]

    def shown(screen: Screen) -> bool:
        rows = "".join(screen.lines).replace(" ", "")
        return all(line.replace(" ", "") in rows for line in lines)

    see(guest, shown)
    terminal = on_terminal(hostile_kernel, *words)
    terminal.expect(r"^kgpt> $")
    terminal.type("halt\r")
    assert terminal.wait() == 0
    raw = terminal.raw.decode().replace("\r\n", "\n")
    assert all(line + "\n" in raw for line in lines)
    assert set(re.findall("\x1b[^a-zA-Z]*[a-zA-Z]?", raw)) <= {CYAN, DIM, PLAIN, "\x1b[?2004h", "\x1b[?2004l"}
    assert "\x9b" not in raw
    assert "\x07" not in raw


def test_an_answer_alone_is_raw_in_a_pipe_and_visible_on_a_terminal(
    on_terminal: KgptOn, hostile_kernel: Path, kgpt: Kgpt
) -> None:
    words = ["--prompt", "a", "--seed", "1", "--temperature", "1", "--samples", "9"]
    piped = kgpt("run", hostile_kernel, "--accel", "tcg", *words)
    assert piped.returncode == 0
    assert "\x1b" in piped.stdout
    terminal = on_terminal(hostile_kernel, *words)
    assert terminal.wait() == 0
    assert "\x1b" not in terminal.raw.decode()
    assert visible(piped.stdout) in terminal.raw.decode().replace("\r\n", "\n")


def test_page_up_shows_what_has_scrolled_away(boot: Boot, kernel: Path) -> None:
    guest = boot("samples=1200", machine="pc")
    guest.expect(r"^kgpt> $")
    see(guest, lambda screen: screen.text.endswith("kgpt>"))  # the serial port is earlier than the screen
    oldest: set[int] = set()

    def pages(screen: Screen) -> bool:
        numbers = [int(n) for n in re.findall(r"^sample +(\d+): ", screen.text, re.MULTILINE)]
        oldest.update(numbers)
        guest.press("\x1b[5~")
        return bool(numbers) and numbers[0] <= 200

    see(guest, pages)
    assert max(oldest) == 1200
    guest.press("x")  # who types is back
    see(guest, lambda screen: screen.text.endswith("kgpt> x"))
    guest.press("\x1b[5~\x1b[5~")
    see(guest, lambda screen: "sample 1150: " in screen.text)
    guest.press("\x1b[6~\x1b[6~")
    see(guest, lambda screen: screen.text.endswith("kgpt> x"))


def test_home_and_end_in_what_has_scrolled_away(boot: Boot) -> None:
    guest = boot("samples=1200", machine="pc")
    guest.expect(r"^kgpt> $")
    guest.press("x")
    see(guest, lambda screen: screen.text.endswith("kgpt> x"))
    press(guest, "shift-pgup", "home")
    see(guest, lambda screen: "1024 rows back" in screen.status and "sample 1" in screen.text)
    press(guest, "shift-pgdn", "shift-pgup", "home")
    guest.press("y")
    see(guest, lambda screen: screen.text.endswith("kgpt> xy"))
    press(guest, "shift-pgup")
    see(guest, lambda screen: "rows back" in screen.status)
    press(guest, "end")  # back, and the line editor has it, too
    see(guest, lambda screen: screen.text.endswith("kgpt> xy"))
    press(guest, "home")
    guest.press("z")  # at the newest rows, Home is the line editor's
    see(guest, lambda screen: screen.text.endswith("kgpt> zxy"))
