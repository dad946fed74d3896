"""In QEMU: one sampler in both kinds of images, runs made again from their events, models that compute no numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from boots import Boot, texts
from gguf import GGUFReader
from refusals import lacks
from tiny_lm import write_lm

from kgpt_build import models
from kgpt_build.boot_modules import BootModule
from kgpt_build.events import Config, Event, Exit, Sample, Token
from kgpt_build.events.replay import replay_words

MEMORY = 128


def tokens(events: list[Event]) -> list[tuple[int, int, int]]:
    return [(event.sample, event.pos, event.id) for event in events if isinstance(event, Token)]


def test_a_microgpt_says_the_same_in_both_kinds_of_images(boot: Boot, kernel_without_model: Path) -> None:
    own = boot("exit")
    assert own.wait().exit_code == 0
    words = "mode=generate temperature=0.5 top_k=0 top_p=1 min_p=0 samples=20 exit"
    other = boot(words, image=kernel_without_model, modules=(BootModule(models.DEFAULT_MODEL),), memory=MEMORY)
    assert other.wait().exit_code == 0
    assert tokens(other.events) == tokens(own.events)
    assert texts(other) == texts(own)


@pytest.mark.parametrize("words", ["", "temperature=1.2345678 top_k=5 top_p=0.987654321 min_p=0.00123456 max_tokens=7"])
def test_a_run_is_made_again_from_its_events(boot: Boot, words: str) -> None:
    first = boot(f"exit seed=random samples=5 {words}")
    assert first.wait().exit_code == 0
    (config,) = [event for event in first.events if isinstance(event, Config)]
    again = boot(f"exit {' '.join(replay_words(config))}")
    assert again.wait().exit_code == 0
    assert texts(again) == texts(first)


def test_a_model_that_computes_no_numbers(boot: Boot, kernel_without_model: Path, tmp_path: Path) -> None:
    """The loader brings it as it is: the kernel names the layer, and the run fails."""
    path = write_lm(tmp_path / "damaged.gguf", kind="Q8_0")
    (tensor,) = (t for t in GGUFReader(path).tensors if t.name == "blk.1.ffn_down.weight")
    data = bytearray(path.read_bytes())
    data[tensor.data_offset : tensor.data_offset + 2] = b"\x00\x7e"  # a scale that is NaN
    path.write_bytes(data)
    guest = boot("mode=generate prompt=ab exit", image=kernel_without_model, modules=(BootModule(path),), memory=MEMORY)
    verdict = guest.wait()
    assert verdict.exit_code == 4
    assert not lacks(verdict.message, "logits finite layer 1, feed-forward")
    assert "kgpt build MODEL names the tensor" in verdict.hint
    assert guest.events[-1] == Exit(4, "nonfinite")
    assert not [event for event in guest.events if isinstance(event, (Token, Sample))]
