"""`kgpt train --block` in QEMU: the same files as hosted on another number of processors, and a kernel of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from boots import Kgpt

TCG = ["--accel", "tcg"]
TINY = ["--n-layer", "2", "--n-embd", "16", "--n-head", "2", "--block-size", "12", "--batch", "4", "--lr", "0.01"]


@pytest.fixture(autouse=True)
def built(training_kernel: Path) -> None:
    """No test waits for a compiler."""


def test_a_model_of_a_running_text_is_the_hosted_one_and_boots(kgpt: Kgpt, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("static int x = 0;\nreturn x;\n" * 30)
    options = [*TINY, "--block", "nanogpt", "--dropout", "0.1", "--steps", "40"]
    for folder, words in (("qemu", [*TCG, "--cpus", "2"]), ("hosted", ["--target", "hosted"])):
        (tmp_path / folder).mkdir()
        done = kgpt("train", "text", "-o", f"{folder}/m.gguf", *options, *words)
        assert done.returncode == 0, done.stderr
    for name in ("m.gguf", "m.state"):
        assert (tmp_path / "qemu" / name).read_bytes() == (tmp_path / "hosted" / name).read_bytes()
    ran = kgpt("run", "qemu/m.gguf", "--prompt", "static ", *TCG)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout) > 4
    assert set(ran.stdout) <= set("static int x = 0;\nreturn x;\n")
