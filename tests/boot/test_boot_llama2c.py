"""A checkpoint of llama2.c in QEMU: run.c's texts, several in one boot, and a stick made in one command."""

from __future__ import annotations

from pathlib import Path

import llama2c_files
import llama2c_run
import pytest
from boots import Boot, Kgpt, texts
from llama2c_files import Shape

from kgpt_build.kernel.build import build_cached

SHAPE = Shape(seq_len=64, shared=False)
SPREAD = 2.5


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama2c_files.write_model(tmp_path_factory.mktemp("llama2c"), SHAPE, spread=SPREAD)


def run_c(prompt: str, seed: int, temperature: float, top_p: float) -> str:
    """The text of run.c, of which no draw was near another result."""
    transformer = llama2c_run.Transformer(SHAPE, llama2c_files.random_weights(SHAPE, 1, SPREAD))
    tokenizer = llama2c_run.Tokenizer(llama2c_files.small_pieces(SHAPE.vocab_size))
    sampler = llama2c_run.Sampler(temperature, top_p, seed)
    text = llama2c_run.run(transformer, tokenizer, sampler, prompt.encode())
    assert min(sampler.margins) > 2.5e-6
    return text.decode()


def test_the_texts_are_those_of_run_c(boot: Boot, source: Path) -> None:
    """The shell takes settings between them."""
    asked = [("Once upon", 3, 1.0, 0.9), ("Lily said: café \u2603", 5, 0.7, 1.0), ("One day", 2, 0.0, 0.9)]
    guest = boot("mode=shell rng=llama2c", image=build_cached(source), cpus=2)
    for prompt, seed, temperature, top_p in asked:
        settings = (f"set seed {seed}", f"set temperature {temperature}", f"set top_p {top_p}")
        for line in (*settings, f"generate {prompt}"):
            guest.expect(r"^kgpt> $")
            guest.send_line(line)
    guest.expect(r"^kgpt> $")
    assert texts(guest) == [run_c(*each) for each in asked]


def test_a_stick_in_one_command(kgpt: Kgpt, boot: Boot, source: Path, tmp_path: Path) -> None:
    words = "rng=llama2c seed=3 prompt=Once exit"
    made = kgpt("image", "usb", source, "-o", tmp_path / "stick.img", "--cmdline", words, "--timeout", "0")
    assert made.returncode == 0, made.stderr
    guest = boot(image=tmp_path / "stick.img", medium="usb", machine="q35", timeout=240)
    guest.expect_event("sample", text=run_c("Once", 3, 1.0, 0.9))
    assert guest.wait().error() is None
