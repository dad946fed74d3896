"""The best weights of the part of a training that was done before --resume. The kernel's state knows the last only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kgpt_build import models
from kgpt_build.errors import KgptError
from kgpt_build.training.state import ResumeState

PREFIX = "kgpt.training."
"""Of what a GGUF file says of the training that its weights are from."""


@dataclass(frozen=True)
class EarlierBest:
    """``data``: the bytes of their file. Losses are in nats, ``loss`` that of ``step``."""

    data: bytes
    n_parameters: int
    step: int
    loss: float | None
    validation: float


def load_earlier(path: Path, state: ResumeState) -> EarlierBest | None:
    """What ``path`` holds, which was written beside ``state``; None where no validation judged it.

    Raises KgptError if it cannot be read, or is of another training.
    """
    if not state.settings.val_fraction:
        return None
    n_parameters = models.load(path).n_parameters
    fields = {key.removeprefix(PREFIX): value for key, value in models.metadata(path).items()}
    step, validation, loss = (fields.get(key) for key in ("step", "validation_loss", "loss"))
    is_ours = fields.get("corpus_sha256") == state.corpus_sha256 and fields.get("seed") == state.settings.seed
    if not is_ours or not isinstance(step, int) or step > state.step or not isinstance(validation, float):
        raise KgptError(
            f"{path}: these are not the best weights of the training to resume",
            "give the file that kgpt train wrote together with its state",
        )
    return EarlierBest(path.read_bytes(), n_parameters, step, loss if isinstance(loss, float) else None, validation)
