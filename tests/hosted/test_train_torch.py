"""Gradients of both trainers against PyTorch's automatic differentiation, in double. Needs the extra ``torch``."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import exact
import numpy as np
import pytest
from exact import Exact
from reference_autograd import Settings
from test_train_fast import names, random_weights, shape, whole_corpus_step

from benchmarks.c_library import ISAS
from benchmarks.fast_library import FastLibrary, Options, Trainer, build
from benchmarks.training_peers import torch_loss
from kgpt_build.models import CharTokenizer, Hyperparameters, tensor_shapes
from kgpt_build.reference.ordered import Array

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'kgpt[torch]'")

SHAPES = {
    "default": shape(27, 16, 16, 1, 4, 64),
    "d64": shape(27, 16, 64, 1, 4, 256),
    "two layers, odd sizes": shape(5, 7, 12, 2, 3, 17),
    "three layers, one head": shape(9, 5, 10, 3, 1, 40),
    "four layers, many heads": shape(40, 21, 30, 4, 15, 33),
    "four layers of d16": shape(27, 16, 16, 4, 4, 64),
}
FAST_TOLERANCE, EXACT_TOLERANCE = 2e-5, 1e-12
"""Of a tensor's largest gradient: f32 has 24 bits, a double 53."""


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> FastLibrary:
    return FastLibrary(build(tmp_path_factory.mktemp("fast")))


@pytest.fixture(scope="module")
def exact_library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return exact.build(tmp_path_factory.mktemp("exact"))


def by_torch(
    hparams: Hyperparameters, weights: Mapping[str, Array], documents: Sequence[Sequence[int]]
) -> tuple[float, dict[str, Array]]:
    """Loss and gradients of the documents as one padded batch."""
    bos, n_ctx = hparams.n_vocab - 1, hparams.n_ctx
    tokens = np.zeros((len(documents), n_ctx), dtype=np.int64)
    targets = np.full((len(documents), n_ctx), -1, dtype=np.int64)
    for i, document in enumerate(documents):
        row = [bos, *document, bos]
        n = min(n_ctx, len(row) - 1)
        tokens[i, :n], targets[i, :n] = row[:n], row[1 : n + 1]
    parameters = {name: torch.tensor(tensor, requires_grad=True) for name, tensor in weights.items()}
    loss: Any = torch_loss(torch, hparams, parameters, torch.from_numpy(tokens), torch.from_numpy(targets))
    loss.backward()
    return loss.item(), {name: tensor.grad.numpy() for name, tensor in parameters.items()}


def assert_close(found: Mapping[str, Array], expected: Mapping[str, Array], tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        largest = float(np.abs(gradient).max())
        assert largest > 0, name
        np.testing.assert_allclose(found[name], gradient, rtol=0, atol=tolerance * largest, err_msg=name)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", SHAPES)
def test_fast_gradients_are_pytorchs(fast: FastLibrary, name: str, isa: str) -> None:
    if isa not in fast.isas():
        pytest.skip(f"this machine has no {isa}")
    hparams = SHAPES[name]
    documents = names(hparams, 24)
    trainer = Trainer(fast, hparams, documents, Options(batch=24, isa=isa))
    weights = random_weights(trainer, 0.3)
    trainer.set_weights(weights)
    loss, expected = by_torch(hparams, weights, documents.ids)
    assert whole_corpus_step(trainer) == pytest.approx(loss, rel=2e-6)
    found = {key: gradient.astype(np.float64) for key, gradient in trainer.last_gradients().items()}
    assert_close(found, expected, FAST_TOLERANCE)


@pytest.mark.parametrize("text", ["abracadabra", "simsalabimbambasaladusaladim", "oh"])
@pytest.mark.parametrize("name", SHAPES)
def test_exact_gradients_are_pytorchs(exact_library: ctypes.CDLL, name: str, text: str) -> None:
    """A step of rate 1 without momentum, with eps 1, moves a weight by g / (|g| + 1): g can be read from it."""
    tokenizer = CharTokenizer.from_documents([text])
    hparams = replace(SHAPES[name], n_vocab=tokenizer.n_vocab)
    settings = Settings(hparams.n_layer, hparams.n_embd, hparams.n_head, hparams.n_ctx, steps=1)
    settings = replace(settings, learning_rate=1.0, beta1=0.0, beta2=0.0, eps=1.0)
    trainer = Exact(exact_library, [text], settings, n_ff=hparams.n_ff)
    before = np.array(trainer.weights())
    loss, expected = by_torch(hparams, tensors_of(before, hparams), [tokenizer.encode(text)])
    assert trainer.steps(1)[0] == pytest.approx(loss, rel=1e-12)
    moved = before - np.array(trainer.weights())
    assert_close(tensors_of(moved / (1 - np.abs(moved)), hparams), expected, EXACT_TOLERANCE)


def tensors_of(flat: Array, hparams: Hyperparameters) -> dict[str, Array]:
    shapes = tensor_shapes(hparams)
    ends = np.cumsum([rows * columns for rows, columns in shapes.values()])
    pieces = np.split(flat, ends[:-1])
    return {name: piece.reshape(shapes[name]) for name, piece in zip(shapes, pieces, strict=True)}
