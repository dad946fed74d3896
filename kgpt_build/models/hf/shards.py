"""Finds the weights of a Hugging Face folder: one safetensors file, or several with or without an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath

from kgpt_build.errors import KgptError
from kgpt_build.models.hf.json_file import read_object
from kgpt_build.models.hf.safetensors_file import StoredTensor, read_safetensors
from kgpt_build.words import counted, shown

INDEX = "model.safetensors.index.json"
_HINT = "the files belong to different models: copy all of them again"
_WHOLE = "model.safetensors"


def weight_files(folder: Path) -> Sequence[Path]:
    """The files of the model's weights in ``folder``. Raises KgptError for a shard that is missing."""
    index = folder / INDEX
    return list(_shards(folder, _places(read_object(index)))) if index.is_file() else _files(folder)


def stored_tensors(folder: Path) -> Mapping[str, StoredTensor]:
    """The tensors of the model in ``folder`` by name. Raises KgptError."""
    index = folder / INDEX
    if index.is_file():
        return _by_index(folder, read_object(index))
    found: dict[str, StoredTensor] = {}
    for path in _files(folder):
        for tensor in read_safetensors(path):
            if tensor.name in found:
                other = found[tensor.name].path.name
                raise KgptError(
                    f"the tensor {shown(tensor.name)} is in {other} and in {path.name}", "keep one model only"
                )
            found[tensor.name] = tensor
    return found


def _files(folder: Path) -> list[Path]:
    if (folder / _WHOLE).is_file():
        return [folder / _WHOLE]
    if (folder / "adapter_config.json").is_file():
        raise KgptError(
            f"{folder} holds an adapter (LoRA), not a model", "merge it into its base model first (merge_and_unload)"
        )
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickles = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern))
        hint = "save the model anew as safetensors: model.save_pretrained(FOLDER, safe_serialization=True)"
        what = f", but {pickles[0]}, a pickle" if pickles else ""
        raise KgptError(f"there is no .safetensors file in {folder}{what}", hint if pickles else "copy all files")
    return files


def _places(index: Mapping[str, object]) -> Mapping[str, str]:
    """Tensor -> shard, as the index has them."""
    places = index.get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
        raise KgptError(f"{INDEX} has no 'weight_map' of tensors and files", "copy the file again")
    return places


def _shards(folder: Path, places: Mapping[str, str]) -> Iterator[Path]:
    """The files that the index names; all are there, and in the folder."""
    for shard in sorted(set(places.values())):
        if PurePath(shard).name != shard or shard in (".", ".."):
            raise KgptError(f"{INDEX} names the file {shard[:64]!r}, which is not in its folder", "copy it again")
        if not (folder / shard).is_file():
            missing = sum(place == shard for place in places.values())
            raise KgptError(
                f"the shard {shard} is missing, which has {counted(missing, 'tensor')} by {INDEX}",
                "copy all files of the model",
            )
        yield folder / shard


def _by_index(folder: Path, index: Mapping[str, object]) -> Mapping[str, StoredTensor]:
    """The tensors that the index names, each from its shard; every shard holds exactly those."""
    places = _places(index)
    found: dict[str, StoredTensor] = {}
    for path in _shards(folder, places):
        for tensor in read_safetensors(path):
            if places.get(tensor.name) != path.name:
                raise KgptError(
                    f"{path.name} holds the tensor {shown(tensor.name)}, but {INDEX} does not say so", _HINT
                )
            found[tensor.name] = tensor
    absent = next((name for name in places if name not in found), None)
    if absent is not None:
        raise KgptError(f"{INDEX} says that {places[absent]} holds the tensor {shown(absent)}, but it does not", _HINT)
    return found
