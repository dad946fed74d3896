"""Hugging Face folders become GGUF files: the same tensors as in a file that was made directly, to the bit."""

from __future__ import annotations

from pathlib import Path

import hf_folders
import lm_tiny
import numpy as np
import pytest
from gguf import GGUFReader
from lm_tiny import TINY, Tiny

from kgpt_build import models
from kgpt_build.models.gguf.write import write_gguf
from kgpt_build.models.importing import ImportOptions, read_checkpoint
from kgpt_build.reference.lm import forward
from kgpt_build.reference.lm_file import load

Array = hf_folders.Array
NAMES = (
    "llama",
    "llama-tied-biases",
    "llama-wide-heads",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma3",
    "phi2",
    "phi3",
    "gpt2",
)
TOKENS = [3, 250, 17, 17, 255, 0, 299, 4, 8, 100, 42, 63]


def direct(path: Path, name: str) -> tuple[Tiny, dict[str, Array]]:
    """A GGUF file of a tiny model, and its tensors (rows, columns)."""
    fields = {key: value for key, value in TINY[name].fields.items() if not key.startswith("rope.scaling")}
    tiny = Tiny(**{**vars(TINY[name]), "fields": fields, "n_vocab": hf_folders.N_VOCAB})
    lm_tiny.write(path, tiny)
    return tiny, tensors_of(path)


def tensors_of(path: Path) -> dict[str, Array]:
    return {
        tensor.name: np.array(tensor.data, np.float32).reshape(tensor.shape[::-1].tolist())
        for tensor in GGUFReader(path).tensors
    }


def imported(folder: Path, path: Path, options: ImportOptions | None = None) -> models.GgufModel:
    write_gguf(read_checkpoint(folder, options), path)
    return models.load_lm(path)


@pytest.mark.parametrize("name", NAMES)
def test_tensors_and_logits(tmp_path: Path, name: str) -> None:
    tiny, tensors = direct(tmp_path / "direct.gguf", name)
    changed = {"attention_bias": True} if name == "llama-tied-biases" else {}
    folder, path = hf_folders.save(tmp_path / "hf", tiny, tensors, **changed), tmp_path / "imported.gguf"
    assert imported(folder, path).arch == tiny.arch
    found = tensors_of(path)
    assert found.keys() == tensors.keys()
    for key, values in tensors.items():
        if tiny.arch == "gemma3" and key.endswith("norm.weight"):
            np.testing.assert_allclose(found[key], values, atol=2e-7)
        else:
            np.testing.assert_array_equal(found[key], values)
    logits = [forward(load(file), TOKENS).logits for file in (tmp_path / "direct.gguf", path)]
    np.testing.assert_allclose(logits[1], logits[0], atol=1e-5 if tiny.arch == "gemma3" else 0)
