"""Tiny models of every architecture: the C engine against the NumPy reference, and against itself."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from pathlib import Path
from typing import Any

import lm
import numpy as np
import pytest
from hosted import floats
from lm_corners import CORNERS, random_tiny
from lm_files import interleaved
from lm_measures import Array, relative, sha256
from lm_tiny import PLAIN, TINY, Tiny, write

from kgpt_build.models import Model, save_gguf
from kgpt_build.reference.lm import forward
from kgpt_build.reference.lm_file import load

TOKENS = [int(token) for token in np.random.default_rng(0).integers(0, 50, 30)]
ROUNDING = 1e-5  # of the largest logit; 1e-4 would do, a wrong model is at 1
QUANTISED = tuple(name for name in TINY if name not in PLAIN)
WITH_ROPE = tuple(name for name in PLAIN if TINY[name].block.rope != "none")


class Library:
    """Models by name, as engines and as references."""

    def __init__(self, library: ctypes.CDLL, folder: Path) -> None:
        self._library, self._folder = library, folder

    def path(self, tiny: Tiny) -> Path:
        return write(self._folder / "model.gguf", tiny)

    def engine(self, tiny: Tiny) -> lm.Engine:
        return lm.Engine(self._library, self.path(tiny).read_bytes())

    def expected(self, tiny: Tiny, *, act: bool = False, n_ctx: int | None = None) -> Array:
        return forward(load(self.path(tiny)), TOKENS, act=act, n_ctx=n_ctx).logits


@pytest.fixture
def library(lm_library: ctypes.CDLL, tmp_path: Path) -> Library:
    return Library(lm_library, tmp_path)


@pytest.mark.parametrize("name", PLAIN)
def test_logits_are_the_references(library: Library, name: str) -> None:
    engine = library.engine(TINY[name])
    engine.session(n_batch=7)
    expected = library.expected(TINY[name])
    assert relative(expected, engine.eval(TOKENS)) < ROUNDING
    assert expected.std() > 1  # not the agreement of numbers that are all the same


@pytest.mark.parametrize("name", CORNERS)
def test_corners_are_the_references(library: Library, name: str) -> None:
    engine = library.engine(CORNERS[name])
    engine.session(n_batch=7)
    expected = library.expected(CORNERS[name])
    assert np.isfinite(expected).all()
    assert relative(expected, engine.eval(TOKENS)) < ROUNDING


def test_random_hyperparameters(library: Library) -> None:
    for seed in range(1000, 1020):
        tiny = random_tiny(seed)
        engine = library.engine(tiny)
        engine.session(n_batch=7)
        expected = library.expected(tiny)
        assert np.isfinite(expected).all(), tiny
        assert relative(expected, engine.eval(TOKENS)) < 2 * ROUNDING, tiny


@pytest.mark.parametrize("name", PLAIN)
def test_the_mean_of_hidden_states_is_the_references(library: Library, name: str) -> None:
    """It replaces the context, and its bits do not depend on batches and workers."""
    engine = library.engine(TINY[name])
    engine.session(n_batch=7)
    engine.eval(TOKENS[:3])
    computed = forward(load(library.path(TINY[name])), TOKENS)
    mean = engine.mean(TOKENS)
    assert relative(computed.streams["norm", engine.n_layer].mean(axis=0), mean) < ROUNDING
    assert engine.tokens == TOKENS
    engine.session(n_batch=30)
    assert np.array_equal(engine.mean(TOKENS, workers=3), mean)


@pytest.mark.parametrize("layers", [5, 7])
def test_a_window_that_hides_nothing_changes_nothing_else(library: Library, layers: int) -> None:
    """To the bit the same as one that is a position longer or shorter, and not what a model without windows is."""
    digests = {}
    for name in ("window-47", "window-48", "window-49", "window-none"):
        engine = library.engine(replace(CORNERS[name], n_layer=layers))
        engine.session()
        digests[name] = sha256(engine.eval(TOKENS))
    assert digests["window-47"] == digests["window-48"] == digests["window-49"] != digests["window-none"]


def test_a_factor_without_a_type_is_linear(library: Library) -> None:
    """As llama.cpp takes it, by its old name too. A type of none says that it is not meant."""

    def bits(tiny: Tiny) -> bytes:
        engine = library.engine(tiny)
        engine.session(n_batch=7)
        return engine.eval(TOKENS).tobytes()

    linear = bits(TINY["llama-linear"])
    assert bits(TINY["llama-factor-alone"]) == bits(TINY["llama-scale-linear"]) == linear
    assert bits(TINY["llama-factor-none"]) == bits(TINY["llama"]) != linear


ARRAYS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "sizes": (
        "llama",
        {"attention.head_count": [4, 4], "attention.head_count_kv": [2, 2], "feed_forward_length": [96, 96]},
        {},
    ),
    "whole numbers": ("llama", {"rope.freq_base": 1000}, {"rope.freq_base": 1000.0}),
    "windows": (
        "gemma3",
        {"attention.sliding_window_pattern": [True, True, False, True, True, False, True]},
        {"attention.sliding_window_pattern": 3},
    ),
}


@pytest.mark.parametrize(("name", "fields", "usual"), ARRAYS.values(), ids=ARRAYS)
def test_arrays_and_kinds_that_mean_one_number(
    library: Library, name: str, fields: dict[str, Any], usual: dict[str, Any]
) -> None:
    tiny = TINY[name]
    odd, plain = (replace(tiny, fields={**tiny.fields, **more}) for more in (fields, usual))
    engines = [library.engine(odd), library.engine(plain)]
    for engine in engines:
        engine.session(n_batch=7)
    logits = [engine.eval(TOKENS) for engine in engines]
    assert logits[0].tobytes() == logits[1].tobytes()
    assert relative(library.expected(odd), logits[0]) < ROUNDING


@pytest.mark.parametrize("name", QUANTISED)
def test_quantised_logits_are_the_references(library: Library, name: str) -> None:
    """With inputs of products in 8 bits there too. Rounding decides where a value between two steps ends."""
    engine = library.engine(TINY[name])
    engine.session(n_batch=7)
    found, expected = engine.eval(TOKENS), library.expected(TINY[name], act=True)
    differences = [relative(expected[t : t + 1], found[t : t + 1]) for t in range(len(TOKENS))]
    assert np.median(differences) < ROUNDING
    assert max(differences) < 0.05


@pytest.mark.parametrize("name", PLAIN)
def test_each_step_of_a_layer_is_the_references(library: Library, name: str) -> None:
    engine = library.engine(TINY[name])
    engine.session(n_batch=32)
    (found, _), expected = engine.probe(TOKENS), forward(load(library.path(TINY[name])), TOKENS).streams
    assert {step for step, _ in found} == {"embed", "attn", "ffn", "norm"}
    assert set(found) == set(expected)
    for step, values in found.items():
        assert relative(expected[step][-1:], values[None]) < ROUNDING, step


WAYS = (
    *((1, 1, "avx2"), (7, 1, "c"), (7, 2, "avx2"), (30, 3, "c"), (11, 5, "avx2")),
    *((1, 2, "avx512vnni"), (9, 1, "avx512vnni"), (30, 2, "avx512"), (5, 1, "avxvnni")),
)
"""Tokens of a batch, workers, instruction sets."""


@pytest.mark.parametrize("name", TINY)
def test_bits_do_not_depend_on_how_it_is_computed(library: Library, name: str) -> None:
    engine, digests = library.engine(TINY[name]), set()
    for n_batch, workers, isa in WAYS:
        engine.session(n_batch=n_batch, isa=isa, kv="f16")
        digests.add(sha256(engine.eval(TOKENS, workers)))
    assert len(digests) == 1


@pytest.mark.parametrize(
    "name", ["llama-Q4_1", "llama-Q6_K", "phi3-Q4_K", "gpt2-Q8_0", "llama-MXFP4", "llama-IQ4_XS-mix"]
)
def test_the_host_may_have_interleaved(lm_library: ctypes.CDLL, library: Library, name: str) -> None:
    path = library.path(TINY[name])
    engines = [lm.Engine(lm_library, path.read_bytes()), lm.Engine(lm_library, interleaved(path), interleaved=True)]
    for engine in engines:
        engine.session()
    assert sha256(engines[0].eval(TOKENS)) == sha256(engines[1].eval(TOKENS))


def test_another_compiler_gives_the_same_bits(library: Library, tmp_path: Path) -> None:
    gcc, digests = Library(lm.build(tmp_path, "gcc"), tmp_path), []
    for of in (library, gcc):
        engine = of.engine(TINY["gemma3"])
        engine.session(kv="q8", isa="c")
        digests.append(sha256(engine.eval(TOKENS)))
    assert digests[0] == digests[1]


@pytest.mark.parametrize("name", ["llama", "llama-wide-heads", "gemma3", "phi2", "gpt2"])
@pytest.mark.parametrize(("kv", "most"), [("f16", 3e-3), ("q8", 6e-2)])
def test_a_smaller_cache_is_nearly_as_good(library: Library, name: str, kv: str, most: float) -> None:
    engine = library.engine(TINY[name])
    engine.session(kv=kv)
    assert ROUNDING / 10 < relative(library.expected(TINY[name]), engine.eval(TOKENS)) < most


def test_microgpt_has_the_bits_of_its_own_engine(
    request: pytest.FixtureRequest, odd_model: Model, lm_library: ctypes.CDLL, tmp_path: Path
) -> None:
    run = request.getfixturevalue("odd").run("exit logits samples=1 seed=3")
    path = tmp_path / "odd.gguf"
    save_gguf(odd_model, path)
    engine = lm.Engine(lm_library, path.read_bytes())
    engine.session(n_batch=4)
    fed, expected = [e["id"] for e in run.of("logits")], [floats(values) for *_, values in run.logits()]
    assert len(fed) > 5
    assert sha256(engine.eval(fed, workers=2)) == sha256(np.stack(expected))


@pytest.mark.parametrize("n_ctx", [16, 17])
def test_longrope_chooses_by_the_context(library: Library, n_ctx: int) -> None:
    engine = library.engine(TINY["phi3-long"])
    engine.session(n_ctx)
    found = engine.eval(TOKENS[:16])
    expected = [library.expected(TINY["phi3-long"], n_ctx=size)[:16] for size in (n_ctx, 33 - n_ctx)]
    assert relative(expected[0], found) < ROUNDING < relative(expected[1], found)


def test_only_the_last_logits_unless_all_are_wanted(library: Library) -> None:
    engine = library.engine(TINY["qwen2"])
    engine.session(n_batch=4)
    every = engine.eval(TOKENS)
    engine.session(n_batch=4, all_logits=False)
    last = engine.eval(TOKENS)
    assert every.shape == (len(TOKENS), 50)
    assert last.shape == (1, 50)
    assert sha256(last) == sha256(every[-1:])


@pytest.mark.parametrize("name", ["llama", "gemma3", "mistral", "gpt2"])
def test_after_truncating_the_bits_are_the_same(library: Library, name: str) -> None:
    engine = library.engine(TINY[name])
    engine.session(n_batch=7, kv="q8")
    first = engine.eval(TOKENS)
    engine.truncate(12)
    assert engine.tokens == TOKENS[:12]
    engine.eval([3, 1, 4])
    engine.truncate(12)
    assert sha256(engine.eval(TOKENS[12:])) == sha256(first[12:])


@pytest.mark.parametrize("name", WITH_ROPE)
@pytest.mark.parametrize("keep", [0, 5])
def test_a_shift_turns_keys_to_where_they_would_be(library: Library, name: str, keep: int) -> None:
    """In a model of one layer keys depend on their token and position only: a shift is exact, but for rounding."""
    tiny = replace(TINY[name], n_layer=1)
    engine, fresh = library.engine(tiny), library.engine(tiny)
    engine.session(n_batch=7)
    fresh.session(n_batch=7)
    engine.eval(TOKENS)
    engine.shift(keep, 9)
    left = TOKENS[:keep] + TOKENS[keep + 9 :]
    assert engine.tokens == left
    fresh.eval(left)
    assert relative(fresh.eval([7, 8]), engine.eval([7, 8])) < 2 * ROUNDING


def test_a_shift_of_all_layers_is_near(library: Library) -> None:
    """Deeper keys also know what stood before them, which is why a shift only comes near to a new beginning."""
    engine = library.engine(TINY["llama"])
    engine.session()
    before = engine.eval(TOKENS)[-1:]
    engine.shift(4, 6)
    assert engine.tokens == TOKENS[:4] + TOKENS[10:]
    after = engine.eval([TOKENS[-1]])
    assert np.isfinite(after).all()
    assert relative(before, after) < 1


@pytest.mark.parametrize("name", ["gpt2", "nanogpt", "microgpt"])
def test_learned_positions_are_computed_again(library: Library, name: str) -> None:
    engine, fresh = library.engine(TINY[name]), library.engine(TINY[name])
    engine.session()
    fresh.session()
    engine.eval(TOKENS)
    engine.shift(3, 10)
    fresh.eval(TOKENS[:3] + TOKENS[13:])
    assert engine.tokens == fresh.tokens
    assert sha256(engine.eval([5])) == sha256(fresh.eval([5]))


@pytest.mark.parametrize("name", ["llama-Q4_1", "gemma3", "llama-Q3_K", "microgpt"])
@pytest.mark.parametrize("kv", lm.KV)
@pytest.mark.parametrize(("n_batch", "all_logits"), [(1, False), (3, True), (64, False)])
def test_it_takes_the_memory_that_it_counts(
    library: Library, name: str, kv: str, n_batch: int, all_logits: bool
) -> None:
    engine = library.engine(TINY[name])
    for n_ctx in (1, 7, None):
        engine.session(n_ctx, n_batch, kv, all_logits=all_logits)
        assert engine.taken == engine.counted > 0
