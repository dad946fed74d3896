"""What a model says, on a terminal and into a pipe."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path

import pytest
from hosted import Hosted, random_model
from terminal import Terminal

from kgpt_build.kernel.build import build_cached
from kgpt_build.vm.terminal import visible

HOSTILE = "\x1b[]2J;m\x07\x08\x0b\x7f\x9b\u202e\n\t ab"
"""Of these a random model makes whatever it likes."""
WORDS = "samples=40 seed=1 temperature=1"
COLORS = {"\x1b[m", "\x1b[36m"}


@pytest.fixture(scope="module")
def hostile() -> Hosted:
    model = random_model("".join(set(HOSTILE)), n_ctx=32, n_embd=4, n_layer=1, n_head=2, n_ff=8, name="hostile")
    return Hosted(build_cached(model, target="hosted"))


def _environment(**changes: str) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
    return {**clean, "TERM": "xterm", **changes}


def _on_terminal(program: Hosted, cmdline: str, folder: Path, columns: int, **env: str) -> tuple[str, list[str]]:
    """What it wrote, and the samples of its events."""
    with tempfile.TemporaryFile() as channel:
        argv = program.argv(cmdline, channel.fileno())
        with Terminal(argv, _environment(**env), folder, columns, pass_fds=(channel.fileno(),)) as terminal:
            assert terminal.wait() == 0
        channel.seek(0)
        events = [json.loads(line) for line in channel]
    return terminal.raw.decode(), [event["text"] for event in events if event["event"] == "sample"]


@pytest.mark.parametrize("columns", [0, 40, 80])
def test_a_model_cannot_steer_the_terminal(hostile: Hosted, tmp_path: Path, columns: int) -> None:
    written, samples = _on_terminal(hostile, WORDS + " exit", tmp_path, columns)
    assert any("\x1b" in sample for sample in samples)
    assert "\x9b" in "".join(samples)
    sent = "\b" if columns else ""  # a word that moves to the next line
    assert not re.search(
        rf"[^\t\n\r -~\u00a0-\u201f{sent}]", re.sub("\x1b\\[(?:36|90)?m", "", written).replace("\r\n", "\n")
    )
    if not columns:
        for i, sample in enumerate(samples):
            assert f"sample {i + 1:2d}: {visible(sample)}\n" in written.replace("\r\n", "\n")


def test_a_pipe_gets_the_samples_as_they_are(hostile: Hosted) -> None:
    run = hostile.run(WORDS + " exit")
    for i, sample in enumerate(run.samples()):
        assert f"sample {i + 1:2d}: {sample}\n" in run.console
    told = hostile.run(WORDS + " exit output=plain")  # what reads it is a terminal after all
    for i, sample in enumerate(told.samples()):
        assert f"sample {i + 1:2d}: {visible(sample)}\n" in told.console


@pytest.mark.parametrize(
    ("env", "colors"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colors_only_where_they_are_wanted(hosted: Hosted, tmp_path: Path, env: dict[str, str], colors: bool) -> None:
    with Terminal(hosted.argv("mode=shell", 9), _environment(**env), tmp_path, 80) as terminal:
        terminal.expect(r"^kgpt> $")
        terminal.type("mem\r")
        terminal.expect(r"^machine .*\n")
        terminal.expect(r"^kgpt> $")
        terminal.type("\x04")
        assert terminal.wait() == 0
    sequences = set(re.findall("\x1b[^a-zA-Z]*[a-zA-Z]", terminal.raw.decode()))
    assert sequences & COLORS == (COLORS if colors else set())
    if colors:
        assert "\x1b[36mkgpt> mem\r\n\x1b[mmachine" in terminal.raw.decode()
        assert terminal.raw.decode().rfind("\x1b[m") > terminal.raw.decode().rfind("\x1b[36m")


def test_messages_keep_their_words_whole(hosted: Hosted, tmp_path: Path) -> None:
    written, _ = _on_terminal(hosted, "samples=1 exit", tmp_path, 40)
    moved = re.findall(
        r"([^ \n\x08]+)\x08+ +\x08+\r\n(\S+)", written
    )  # erased at the line's end, and again on the next
    assert moved
    assert all(word.startswith(part) for part, word in moved)


def test_one_is_no_plural(hosted: Hosted) -> None:
    run = hosted.run("samples=1 max_tokens=1 exit")
    assert re.search(r"^kgpt: 1 sample, 1 token in ", run.console, re.MULTILINE)


CHAT = Path(__file__).parents[1] / "fuzz" / "shell"
MODULES = ("--module", str(CHAT / "chat.gguf"), "--module", str(CHAT / "chat.kgct"))
SPEED = re.compile(r"^kgpt: prompt \d+ tokens?, .* seed \d+$", re.MULTILINE)


def _chat(program: Hosted, words: str, *lines: str) -> str:
    run = program.run(words, "".join(f"{line}\n" for line in lines).encode(), MODULES)
    assert run.returncode == 0, run.console
    return run.console


def test_statistics_only_where_they_are_asked_for(without_model: Hosted) -> None:
    assert not SPEED.findall(_chat(without_model, "max_tokens=4", "ab", "ab"))
    assert len(SPEED.findall(_chat(without_model, "max_tokens=4 stats=on", "ab", "ab"))) == 2
    assert len(SPEED.findall(_chat(without_model, "max_tokens=4", "ab", "/set stats on", "ab"))) == 1
    assert not SPEED.findall(_chat(without_model, "mode=generate prompt=ab max_tokens=4 exit"))
    assert SPEED.findall(_chat(without_model, "mode=generate prompt=ab max_tokens=4 stats=on exit"))


def test_a_refusal_repeats_no_statistics(without_model: Hosted) -> None:
    console = _chat(without_model, "max_tokens=4 stats=on", "ab", "ab " * 900, "/nonsense")
    assert "the text has" in console
    assert len(SPEED.findall(console)) == 1


def test_a_long_prompt_shows_how_far_it_is(smollm2: Path, without_model: Hosted, tmp_path: Path) -> None:
    """On a terminal, until the first token; a pipe gets none of it."""
    words = f'mode=generate prompt="{"once upon a time " * 20}" cpumask=c max_tokens=2 exit'
    options = ("--module", str(smollm2))
    with Terminal([*without_model.argv(words, 9), *options], _environment(), tmp_path, 200) as terminal:
        assert terminal.wait() == 0
    seen = [int(n) for n in re.findall(r"[-|/\\] (\d+) of 8[01] tokens read\x08", terminal.raw.decode())]
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert "tokens read" not in without_model.run(words, options=options).console
