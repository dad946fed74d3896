"""A model of kgpt quantize in QEMU: it scores a text, with the bits of the Linux process."""

from __future__ import annotations

from pathlib import Path

import pace
from boots import Boot
from quantized import write_wide

from kgpt_build.events import Exit, Perplexity, parse_event
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.hosted import run_hosted
from kgpt_build.models import load_lm
from kgpt_build.models.gguf.write import write_gguf
from kgpt_build.models.quantize import plan, quantized

WORDS = 'mode=perplexity ctx=16 exit prompt="abcabacbbcaabcabbcaabcabacbbcaabcabbca"'


def test_the_perplexity_has_the_same_bits(boot: Boot, tmp_path: Path) -> None:
    wide = write_wide(tmp_path / "wide.gguf", n_layer=2)
    write_gguf(quantized(plan(load_lm(wide), "Q4_K_M")), tmp_path / "small.gguf")
    model = load_lm(tmp_path / "small.gguf")
    assert set(model.types) == {"F32", "Q4_K", "Q6_K"}
    guest = boot(WORDS, image=build_cached(model), timeout=300)
    assert guest.wait().error() is None
    found = [event for event in guest.events if isinstance(event, Perplexity)]
    lines = run_hosted(build_cached(model, target="hosted"), f"{WORDS} cpumask=c", timeout=pace.limit(300))
    expected = [parse_event(line) for line in lines]
    assert [event for event in expected if isinstance(event, Perplexity)] == found
    assert isinstance(expected[-1], Exit)
    assert found[-1].window + 1 == found[-1].windows >= 1
    assert 0.5 < found[-1].nll < 10
