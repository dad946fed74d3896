"""What is wrong with a Hugging Face folder is named: files, tensors, fields, tokenizers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hf_folders
import numpy as np
import pytest
from hf_folders import N_VOCAB, Array
from refusals import refused
from test_hf_import import direct

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.write import write_gguf
from kgpt_build.models.hf.safetensors_file import read_safetensors
from kgpt_build.models.hf.tokenizer import tokenizer_fields
from kgpt_build.models.importing import as_gguf, read_checkpoint

ONE, TWO, INDEX = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"
Q, NORM, HEAD = "model.layers.1.self_attn.q_proj.weight", "model.norm.weight", "lm_head.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny llama."""
    return hf_folders.save(tmp_path / "hf", *direct(tmp_path / "direct.gguf", "llama"))


def change(path: Path, **fields: Any) -> None:
    """Replace fields of a JSON file; None removes them."""
    root = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({key: value for key, value in {**root, **fields}.items() if value is not None}))


def weights(folder: Path) -> dict[str, Array]:
    found = {tensor.name: tensor.values() for tensor in read_safetensors(folder / "model.safetensors")}
    return dict(sorted(found.items()))


def in_shards(folder: Path) -> None:
    tensors = list(weights(folder).items())
    (folder / "model.safetensors").unlink()
    parts = {ONE: dict(tensors[:9]), TWO: dict(tensors[9:])}
    for name, part in parts.items():
        hf_folders.write_safetensors(folder / name, part)
    places = {tensor: name for name, part in parts.items() for tensor in part}
    change(folder / INDEX, metadata={"total_size": 1}, weight_map=places)


def test_shards_are_one_model(folder: Path, tmp_path: Path) -> None:
    whole = as_bytes(folder, tmp_path / "a.gguf")
    in_shards(folder)
    assert as_bytes(folder, tmp_path / "b.gguf") == whole
    (folder / INDEX).unlink()  # the shards name their tensors themselves
    assert as_bytes(folder / ONE, tmp_path / "c.gguf") == whole


def as_bytes(source: Path, path: Path) -> bytes:
    write_gguf(read_checkpoint(source), path)
    return path.read_bytes()


CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"model_type": "mamba"}, "config.json mamba"),
    ({"model_type": None}, "config.json model_type missing"),
    ({"hidden_size": None}, "config.json hidden_size missing"),
    ({"hidden_size": "64"}, "config.json hidden_size '64'"),
    ({"hidden_size": 0}, "config.json hidden_size 0"),
    ({"num_hidden_layers": True}, "config.json num_hidden_layers True"),
    ({"num_hidden_layers": 1 << 31}, "config.json num_hidden_layers 2147483648 1,024"),
    ({"rms_norm_eps": "small"}, "config.json rms_norm_eps 'small'"),
    ({"hidden_act": "gelu"}, "config.json hidden_act 'gelu' 'silu'"),
    ({"attention_bias": "no"}, "config.json attention_bias 'no'"),
    ({"partial_rotary_factor": 0.5}, "config.json partial_rotary_factor 8 16"),
    ({"sliding_window": 7}, "config.json 'sliding_window' 7"),
    ({"logit_scale": 0.5}, "config.json 'logit_scale' 0.5"),
    ({"quantization_config": {"quant_method": "gptq"}}, "config.json 'gptq'"),
    ({"is_encoder_decoder": True}, "config.json is_encoder_decoder True"),
    ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "config.json 'dynamic'"),
    ({"rope_scaling": {"type": "linear"}}, "rope_parameters 'factor' missing"),
    ({"rope_scaling": {"type": "linear", "factor": -2}}, "rope_parameters factor -2"),
    ({"rope_scaling": {"type": "linear", "factor": 2, "beta": 1}}, "config.json 'beta' 'linear'"),
    ({"rope_scaling": {"type": "yarn", "factor": 2, "truncate": False}}, "rope_parameters truncate False"),
    ({"rope_scaling": [1]}, "config.json RoPE [1]"),
    ({"rope_parameters": {"rope_type": "linear", "factor": 2}, "rope_scaling": {"factor": 3}}, "rope_scaling differ"),
    ({"rope_scaling": {"rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}}, "long_factor 8"),
    ({"model_type": "qwen2", "rope_scaling": {"rope_type": "llama3", "factor": 8}}, "'llama3' qwen2"),
    ({"model_type": "qwen2", "use_sliding_window": True, "sliding_window": 7}, "sliding_window 7 qwen2"),
    ({"model_type": "qwen3", "layer_types": ["full_attention", "sliding_attention"]}, "sliding_window qwen3"),
    ({"model_type": "qwen3", "attention_bias": True}, "attention_bias True"),
    ({"model_type": "gemma3_text", "hidden_act": None, "query_pre_attn_scalar": 99}, "query_pre_attn_scalar 99 16"),
    ({"model_type": "gemma3_text", "hidden_act": None, "final_logit_softcapping": 30.0}, "30.0"),
    ({"model_type": "gemma3_text", "hidden_act": None, "query_pre_attn_scalar": 16,
      "layer_types": ["full_attention", "sliding_attention"]}, "layer_types"),
    ({"model_type": "phi", "hidden_act": "gelu_new", "qk_layernorm": True}, "qk_layernorm True"),
    ({"model_type": "phi3", "rope_scaling": {"type": "linear", "factor": 2.0}}, "config.json 'linear'"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "facts"), CONFIGS)
def test_fields_of_config(folder: Path, fields: dict[str, Any], facts: str) -> None:
    change(folder / "config.json", **fields)
    with refused(KgptError, facts):
        read_checkpoint(folder)


def without(name: str) -> Callable[[dict[str, Array]], object]:
    return lambda tensors: tensors.pop(name)


def with_(name: str, values: Array) -> Callable[[dict[str, Array]], None]:
    return lambda tensors: tensors.update({name: values})


TENSORS: list[tuple[Callable[[dict[str, Array]], object], str]] = [
    (without(Q), f"1 tensor missing {Q}"),
    (with_("model.layers.0.odd.weight", np.zeros(3, np.float32)), "1 tensor unexpected model.layers.0.odd.weight"),
    (with_("model.layers.2.self_attn.q_proj.weight", np.zeros((64, 64), np.float32)), "unexpected 2 layers"),
    (lambda tensors: with_("other", tensors.pop(HEAD))(tensors), f"missing {HEAD} unexpected other"),
    (with_(Q, np.zeros((64, 32), np.float32)), f"model.safetensors '{Q}' [64, 32] [64, 64]"),
    (with_(NORM, np.zeros((64, 1), np.float32)), f"model.safetensors '{NORM}' [64, 1] [64]"),
    (with_(Q, np.zeros((64, 64), np.int8)), f"model.safetensors '{Q}' I8"),
    (with_("model.embed_tokens.weight", np.zeros((N_VOCAB - 1, 64), np.float32)), "[299, 64] [300, 64]"),
]


@pytest.mark.parametrize(("edit", "facts"), TENSORS)
def test_tensors(folder: Path, edit: Callable[[dict[str, Array]], object], facts: str) -> None:
    tensors = weights(folder)
    edit(tensors)
    hf_folders.write_safetensors(folder / "model.safetensors", tensors)
    with refused(KgptError, facts):
        read_checkpoint(folder)


def test_many_missing_tensors_are_counted(folder: Path) -> None:
    hf_folders.write_safetensors(folder / "model.safetensors", {NORM: np.zeros(64, np.float32)})
    with refused(KgptError, "20 tensors missing and 8 more"):
        read_checkpoint(folder)


def test_an_output_that_is_not_the_embedding(folder: Path) -> None:
    change(folder / "config.json", tie_word_embeddings=True)
    with refused(KgptError, f"tie_word_embeddings {HEAD}"):
        read_checkpoint(folder)
    tensors = weights(folder)
    tensors[HEAD] = tensors["model.embed_tokens.weight"]
    hf_folders.write_safetensors(folder / "model.safetensors", tensors)
    assert "output.weight" not in {tensor.name for tensor in read_checkpoint(folder).tensors}


def test_the_form_of_older_and_of_bare_models(folder: Path) -> None:
    """Buffers that follow from the configuration, and names without the part of the whole model."""
    tensors = weights(folder)
    bare = {name.removeprefix("model."): values for name, values in tensors.items()}
    bare["layers.0.self_attn.rotary_emb.inv_freq"] = np.zeros(8, np.float32)
    hf_folders.write_safetensors(folder / "model.safetensors", bare)
    assert len(read_checkpoint(folder).tensors) == len(tensors)


CONTAINERS: list[tuple[Callable[[bytes], bytes], str]] = [
    (lambda data: data[:-10], "model.safetensors truncated 10"),
    (lambda data: data[:2000], "model.safetensors truncated"),
    (lambda data: data[:5], "model.safetensors 5"),
    (lambda data: data + b"x", "model.safetensors 1 behind"),
    (lambda data: b"PK\3\4" + data, "model.safetensors not a safetensors file"),
    (lambda data: b"version https://git-lfs.github.com/spec/v1\n", 'model.safetensors Git LFS pointer "version "'),
    (lambda data: data.replace(b'{"__meta', b'["__meta', 1), "header model.safetensors not JSON"),
    (lambda data: data.replace(b"[64, 64]", b"[64, 63]", 1), "model.safetensors 16,384 16,128"),
    (lambda data: data.replace(b"[64, 64]", b"[64, -4]", 1), "model.safetensors wrongly"),
    (lambda data: data.replace(b'"F32"', b'"F33"', 1), "model.safetensors 'F33' not supported"),
    (lambda data: data.replace(b"lm_head.weight", b"model.norm.wei", 1).replace(b"norm.weight", b"norm.wei", 1),
     "model.safetensors"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "facts"), CONTAINERS)
def test_containers(folder: Path, edit: Callable[[bytes], bytes], facts: str) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(edit(path.read_bytes()))
    with refused(KgptError, facts):
        read_checkpoint(folder)


def test_a_type_that_numpy_does_not_have(folder: Path) -> None:
    entry = {"dtype": "F8_E4M3", "shape": [64, 64], "data_offsets": [0, 4096]}
    tensors = {Q: np.zeros((64, 64), np.int8), **{name: v for name, v in weights(folder).items() if name != Q}}
    (folder / "model.safetensors").write_bytes(hf_folders.container(tensors, {Q: entry}))
    with refused(KgptError, f"model.safetensors '{Q}' F8_E4M3"):
        read_checkpoint(folder)


FILES: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: (folder / TWO).unlink(), f"{TWO} missing 12 tensors"),
    (lambda folder: (folder / INDEX).write_text("{"), f"{INDEX} not JSON"),
    (lambda folder: change(folder / INDEX, weight_map={}), f"{INDEX} 'weight_map'"),
    (lambda folder: change(folder / INDEX, weight_map={"a": "../x"}), f"{INDEX} '../x'"),
    (lambda folder: change(folder / INDEX, weight_map={NORM: TWO}), f"{TWO} {INDEX}"),
    (lambda folder: (folder / "config.json").unlink(), "no config.json"),
    (lambda folder: (folder / "config.json").write_text('{"a": 1, "a": 2}'), "config.json 'a' twice"),
    (lambda folder: (folder / "config.json").write_text("[" * 100_000), "config.json not JSON"),
    (lambda folder: (folder / "config.json").write_text("[]"), "config.json list"),
    (lambda folder: (folder / "config.json").write_bytes(b"\xff{}"), "config.json not JSON"),
    (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer.json"),
]


@pytest.mark.parametrize(("edit", "facts"), FILES)
def test_files(folder: Path, edit: Callable[[Path], object], facts: str) -> None:
    in_shards(folder)
    edit(folder)
    with refused(KgptError, facts):
        read_checkpoint(folder)


def test_a_pickle_or_an_adapter_instead_of_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with refused(KgptError, "pytorch_model.bin not zip torch.save"):
        read_checkpoint(folder)
    (folder / "pytorch_model.bin").rename(folder / "tf_model.h5")
    with refused(KgptError, "no .safetensors tf_model.h5"):
        read_checkpoint(folder)
    (folder / "adapter_config.json").write_text("{}")
    with refused(KgptError, "adapter LoRA"):
        read_checkpoint(folder)


def model(**fields: Any) -> dict[str, Any]:
    return {"model": {**hf_folders.tokenizer()["model"], **fields}}


def added(**fields: Any) -> dict[str, Any]:
    tokens = hf_folders.tokenizer()["added_tokens"]
    return {"added_tokens": [*tokens[:-1], {**tokens[-1], **fields}]}


SPLIT = {"type": "Split", "pattern": {"Regex": r"\d+|\D+"}, "behavior": "Isolated", "invert": False}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
TOKENIZERS: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "tokenizer.json 'model'"),
    (model(type="Unigram"), "tokenizer.json 'Unigram'"),
    (model(type="WordPiece"), "tokenizer.json 'WordPiece'"),
    (model(dropout=0.1), "tokenizer.json dropout 0.1"),
    (model(continuing_subword_prefix="##"), "tokenizer.json continuing_subword_prefix '##'"),
    (model(byte_fallback=True), "tokenizer.json byte_fallback <0x00>"),
    (model(vocab={}), "tokenizer.json no vocabulary"),
    (model(vocab={"a": -1}), "tokenizer.json 'a' -1"),
    (model(vocab={"a": 0, "b": 0}), "tokenizer.json 0"),
    (model(merges=[]), "tokenizer.json no merges"),
    (model(merges=["a b c"]), "tokenizer.json merge 0"),
    (model(merges=[["a"]]), "tokenizer.json merge 0"),
    (model(merges=["t h", "q z"]), "tokenizer.json merge 1 'qz'"),
    (model(merges=["t h", "t h"]), "tokenizer.json merge twice"),
    (added(id=N_VOCAB), f"tokenizer.json '<|im_end|>' {N_VOCAB} rows"),
    (added(content="a"), "tokenizer.json 'a'"),
    (added(content="|im_start|> and more"), "tokenizer.json '<|im_start|>' overlap"),
    (added(content="\ud800"), "tokenizer.json not JSON"),
    (added(single_word=True), "tokenizer.json '<|im_end|>' single_word"),
    (added(lstrip=True), "tokenizer.json '<|im_end|>' lstrip"),
    ({"normalizer": {"type": "Lowercase"}}, "tokenizer.json normalizer Lowercase"),
    ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": 0.5}}, "tokenizer.json Sequence pretokenizers"),
    ({"post_processor": {"type": "Sequence", "processors": None}}, "tokenizer.json Sequence processors"),
    ({"normalizer": {"type": "Sequence"}}, "tokenizer.json Sequence normalizers"),
    ({"pre_tokenizer": None}, "tokenizer.json pre-tokenizer null"),
    ({"pre_tokenizer": {"type": "Whitespace"}}, "tokenizer.json pre-tokenizer Whitespace"),
    ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [SPLIT, BYTES]}}, r"tokenizer.json \d+|\D+ Isolated"),
    ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [SPLIT, SPLIT, BYTES]}}, r"Split + Split + ByteLevel"),
    ({"post_processor": {"type": "BertProcessing"}}, "tokenizer.json post-processor 'BertProcessing'"),
]


