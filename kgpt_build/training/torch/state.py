"""The file MODEL.pt: everything that --resume needs. PyTorch writes it, and reads it back without running code."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from kgpt_build.errors import KgptError, UsageError
from kgpt_build.paths import write_atomically
from kgpt_build.training.torch.settings import TorchSettings

SUFFIX: Final = ".pt"
VERSION: Final = 1
_AGAIN = "give the model of a training by --target torch, or train again from the start"

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class TorchState:
    """A training after ``step`` steps: weights by GGUF name, AdamW's moments in the same order, the best weights."""

    settings: TorchSettings
    corpus_sha256: str
    step: int
    weights: Weights
    optimizer: dict[str, Any]
    best: Weights
    best_step: int
    best_loss: float
    """The validation loss of the best weights, in nats; infinite before the first validation."""
    since_best: int
    """Validations since the best."""
    training: list[tuple[int, float]]
    validation: list[tuple[int, float]]
    """Losses by step."""


def state_path(model: Path) -> Path:
    """The state of the training that writes ``model``."""
    return model.with_suffix(SUFFIX)


def save_state(path: Path, state: TorchState) -> None:
    """Write the file atomically. Raises KgptError and keeps the old file if it cannot be written."""
    content = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    content["settings"] = dataclasses.asdict(state.settings)
    out = io.BytesIO()
    torch.save({"kgpt_torch_state": VERSION, **content}, out)
    write_atomically(path, out.getvalue())


def load_state(path: Path) -> TorchState:
    """Read what save_state wrote. Raises KgptError if it is missing, damaged, or something else."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise KgptError(
            f"{path}: no such file", f"kgpt train --target torch writes it beside the model; {_AGAIN}"
        ) from None
    except OSError as error:
        raise KgptError(f"{path}: cannot be read: {error.strerror or error}", "check the permissions") from None
    except Exception as error:  # the library raises many kinds for a damaged file
        raise KgptError(f"{path}: is damaged, or no state of a training", _AGAIN) from error
    if not isinstance(content, dict) or content.pop("kgpt_torch_state", None) != VERSION:
        raise KgptError(f"{path}: is no state of a training by this version of kgpt", _AGAIN)
    try:
        state = TorchState(**{**content, "settings": TorchSettings(**content["settings"])})
        _check(state)
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise KgptError(f"{path}: is no state of a training", _AGAIN) from error
    return state


def _check(state: TorchState) -> None:
    whole = (state.step, state.best_step, state.since_best)
    if not all(isinstance(value, int) and value >= 0 for value in whole) or not isinstance(state.best_loss, float):
        raise ValueError("numbers")
    if not isinstance(state.corpus_sha256, str) or not isinstance(state.optimizer, dict):
        raise ValueError("fields")
    for weights in (state.weights, state.best):
        if not all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in weights.items()):
            raise ValueError("weights")
    for step, loss in (*state.training, *state.validation):
        if not isinstance(step, int) or not isinstance(loss, float):
            raise ValueError("losses")
