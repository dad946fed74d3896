"""A conversation outlives a reboot in QEMU: the logits are those of a run without the break."""

from __future__ import annotations

from pathlib import Path

import pace
from boots import Boot
from tiny_lm import write_lm

from kgpt_build import models
from kgpt_build.events import Logits, parse_event
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.hosted import HostedProcess
from kgpt_build.memory import empty_store, read_store

WORDS = "mode=chat max_tokens=4 temperature=1.5 seed=3 logits"


def test_the_same_bits_after_a_reboot(boot: Boot, tmp_path: Path) -> None:
    model = models.load_lm(write_lm(tmp_path / "tiny.gguf", fields={"llama.context_length": 128}))
    program, kernel = build_cached(model, target="hosted"), build_cached(model)
    with HostedProcess(program, WORDS, timeout=pace.limit(60)) as process:
        process.send(b"abc\ncab\n")
        process.end_input()
        lines = b"".join(process.pieces()).splitlines(keepends=True)
    whole = [event.f32 for line in lines if isinstance(event := parse_event(line), Logits)]
    store = tmp_path / "store.kgm"
    store.write_bytes(empty_store(1 << 20))
    parts = []
    for typed in ("abc\r/save a\r/quit\r", "/load a\rcab\r/quit\r"):
        guest = boot(WORDS, image=kernel, store=store)
        guest.expect("> ")
        guest.send(typed)
        assert guest.wait().ok, guest.console
        parts += [event.f32 for event in guest.events if isinstance(event, Logits)]
    assert len(whole) > 4
    assert parts == whole
    assert [record.name for record in read_store(store.read_bytes()).records if record.whole] == ["a"]