@pytest.mark.parametrize(("fields", "facts"), TOKENIZERS)
def test_tokenizers(tmp_path: Path, fields: dict[str, Any], facts: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({**hf_folders.tokenizer(), **fields}))
    with refused(KgptError, facts):
        tokenizer_fields(path, N_VOCAB)


def test_special_tokens_of_other_models(folder: Path) -> None:
    change(folder / "tokenizer_config.json", eos_token="<|nothing|>")
    with refused(KgptError, "tokenizer_config.json eos_token '<|nothing|>'"):
        read_checkpoint(folder)
    change(folder / "tokenizer_config.json", eos_token=None)
    change(folder / "generation_config.json", eos_token_id=[1, N_VOCAB])
    with refused(KgptError, f"eos_token_id {N_VOCAB}"):
        read_checkpoint(folder)


def test_nothing_is_left_of_a_refused_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    values = weights(folder)
    values[Q][0, 0] = np.nan
    hf_folders.write_safetensors(folder / "model.safetensors", values)
    path = as_gguf(folder)  # what the host's check of a GGUF refuses is refused there
    assert path.is_file()
    (folder / "model.safetensors").write_bytes(b"x")
    with refused(KgptError, "model.safetensors"):
        as_gguf(folder)
    assert list(path.parent.iterdir()) == [path]
