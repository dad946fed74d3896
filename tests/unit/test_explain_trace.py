"""The trace of the NumPy reference, and its JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kgpt_build.errors import KgptError
from kgpt_build.explain.encode import from_json, to_json
from kgpt_build.explain.microgpt import reference_trace
from kgpt_build.explain.trace import Trace
from kgpt_build.models import DEFAULT_MODEL, Model, load
from kgpt_build.reference.sampler import Sampling, generate


@pytest.fixture(scope="module")
def model() -> Model:
    loaded = load(DEFAULT_MODEL)
    assert isinstance(loaded, Model)
    return loaded


@pytest.fixture(scope="module")
def trace(model: Model) -> Trace:
    return reference_trace(model, "em")


def test_the_tokens_are_those_of_the_document(model: Model, trace: Trace) -> None:
    document = generate(model, "em")
    assert trace.prompt + trace.reply == document.text
    assert tuple(token.id for token in trace.tokens[trace.n_prompt :]) == document.tokens
    assert tuple(draw.chosen for draw in trace.draws) == document.tokens
    assert trace.n_steps == len(trace.tokens) - 1


def test_each_attention_row_sums_to_one_and_looks_back_only(trace: Trace) -> None:
    for layer in trace.layers:
        np.testing.assert_allclose(layer.attention.sum(axis=-1), 1, atol=1e-6)
        assert not np.triu(layer.attention, 1).any()


def test_attention_is_the_softmax_of_queries_and_keys(trace: Trace) -> None:
    for layer in trace.layers:
        assert layer.q is not None
        assert layer.k is not None
        assert layer.v is not None
        assert layer.attended is not None
        scores = np.einsum("thd,shd->hts", layer.q, layer.k) * trace.model.attn_scale
        scores = np.where(np.tri(trace.n_steps, dtype=bool), scores, -np.inf)
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        np.testing.assert_allclose(layer.attention, e / e.sum(axis=-1, keepdims=True), atol=1e-6)
        np.testing.assert_allclose(layer.attended, np.einsum("hts,shd->thd", layer.attention, layer.v), atol=1e-6)


def test_the_last_lens_row_is_the_softmax_of_the_logits(trace: Trace) -> None:
    assert trace.logits is not None
    e = np.exp(trace.logits - trace.logits.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    last = trace.layers[-1]
    np.testing.assert_allclose(np.take_along_axis(p, last.lens_ids, axis=1), last.lens_p, atol=1e-6)


def test_a_draw_falls_on_the_token_that_it_names(model: Model) -> None:
    trace = reference_trace(model, "", sampling=Sampling(0.9, top_k=9, top_p=0.9, min_p=0.02), seed=5)
    for draw in trace.draws:
        running = np.cumsum(draw.weights, dtype=np.float32)
        assert draw.uniform is not None
        threshold = np.float32(draw.uniform) * np.float32(draw.total)
        assert running[draw.place] > threshold
        assert draw.place == 0 or running[draw.place - 1] <= threshold
        assert draw.kept[draw.place] == draw.chosen
        assert len(draw.kept) == draw.left["min_p"] <= draw.left["top_p"] <= draw.left["top_k"] == 9


def test_greedy_draws_no_number(model: Model) -> None:
    trace = reference_trace(model, "", sampling=Sampling(0.0))
    assert all(draw.uniform is None and draw.chosen == draw.ids[0] for draw in trace.draws)


def test_json_keeps_every_bit_of_a_microgpt_and_is_small(trace: Trace) -> None:
    text = to_json(trace)
    assert len(text) < 1_000_000
    assert "<" not in text
    assert "\n" not in text
    again = from_json(text)
    assert to_json(again) == text
    assert again.logits is not None
    assert trace.logits is not None
    assert again.logits.tobytes() == trace.logits.tobytes()
    assert again.layers[0].attention.tobytes() == trace.layers[0].attention.tobytes()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "kgpt-trace", "version": 99}'])
def test_other_documents_are_refused(text: str) -> None:
    with pytest.raises(KgptError):
        from_json(text)


def test_a_cut_array_is_refused(trace: Trace) -> None:
    read = json.loads(to_json(trace))
    read["logits"]["data"] = read["logits"]["data"][:8]
    with pytest.raises(KgptError, match="no trace"):
        from_json(json.dumps(read))
