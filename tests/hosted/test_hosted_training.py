"""Trainings as their users start them, in the hosted build: what is written, and that nothing but what was asked for
decides it. (tests/unit has the same command with a made-up kernel; tests/boot has it in QEMU.)"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pace
import pytest
from boots import ENVIRONMENT
from hosted import Hosted
from processes import children, runs
from terminal import Terminal

from kgpt_build import models
from kgpt_build.cli import invoke
from kgpt_build.kernel.build import build_cached
from kgpt_build.training.corpus import examine
from kgpt_build.training.state import load_state


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, training: Hosted) -> Path:
    """An empty folder; the program is built by now."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def docs(here: Path) -> Path:
    """Little text without sense: it is learnt by heart, and validation grows worse soon."""
    drawn = random.Random(1)
    lines = ["".join(drawn.choice("abcdefgh") for _ in range(drawn.randint(2, 8))) for _ in range(60)]
    (here / "docs").write_text("".join(f"{line}\n" for line in lines))
    return Path("docs")


def train(*words: str | float | Path) -> int:
    return invoke(["train", *map(str, words), "--target", "hosted"])


def folders(*names: str) -> list[Path]:
    for name in names:
        Path(name).mkdir()
    return [Path(name, "m.gguf") for name in names]


def contents(model: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in model.parent.iterdir()}


METHODS: dict[str, list[str | float]] = {
    "fast": [],
    "fast-validated": ["--val-fraction", 0.5, "--eval-every", 50, "--lr", 0.02],
    "fast-odd": ["--n-layer", 2, "--n-embd", 15, "--n-head", 3, "--batch", 7, "--weight-decay", 0.1, "--seed", 5],
    "exact": ["--exact"],
    "exact-validated": ["--exact", "--val-fraction", 0.2, "--eval-every", 100],
}


@pytest.mark.parametrize("method", METHODS)
def test_five_hundred_steps_twice_are_the_bytes_of_a_thousand(docs: Path, method: str) -> None:
    whole, halves = folders("whole", "halves")
    options: list[str | float] = [*METHODS[method], "--keep-last"]
    assert train(docs, "-o", whole, *options) == 0
    assert train(docs, "-o", halves, *options, "--until", 500) == 0
    assert load_state(halves.with_suffix(".state")).step == 500
    assert contents(halves) != contents(whole)
    assert train(docs, "--resume", halves, "--keep-last") == 0
    assert contents(halves) == contents(whole)
    assert set(contents(whole)) == {"m.gguf", "m-last.gguf", "m.state"}


def test_the_same_training_is_the_same_bytes(docs: Path) -> None:
    one, two, other = folders("one", "two", "other")
    for path, seed in ((one, 1), (two, 1), (other, 2)):
        assert train(docs, "-o", path, "--steps", 50, "--seed", seed) == 0
    assert contents(one) == contents(two)
    assert models.load_microgpt(one).sha256 != models.load_microgpt(other).sha256


