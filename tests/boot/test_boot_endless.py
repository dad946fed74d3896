"""A text that goes on for ever in QEMU: from the two commands of the README, until a key."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pace
import pytest
from boots import ENVIRONMENT, Boot, press
from hosted import Hosted
from running_text import first_bytes, running_model

from kgpt_build.events import Exit, Sample, Token
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import NO_MODEL

CHARACTERS, N_CTX = 3000, 32
FLAT = ("--temperature", "3", "--top-k", "0", "--top-p", "1", "--min-p", "0", "--seed", "7")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return running_model(tmp_path_factory.mktemp("endless") / "kernel-c.gguf", n_ctx=N_CTX)


def test_build_and_run_until_ctrl_c(model: Path, tmp_path: Path) -> None:
    """The characters are those of the hosted program with the same seed."""
    kgpt = [sys.executable, "-m", "kgpt_build"]
    subprocess.run([*kgpt, "build", str(model)], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, check=True)
    words = [*kgpt, "run", "--prompt", "a b ", "--max-tokens", "0", "--accel", "tcg", *FLAT]
    with subprocess.Popen(
        words, bufsize=0, cwd=tmp_path, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        begun = first_bytes(process, CHARACTERS)
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=pace.limit(120))
        assert process.returncode == 0, said
    assert "kgpt: the text may go on for ever: Ctrl-C stops it" in said.decode().splitlines()
    found = (begun + rest).decode().removesuffix("\n")
    program = Hosted(build_cached(NO_MODEL, target="hosted"))
    line = f'exit mode=generate prompt="a b " on_overflow=shift max_tokens={len(found)} seed=7'
    run = program.run(f"{line} temperature=3 top_k=0 top_p=1 min_p=0", options=("--module", str(model)))
    assert "".join(event["text"] for event in run.of("token")) == found


def test_a_key_of_the_machine_stops_it(boot: Boot, model: Path) -> None:
    """Without a serial port, on the screen: Ctrl-C of its keyboard."""
    line = 'prompt="a b " max_tokens=0 temperature=3 exit'
    guest = boot(line, image=build_cached(model), memory=128, machine="pc", serial=False)
    assert guest.machine.deadline is not None
    while sum(isinstance(event, Token) for event in guest.events) <= CHARACTERS:
        assert time.monotonic() < guest.machine.deadline, "it is too slow"
        time.sleep(0.2)
    press(guest, "ctrl-c")
    assert guest.wait().error() is None
    (sample,) = [event for event in guest.events if isinstance(event, Sample)]
    assert (sample.reason, sample.dropped > 0) == ("stopped", True)
    assert sample.tokens > CHARACTERS
    assert [event.code for event in guest.events if isinstance(event, Exit)] == [0]
