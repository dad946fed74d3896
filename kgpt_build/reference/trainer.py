"""Trains microgpt by Adam, in float64 and in a fixed order: the same settings and documents give the same bits.

Nothing here comes from the machine: sums and exp are ``ordered``'s, random numbers are ``rng``'s, and what remains is
+ - * / and sqrt, which IEEE-754 defines to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kgpt_build.errors import KgptError
from kgpt_build.models import CharTokenizer, Hyperparameters, Model, tensor_shapes
from kgpt_build.reference.backward import IGNORED, cross_entropy, loss_and_gradients
from kgpt_build.reference.forward import Tokens, Weights, forward
from kgpt_build.reference.ordered import Array
from kgpt_build.reference.rng import Xoshiro

_INIT_STREAM, _ORDER_STREAM = 1, 2  # streams of the seed; 0 splits the corpus


@dataclass(frozen=True)
class TrainSettings:
    """Hyperparameters of the training; the learning rate falls linearly from ``learning_rate`` to 0."""

    seed: int = 42
    steps: int = 12_000
    batch: int = 32
    learning_rate: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.99
    epsilon: float = 1e-8
    init_std: float = 0.08


Progress = Callable[[int, float, Weights], None]  # step (from 1), training loss of its batch, weights after it


def train(
    hparams: Hyperparameters,
    tokenizer: CharTokenizer,
    documents: Sequence[str],
    settings: TrainSettings,
    progress: Progress | None = None,
) -> dict[str, Array]:
    """Weights (float64) after ``settings.steps`` steps over ``documents``. Raises KgptError if there are none."""
    if not documents:
        raise KgptError("there is nothing to train on", "give at least one document")
    weights = initial_weights(hparams, settings)
    mean = {name: np.zeros_like(tensor) for name, tensor in weights.items()}
    square = {name: np.zeros_like(tensor) for name, tensor in weights.items()}
    correction1 = correction2 = 1.0
    for step, batch in enumerate(_batches(documents, settings), start=1):
        tokens, targets = pack(tokenizer, batch, hparams.n_ctx)
        loss, gradients = loss_and_gradients(weights, hparams, forward(weights, hparams, tokens), targets)
        correction1 *= settings.beta1
        correction2 *= settings.beta2
        rate = settings.learning_rate * (1 - (step - 1) / settings.steps)
        for name, gradient in gradients.items():
            mean[name] = settings.beta1 * mean[name] + (1 - settings.beta1) * gradient
            square[name] = settings.beta2 * square[name] + (1 - settings.beta2) * (gradient * gradient)
            denominator = np.sqrt(square[name] / (1 - correction2)) + settings.epsilon
            weights[name] = weights[name] - rate * (mean[name] / (1 - correction1)) / denominator
        if progress is not None:
            progress(step, loss, weights)
    return weights


def initial_weights(hparams: Hyperparameters, settings: TrainSettings) -> dict[str, Array]:
    """Uniform weights of standard deviation ``init_std``; uniform, because that needs no logarithm of the libm."""
    rng = Xoshiro(settings.seed, _INIT_STREAM)
    width = settings.init_std * 2 * np.sqrt(3.0)
    weights: dict[str, Array] = {}
    for name, (rows, columns) in tensor_shapes(hparams).items():
        uniform = np.array([(rng.next() >> 11) * 2.0**-53 for _ in range(rows * columns)], dtype=np.float64)
        weights[name] = ((uniform - 0.5) * width).reshape(rows, columns)
    return weights


def pack(tokenizer: CharTokenizer, documents: Sequence[str], n_ctx: int) -> tuple[Tokens, Tokens]:
    """(tokens, targets), both (B, T): BOS + document against document + BOS, cut at ``n_ctx``, filled with IGNORED."""
    rows = [[tokenizer.bos_id, *tokenizer.encode(document), tokenizer.bos_id] for document in documents]
    n_positions = min(n_ctx, max(len(row) for row in rows) - 1)
    tokens = np.full((len(rows), n_positions), tokenizer.bos_id, dtype=np.intp)
    targets = np.full((len(rows), n_positions), IGNORED, dtype=np.intp)
    for i, row in enumerate(rows):
        n = min(n_positions, len(row) - 1)
        tokens[i, :n] = row[:n]
        targets[i, :n] = row[1 : n + 1]
    return tokens, targets


def evaluate(weights: Weights, hparams: Hyperparameters, tokenizer: CharTokenizer, documents: Sequence[str]) -> float:
    """Mean cross entropy (nats per token) over ``documents``."""
    tokens, targets = pack(tokenizer, documents, hparams.n_ctx)
    return cross_entropy(forward(weights, hparams, tokens).logits, targets)[0]


def to_model(name: str, hparams: Hyperparameters, tokenizer: CharTokenizer, weights: Weights) -> Model:
    """The trained ``weights``, rounded to f32, as a model."""
    return Model(
        name, "microgpt", hparams, tokenizer, {key: value.astype(np.float32) for key, value in weights.items()}
    )


def _batches(documents: Sequence[str], settings: TrainSettings) -> Iterator[list[str]]:
    """``settings.steps`` batches: every document once in a random order, then again in another one."""
    rng = Xoshiro(settings.seed, _ORDER_STREAM)
    waiting: list[str] = []
    for _ in range(settings.steps):
        while len(waiting) < settings.batch:
            epoch = list(documents)
            rng.shuffle(epoch)
            waiting += epoch
        yield waiting[: settings.batch]
        del waiting[: settings.batch]
