"""What the host knows of the memory that a kernel needs, against the kernel's own event ``memory``."""

from __future__ import annotations

from pathlib import Path

import pytest
from hosted import Hosted, random_model
from model_files import model_file

from kgpt_build import models
from kgpt_build.headers.blob import model_blob, read_blob
from kgpt_build.kernel import memory
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.elf import read_elf
from kgpt_build.models import Model

MARGIN = memory._LM_MARGIN
OWN_TABLES = 1 << 20
"""Bytes that the host adds for a vocabulary, and for activations that no matrix takes: what it may be too high by."""


@pytest.mark.parametrize("chars", ["ab", "abcdefghijklmnopqrstuvwxyzäöü€"])
@pytest.mark.parametrize(("n_ctx", "n_embd", "n_ff"), [(8, 4, 8), (33, 20, 70), (1000, 16, 64)])
def test_a_microgpt_to_the_byte(chars: str, n_ctx: int, n_embd: int, n_ff: int) -> None:
    model = random_model(chars, n_ctx=n_ctx, n_embd=n_embd, n_layer=2, n_head=2, n_ff=n_ff)
    told = Hosted(build_cached(model, target="hosted")).run("exit samples=1 max_tokens=1").one("memory")
    needs = memory._microgpt_needs(0, read_blob(model_blob(model)))
    assert (needs.weights, needs.kv, needs.scratch) == (told["weights"], told["kv"], told["scratch"])
    assert told["needed"] == needs.kv + needs.scratch


@pytest.mark.parametrize("arch", ["llama", "gemma3", "phi3", "qwen2"])
@pytest.mark.parametrize("kv", ["f16", "q8", "f32"])
@pytest.mark.parametrize("n_ctx", [1, 77, 4096, 60000])
def test_a_language_model_is_bounded_tightly(
    without_model: Hosted, tmp_path: Path, arch: str, kv: str, n_ctx: int
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(model_file(arch).with_fields(context_length=65536).bytes())
    run = without_model.run(f"exit prompt=ab max_tokens=1 ctx={n_ctx} kv={kv}", options=("--module", str(path)))
    told, model = run.one("memory"), models.load_lm(path)
    longest = max(len(token.encode()) for token in model.vocabulary.tokens)
    cache, rest = memory.lm_session(model.hparams, longest, n_ctx, kv)
    assert cache == told["kv"]
    assert told["scratch"] <= rest + MARGIN
    assert rest <= told["scratch"] + OWN_TABLES


def test_kgpt_info_of_a_microgpt_to_the_byte(odd_model: Model, odd: Hosted) -> None:
    told, said = odd.run("exit samples=1 max_tokens=1").one("memory"), memory.needs_of(odd_model)
    assert (said.weights, said.kv, said.scratch) == (told["weights"], told["kv"], told["scratch"])


@pytest.mark.parametrize(("n_ctx", "kv"), [(77, "q8"), (4096, "f16")])
def test_kgpt_info_of_a_language_model_before_a_kernel_is_built(
    without_model: Hosted, tmp_path: Path, n_ctx: int, kv: str
) -> None:
    """Weights and KV cache to the byte; the rest is at most 1 MiB above its margin."""
    path = tmp_path / "model.gguf"
    path.write_bytes(model_file("llama").with_fields(context_length=65536).bytes())
    run = without_model.run(f"exit prompt=ab max_tokens=1 ctx={n_ctx} kv={kv}", options=("--module", str(path)))
    told, said = run.one("memory"), memory.needs_of(models.load_lm(path), n_ctx, kv)
    assert (said.weights, said.kv) == (told["weights"], told["kv"])
    assert told["scratch"] <= said.scratch <= told["scratch"] + MARGIN + OWN_TABLES


def test_kgpt_info_bounds_the_kernels_that_are_built(tmp_path: Path) -> None:
    """From above, by at most 1 MiB."""
    path = tmp_path / "model.gguf"
    path.write_bytes(model_file("llama").bytes())
    for model in (models.load(), models.load_lm(path)):
        built = memory.memory_needs(read_elf(build_cached(model)))
        said = memory.needs_of(model)
        assert (said.kv, said.scratch) == (built.kv, built.scratch)
        assert 0 <= said.image_end - built.image_end <= 1 << 20


@pytest.mark.parametrize("slots", [1, 3])
def test_a_grammar_is_bounded_tightly(without_model: Hosted, tmp_path: Path, slots: int) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(model_file("llama").bytes())
    line, options = f"exit mode=generate prompt=ab max_tokens=1 slots={slots}", ("--module", str(path))
    plain = without_model.run(line, options=options).one("memory")["scratch"]
    taken = without_model.run(line + ' grammar="root ::= [ab]"', options=options).one("memory")["scratch"] - plain
    said = memory._constraining(models.load_lm(path).hparams.n_vocab, slots)
    assert taken <= said <= taken + OWN_TABLES // 4 + slots * (64 << 10)
