"""Texts that go on for ever: length, work for each token, memory, and how they are stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pace
import pytest
from hosted import Hosted, Run
from running_text import CHARS, first_bytes, running_model
from tiny_lm import write_lm

N_CTX = 64
FLAT = "temperature=3 top_k=0 top_p=1 min_p=0"
"""Every character stays likely: texts differ with the seed."""


def run(program: Hosted, model: Path, words: str) -> Run:
    done = program.run(f"exit mode=generate cpus=1 {words}", options=("--module", str(model)))
    assert done.returncode == 0, done.console
    return done


def shifted(program: Hosted, model: Path, n: int, words: str = "") -> Run:
    return run(program, model, f"prompt=ab on_overflow=shift max_tokens={n} {FLAT} {words}")


@pytest.mark.parametrize(("arch", "most"), [("nanogpt", 2.0), ("microgpt", 2.0), ("llama", 1.0)])
def test_the_work_for_a_token_does_not_grow(without_model: Hosted, tmp_path: Path, arch: str, most: float) -> None:
    """Counted in tokens computed, not by a clock. A shift of learned positions computes half a context again."""
    path = running_model(tmp_path / "m.gguf", arch, n_ctx=N_CTX)
    each = [shifted(without_model, path, n).one("speed") for n in (2_000, 8_000)]
    rates = [speed["computed"] / speed["tokens"] for speed in each]
    assert rates[0] == pytest.approx(most, rel=0.02)
    assert rates[1] == pytest.approx(rates[0], rel=0.02)


def test_a_hundred_thousand_characters(without_model: Hosted, tmp_path: Path) -> None:
    """They take the memory of a hundred. The event at the end has the newest part of the text, and says so."""
    path = running_model(tmp_path / "m.gguf", n_ctx=16)
    short, long = (shifted(without_model, path, n) for n in (10, 101_000))
    text = "".join(event["text"] for event in long.of("token"))
    sample = long.one("sample")
    assert (sample["tokens"], sample["reason"], len(text)) == (101_000, "max_tokens", 101_000)
    assert set(text) == set(CHARS)
    assert text.encode()[sample["dropped"] :].decode() == sample["text"]
    assert 0 < len(sample["text"]) < 1000
    assert f"ab{text}" in long.console
    assert text.startswith("".join(event["text"] for event in short.of("token")))
    assert short.one("memory") == long.one("memory")
    assert short.one("sample")["dropped"] == 0


def test_the_seed_gives_the_text_again(without_model: Hosted, tmp_path: Path) -> None:
    path = running_model(tmp_path / "m.gguf", n_ctx=16)
    texts = [shifted(without_model, path, 500, f"seed={seed}").one("sample")["text"] for seed in (5, 5, 6)]
    assert texts[0] == texts[1] != texts[2]


def test_a_penalty_looks_at_the_context_alone(without_model: Hosted, tmp_path: Path) -> None:
    path = running_model(tmp_path / "m.gguf", n_ctx=16)
    found = shifted(without_model, path, 500, "repeat_penalty=1.2 repeat_last_n=64 frequency_penalty=0.1 logprobs=2")
    assert found.one("sample")["tokens"] == 500


@pytest.mark.parametrize(
    ("words", "overflow", "reason"),
    [
        ("", "error", "context"),
        ("max_tokens=7", "shift", "max_tokens"),
        ("max_tokens=200", "shift", "max_tokens"),
        ("max_tokens=200 on_overflow=error", "error", "context"),
        ("max_tokens=0 on_overflow=error", "error", "context"),
        ("max_tokens=3 on_overflow=shift", "shift", "max_tokens"),
    ],
)
def test_texts_that_end(without_model: Hosted, tmp_path: Path, words: str, overflow: str, reason: str) -> None:
    found = run(without_model, running_model(tmp_path / "m.gguf"), f"prompt=ab {words}")
    assert (found.one("config")["on_overflow"], found.one("sample")["reason"]) == (overflow, reason)


def test_a_model_with_an_end_token_ends_at_its_context(without_model: Hosted, tmp_path: Path) -> None:
    """Only a text that no token can end goes on by itself."""
    path = write_lm(tmp_path / "m.gguf", fields={"tokenizer.chat_template": None}, kind="F16")
    found = run(without_model, path, "prompt=ab max_tokens=0 logit_bias=1-inf logit_bias=3-inf")
    assert (found.one("config")["on_overflow"], found.one("sample")["reason"]) == ("error", "context")


def test_ctrl_c_stops_it(without_model: Hosted, tmp_path: Path) -> None:
    """In the shell too, where the next command follows. `set max_tokens 0` asks for it there."""
    path = running_model(tmp_path / "m.gguf")
    words = without_model.argv("mode=shell cpus=1 stats=on", 2, "--module", str(path))
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, bufsize=0, **pipes) as process:
        assert process.stdin is not None
        process.stdin.write(b"set max_tokens 0\ngenerate ab\n")
        begun = first_bytes(process, 20_000)
        process.stdin.write(b"\x03set max_tokens 5\ngenerate b\nhalt\n")
        rest, _ = process.communicate(timeout=pace.limit(60))
        assert process.returncode == 0
    said = (begun + rest).decode()
    assert f"a full context of {N_CTX} tokens forgets its older half; the text may go on for ever: Ctrl-C stops" in said
    assert "reply 5 tokens" in said


def kgpt_run(program: Hosted, model: Path, *options: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "kgpt_build", "run", str(program.path), "--target", "hosted", "--model", str(model)]
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [*words, "--prompt", "ab", "--max-tokens", "0", "--temperature", "3", *options], bufsize=0, **pipes
    )


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_kgpt_run_until_ctrl_c(without_model: Hosted, tmp_path: Path, options: tuple[str, ...]) -> None:
    """The text alone on standard output; on standard error one line that says how to stop it. The exit code is 0."""
    path = running_model(tmp_path / "m.gguf", n_ctx=16)
    with kgpt_run(without_model, path, *options) as process:
        begun = first_bytes(process, 5000)
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=pace.limit(60))
        assert process.returncode == 0, said
    assert said.decode().splitlines() == ["kgpt: the text may go on for ever: Ctrl-C stops it"]
    if not options:
        assert set((begun + rest).decode()) <= set(CHARS)
