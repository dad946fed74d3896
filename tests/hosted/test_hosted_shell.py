"""The shell over a pipe, a terminal, and the ways to interrupt it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pace
import pytest
from hosted import Hosted
from refusals import lacks

SCRIPT = "set samples 2\ngenerate mar\nmodel\nmem\ncpu\nset\nhelp\nbench\nselftest crc32\nhalt\n"


@pytest.mark.parametrize("program", ["hosted", "sanitized"])
def test_a_script(request: pytest.FixtureRequest, program: str) -> None:
    run = request.getfixturevalue(program).run("mode=shell", SCRIPT.encode())
    assert run.returncode == 0, run.console
    assert len(run.of("shell")) == 10
    assert [text[:3] for text in run.samples()] == ["mar", "mar"]
    assert "\x1b" not in run.console, "a plain pipe gets no escape sequences"
    for part in (
        "kgpt> set samples 2\n",
        "sample  1: mar",
        "parameters   4,192",
        "vocabulary   abcdefghijklmnopqrstuvwxyz and BOS (26)",
        "arena        256 MB",
        "isa          ",
        "temperature  0.500",
        "generate [prompt]",
        "bench: ",
        "test crc32.known_answers: ok",
    ):
        assert part in run.console
    assert not run.of("error")
    assert run.events[-1] == {"event": "exit", "code": 0, "reason": "halt"}


def listed(program: Hosted) -> set[str]:
    """The commands that help lists."""
    console = program.run("mode=shell", b"help\n").console
    return {line.split()[0] for line in console.split("kgpt> help\n")[1].splitlines() if line[:1].isalpha()}


def test_help_lists_what_the_image_can_do(hosted: Hosted, training: Hosted) -> None:
    assert {"generate", "model", "set", "halt", "help"} <= listed(hosted)
    assert listed(training) - listed(hosted) == {"train", "loss"}
    assert "devices" not in listed(training), "a process has no drivers; test_boot_devices.py has the kernels that do"
    done = hosted.run("mode=shell", b"train\n")
    assert not lacks(done.one("error")["message"], "kernel without training")
    assert "kgpt build --train" in done.one("error")["hint"]


def test_help_lists_chat_where_a_model_has_a_template(without_model: Hosted) -> None:
    folder = Path(__file__).parents[1] / "fuzz" / "shell"
    chat = ("--module", str(folder / "chat.gguf"), "--module", str(folder / "chat.kgct"))
    for options, has in ((chat, True), (("--module", str(folder / "plain.gguf")), False)):
        done = without_model.run("mode=shell", b"help\n", options)
        assert ("\nchat " in done.console) == has, done.console


def test_generate_is_followed_by_the_shell(hosted: Hosted) -> None:
    run = hosted.run("samples=1", b"generate\nhalt\n")
    assert len(run.samples()) == 2
    assert run.samples()[0] == run.samples()[1]


def test_what_was_typed_ahead_is_kept(hosted: Hosted) -> None:
    """The generation looks for Ctrl-C in the input, and must not eat the lines it finds there."""
    run = hosted.run("mode=shell", b"generate\nset samples 1\ngenerate\nhalt\n")
    assert len(run.samples()) == 21


def test_the_end_of_the_input_halts(hosted: Hosted) -> None:
    run = hosted.run("mode=shell samples=1", b"generate")
    assert len(run.samples()) == 1, "a last line without its end counts"
    assert run.returncode == 0
    assert run.events[-1]["reason"] == "halt"


def test_set_changes_what_follows(hosted: Hosted) -> None:
    run = hosted.run("mode=shell", b"set samples 1\nset temperature 0\nset seed 9\nset cpumask c\ngenerate\ncpu\n")
    config = run.one("config")
    assert (config["samples"], config["temperature"], config["seed"]) == (1, 0.0, 9)
    assert "isa          c\n" in run.console


def test_a_prompt_may_have_spaces(odd: Hosted) -> None:
    run = odd.run("mode=shell samples=1", b"generate a b\nset prompt c d\ngenerate\n")
    assert [text[:3] for text in run.samples()] == ["a b", "c d"]


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("genrate", 'command "genrate"', '"generate"?'),
        ("xyzzy", 'command "xyzzy"', '"help" commands'),
        ("set tempratur 1", 'key "tempratur"', '"temperature"?'),
        ("set top_k", "top_k=", "top_k whole number"),
        ("set mode shell", 'key "mode"', ""),
        ("mem now", 'mem arguments, "now"', ""),
        ("generate MAR", "character 'M' (U+004D) byte 0", "trained on"),
        ("selftest nope", 'self-test "nope"', ""),
        ("help hlep", 'command "hlep"', '"help"?'),
    ],
)
def test_a_mistake_is_named_and_the_shell_goes_on(hosted: Hosted, line: str, message: str, hint: str) -> None:
    run = hosted.run("mode=shell samples=1", f"{line}\ngenerate\n".encode())
    assert not lacks(run.one("error")["message"], message)
    assert not lacks(run.one("error")["hint"], hint)
    assert len(run.samples()) == 1
    assert run.returncode == 0


@contextmanager
def _endless(program: Hosted, stdin: int) -> Iterator[tuple[subprocess.Popen[bytes], list[bytes]]]:
    """A generation of a million samples, once it is under way. Its events are in the list after the end."""
    events: list[bytes] = []
    with tempfile.TemporaryFile() as channel:
        process = subprocess.Popen(
            program.argv("samples=1000000", channel.fileno()),
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            pass_fds=[channel.fileno()],
        )
        try:
            while os.fstat(channel.fileno()).st_size < 10_000:
                time.sleep(0.01)
            yield process, events
        finally:
            process.kill()
            process.wait()
        channel.seek(0)
        events += channel.read().splitlines()


def _assert_stopped(events: list[bytes]) -> None:
    reasons = [json.loads(line)["reason"] for line in events if b'"event":"sample"' in line]
    assert reasons[-1] == "stopped"
    assert 0 < len(reasons) < 1_000_000
    assert json.loads(events[-1]) == {"event": "exit", "code": 0, "reason": "halt"}


def test_control_c_stops_a_generation(hosted: Hosted) -> None:
    with _endless(hosted, subprocess.PIPE) as (process, events):
        assert process.stdin is not None
        process.stdin.write(b"\x03halt\n")
        process.stdin.flush()
        assert process.wait(pace.limit(30)) == 0
    _assert_stopped(events)


def test_an_interrupt_is_control_c(hosted: Hosted) -> None:
    with _endless(hosted, subprocess.PIPE) as (process, events):
        assert process.stdin is not None
        process.send_signal(signal.SIGINT)
        process.stdin.write(b"halt\n")
        process.stdin.close()
        assert process.wait(pace.limit(30)) == 0
    _assert_stopped(events)


def test_a_terminal_is_raw_and_given_back(hosted: Hosted) -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    process = subprocess.Popen([hosted.path, "--cmdline", "mode=shell"], stdin=slave, stdout=slave)
    try:
        said = _read_until(master, b"kgpt> ")
        assert not termios.tcgetattr(slave)[3] & termios.ICANON
        os.write(master, b"hlat\x7f\x7f\x7f\x1b[Dhal\x1b[Ct\x03\x1b[Ahelp halt\r")
        said += _read_until(master, b"Ctrl-D does the same")
        assert b"^C" in said
        os.write(master, b"\x04")
        assert process.wait(pace.limit(30)) == 0
        assert termios.tcgetattr(slave) == before
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


def test_tab_completes_commands(hosted: Hosted) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen([hosted.path, "--cmdline", "mode=shell samples=1"], stdin=slave, stdout=slave)
    try:
        _read_until(master, b"kgpt> ")
        os.write(master, b"ge\tmar\r")
        said = _read_until(master, b"sample  1: mar")
        assert b"generate mar" in said
        os.write(master, b"m\t")
        said = _read_until(master, b"model  mem")
        os.write(master, b"e\t\r")
        _read_until(master, b"arena ")
        os.write(master, b"\x04")
        assert process.wait(pace.limit(30)) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


def test_a_terminal_is_given_back_when_terminated(hosted: Hosted) -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    process = subprocess.Popen([hosted.path, "--cmdline", "mode=shell"], stdin=slave, stdout=slave)
    try:
        _read_until(master, b"kgpt> ")
        process.terminate()
        assert process.wait(pace.limit(30)) == -signal.SIGTERM
        assert termios.tcgetattr(slave) == before
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


def _read_until(fd: int, text: bytes) -> bytes:
    said = b""
    while text not in said:
        said += os.read(fd, 4096)
    return said
