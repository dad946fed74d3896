"""What the weights of each checkpoint do: attention over a text, texts, lengths of weights and of gradients.

The NumPy reference computes it from the weights that the kernel sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kgpt_build.explain.recording import Recording
from kgpt_build.explain.trace import Floats
from kgpt_build.models import Model
from kgpt_build.reference.backward import loss_and_gradients
from kgpt_build.reference.forward import forward
from kgpt_build.reference.sampler import Sampling, generate
from kgpt_build.reference.trainer import pack

TEXTS = 6
"""Texts at each checkpoint."""
SEED = 42


@dataclass(frozen=True, eq=False)
class Growth:
    """``attention`` (S, n_layer, n_head, T, T) of S checkpoints; each list of ``weights`` and ``gradients`` has S."""

    text: str
    tokens: tuple[int, ...]  # T of them: BOS, and the text
    attention: Floats
    texts: tuple[tuple[str, ...], ...]
    weights: Mapping[str, tuple[float, ...]]  # the length of each tensor
    gradients: Mapping[str, tuple[float, ...]]  # of the loss over the recording's documents


def growth(recording: Recording, text: str) -> Growth:
    """Of ``text``, by default the longest one of the last checkpoint, cut to the context.

    Raises KgptError for a character without a token.
    """
    models = [point.model for point in recording.checkpoints]
    first = models[0]
    texts = tuple(tuple(_texts(model)) for model in models)
    read = text or max(texts[-1], key=len)
    tokens = [first.tokenizer.bos_id, *first.tokenizer.encode(read)][: first.hparams.n_ctx]
    lengths = [{name: float(np.linalg.norm(tensor)) for name, tensor in model.tensors.items()} for model in models]
    gradients = [_gradients(model, recording.documents) for model in models]
    return Growth(
        tokens=tuple(tokens),
        attention=np.stack([_attention(model, tokens) for model in models]),
        text=read,
        texts=texts,
        weights={name: tuple(found[name] for found in lengths) for name in first.tensors},
        gradients={name: tuple(found[name] for found in gradients) for name in first.tensors if gradients[0]},
    )


def _attention(model: Model, tokens: list[int]) -> Floats:
    computed = forward(dict(model.tensors), model.hparams, np.array([tokens], dtype=np.intp))
    found = [layer.attention.p[:, :, 0].transpose(1, 2, 0) for layer in computed.layers]
    return np.stack(found).astype(np.float32)


def _texts(model: Model) -> list[str]:
    return [generate(model, sampling=Sampling(), seed=SEED, index=i).text for i in range(TEXTS)]


def _gradients(model: Model, documents: tuple[str, ...]) -> dict[str, float]:
    """The length of the gradient of each tensor; empty without documents."""
    if not documents:
        return {}
    weights = {name: tensor.astype(np.float64) for name, tensor in model.tensors.items()}
    tokens, targets = pack(model.tokenizer, documents, model.hparams.n_ctx)
    _, found = loss_and_gradients(weights, model.hparams, forward(weights, model.hparams, tokens), targets)
    return {name: float(np.linalg.norm(gradient)) for name, gradient in found.items()}
