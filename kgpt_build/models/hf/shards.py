"""Finds the weights of a Hugging Face folder: one file, or several with or without an index; safetensors first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Protocol

import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models.hf.json_file import read_object
from kgpt_build.models.hf.pickled import read_pickled
from kgpt_build.models.hf.safetensors_file import read_safetensors
from kgpt_build.words import counted, shown

_HINT = "the files belong to different models: copy all of them again"


class Stored(Protocol):
    """A tensor in a file: ``dtype`` as in safetensors_file, ``shape`` (rows, columns)."""

    @property
    def path(self) -> Path: ...
    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def values(self) -> npt.NDArray[Any]:
        """The values, of ``shape``: float32, float16, or for BF16 the upper halves of float32 as uint16."""


@dataclass(frozen=True)
class _Format:
    """``whole`` is the file of a model in one file; ``pattern`` matches files without an index."""

    whole: str
    pattern: str
    read: Callable[[Path], Sequence[Stored]]

    @property
    def index(self) -> str:
        return f"{self.whole}.index.json"


_SAFETENSORS = _Format("model.safetensors", "*.safetensors", read_safetensors)
_PICKLES = _Format("pytorch_model.bin", "pytorch_model-*.bin", read_pickled)


def weight_files(folder: Path) -> Sequence[Path]:
    """The files of the model's weights in ``folder``, and their index. Raises KgptError for a shard that is missing."""
    kind = _format(folder)
    index = folder / kind.index
    if index.is_file():
        return [index, *_shards(folder, kind, _places(kind, read_object(index)))]
    return _files(folder, kind)


def stored_tensors(folder: Path) -> Mapping[str, Stored]:
    """The tensors of the model in ``folder`` by name. Raises KgptError."""
    kind = _format(folder)
    index = folder / kind.index
    if index.is_file():
        return _by_index(folder, kind, read_object(index))
    found: dict[str, Stored] = {}
    for path in _files(folder, kind):
        for tensor in kind.read(path):
            if tensor.name in found:
                other = found[tensor.name].path.name
                raise KgptError(
                    f"the tensor {shown(tensor.name)} is in {other} and in {path.name}", "keep one model only"
                )
            found[tensor.name] = tensor
    return found


def _format(folder: Path) -> _Format:
    """The format of the weights: safetensors, if there are any."""
    if (folder / _SAFETENSORS.index).is_file():
        return _SAFETENSORS
    pickles = any((folder / name).is_file() for name in (_PICKLES.index, _PICKLES.whole))
    return _PICKLES if pickles and not any(folder.glob(_SAFETENSORS.pattern)) else _SAFETENSORS


def _files(folder: Path, kind: _Format) -> list[Path]:
    if (folder / kind.whole).is_file():
        return [folder / kind.whole]
    if (folder / "adapter_config.json").is_file():
        raise KgptError(
            f"{folder} holds an adapter (LoRA), not a model", "merge it into its base model first (merge_and_unload)"
        )
    files = sorted(folder.glob(kind.pattern))
    if not files:
        others = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.h5") for path in folder.glob(pattern))
        hint = "save the model anew as safetensors: model.save_pretrained(FOLDER)"
        what = f", but {others[0]}" if others else ""
        raise KgptError(f"there is no .safetensors file in {folder}{what}", hint if others else "copy all files")
    return files


def _places(kind: _Format, index: Mapping[str, object]) -> Mapping[str, str]:
    """Tensor -> shard, as the index has them."""
    places = index.get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
        raise KgptError(f"{kind.index} has no 'weight_map' of tensors and files", "copy the file again")
    return places


def _shards(folder: Path, kind: _Format, places: Mapping[str, str]) -> Iterator[Path]:
    """The files that the index names; all are there, and in the folder."""
    for shard in sorted(set(places.values())):
        if PurePath(shard).name != shard or shard in (".", ".."):
            raise KgptError(f"{kind.index} names the file {shard[:64]!r}, which is not in its folder", "copy it again")
        if not (folder / shard).is_file():
            missing = sum(place == shard for place in places.values())
            raise KgptError(
                f"the shard {shard} is missing, which has {counted(missing, 'tensor')} by {kind.index}",
                "copy all files of the model",
            )
        yield folder / shard


def _by_index(folder: Path, kind: _Format, index: Mapping[str, object]) -> Mapping[str, Stored]:
    """The tensors that the index names, each from its shard; every shard holds exactly those."""
    places = _places(kind, index)
    found: dict[str, Stored] = {}
    for path in _shards(folder, kind, places):
        for tensor in kind.read(path):
            if places.get(tensor.name) != path.name:
                raise KgptError(
                    f"{path.name} holds the tensor {shown(tensor.name)}, but {kind.index} does not say so", _HINT
                )
            found[tensor.name] = tensor
    absent = next((name for name in places if name not in found), None)
    if absent is not None:
        raise KgptError(
            f"{kind.index} says that {places[absent]} holds the tensor {shown(absent)}, but it does not", _HINT
        )
    return found
