"""Hugging Face folders become GGUF files: the same tensors as in a file that was made directly, to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hf_folders
import lm_tiny
import numpy as np
import pytest
from click.testing import CliRunner
from gguf import GGUFReader
from lm_tiny import TINY, Tiny
from refusals import refused

from kgpt_build import models
from kgpt_build.cli import cli
from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.write import write_gguf
from kgpt_build.models.hf.safetensors_file import read_safetensors
from kgpt_build.models.hf.tokenizer import folder_fields, tokenizer_fields
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


def test_gpt2_with_the_exact_gelu(tmp_path: Path) -> None:
    """It is the architecture nanogpt, with the tensors of a GPT-2. test_hf_transformers.py compares the logits."""
    tiny, tensors = direct(tmp_path / "direct.gguf", "gpt2")
    folder = hf_folders.save(tmp_path / "hf", tiny, tensors, activation_function="gelu")
    assert imported(folder, tmp_path / "imported.gguf").arch == "nanogpt"
    found = tensors_of(tmp_path / "imported.gguf")
    assert found.keys() == tensors.keys()
    for key, values in tensors.items():
        np.testing.assert_array_equal(found[key], values)


def vocabulary(folder: Path, **files: Any) -> dict[str, Any]:
    """The tokenizer's fields with these files beside it: their names without .json."""
    hf_folders.write_tokenizer(folder)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    found = folder_fields(folder, hf_folders.N_VOCAB)
    return {key.removeprefix("tokenizer.").removeprefix("ggml."): value for key, value in found.items()}


def test_special_tokens(tmp_path: Path) -> None:
    bare = vocabulary(tmp_path)
    assert (bare["eos_token_id"], bare["add_bos_token"], bare["add_eos_token"]) == (1, False, False)
    settings = {"bos_token": "<s>", "eos_token": {"content": "<|im_end|>"}, "unk_token": None, "pad_token": "</s>"}
    found = vocabulary(tmp_path, tokenizer_config=settings, config={"eos_token_id": 1})
    assert [found[f"{role}_token_id"] for role in ("bos", "eos", "padding")] == [0, 3, 1]
    found = vocabulary(tmp_path, generation_config={"eos_token_id": [3, 2, 260]})
    assert [found.get(f"{role}_token_id") for role in ("eos", "eot", "eom")] == [3, 2, 260]
    assert found["token_type"][260] == 3  # it ends a reply, so a person cannot type it
    llama = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": True}
    found = vocabulary(tmp_path, tokenizer_config={**settings, **llama})
    assert (found["add_bos_token"], found["add_eos_token"]) == (True, True)


def test_the_post_processor_adds_tokens(tmp_path: Path) -> None:
    root = hf_folders.tokenizer()
    name = {"id": "<s>", "type_id": 0}
    template = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": name}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}},
    }
    root["post_processor"] = {"type": "Sequence", "processors": [root["post_processor"], template]}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(root))
    found = tokenizer_fields(path, hf_folders.N_VOCAB)
    assert (found["tokenizer.ggml.bos_token_id"], found["tokenizer.ggml.add_bos_token"]) == (0, True)


def test_rows_without_a_token_are_unused(tmp_path: Path) -> None:
    found = vocabulary(tmp_path)
    n = len(hf_folders.tokenizer()["model"]["vocab"])
    assert found["tokens"][n] == f"[PAD{n}]"
    assert found["token_type"][n:] == [5] * (hf_folders.N_VOCAB - n)


def test_chat_templates(tmp_path: Path) -> None:
    assert "chat_template" not in vocabulary(tmp_path)
    assert vocabulary(tmp_path, tokenizer_config={"chat_template": "text"})["chat_template"] == "text"
    several = [{"name": "tools", "template": "a"}, {"name": "default", "template": "b"}]
    assert vocabulary(tmp_path, tokenizer_config={"chat_template": several})["chat_template"] == "b"
    (tmp_path / "chat_template.jinja").write_text("file")
    assert vocabulary(tmp_path)["chat_template"] == "file"
    (tmp_path / "chat_template.jinja").unlink()
    with refused(KgptError, "tokenizer_config.json 'default'"):
        vocabulary(tmp_path, tokenizer_config={"chat_template": several[:1]})


