"""Closed, full and narrow streams: one line and an exit code, never a traceback, in every command."""

from __future__ import annotations

import os
import subprocess
import sys

import pace
import pytest
from boots import ENVIRONMENT

from kgpt_build.cli import COMMANDS

FULL, CLOSED = "No space left on device", "Bad file descriptor"
OUTPUTS = [pytest.param(">/dev/full", FULL, id="full"), pytest.param(">&-", CLOSED, id="closed")]
WORDS = [*((name, "--help") for name in COMMANDS), (), ("--version",), ("models",), ("flash", "--list"), ("doctor",)]


def shell(words: tuple[str, ...], redirections: str, **env: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of ``kgpt`` with a shell's ``redirections``."""
    script = f'exec "$@" {redirections}'
    done = subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-m", "kgpt_build", *words],
        env={**ENVIRONMENT, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=pace.limit(300),
        check=False,
    )
    said = done.stderr.decode("utf-8", "surrogateescape")
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    return done.returncode, done.stdout.decode("utf-8", "surrogateescape"), said


@pytest.mark.parametrize("words", WORDS, ids=lambda words: " ".join(words) or "nothing")
@pytest.mark.parametrize(("output", "reason"), OUTPUTS)
def test_an_output_that_cannot_be_written(words: tuple[str, ...], output: str, reason: str) -> None:
    code, _, said = shell(words, output)
    if not words:  # what it says then goes to standard error
        assert (code, said.startswith("Usage: kgpt")) == (2, True)
        return
    assert code == 1
    assert said.splitlines()[-1] == f"kgpt: error: cannot write to standard output: {reason}"


@pytest.mark.parametrize("words", [("models",), ("inspect", "/absent"), ("nothing",)])
def test_messages_that_cannot_be_written_change_nothing(words: tuple[str, ...]) -> None:
    code, out, _ = shell(words, "")
    for redirections in ("2>&-", "2>/dev/full", "2>/dev/full <&-"):
        assert shell(words, redirections) == (code, out, "")
    assert shell(words, "<&- >&- 2>&-")[0] == (code or 1)


@pytest.mark.parametrize("name", ["PYTHONIOENCODING=ascii", "PYTHONIOENCODING=latin-1", "C without UTF-8"])
def test_an_encoding_that_lacks_a_character(name: str) -> None:
    """A name's own bytes come back where they are none of UTF-8, and what there is no character for as an escape."""
    env = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    if name.startswith("PYTHON"):
        env = dict([name.split("=")])
    code, out, said = shell(("completion", os.fsdecode(b"\xe2\x86\x92\xff")), "", **env)
    assert (code, out) == (2, "")
    assert len(said.splitlines()) == 2
    code, _, said = shell(("inspect", os.fsdecode(b"/absent/\xe2\x86\x92\xff")), "", **env)
    assert code == 1
    line = said.encode("utf-8", "surrogateescape").splitlines()[0]
    arrow = b"\\u2192" if "latin" in name else b"\xe2\x86\x92"
    assert line == b"kgpt: error: cannot read /absent/" + arrow + b"\xff: No such file or directory"


@pytest.mark.parametrize("words", [("run", "--prompt", "-"), ("train", "-")])
def test_an_input_that_cannot_be_read(words: tuple[str, ...]) -> None:
    code, _, said = shell(words, "<&-")
    assert code == 1
    assert said.splitlines()[-1] == f"kgpt: error: cannot read standard input: {CLOSED}"


def test_a_reader_that_has_enough_ends_it_in_silence() -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m kgpt_build run --help | true"],
        env=ENVIRONMENT,
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""


def test_a_stream_that_does_not_block() -> None:
    """A terminal that another program has made non-blocking takes as much as fits, and then the rest."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    program = "from kgpt_build.cli import streams; streams.prepare(); print('x' * 1000000)"
    with subprocess.Popen([sys.executable, "-c", program], env=ENVIRONMENT, stdout=write) as process:
        os.close(write)
        with os.fdopen(read, "rb") as file:
            assert file.read() == b"x" * 1_000_000 + b"\n"
        assert process.wait() == 0


@pytest.mark.parametrize(
    "words",
    [
        ("build", "--default", "-o", "/absent/o", "--cmdline"),
        ("run", "--dry-run", "--cmdline"),
        ("image", "usb", "-o", "/absent.img", "--cmdline"),
        ("run", "--prompt"),
        ("run", "--system"),
        ("train", "--cmdline"),
    ],
    ids=" ".join,
)
def test_words_for_the_kernel_that_are_not_utf8(words: tuple[str, ...]) -> None:
    code, _, said = shell((*words, os.fsdecode(b"a\xffb")), "")
    assert code == 2
    assert "is not valid UTF-8" in said.splitlines()[0], "it is refused before anything is built"
