"""A kernel with the computed beginning of its chats, in QEMU: the logits are those of a process that computes it."""

from __future__ import annotations

from pathlib import Path

import pace
from boots import Boot
from tiny_lm import write_lm

from kgpt_build import models
from kgpt_build.events import Logits, Speed, parse_event
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.hosted import run_hosted

SYSTEM = "abc cab abcab b a cc " * 4
WORDS = "mode=chat prompt=abc max_tokens=4 temperature=0 logits exit"


def test_the_bits_of_qemu(boot: Boot, tmp_path: Path) -> None:
    model = models.load_lm(write_lm(tmp_path / "tiny.gguf", fields={"llama.context_length": 128}))
    program, kernel = build_cached(model, target="hosted"), build_cached(model, prefill=SYSTEM)
    computed = [parse_event(line) for line in run_hosted(program, f'{WORDS} system="{SYSTEM}"', timeout=pace.limit(60))]
    guest = boot(WORDS, image=kernel)
    assert guest.wait().ok, guest.console
    first, other = ([e.f32 for e in of if isinstance(e, Logits)] for of in (computed, guest.events))
    assert len(first) > 1
    assert first == other
    some, whole = (next(e.prompt_tokens for e in of if isinstance(e, Speed)) for of in (guest.events, computed))
    assert whole - some == 39  # the tokens of the prefill
