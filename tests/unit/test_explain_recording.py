"""The recording of a training, and what its page computes from the weights."""

from __future__ import annotations

import re

import numpy as np
import pytest
from explain_traces import HOSTILE
from test_explain_page import TAGS, Page
from toy import toy_model

from kgpt_build.explain.frame import content_hash
from kgpt_build.explain.growth import growth
from kgpt_build.explain.recording import Checkpoint, Recording, from_json, to_json
from kgpt_build.explain.training_page import SECTIONS, render_training
from kgpt_build.reference.backward import loss_and_gradients
from kgpt_build.reference.forward import forward
from kgpt_build.reference.trainer import pack


def toy_recording(name: str = "toy", documents: tuple[str, ...] = ("ab", "ba")) -> Recording:
    return Recording(
        name=name,
        corpus=name,
        made_by="kernel",
        isa="avx2",
        settings={"steps": 4, "lr": 0.5},
        losses=((1, 1.25), (2, 1.125), (3, 1.0), (4, 0.75)),
        validation=((2, 1.5), (4, 1.25)),
        documents=documents,
        checkpoints=tuple(Checkpoint(step, toy_model(seed=step)) for step in (2, 4)),
    )


def test_a_recording_comes_back_from_json() -> None:
    text = to_json(toy_recording())
    again = from_json(text)
    assert to_json(again) == text
    assert [point.step for point in again.checkpoints] == [2, 4]
    for point in again.checkpoints:
        for tensor, wanted in zip(
            point.model.tensors.values(), toy_model(seed=point.step).tensors.values(), strict=True
        ):
            np.testing.assert_array_equal(tensor, wanted)


def test_attention_and_gradients_are_the_references() -> None:
    found = growth(toy_recording(), "aba")
    assert found.attention.shape == (2, 1, 2, 4, 4)
    np.testing.assert_allclose(found.attention.sum(axis=-1), 1, atol=1e-6)
    assert not np.triu(found.attention, 1).any()
    model = toy_model(seed=4)
    tokens, targets = pack(model.tokenizer, ["ab", "ba"], model.hparams.n_ctx)
    weights = {name: tensor.astype(np.float64) for name, tensor in model.tensors.items()}
    loss, gradients = loss_and_gradients(weights, model.hparams, forward(weights, model.hparams, tokens), targets)
    for name, gradient in gradients.items():
        assert found.gradients[name][1] == pytest.approx(np.sqrt((gradient**2).sum()))
        step = gradient * (1e-6 / max(float(np.linalg.norm(gradient)), 1e-12))
        moved = {**weights, name: weights[name] + step}
        after, _ = loss_and_gradients(moved, model.hparams, forward(moved, model.hparams, tokens), targets)
        assert (after - loss) / 1e-6 == pytest.approx(found.gradients[name][1], rel=1e-3, abs=1e-5), name


def test_the_page_of_a_training_loads_nothing_and_escapes_texts() -> None:
    html = render_training(toy_recording(HOSTILE[2], ("ab",)), "ab", "0")
    found = Page(html)
    (policy,) = [value for name, value in found.attributes if name == "content" and "default-src" in value]
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src '{content_hash(found.texts['script'][1])}'" in policy
    assert f"style-src '{content_hash(found.texts['style'][0])}'" in policy
    assert set(found.tags) <= TAGS
    assert not found.tags["img"]
    assert HOSTILE[2] in found.texts["h1"][0]
    assert re.findall(r'<section id="([a-z]+)"', html) == list(SECTIONS)


def test_without_documents_there_is_no_section_on_gradients() -> None:
    html = render_training(toy_recording(documents=()), "ab", "0")
    assert re.findall(r'<section id="([a-z]+)"', html) == [name for name in SECTIONS if name != "gradients"]


def test_tables_have_losses_and_lengths() -> None:
    html = render_training(toy_recording(), "ab", "0")
    cells = Page(html).texts["td"]
    assert {"1.125000", "0.750000", "1.500000", "1.250000"} <= {cell.strip() for cell in cells}
    length = np.float32(np.linalg.norm(toy_model(seed=4).tensors["wte"]))
    assert str(length) in {cell.strip() for cell in cells}
