"""The fast trainer against the NumPy reference, against central differences, and against itself."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.fast_library import ISAS, Documents, FastLibrary, Options, Refused, Trainer, build

from kgpt_build.models import Hyperparameters
from kgpt_build.reference.backward import cross_entropy, loss_and_gradients
from kgpt_build.reference.forward import Tokens, forward
from kgpt_build.reference.ordered import Array


def shape(vocab: int, ctx: int, embd: int, layers: int, heads: int, ff: int) -> Hyperparameters:
    return Hyperparameters(
        n_vocab=vocab, n_ctx=ctx, n_embd=embd, n_layer=layers, n_head=heads, n_head_kv=heads, n_ff=ff
    )


SHAPES = {
    "default": shape(27, 16, 16, 1, 4, 64),
    "d64": shape(27, 16, 64, 1, 4, 256),
    "odd": shape(5, 7, 12, 2, 3, 17),
    "one-head": shape(9, 5, 10, 3, 1, 6),
    "many-heads": shape(40, 21, 30, 4, 15, 33),
    "wide-heads": shape(11, 9, 36, 2, 2, 50),
    "smallest": shape(3, 1, 1, 1, 1, 1),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> FastLibrary:
    return FastLibrary(build(tmp_path_factory.mktemp("fast")))


def names(hparams: Hyperparameters, n: int, seed: int = 1) -> Documents:
    """Documents that share beginnings, some of them longer than the block, one of them empty of all but one letter."""
    rng = np.random.default_rng(seed)
    letters = hparams.n_vocab - 1
    lengths = rng.integers(1, hparams.n_ctx + 4, n)
    drawn = [(letters * rng.random(length) ** 2).astype(int).tolist() for length in lengths]
    return Documents([*drawn[:-1], [0]], hparams.n_vocab)


def random_weights(trainer: Trainer, scale: float) -> dict[str, Array]:
    rng = np.random.default_rng(3)
    return {
        name: rng.normal(0, scale, tensor.shape).astype(np.float32).astype(np.float64)
        for name, tensor in trainer.weights().items()
    }


def one_by_one(hparams: Hyperparameters, document: list[int]) -> tuple[Tokens, Tokens]:
    """Tokens and targets (1, n) of one document, as microgpt cuts them."""
    bos = hparams.n_vocab - 1
    row = [bos, *document, bos]
    n = min(hparams.n_ctx, len(row) - 1)
    return np.array([row[:n]]), np.array([row[1 : n + 1]])


def reference(
    hparams: Hyperparameters, weights: dict[str, Array], documents: Documents
) -> tuple[float, dict[str, Array]]:
    """Loss and gradients in double, a document at a time, averaged over the documents."""
    losses, sums = [], {name: np.zeros_like(tensor) for name, tensor in weights.items()}
    for document in documents.ids:
        tokens, targets = one_by_one(hparams, list(document))
        loss, gradients = loss_and_gradients(weights, hparams, forward(weights, hparams, tokens), targets)
        losses.append(loss)
        for name, gradient in gradients.items():
            sums[name] += gradient / len(documents.ids)
    return float(np.mean(losses)), sums


def whole_corpus_step(trainer: Trainer) -> float:
    """The loss of a batch that is the whole corpus, its gradients left to be read."""
    trainer.begin()
    for chunk in range(trainer.chunks):
        trainer.gradients(chunk)
    return trainer.end()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", SHAPES)
def test_gradients_are_the_references(library: FastLibrary, name: str, isa: str) -> None:
    hparams = SHAPES[name]
    documents = names(hparams, 24)
    trainer = Trainer(library, hparams, documents, Options(batch=24, isa=isa))
    weights = random_weights(trainer, 0.3)
    trainer.set_weights(weights)
    loss, expected = reference(hparams, weights, documents)
    assert whole_corpus_step(trainer) == pytest.approx(loss, rel=2e-6)
    for tensor, found in trainer.last_gradients().items():
        scale = float(np.abs(expected[tensor]).max())
        np.testing.assert_allclose(found, expected[tensor], rtol=0, atol=2e-5 * scale + 1e-12, err_msg=tensor)


@pytest.mark.parametrize("name", ["default", "odd", "one-head", "many-heads"])
def test_gradients_are_central_differences(library: FastLibrary, name: str) -> None:
    hparams = SHAPES[name]
    documents = names(hparams, 6)
    trainer = Trainer(library, hparams, documents, Options(batch=6))
    weights = random_weights(trainer, 0.3)
    trainer.set_weights(weights)
    whole_corpus_step(trainer)
    rng = np.random.default_rng(7)
    for tensor, found in trainer.last_gradients().items():
        for _ in range(4):
            at = tuple(rng.integers(0, size) for size in found.shape)
            expected = central_difference(hparams, weights, documents, tensor, at)
            assert found[at] == pytest.approx(expected, rel=1e-3, abs=1e-4 * float(np.abs(found).max())), (tensor, at)


def central_difference(
    hparams: Hyperparameters, weights: dict[str, Array], documents: Documents, name: str, at: tuple[int, ...]
) -> float:
    """In double, by one weight. A step small enough that hardly any relu changes its mind."""
    step, losses = 1e-5, []
    for sign in (1, -1):
        moved = {key: value.copy() for key, value in weights.items()}
        moved[name][at] += sign * step
        losses.append(mean_loss(hparams, moved, documents))
    return (losses[0] - losses[1]) / (2 * step)


def mean_loss(hparams: Hyperparameters, weights: dict[str, Array], documents: Documents) -> float:
    """In double, by the forward pass alone."""
    total = 0.0
    for document in documents.ids:
        tokens, targets = one_by_one(hparams, list(document))
        total += cross_entropy(forward(weights, hparams, tokens).logits, targets)[0]
    return total / len(documents.ids)
