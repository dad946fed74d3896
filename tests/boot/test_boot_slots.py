"""Several texts at once in QEMU: from the command line to the answer, and what the kernel's own benchmark says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from boots import ENVIRONMENT, Boot
from hosted import Hosted
from tiny_lm import write_lm

from kgpt_build import models
from kgpt_build.events import Bench, Sample, Stats
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import NO_MODEL

SAMPLING = ("--temperature", "1.5", "--top-p", "1", "--min-p", "0", "--seed", "3", "--max-tokens", "12")
WORDS = "temperature=1.5 top_p=1 min_p=0 seed=3 max_tokens=12"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fields = {"llama.context_length": 64, "tokenizer.chat_template": None}
    return write_lm(tmp_path_factory.mktemp("slots") / "model.gguf", "llama", fields=fields)


@pytest.fixture(scope="module")
def texts(model: Path) -> list[str]:
    """Of the hosted program, one after the other."""
    line = f"exit mode=generate prompt=abcab samples=5 {WORDS}"
    found = Hosted(build_cached(NO_MODEL, target="hosted")).run(line, options=("--module", str(model))).samples()
    assert len(set(found)) > 2
    return found


def test_kgpt_run_prints_the_texts_in_order(model: Path, texts: list[str], tmp_path: Path) -> None:
    kgpt = [sys.executable, "-m", "kgpt_build", "run", str(model), "--mode", "generate", "--accel", "tcg", *SAMPLING]
    words = [*kgpt, "--prompt", "abcab", "--samples", "5", "--slots", "3", "--cpus", "2"]
    run = subprocess.run(words, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "".join(f"{text}\n" for text in texts)
    assert "kgpt: 5 samples, " in run.stderr


def test_a_kernel_with_slots(boot: Boot, model: Path, texts: list[str]) -> None:
    line = f"exit mode=generate prompt=abcab samples=5 slots=5 {WORDS}"
    guest = boot(line, image=build_cached(models.load_lm(model)), memory=128)
    assert guest.wait().error() is None
    assert [event.text for event in guest.events if isinstance(event, Sample)] == texts
    assert [event.samples for event in guest.events if isinstance(event, Stats)] == [5]


def test_kgpt_bench_measures_sequences(model: Path, tmp_path: Path) -> None:
    kgpt = [sys.executable, "-m", "kgpt_build", "bench", str(model), "--accel", "tcg", "--json"]
    words = [*kgpt, "-p", "0", "-n", "2", "-r", "1", "--slots", "3"]
    run = subprocess.run(words, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert [(row["test"], row["slots"], row["tokens"]) for row in rows] == [
        ("tg2", 1, 2),
        ("tg2 x2", 2, 4),
        ("tg2 x3", 3, 6),
    ]
    assert Bench.event == "bench"
