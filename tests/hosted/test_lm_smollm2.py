"""A real language model in the C engine: SmolLM2-135M-Instruct, Q4_1 with Q8_0 embeddings."""

from __future__ import annotations

import ctypes
from pathlib import Path

import lm
import numpy as np
import pytest
from lm_files import interleaved
from lm_measures import divergence, sha256

from kgpt_build.reference.lm import forward
from kgpt_build.reference.lm_file import load

# A system prompt, "What is the capital of France?", and the beginning of the answer, as ChatML.
CHAT = [
    *(1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411, 407, 19712, 8182, 2, 198),
    *(1, 4093, 198, 1780, 314, 260, 3575, 282, 4649, 47, 2, 198, 1, 520, 9531, 198),
]


@pytest.fixture(scope="module")
def path(smollm2: Path) -> Path:
    return smollm2


@pytest.fixture(scope="module")
def engine(path: Path, lm_library: ctypes.CDLL) -> lm.Engine:
    return lm.Engine(lm_library, path.read_bytes())


def test_logits_are_the_references_but_for_eight_bits(engine: lm.Engine, path: Path) -> None:
    """Rounding to 8 bits magnifies the smallest differences: llama.cpp's own batch sizes are 3e-3 apart."""
    engine.session(256, n_batch=16, kv="f16")
    found, expected = engine.eval(CHAT), forward(load(path), CHAT, dtype=np.float32).logits
    kl = divergence(expected, found)
    assert kl.mean() < 8e-3
    assert kl.max() < 0.1
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.9


def test_the_first_layer_is_the_references(engine: lm.Engine, path: Path) -> None:
    """Before differences can grow: one layer, with the reference rounding to 8 bits too."""
    engine.session(256, n_batch=64, kv="f32")
    (found, _), expected = engine.probe(CHAT), forward(load(path), CHAT, dtype=np.float32, act=True).streams
    for step in (("embed", 0), ("attn", 0), ("ffn", 0)):
        difference = np.abs(found[step] - expected[step][-1]).max() / np.abs(expected[step][-1]).max()
        assert difference < 2e-3, step


def test_bits_do_not_depend_on_how_it_is_computed(engine: lm.Engine) -> None:
    """Batches, workers, instruction sets."""
    digests = set()
    for n_batch, workers, isa in ((16, 1, "avx2"), (7, 3, "avx512vnni"), (1, 2, "c")):
        engine.session(64, n_batch, "f16", isa)
        digests.add(sha256(engine.eval(CHAT[:20], workers)))
    assert len(digests) == 1


def test_it_says_the_same_from_interleaved_weights(path: Path, lm_library: ctypes.CDLL, engine: lm.Engine) -> None:
    ready = lm.Engine(lm_library, interleaved(path), interleaved=True)
    digests = set()
    for one in (engine, ready):
        one.session(32, 8, "f16")
        digests.add(sha256(one.eval(CHAT[:8])))
    assert len(digests) == 1