@pytest.mark.parametrize("kind", ["float16", "uint16"])
def test_halves_stay_halves(tmp_path: Path, kind: str) -> None:
    """Matrices keep F16 and BF16; vectors become F32."""
    tiny, tensors = direct(tmp_path / "direct.gguf", "llama")
    folder = hf_folders.save(tmp_path / "hf", tiny, tensors)
    stored = hf_folders.stored(tiny, tensors)
    halves: dict[str, Array] = {
        name: values.astype(kind) if kind == "float16" else (values.view(np.uint32) >> 16).astype(np.uint16)
        for name, values in ((name, np.ascontiguousarray(values)) for name, values in stored.items())
    }
    hf_folders.write_safetensors(folder / "model.safetensors", halves)
    model = imported(folder, tmp_path / "imported.gguf")
    assert model.types == {"F16" if kind == "float16" else "BF16": 16, "F32": 5}
    exact: dict[str, Array] = {
        name: values.astype(np.float32) if kind == "float16" else (values.astype(np.uint32) << 16).view(np.float32)
        for name, values in halves.items()
    }
    hf_folders.write_safetensors(folder / "model.safetensors", exact)
    imported(folder, tmp_path / "exact.gguf")
    logits = [forward(load(tmp_path / name), TOKENS).logits for name in ("imported.gguf", "exact.gguf")]
    np.testing.assert_array_equal(logits[0], logits[1])


def test_the_safetensors_library_reads_the_same(tmp_path: Path) -> None:
    """The files that tests write are files of the format, and those of the library are read."""
    numpy = pytest.importorskip("safetensors.numpy", reason="needs safetensors: pip install safetensors")
    tensors: dict[str, Array] = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.ones(4, np.float16)}
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"
    hf_folders.write_safetensors(ours, tensors)
    numpy.save_file(tensors, theirs)
    for name, values in numpy.load_file(ours).items():
        np.testing.assert_array_equal(values, tensors[name])
    for stored in read_safetensors(theirs):
        np.testing.assert_array_equal(stored.values(), tensors[stored.name])


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_weights_of_torch_save(tmp_path: Path, name: str) -> None:
    """pytorch_model.bin, alone or in shards with an index, is read where no safetensors file lies."""
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'kgpt[torch]'")
    tiny, tensors = direct(tmp_path / "direct.gguf", name)
    folder = hf_folders.save(tmp_path / "hf", tiny, tensors)
    whole = imported(folder, tmp_path / "a.gguf").sha256
    (folder / "model.safetensors").unlink()
    state = {key: torch.tensor(values) for key, values in hf_folders.stored(tiny, tensors).items()}
    if name == "gpt2":
        state["transformer.h.0.attn.bias"] = torch.ones(1, 1, 48, 48, dtype=torch.uint8)
    torch.save(state, folder / "pytorch_model.bin")
    assert imported(folder, tmp_path / "b.gguf").sha256 == whole
    (folder / "pytorch_model.bin").unlink()
    items = list(state.items())
    places: dict[str, str] = {}
    for number, part in enumerate((items[:5], items[5:]), 1):
        shard = f"pytorch_model-0000{number}-of-00002.bin"
        torch.save(dict(part), folder / shard)
        places |= {key: shard for key, _ in part}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
    assert imported(folder, tmp_path / "c.gguf").sha256 == whole


def test_commands_take_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    folder = hf_folders.save(tmp_path / "Tiny One", *direct(tmp_path / "direct.gguf", "qwen2"))
    out = tmp_path / "out.gguf"
    result = CliRunner().invoke(cli, ["import", str(folder), "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert "Tiny One, qwen2" in result.output
    model = models.load(folder)
    assert isinstance(model, models.GgufModel)
    assert model.sha256 == models.cached_sha256(out)


def test_a_folder_is_quantised_directly(tmp_path: Path) -> None:
    tiny, tensors = direct(tmp_path / "direct.gguf", "qwen2")
    folder, out = hf_folders.save(tmp_path / "hf", tiny, tensors), tmp_path / "out.gguf"
    words = ["quantize", str(folder), "Q8_0", "-o", str(out), "--json"]
    report = json.loads(CliRunner().invoke(cli, words, catch_exceptions=False).stdout)
    model = models.load_lm(out)
    assert (model.arch, model.vocabulary.tokens) == ("qwen2", models.load_lm(folder).vocabulary.tokens)
    assert all(item["new"] == ("Q8_0" if len(item["shape"]) > 1 else "F32") for item in report["tensors"])
    assert max(item["error"] for item in report["tensors"]) < 0.01
