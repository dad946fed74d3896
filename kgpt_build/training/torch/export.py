"""Writes trained weights as a GGUF file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor as TorchTensor

from kgpt_build.reference.draws import TextShape
from kgpt_build.training.text_model import Read, write_text_model


def write_model(
    path: Path,
    shape: TextShape,
    chars: tuple[str, ...],
    weights: Mapping[str, TorchTensor],
    training: Mapping[str, str | int | float],
) -> None:
    """Write ``weights``, by GGUF name, to ``path``. ``training``: what made them, the fields kgpt.training.*.

    Raises KgptError if it cannot be written; an older file then stays.
    """
    readers = {name: _reader(tensor) for name, tensor in weights.items()}
    write_text_model(path, shape, chars, readers, training)


def _reader(tensor: TorchTensor) -> Read:
    def read() -> npt.NDArray[np.float32]:
        values: npt.NDArray[np.float32] = tensor.detach().float().cpu().numpy()
        return values

    return read
