"""Drafts in QEMU: the texts and logits are those of the hosted program without drafts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pace
import pytest
from boots import ENVIRONMENT
from hosted import Hosted
from tiny_lm import write_lm

from kgpt_build.kernel.build import build_cached
from kgpt_build.models import NO_MODEL

SECONDS = 300.0
WORDS = "temperature=1.2 seed=7 max_tokens=60 ctx=48 on_overflow=shift logits logit_bias=1-inf logit_bias=3-inf"
TOLD = ("fed", "logits", "token", "sample")
PROMPT = "abcab cab abcab"


def run_in_qemu(*words: str | Path) -> list[dict[str, Any]]:
    """The events of `kgpt run … --json`."""
    limit = pace.limit(SECONDS)
    argv = [sys.executable, "-m", "kgpt_build", "run", "--accel", "tcg", "--json", "--timeout", limit, *words]
    done = subprocess.run(
        list(map(str, argv)), env=ENVIRONMENT, capture_output=True, text=True, timeout=2 * limit, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("kind", ["ngram", "draft"])
def test_the_text_of_plain_decoding(tmp_path: Path, kind: str) -> None:
    fields = {"llama.context_length": 64, "qwen2.context_length": 64}
    model = write_lm(tmp_path / "m.gguf", fields=fields)
    other = write_lm(tmp_path / "other.gguf", "qwen2", fields=fields)
    program = Hosted(build_cached(NO_MODEL, target="hosted"))
    plain = program.run(f'exit mode=generate prompt="{PROMPT}" {WORDS}', options=("--module", str(model)))
    draft = ("--draft", other) if kind == "draft" else ("--speculate", "ngram")
    options = ("--speculate-tokens", "4", "--cpus", "2", "--mode", "generate", "--cmdline", WORDS)
    found = run_in_qemu("--model", model, *draft, *options, "--prompt", PROMPT)
    assert [event for event in found if event["event"] in TOLD] == [
        event for event in plain.events if event["event"] in TOLD
    ]
    (speed,) = (event for event in found if event["event"] == "speed")
    assert 0 < speed["accepted"] < speed["drafted"]
    assert speed["passes"] + speed["accepted"] == speed["tokens"] - 1