def test_the_best_weights_are_those_of_the_lowest_validation(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are the last ones of a training that ended there."""
    best, there = folders("best", "there")
    options: list[str | float] = ["--val-fraction", 0.5, "--eval-every", 10, "--steps", 300, "--keep-last"]
    assert train(docs, "-o", best, "--json", *options) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    losses = {event["step"]: event["loss"] for event in events if event["event"] == "eval"}
    assert list(losses) == list(range(10, 301, 10))
    step = min(losses, key=lambda step: losses[step])
    assert step < 200, "this corpus is learnt by heart"
    assert models.metadata(best)["kgpt.training.step"] == step
    assert models.metadata(best)["kgpt.training.validation_loss"] == losses[step]
    last = models.metadata(best.with_name("m-last.gguf"))
    assert (last["kgpt.training.step"], last["kgpt.training.validation_loss"]) == (300, losses[300])
    assert train(docs, "-o", there, *options, "--until", step) == 0
    assert models.load_microgpt(there.with_name("m-last.gguf")).sha256 == models.load_microgpt(best).sha256


def test_json_is_the_documents_events(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(docs, "--steps", 5, "--val-fraction", 0.1, "--json", "--cmdline", "samples=2") == 0
    lines = capsys.readouterr().out.splitlines()
    kinds = [json.loads(line)["event"] for line in lines]
    assert kinds[:2] == ["boot", "cpu"]
    assert [kind for kind in kinds if kind in ("corpus", "training", "step", "eval", "blob", "exit")] == [
        *("corpus", "training"),
        *["step", "eval"] * 5,
        *("blob", "blob", "blob", "exit"),
    ]
    assert kinds.count("sample") == 2
    (corpus,) = [json.loads(line) for line in lines if '"corpus"' in line]
    assert (corpus["documents"], corpus["train"], corpus["validation"]) == (60, 54, 6)


ODD = [
    "anna\r\nbob\r\n",
    "a\rb\r\rc",
    "\n\n a b \n\tc\t\n",
    "zoë\n名前\n👩‍👩‍👧\né\n",
    "a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g\n",
    "\x1c\x1d\x1e\x1fab\x85\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000\n\u200bx\u200b\n\ufeffy\n",
    "a\0b\n\0\n",
    "\x01\x7f\n\u0378\U000e0041\U0010ffff\n",
    "no end of line",
    "x" * 300 + "y\n",
]


@pytest.mark.parametrize("text", ODD)
def test_the_kernel_reads_a_corpus_as_the_host_does(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("odd text").write_bytes(text.encode())
    expected = examine("", text.encode())
    assert train("odd text", "-o", "a model.gguf", "--steps", 2, "--json") == 0
    (corpus,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"corpus"' in line]
    found = (corpus["documents"], corpus["characters"], corpus["n_vocab"])
    assert found == (expected.n_documents, expected.n_characters, expected.n_vocab)
    documents = [line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    assert set(models.load_microgpt(Path("a model.gguf")).tokenizer.chars) == set("".join(documents))


def test_ends_of_lines_do_not_show_in_the_weights() -> None:
    weights = set()
    for text in (b"anna\nbob\n", b"anna\r\nbob\r\n", b"\xef\xbb\xbf anna\r\n\r\nbob"):
        Path("text").write_bytes(text)
        assert train("text", "--steps", 3) == 0
        weights.add(models.load_microgpt(Path("model.gguf")).sha256)
    assert len(weights) == 1


def test_a_line_longer_than_the_block_is_told_and_trained(capsys: pytest.CaptureFixture[str]) -> None:
    """What is beyond the block changes nothing."""
    weights = set()
    for end in ("", "bbbb", "abababab"):
        Path("text").write_text(f"abab{end}\nba\n")
        assert train("text", "--steps", 20, "--block-size", 4) == 0
        assert "1 of 2 documents are longer than the block of 4" in capsys.readouterr().err
        weights.add(models.load_microgpt(Path("model.gguf")).sha256)
    assert len(weights) == 1


def test_a_loss_that_is_no_number_stops_the_training(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(docs, "--steps", 20) == 0
    before = contents(Path("model.gguf"))
    capsys.readouterr()
    assert train(docs, "--steps", 200, "--lr", 1000, "--weight-decay", 1000, "--plot", "c.svg") == 1
    captured = capsys.readouterr()
    first, hint = captured.err.splitlines()
    assert first.startswith("kgpt: error: the loss of step ")
    assert first.endswith(" is not a finite number")
    assert "lower lr" in hint
    assert "nan" not in captured.out
    assert "inf" not in captured.out
    assert Path("model.state").read_bytes() == before["model.state"]
    models.load_microgpt(Path("model.gguf"))  # finite weights, whichever they are


def test_what_is_kept_of_a_training_that_diverges_was_good(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The loss of a step is that of the weights before it: those after it may be the bad ones already."""
    assert train(docs, "--steps", 200, "--lr", 30, "--weight-decay", 1) == 1
    captured = capsys.readouterr()
    assert "the last good weights have been kept" in captured.err
    step = int(re.search(r"wrote model.gguf: .*, step (\d+)", captured.out)[1])  # type: ignore[index]
    failed = int(re.search(r"the loss of step (\d+) is not", captured.err)[1])  # type: ignore[index]
    assert 0 < step < failed - 1
    # They are those with which that step began, and its loss was a number.
    assert train(docs, "--steps", 200, "--lr", 30, "--weight-decay", 1, "--until", step + 1, "-o", "more.gguf") == 0
    losses = capsys.readouterr().out
    assert "nan" not in losses
    assert "inf" not in losses
    assert train(docs, "--steps", 200, "--lr", 30, "--weight-decay", 1, "--until", step, "-o", "same.gguf") == 0
    assert models.load_microgpt(Path("model.gguf")).sha256 == models.load_microgpt(Path("same.gguf")).sha256


@pytest.mark.parametrize("shape", [("--n-embd", 64, "--batch", 4096), ("--exact", "--n-embd", 80, "--n-layer", 2)])
def test_memory_that_is_too_little_is_refused_with_numbers(
    docs: Path, capsys: pytest.CaptureFixture[str], shape: tuple[str | int, ...]
) -> None:
    assert train(docs, "--n-embd", 512, "--memory", 16) == 1
    assert "16 MB of memory are too little for this training: the corpus takes 1 KB" in capsys.readouterr().err
    # What only the kernel knows to the byte.
    assert train(docs, *shape, "--memory", 8) == 1
    error = capsys.readouterr().err
    assert "kgpt: error: training this model needs " in error
    assert "MB" in error
    assert not Path("model.gguf").exists()


def test_a_state_of_another_arithmetic_is_refused_by_the_kernel(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    isa = ["--cmdline", "cpumask=c"]
    assert train(docs, "--steps", 20, "--until", 10) == 0
    before = contents(Path("model.gguf"))
    code = train(docs, "--resume", "model.gguf", *isa)
    if code == 0:
        pytest.skip("this machine has one arithmetic only")
    assert code == 1
    assert "of another arithmetic" in capsys.readouterr().err
    assert contents(Path("model.gguf")) == before


def test_a_damaged_state_that_has_the_right_check_sum_is_refused_by_the_kernel(
    docs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from kgpt_build.training.state import save_state

    assert train(docs, "--steps", 20, "--until", 10) == 0
    path = Path("model.state")
    state = load_state(path)
    for data in (state.data[:-4], b"\0" * len(state.data)):
        save_state(path, state.settings, state.corpus_sha256, state.step, data)
        before = contents(Path("model.gguf"))
        assert train(docs, "--resume", "model.gguf") == 1
        assert capsys.readouterr().err.count("kgpt: error: ") == 1
        assert contents(Path("model.gguf")) == before


def test_best_weights_that_are_gone_are_missed(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(docs, "--steps", 20, "--until", 10, "--val-fraction", 0.5) == 0
    model = Path("model.gguf")
    best = model.read_bytes()
    model.unlink()
    assert train(docs, "--resume", model) == 1
    assert "model.gguf" in capsys.readouterr().err
    models.save_gguf(models.load_microgpt(None), model)
    assert train(docs, "--resume", model) == 1
    assert "these are not the best weights of the training to resume" in capsys.readouterr().err
    model.write_bytes(best)
    assert train(docs, "--resume", model) == 0


def test_the_names_of_the_end_are_those_of_the_model(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(docs, "--steps", 50) == 0
    drawn = [line for line in capsys.readouterr().out.splitlines() if line.startswith("sample ")]
    image = Hosted(build_cached(Path("model.gguf"), target="hosted"))
    assert [line for line in image.run("exit").console.splitlines() if line.startswith("sample ")] == drawn
    assert len(drawn) == 20


# As a process of its own: Ctrl-C, kills, terminals.

LONG = 60_000
"""Steps that take some seconds."""


def start(*words: str | int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "kgpt_build", "train", "docs", "--target", "hosted", *map(str, words)]
    return subprocess.Popen(argv, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_a_step(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().startswith("step    1 / ")


def test_ctrl_c_saves_and_the_rest_makes_it_whole(docs: Path) -> None:
    process = start("--steps", LONG)
    wait_for_a_step(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=pace.limit(60))
    assert process.returncode == 0, err
    assert "; to go on: kgpt train docs --resume model.gguf" in err
    assert "wrote model.gguf: " in out
    assert "sample" not in out
    stopped = load_state(Path("model.state")).step
    assert 0 < stopped < LONG
    assert models.metadata(Path("model.gguf"))["kgpt.training.step"] == stopped
    # To the end it would take long; a little further shows as much.
    further = stopped + 300
    (whole,) = folders("whole")
    assert train(docs, "-o", "model.gguf", "--resume", "model.gguf", "--until", further) == 0
    assert train(docs, "-o", whole, "--steps", LONG, "--until", further) == 0
    assert models.load_microgpt(whole).sha256 == models.load_microgpt(Path("model.gguf")).sha256


def test_a_kernel_that_is_killed_leaves_the_old_files(docs: Path) -> None:
    assert train(docs, "--steps", 5) == 0
    before = contents(Path("model.gguf"))
    process = start("--steps", LONG)
    wait_for_a_step(process)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    out, err = process.communicate(timeout=pace.limit(60))
    assert process.returncode == 5, err
    assert err.startswith("kgpt: error: kgpt-hosted failed (killed by SIGKILL)")
    assert "wrote" not in out
    assert contents(Path("model.gguf")) == before


def test_a_kernel_that_is_killed_leaves_its_last_checkpoint(docs: Path) -> None:
    options: list[str | int] = ["--steps", LONG, "--checkpoint-every", 50]
    process = start(*options)
    wait_for_a_step(process)
    while not Path("model.state").exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    out, _ = process.communicate(timeout=pace.limit(60))
    assert process.returncode == 5
    step = load_state(Path("model.state")).step
    assert step > 0
    assert step % 50 == 0
    assert f"wrote model.state: to go on after step {step}" in out
    (whole,) = folders("whole")
    assert train(docs, "--resume", "model.gguf", "--until", step + 120) == 0
    assert train(docs, "-o", whole, *options, "--until", step + 120) == 0
    assert models.load_microgpt(whole).sha256 == models.load_microgpt(Path("model.gguf")).sha256


def test_kgpt_itself_killed_leaves_no_process(docs: Path) -> None:
    process = start("--steps", 10**9)
    wait_for_a_step(process)
    child = children(process.pid)[0]
    process.kill()
    process.communicate(timeout=pace.limit(60))
    assert any(not runs(child) for _ in pace.attempts(30, 0.05)), "the kernel trains on for nobody"


def on_a_terminal(columns: int, *words: str | float, **env: str) -> Terminal:
    code = (
        "import fcntl, struct, sys, termios\n"
        f"fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, {columns}, 0, 0))\n"
        "from kgpt_build.cli import main\n"
        "main(sys.argv[1:])"
    )
    argv = [sys.executable, "-c", code, "train", "docs", "--target", "hosted", *map(str, words)]
    settings = {key: value for key, value in ENVIRONMENT.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    return Terminal(argv, {**settings, "TERM": "xterm-256color", **env}, Path.cwd())


HIDE, SHOW = b"\x1b[?25l", b"\x1b[?25h"


def assert_cursor_is_shown(terminal: Terminal) -> None:
    assert HIDE in terminal.raw
    assert terminal.raw.rindex(SHOW) > terminal.raw.rindex(HIDE)


@pytest.mark.parametrize("columns", [40, 200])
def test_the_live_display(docs: Path, columns: int) -> None:
    with on_a_terminal(columns, "--steps", 3000, "--val-fraction", 0.5) as terminal:
        assert terminal.wait() == 0
    assert_cursor_is_shown(terminal)
    assert "3000/3000" in terminal.text
    for words in ("loss ", "validation ", "best ", "samples/s", "sample 20: ", "wrote model.gguf: "):
        assert words in terminal.text
    assert re.search(r"^after step \d+: [a-h]+", terminal.text, re.MULTILINE), "no text on the way"
    assert any("\u2800" < char <= "\u28ff" for char in terminal.text)
    assert "\x1b[36m" in terminal.raw.decode()
    # The lines at the end may be longer: they are not drawn again.
    drawn = [line for line in lines_drawn(terminal.raw.decode()) if not line.startswith("wrote ")]
    assert max(map(len, drawn)) <= columns


def lines_drawn(raw: str) -> list[str]:
    """What was written between two movements of the cursor to another line."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", re.sub(r"[\r\n]+|\x1b\[\d*A", "\n", raw)).split("\n")


def test_no_color(docs: Path) -> None:
    with on_a_terminal(80, "--steps", 300, NO_COLOR="1") as terminal:
        assert terminal.wait() == 0
    assert "\x1b[36m" not in terminal.raw.decode()
    assert "300/300" in terminal.text


def test_a_dumb_terminal_gets_plain_lines(docs: Path) -> None:
    with on_a_terminal(80, "--steps", 300, TERM="dumb") as terminal:
        assert terminal.wait() == 0
    assert b"\x1b" not in terminal.raw
    assert "step  300 /  300 | loss " in terminal.text


def test_ctrl_c_on_the_live_display(docs: Path) -> None:
    with on_a_terminal(80, "--steps", LONG) as terminal:
        terminal.expect("samples/s")
        os.kill(terminal.process.pid, signal.SIGINT)
        assert terminal.wait() == 0
    assert_cursor_is_shown(terminal)
    assert "to go on: kgpt train docs --resume model.gguf" in terminal.text
    assert "Traceback" not in terminal.text


def test_the_live_display_of_a_training_that_fails(docs: Path) -> None:
    with on_a_terminal(80, "--steps", 200, "--lr", 1000, "--weight-decay", 1000) as terminal:
        assert terminal.wait() == 1
    assert_cursor_is_shown(terminal)
    assert "kgpt: error: the loss of step " in terminal.text
