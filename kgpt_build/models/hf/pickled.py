"""The weights of a pytorch_model.bin, which the importer of PyTorch's files reads; nothing of its pickle is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models.pytorch.archive import Archive
from kgpt_build.models.pytorch.payload import payload
from kgpt_build.models.pytorch.tensors import StoredTensor, gguf_tensor, load


@dataclass(frozen=True)
class PickledTensor:
    """A tensor like those of safetensors_file: vectors and F64 have become F32."""

    path: Path
    name: str
    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], npt.NDArray[Any]]

    def values(self) -> npt.NDArray[Any]:
        """The values, of ``shape``: float32, float16, or for BF16 the upper halves of float32 as uint16."""
        values = self.read()
        return values.view(np.uint16) if self.dtype == "BF16" else values


def read_pickled(path: Path) -> list[PickledTensor]:
    """The tensors in ``path``. Raises KgptError that names the file."""
    try:
        opened = Archive(path)
        state = payload(load(opened)).state
        return [
            _pickled(path, str(name), tensor, opened)
            for name, tensor in state.items()
            if isinstance(tensor, StoredTensor)
        ]
    except KgptError as error:
        raise KgptError(f"{path.name}: {error.message}", error.hint) from error
    except OSError as error:
        raise KgptError(f"{path.name} cannot be read: {error.strerror or error}", "check the file") from None


def _pickled(path: Path, name: str, tensor: StoredTensor, opened: Archive) -> PickledTensor:
    if not tensor.is_float:  # a buffer, or a type that is refused by its name
        return PickledTensor(path, name, tensor.storage.kind, tensor.shape, lambda: np.zeros(0))
    made = gguf_tensor(name, tensor, opened)
    return PickledTensor(path, name, made.kind, tensor.shape, made.read)
