"""The file MODEL.pt: everything that --resume needs. PyTorch writes it, and reads it back without running code.

What is read is checked against the settings in it before anything is computed: a file may come from a stranger.
"""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zipfile import BadZipFile, ZipFile

import torch
from torch import Tensor

from kgpt_build.errors import KgptError, UsageError
from kgpt_build.paths import write_atomically
from kgpt_build.reference.draws import tensor_shapes
from kgpt_build.training.torch.settings import BIGRAM, TorchSettings

SUFFIX: Final = ".pt"
VERSION: Final = 1
_AGAIN = "give the model of a training by --target torch, or train again from the start"

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class TorchState:
    """A training after ``step`` steps; ``mean`` and ``square`` are AdamW's moments. Tensors are by GGUF name."""

    settings: TorchSettings
    corpus_sha256: str
    chars: list[str]
    """The vocabulary: kgpt import takes the file, too."""
    step: int
    weights: Weights
    mean: Weights
    square: Weights
    best: Weights
    """The weights of ``best_step``; none before the first validation."""
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
        _check_size(path)
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
    except (AttributeError, KeyError, TypeError, ValueError, UsageError) as error:
        raise KgptError(f"{path}: is no state of a training", _AGAIN) from error
    return state


def _check_size(path: Path) -> None:
    """Raise BadZipFile if the file would become larger in memory than it is: torch.save does not compress."""
    with ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
            raise BadZipFile("compressed")


def _check(state: TorchState) -> None:
    whole = (state.step, state.best_step, state.since_best)
    if not all(isinstance(value, int) and value >= 0 for value in whole) or not isinstance(state.best_loss, float):
        raise ValueError("numbers")
    if not isinstance(state.corpus_sha256, str) or len(state.chars) != state.weights["token_embd.weight"].shape[0]:
        raise ValueError("corpus_sha256")
    expected = _shapes(state)
    for weights in (state.weights, state.mean, state.square, *([state.best] if state.best else [])):
        if {name: tuple(tensor.shape) for name, tensor in weights.items()} != expected:
            raise ValueError("shapes")
        if not all(isinstance(tensor, Tensor) and tensor.dtype == torch.float32 for tensor in weights.values()):
            raise ValueError("types")
    for step, loss in (*state.training, *state.validation):
        if not isinstance(step, int) or not isinstance(loss, float):
            raise ValueError("losses")


def _shapes(state: TorchState) -> dict[str, tuple[int, ...]]:
    """Of all weights, as they follow from the settings and the vocabulary."""
    n_vocab = int(state.weights["token_embd.weight"].shape[0])
    if state.settings.model == BIGRAM:
        return {"token_embd.weight": (n_vocab, n_vocab)}
    return tensor_shapes(state.settings.shape(n_vocab))
