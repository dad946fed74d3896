"""`kgpt train` in QEMU: the same files as hosted, and the circle from a corpus to a kernel that speaks of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pace
import pytest
from boots import ENVIRONMENT, Kgpt
from terminal import Terminal

from kgpt_build import models
from kgpt_build.training.state import load_state

TCG = ["--accel", "tcg"]


@pytest.fixture(autouse=True)
def built(training_kernel: Path) -> None:
    """No test waits for a compiler."""


@pytest.fixture
def docs(tmp_path: Path) -> str:
    names = ["anna", "bob", "carla", "dan", "ella", "fred", "gina", "hal", "ines", "jo"]
    (tmp_path / "the docs").write_text("\n".join(names))
    return "the docs"


def samples(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("sample ")]


@pytest.mark.parametrize("method", [[], ["--exact"]])
def test_the_files_are_those_of_the_hosted_build(kgpt: Kgpt, docs: str, tmp_path: Path, method: list[str]) -> None:
    """QEMU's processor has FMA, as machines that tests run on have; exact has one arithmetic anyway."""
    options = ["--steps", "40", "--val-fraction", "0.2", *method]
    for folder, words in (("qemu", TCG), ("hosted", ["--target", "hosted"])):
        (tmp_path / folder).mkdir()
        done = kgpt("train", docs, "-o", f"{folder}/m.gguf", *options, *words)
        assert done.returncode == 0, done.stderr
    for name in ("m.gguf", "m.state"):
        assert (tmp_path / "qemu" / name).read_bytes() == (tmp_path / "hosted" / name).read_bytes()


def test_train_build_run(kgpt: Kgpt, tmp_path: Path) -> None:
    """No word but the commands: the names of the end of the training are those of the kernel."""
    trained = kgpt("train", "--steps", "100", *TCG)
    assert trained.returncode == 0, trained.stderr
    built = kgpt("build")
    assert "kgpt: taking model.gguf, which is in this folder (--default: the model that ships)\n" in built.stderr
    ran = kgpt("run", *TCG)
    assert ran.returncode == 0, ran.stderr
    assert len(samples(ran.stdout)) == 20
    assert samples(ran.stdout) == samples(trained.stdout)


def test_train_on_the_host_build_run(kgpt: Kgpt, tmp_path: Path) -> None:
    """A GPT of kernel C that PyTorch trained writes, in QEMU, the characters of its corpus."""
    pytest.importorskip("torch", reason="needs PyTorch: pip install 'kgpt[torch]'")
    corpus = "".join(f"static int f{n}(int x)\n{{\n\treturn {n} * x;\n}}\n" for n in range(40))
    (tmp_path / "corpus.txt").write_text(corpus)
    sizes = ["--n-layer", "1", "--n-embd", "32", "--n-head", "2", "--block-size", "32", "--lr", "0.01"]
    trained = kgpt("train", "corpus.txt", "--target", "torch", *sizes, "--steps", "60", "--sample-every", "0")
    assert trained.returncode == 0, trained.stderr
    assert kgpt("build").returncode == 0
    ran = kgpt("run", "--prompt", "static int ", "--max-tokens", "20", *TCG)
    assert ran.returncode == 0, ran.stderr
    assert set(ran.stdout) <= set(corpus)
    assert len(ran.stdout.strip()) > 10
    shipped = kgpt("run", "--default", *TCG)
    assert samples(shipped.stdout) != samples(ran.stdout)
    again = kgpt("train", "--steps", "101", *TCG)
    assert samples(kgpt("run", *TCG).stdout) == samples(again.stdout) != samples(ran.stdout), (
        "the image in ./build is not of this model"
    )


def test_half_and_half(kgpt: Kgpt, docs: str, tmp_path: Path) -> None:
    assert kgpt("train", docs, "--steps", "20", "-o", "whole.gguf", *TCG).returncode == 0
    assert kgpt("train", docs, "--steps", "20", "--until", "7", *TCG).returncode == 0
    assert kgpt("train", docs, "--resume", "model.gguf", *TCG).returncode == 0
    assert (tmp_path / "model.state").read_bytes() == (tmp_path / "whole.state").read_bytes()
    assert models.load(tmp_path / "model.gguf").sha256 == models.load(tmp_path / "whole.gguf").sha256


def test_memory_that_is_too_little_is_refused_before_it_boots(kgpt: Kgpt, docs: str, tmp_path: Path) -> None:
    done = kgpt("train", docs, "--memory", "20", "--n-embd", "256", "--steps", "1", *TCG, "--json")
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.match(
        r"kgpt: error: 20 MB of memory are too little for this training: .* \d+\.\d MB, ",
        done.stderr,
    )
    least = re.search(r"give at least --memory (\d+)", done.stderr)
    assert least
    assert 20 < int(least[1]) < 128
    assert not (tmp_path / "model.gguf").exists()


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "kgpt_build", "train", "the docs", "--steps", "1000000", *TCG, *words],
        cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("step    1 / ")
    return process


def test_ctrl_c_stops_the_kernel_and_saves(docs: str, tmp_path: Path) -> None:
    process = start(tmp_path)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=pace.limit(60))
    assert process.returncode == 0, err
    assert "; to go on: kgpt train 'the docs' --resume model.gguf" in err
    assert "wrote model.gguf: " in out
    assert models.metadata(tmp_path / "model.gguf")["kgpt.training.step"] == load_state(tmp_path / "model.state").step


def test_without_a_serial_port_ctrl_c_ends_it(docs: str, tmp_path: Path) -> None:
    """There is no way to tell the kernel; what was there stays."""
    (tmp_path / "model.gguf").write_bytes(b"old")
    process = start(tmp_path, "--no-serial")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=pace.limit(60))
    assert process.returncode == 130
    assert (tmp_path / "model.gguf").read_bytes() == b"old"


def test_a_qemu_that_is_killed_leaves_the_old_files(docs: str, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"old")
    process = start(tmp_path)
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    _, err = process.communicate(timeout=pace.limit(60))
    assert process.returncode == 5, err
    assert "kgpt: error: " in err
    assert "SIGKILL" in err
    assert (tmp_path / "model.gguf").read_bytes() == b"old"
    assert not (tmp_path / "model.state").exists()


def test_a_timeout(kgpt: Kgpt, docs: str, tmp_path: Path) -> None:
    done = kgpt("train", docs, "--steps", "1000000", "--timeout", "2", *TCG)
    assert done.returncode == 124
    assert "the guest did not end within 2 seconds" in done.stderr
    assert not (tmp_path / "model.gguf").exists()


def test_the_live_display_is_over_qemu_too(docs: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "kgpt_build", "train", docs, "--steps", "1000000", *TCG]
    with Terminal(words, {**ENVIRONMENT, "TERM": "xterm-256color", "COLUMNS": "80"}, tmp_path) as terminal:
        terminal.expect("samples/s")
        os.kill(terminal.process.pid, signal.SIGINT)
        assert terminal.wait() == 0
    assert terminal.raw.rindex(b"\x1b[?25h") > terminal.raw.rindex(b"\x1b[?25l")
    assert "; to go on: kgpt train 'the docs' --resume model.gguf" in terminal.text
