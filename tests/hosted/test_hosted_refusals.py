"""What is refused: one clear line, a hint, the events, and the exit code."""

from __future__ import annotations

import random
import string
import subprocess

import pytest
from hosted import Hosted, random_model
from refusals import lacks

from kgpt_build.kernel.build import build_cached

REFUSED = {
    "tempreature=1": ('key "tempreature" command line', 'did you mean "temperature"?'),
    "samples": ("samples needs value", "samples whole number 1 1000000"),
    "samples=none": ("samples=none", "samples whole number"),
    "exit=yes": ("exit=yes", "exit alone"),
    "mode=sleep": ("mode=sleep", "mode generate, shell, selftest"),
    "temperature=1e9": ("temperature=1e9", "temperature 100"),
    "top_p=0": ("top_p=0", "top_p 0 1"),
    "cpumask=mmx": ("cpumask=mmx", "c, avx2, avx512"),
    "fault=coffee": ("fault=coffee", "ud, null"),
    'prompt="anna': ("prompt quoted", 'write prompt="'),
    "prompt=Anna": ("character 'A' (U+0041) byte 0", "trained on"),
    "prompt=zoë": ("character 'ë' (U+00EB) byte 2", "trained on"),
    "prompt=abcdefghijklmnop": ("16 tokens, 15", "15 characters"),
    "mode=selftest test=nothing": ('self-test "nothing"', "all of them"),
    "prompt=" + "a" * 5000: ("command line 4095 bytes", "shorten"),
}


@pytest.mark.parametrize("cmdline", REFUSED, ids=lambda text: text[:30])
@pytest.mark.parametrize("program", ["hosted", "sanitized"])
def test_refused(request: pytest.FixtureRequest, program: str, cmdline: str) -> None:
    message, hint = REFUSED[cmdline]
    run = request.getfixturevalue(program).run(cmdline)
    assert run.returncode == 1
    error = run.one("error")
    assert not lacks(error["message"], message)
    assert not lacks(error["hint"], hint)
    assert f"kgpt: {error['message']}\n" in run.console
    assert f"kgpt: hint: {error['hint']}\n" in run.console
    assert run.events[0]["event"] == "boot"
    assert run.events[-1] == {"event": "exit", "code": 1, "reason": "refused"}
    assert not run.of("sample")


def test_any_command_line_is_survived(sanitized: Hosted) -> None:
    rng = random.Random(1)
    words = ["prompt", "samples", "seed", "=", '"', "\\", " ", "1", "0x", ".", "e9", "é", "exit", "\t", "top_p"]
    for _ in range(40):
        cmdline = "".join(rng.choice([*words, rng.choice(string.printable[:95])]) for _ in range(rng.randrange(12)))
        run = sanitized.run(f"samples=1 {cmdline} exit")
        assert run.returncode in (0, 1), (cmdline, run.console)
        assert run.events[-1]["event"] == "exit"


def test_no_memory_at_all(hosted: Hosted) -> None:
    run = hosted.run("exit", options=("--arena-mb", "0"))
    assert run.returncode == 1
    assert not lacks(run.console, "kgpt: 0 bytes memory free")


def test_too_little_memory_is_told_before_anything_is_carved() -> None:
    model = random_model("ab", n_ctx=8192, n_embd=16, n_layer=2, n_head=2, n_ff=16, name="long")
    program = Hosted(build_cached(model, target="hosted"))
    run = program.run("exit samples=1", options=("--arena-mb", "1"))
    assert run.returncode == 1
    memory = run.one("memory")
    assert memory["needed"] > memory["arena"]
    assert memory["kv"] == 2 * 2 * 8192 * 16 * 4
    assert not lacks(run.one("error")["message"], "memory weights")
    assert not run.of("ready")
    assert program.run("exit samples=1 max_tokens=2", options=("--arena-mb", "8")).returncode == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--colour"], "unknown option: --colour"),
        (["--cmdline"], "value: --cmdline"),
        (["--events-fd", "x"], "number: --events-fd"),
        (["--arena-mb", "-5"], "number: --arena-mb"),
    ],
)
def test_wrong_options_of_the_program_itself(hosted: Hosted, words: list[str], message: str) -> None:
    done = subprocess.run([hosted.path, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert not lacks(done.stderr, message)
    assert "usage: kgpt-hosted" in done.stderr


def test_the_hint_names_every_key(hosted: Hosted, without_model: Hosted) -> None:
    """The last ones of both tables too."""
    assert " exact\n" in hosted.run("xyzzy exit").console
    assert " net\n" in without_model.run("xyzzy exit").console
