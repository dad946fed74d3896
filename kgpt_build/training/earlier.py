"""The best weights from before --resume. The state of the kernel holds only the last weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kgpt_build import models
from kgpt_build.errors import KgptError
from kgpt_build.training.state import ResumeState

PREFIX = "kgpt.training."
"""The prefix of the GGUF fields that describe the training of the weights."""


@dataclass(frozen=True)
class EarlierBest:
    """``data`` is the file; losses are in nats; ``loss`` is the training loss of ``step``."""

    data: bytes
    n_parameters: int
    step: int
    loss: float | None
    validation: float


def load_earlier(path: Path, state: ResumeState) -> EarlierBest | None:
    """Read the best weights that were written with ``state``; None if the training has no validation.

    Raises KgptError if the file cannot be read, or belongs to another training.
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
