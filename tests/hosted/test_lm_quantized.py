"""Models of kgpt quantize in the C engine: it reads the blocks as the gguf library does."""

from __future__ import annotations

import ctypes
from pathlib import Path

import lm
import numpy as np
import pytest
from lm_measures import relative
from quantized import LLAMA_CPP, write_wide

from kgpt_build import models
from kgpt_build.models.gguf.types import TYPES
from kgpt_build.models.gguf.write import write_gguf
from kgpt_build.models.quantize import plan, quantized
from kgpt_build.models.quantize.mix import MIXES
from kgpt_build.reference.lm import forward
from kgpt_build.reference.lm_file import load

TEXTS = np.random.default_rng(0).integers(0, 9, (9, 4)).tolist()
ONE_OF_EACH = {MIXES[mix].main: mix for mix in MIXES}


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wide(tmp_path_factory.mktemp("wide") / "wide.gguf", n_layer=2)


def test_each_type_is_there() -> None:
    assert set(ONE_OF_EACH) == {kind.name for kind in TYPES.values()}


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_logits_are_those_of_the_quantised_weights(
    lm_library: ctypes.CDLL, wide: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "out.gguf"
    write_gguf(quantized(plan(models.load_lm(wide), ONE_OF_EACH[kind], pure=True)), path)
    engine, reference, before = lm.Engine(lm_library, path.read_bytes()), load(path), load(wide)
    differences, losses = [], []
    for tokens in TEXTS:  # short ones: a value that is rounded otherwise changes everything behind it
        engine.session(n_batch=7)
        found = engine.eval(tokens)
        differences.append(relative(forward(reference, tokens, act=True).logits, found))
        losses.append(relative(forward(before, tokens).logits, found))
    assert np.median(differences) < 1e-5
    assert max(differences) < 0.05
    assert np.median(losses) < (5 * LLAMA_CPP[kind][0] if kind in LLAMA_CPP else 0.02)
