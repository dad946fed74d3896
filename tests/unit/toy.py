"""Small models for the tests, and golden files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from kgpt_build.models import CharTokenizer, Hyperparameters, Model, tensor_shapes
from kgpt_build.reference.rng import Xoshiro

GOLDEN = Path(__file__).parent.parent / "golden"


def toy_model(
    chars: str = "ab",
    *,
    n_ctx: int = 4,
    n_embd: int = 4,
    n_layer: int = 1,
    n_head: int = 2,
    n_ff: int = 0,
    seed: int = 1,
) -> Model:
    """A model of a few weights, multiples of 1/8, which every format keeps exactly."""
    tokenizer = CharTokenizer(tuple(chars))
    hparams = Hyperparameters(tokenizer.n_vocab, n_ctx, n_embd, n_layer, n_head, n_head, n_ff or 4 * n_embd)
    rng = Xoshiro(seed)
    tensors = {
        name: np.array([(rng.below(17) - 8) / 8 for _ in range(rows * columns)], dtype=np.float32).reshape(
            rows, columns
        )
        for name, (rows, columns) in tensor_shapes(hparams).items()
    }
    return Model("toy", "microgpt", hparams, tokenizer, tensors)


def json_document(model: Model) -> dict[str, Any]:
    """``model`` as the JSON that ``models.load`` reads."""
    return {
        "chars": "".join(model.tokenizer.chars),
        "n_head": model.hparams.n_head,
        "state_dict": {name: tensor.tolist() for name, tensor in model.tensors.items()},
    }


def assert_golden(name: str, text: str) -> None:
    """``text`` is what tests/golden/``name`` holds; KGPT_WRITE_GOLDEN=1 writes it, to be read in the diff."""
    path = GOLDEN / name
    if os.environ.get("KGPT_WRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()
