"""Valid models of every format that can be imported, small ones: what the fuzzer edits."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hf_folders
import llama2c_files
import lm_tiny
import numpy as np
import shard_files
import torch_files
from gguf import GGUFReader
from llama2c_files import Shape
from lm_tiny import TINY, Tiny
from tiny_lm import write_lm
from toy import toy_model

_TOKENIZERS = ("tokenizer.bin", "tokenizer.json", "meta.pkl", "chars.json")


@dataclass(frozen=True)
class Seed:
    """A valid source: its files by path below a folder, and which of them is named; "" for the folder itself."""

    name: str
    files: Mapping[str, bytes]
    entry: str

    @property
    def tokenizer(self) -> str:
        """The file that can be given with --tokenizer; "" if there is none."""
        return next((name for name in _TOKENIZERS if name in self.files), "")

    def write(self, folder: Path) -> Path:
        """Write the files below ``folder``; returns the source to import."""
        for name, data in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder / self.entry if self.entry else folder


def _read(name: str, folder: Path, entry: str) -> Seed:
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return Seed(name, files, entry)


_SHAPE = Shape(dim=16, hidden_dim=24, n_layers=2, n_heads=2, n_kv_heads=1, vocab_size=290, seq_len=16)


def _llama2c(folder: Path) -> Iterator[Seed]:
    for version in (0, 1, 2):
        for shared in (True, False):
            place = folder / f"v{version}-{shared}"
            place.mkdir()
            llama2c_files.write_model(place, Shape(**{**vars(_SHAPE), "shared": shared}), version=version)
            yield _read(f"llama2.c {version}", place, "model.bin")


_HF = ("llama", "llama-tied-biases", "mistral", "qwen2", "qwen3", "gemma3", "phi2", "phi3", "gpt2")


def _tiny(path: Path, name: str) -> tuple[Tiny, dict[str, hf_folders.Array]]:
    fields = {key: value for key, value in TINY[name].fields.items() if not key.startswith("rope.scaling")}
    tiny = Tiny(**{**vars(TINY[name]), "fields": fields, "n_vocab": hf_folders.N_VOCAB})
    lm_tiny.write(path, tiny)
    tensors = GGUFReader(path).tensors
    return tiny, {t.name: np.array(t.data, np.float32).reshape(t.shape[::-1].tolist()) for t in tensors}


def _hugging_face(folder: Path) -> Iterator[Seed]:
    for name in _HF:
        tiny, tensors = _tiny(folder / f"{name}.gguf", name)
        changed = {"attention_bias": True} if name == "llama-tied-biases" else {}
        yield _read(f"hf {name}", hf_folders.save(folder / name, tiny, tensors, **changed), "")
    yield _sharded(folder)
    yield from _pickled(folder)


def _sharded(folder: Path) -> Seed:
    """A llama in two files with an index, one of them in F16."""
    tiny, tensors = _tiny(folder / "whole.gguf", "llama")
    place = hf_folders.save(folder / "sharded", tiny, tensors)
    (place / "model.safetensors").unlink()
    stored = list(hf_folders.stored(tiny, tensors).items())
    halves = (dict(stored[: len(stored) // 2]), {name: v.astype(np.float16) for name, v in stored[len(stored) // 2 :]})
    where: dict[str, str] = {}
    for number, half in enumerate(halves, 1):
        name = f"model-0000{number}-of-00002.safetensors"
        hf_folders.write_safetensors(place / name, half)
        where |= dict.fromkeys(half, name)
    index = {"metadata": {"total_size": 1}, "weight_map": where}
    (place / "model.safetensors.index.json").write_text(json.dumps(index))
    return _read("hf sharded", place, "")


def _pickled(folder: Path) -> Iterator[Seed]:
    """A llama in pytorch_model.bin, and in two such files with an index."""
    tiny, tensors = _tiny(folder / "pickled.gguf", "llama")
    stored = hf_folders.stored(tiny, tensors)
    state = {name: torch_files.saved(str(i), values) for i, (name, values) in enumerate(stored.items())}
    items = list(state.items())
    for name, parts in (("pickled", [items]), ("pickled-shards", [items[:7], items[7:]])):
        place = hf_folders.save(folder / name, tiny, tensors)
        (place / "model.safetensors").unlink()
        shards = [f"pytorch_model-{i:05}-of-{len(parts):05}.bin" for i in range(1, len(parts) + 1)]
        for shard, part in zip(shards if len(parts) > 1 else ["pytorch_model.bin"], parts, strict=True):
            torch_files.write_torch(place / shard, dict(part))
        where = {key: shard for shard, part in zip(shards, parts, strict=True) for key, _ in part}
        if len(parts) > 1:
            (place / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": where}))
        yield _read(f"hf {name}", place, "")


def _microgpt(folder: Path) -> Iterator[Seed]:
    model = toy_model()
    rows = {name: tensor.tolist() for name, tensor in model.tensors.items()}
    document = {"chars": "".join(model.tokenizer.chars), "state_dict": rows, "n_head": model.hparams.n_head}
    yield Seed("microgpt", {"model.json": json.dumps(document).encode()}, "model.json")
    flat = {"chars": list(model.tokenizer.chars), **rows, "n_head": model.hparams.n_head, "name": "flat"}
    yield Seed("microgpt flat", {"model.json": json.dumps(flat).encode()}, "model.json")


def _of_the_trainer(state: dict[str, Any], settings: dict[str, int]) -> dict[str, Any]:
    """As kgpt train --target torch writes it."""
    return {"settings": settings, "weights": state, "best": state, "optimizer": {"state": {}}, "step": 3}


def _pytorch(folder: Path) -> Iterator[Seed]:
    folder.mkdir(exist_ok=True)
    variants: list[dict[str, Any]] = [{}, {"bias": True, "dtype": "f2"}, {"prefix": "_orig_mod.", "dtype": "bf16"}]
    for i, changes in enumerate(variants):
        place = folder / f"nanogpt-{i}"
        place.mkdir()
        torch_files.write_torch(place / "ckpt.pt", torch_files.nanogpt_checkpoint(**changes))
        characters = dict(enumerate(torch_files.CHARS))
        meta = {"vocab_size": len(characters), "itos": characters, "stoi": {c: i for i, c in characters.items()}}
        (place / "meta.pkl").write_bytes(pickle.dumps(meta, 2 + i))
        yield _read(f"nanogpt {i}", place, "ckpt.pt")
    settings = {"n_head": torch_files.N_HEAD, "block_size": torch_files.N_CTX}
    for arch in ("nanogpt", "microgpt", "llama"):
        place = folder / arch
        place.mkdir()
        state = torch_files.own_state(arch)
        inside = {"llama": {"model": state, "config": settings}, "nanogpt": _of_the_trainer(state, settings)}
        value = inside.get(arch, state)
        torch_files.write_torch(place / "model.pth", value)
        (place / "config.json").write_text(json.dumps(settings))
        (place / "chars.json").write_text(json.dumps(torch_files.CHARS))
        yield _read(f"state dict of {arch}", place, "model.pth")


def _shards(folder: Path) -> Iterator[Seed]:
    hows: tuple[tuple[str, str, dict[str, int]], ...] = (
        ("llama", "Q8_0", {"split_max_tensors": 6}),
        ("gpt2", "F16", {"split_max_size": 20_000}),
    )
    for arch, kind, how in hows:
        place = folder / arch
        place.mkdir()
        parts = shard_files.split(write_lm(folder / f"{arch}.gguf", arch, kind=kind), place / "m.gguf", **how)
        yield _read(f"shards of {arch}", place, parts[0].name)


KINDS: Mapping[str, Callable[[Path], Iterator[Seed]]] = {
    "llama2c": _llama2c,
    "hf": _hugging_face,
    "microgpt": _microgpt,
    "pytorch": _pytorch,
    "shards": _shards,
}


def seeds(kind: str, folder: Path) -> list[Seed]:
    """The valid sources of one kind, made below ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    return list(KINDS[kind](folder))
