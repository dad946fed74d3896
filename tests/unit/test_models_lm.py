"""Language models in GGUF files: what is read of them, and what is refused by name."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from refusals import refused
from tiny_lm import N_CTX, N_EMBD, TOKENS, write_lm

from kgpt_build import models
from kgpt_build.chat import read_chat_blob
from kgpt_build.errors import KgptError
from kgpt_build.file_hash import cached_sha256
from kgpt_build.models.gguf import fields as lm_fields
from kgpt_build.models.gguf import scan as gguf_scan
from kgpt_build.models.gguf import tensors as lm_tensors
from kgpt_build.models.gguf import types as gguf_types
from kgpt_build.models.gguf import vocab as gguf_vocab
from kgpt_build.models.gguf.scan import Numbers
from kgpt_build.reference import lm_arch

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("arch", list(lm_tensors.ARCHITECTURES))
def test_every_architecture_is_read(tmp_path: Path, arch: str) -> None:
    model = models.load_lm(write_lm(tmp_path / "m.gguf", arch))
    assert (model.arch, model.name) == (arch, f"Tiny {arch}")
    assert (model.hparams.n_vocab, model.hparams.n_ctx, model.hparams.n_embd) == (len(TOKENS), N_CTX, N_EMBD)
    assert model.vocabulary.text("bos") == "<s>"
    assert model.size == (tmp_path / "m.gguf").stat().st_size
    assert "Q8_0" in model.type_text


def test_load_tells_language_models_from_microgpt(tmp_path: Path) -> None:
    assert isinstance(models.load(write_lm(tmp_path / "m.gguf")), models.GgufModel)
    assert isinstance(models.load(), models.Model)
    assert models.load_lm(models.DEFAULT_MODEL).vocabulary.model == "kgpt-char"
    with refused(KgptError, "architecture 'llama' here"):
        models.load_microgpt(tmp_path / "m.gguf")


def test_the_header_is_what_the_gguf_library_reads(tmp_path: Path) -> None:
    path = write_lm(tmp_path / "m.gguf")
    reader, found = gguf.GGUFReader(path), gguf_scan.scan(path.read_bytes())
    theirs = {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    ours = {
        key: value.array().tolist()
        if isinstance(value, Numbers)
        else list(value)
        if isinstance(value, tuple)
        else value
        for key, value in found.fields.items()
    }
    assert ours == theirs
    for tensor, expected in zip(found.tensors, reader.tensors, strict=True):
        assert (tensor.name, tensor.kind, tensor.size) == (expected.name, expected.tensor_type, expected.n_bytes)
        assert tensor.dims == tuple(expected.shape.tolist())
        assert found.start + tensor.offset == expected.data_offset


def test_types_are_those_of_gguf() -> None:
    for number, kind in gguf_types.TYPES.items():
        assert gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(number)] == (kind.block, kind.size)
        assert gguf.GGMLQuantizationType(number).name == kind.name


def test_the_kernel_has_the_same_tables() -> None:
    """Architectures, tensors and fields are one table, in which the reference's architectures are; the pre-tokenizers
    are compared.
    """
    assert list(lm_tensors.ARCHITECTURES) == list(lm_arch.ARCHITECTURES)
    llama, phi3 = lm_tensors.ARCHITECTURES["llama"], lm_tensors.ARCHITECTURES["phi3"]
    assert [slot.name for slot in llama.needs if not slot.in_layer] == ["token_embd.weight", "output_norm.weight"]
    assert llama.slot("attn_k.weight", in_layer=True) == lm_tensors.Slot("attn_k.weight", True, ("embd", "kv"))
    assert llama.slot("attn_k.weight", in_layer=False) is None
    assert phi3.slot("ffn_up.weight", in_layer=True) == lm_tensors.Slot("ffn_up.weight", True, ("embd", "ff_twice"))
    assert len(lm_fields.keys()) == 30
    rules = (ROOT / "kernel_c/tokenizer/pretokenize_rules.c").read_text()
    found = re.findall(r'X\("([^"]+)", \w+, \w+, (\w+)\)', rules)
    assert {name for name, _ in found} == gguf_vocab.PRE_TOKENIZERS
    assert {name for name, adds in found if adds == "true"} == gguf_vocab.ADD_BOS


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"llama.context_length": None}, "'llama.context_length' missing"),
        ({"llama.context_length": 0}, "'llama.context_length' 0 1"),
        ({"llama.context_length": "16"}, "'llama.context_length' '16' whole number"),
        ({"llama.attention.head_count_kv": [4, 2]}, "'llama.attention.head_count_kv' differs"),
        (
            {"llama.attention.head_count_kv": 3},
            "'llama.attention.head_count_kv' 3 attention.head_count",
        ),
        (
            {"llama.attention.head_count": 5, "llama.attention.head_count_kv": 5},
            "'llama.embedding_length' 32 attention.head_count",
        ),
        ({"llama.attention.layer_norm_rms_epsilon": None}, "'llama.attention.layer_norm_rms_epsilon' missing"),
        ({"llama.attention.layer_norm_rms_epsilon": 2.0}, "'llama.attention.layer_norm_rms_epsilon' 2.0"),
        ({"llama.attention.value_length": 16}, "'llama.attention.value_length' 16 keys'"),
        ({"llama.expert_count": 8}, "'llama.expert_count' 8 experts"),
        ({"llama.swallowed_by_a_whale": 1}, "'llama.swallowed_by_a_whale' supported"),
        ({"llama.block_count": 3}, "'llama.block_count' 3 layers"),
        ({"llama.block_count": 1}, "'blk.1.attn_norm.weight' unexpected"),
        ({"llama.feed_forward_length": 32}, "'blk.0.ffn_gate.weight' shape 32 64"),
        ({"tokenizer.ggml.model": None}, "'tokenizer.ggml.model' missing"),
        ({"tokenizer.ggml.model": "bert"}, "tokenizer 'bert'"),
        ({"tokenizer.ggml.pre": "klingon"}, "pre-tokenizer 'klingon'"),
        ({"tokenizer.ggml.tokens": None}, "'tokenizer.ggml.tokens' missing"),
        ({"tokenizer.ggml.tokens": [1, 2]}, "'tokenizer.ggml.tokens' list texts"),
        ({"tokenizer.ggml.tokens": ["a"]}, "'tokenizer.ggml.tokens' 1 items"),
        ({"tokenizer.ggml.tokens": [*TOKENS[:8], "a"]}, "items 4 8 'tokenizer.ggml.tokens' 'a'"),
        ({"tokenizer.ggml.token_type": [1]}, "'tokenizer.ggml.token_type' 1 9 tokens"),
        ({"tokenizer.ggml.token_type": [9] * 9}, "'tokenizer.ggml.token_type' type 0 6"),
        ({"tokenizer.ggml.merges": None}, "'tokenizer.ggml.merges' missing"),
        (
            {"tokenizer.ggml.merges": ["a b", "a z"]},
            "item 1 'tokenizer.ggml.merges' 'a z' piece 'z'",
        ),
        ({"tokenizer.ggml.merges": ["a c"]}, "'tokenizer.ggml.merges' piece 'ac' vocabulary"),
        ({"tokenizer.ggml.merges": ["ab"]}, "'tokenizer.ggml.merges' name two pieces"),
        ({"tokenizer.ggml.merges": ["a b", "a b"]}, "'tokenizer.ggml.merges' merge twice"),
        ({"tokenizer.ggml.bos_token_id": 9}, "'tokenizer.ggml.bos_token_id' 9 beyond tokens"),
        ({"tokenizer.ggml.eot_token_id": "x"}, "'tokenizer.ggml.eot_token_id' 'x' whole number"),
        ({"tokenizer.ggml.model": "llama"}, "'tokenizer.ggml.scores' missing"),
        (
            {"tokenizer.ggml.model": "llama", "tokenizer.ggml.scores": [float("nan")] * 9},
            "'tokenizer.ggml.scores' number",
        ),
        ({"tokenizer.chat_template": 5}, "'tokenizer.chat_template' text"),
    ],
)
def test_refused_fields(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    path = write_lm(tmp_path / "m.gguf", fields=fields)
    with refused(KgptError, message) as caught:
        models.load(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"output_norm.weight": None}, "'output_norm.weight' missing"),
        ({"blk.0.ffn_up.exps": np.zeros(8, np.float32)}, "'blk.0.ffn_up.exps' unexpected"),
        ({"blk.00.attn_q.weight": np.zeros((32, 32), np.float32)}, "'blk.00.attn_q.weight' unexpected"),
        ({"output_norm.weight": np.zeros(31, np.float32)}, "'output_norm.weight' shape 31 32"),
        ({"output_norm.weight": np.zeros(32, np.float16)}, "'output_norm.weight' vector type F32"),
        ({"token_embd.weight": np.zeros((8, 32), np.float32)}, "'token_embd.weight' 8 rows 9 tokens"),
    ],
)
def test_refused_tensors(tmp_path: Path, tensors: dict[str, Any], message: str) -> None:
    path = write_lm(tmp_path / "m.gguf", tensors=tensors)
    with refused(KgptError, message):
        models.load(path)


def test_refused_architecture_and_type(tmp_path: Path) -> None:
    with refused(KgptError, "m.gguf: architecture 'mamba'") as caught:
        models.load(write_lm(tmp_path / "m.gguf", "mamba"))
    assert ", ".join(lm_arch.ARCHITECTURES) in caught.value.hint
    wrong = np.zeros((len(TOKENS), 40), np.uint8)
    path = write_lm(tmp_path / "t.gguf", tensors={"token_embd.weight": wrong}, kind="Q8_1")
    with refused(KgptError, "'token_embd.weight' type Q8_1") as caught:
        models.load(path)
    assert "Q4_0, Q4_1" in caught.value.hint


def test_parts_of_fused_matrices(tmp_path: Path) -> None:
    """The kernel cuts them at whole groups of rows."""
    fields = {"phi3.feed_forward_length": 20}
    down, up = np.zeros((32, 20), np.float32), np.zeros((40, 32), np.float32)
    tensors = {f"blk.{i}.ffn_{name}.weight": of for i in (0, 1) for name, of in (("down", down), ("up", up))}
    with refused(KgptError, "'blk.0.ffn_up.weight' 20 rows 8"):
        models.load(write_lm(tmp_path / "m.gguf", "phi3", fields=fields, tensors=tensors))


def test_truncated_everywhere(tmp_path: Path) -> None:
    data = write_lm(tmp_path / "m.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    for size in [*range(0, gguf_scan.scan(data).start, 7), len(data) - 33]:
        cut.write_bytes(data[:size])
        with pytest.raises(KgptError, match=r"truncated|is empty|neither a GGUF|not a GGUF|is missing|cannot be read"):
            models.load(cut)


def test_version_2_is_read_and_1_is_not(tmp_path: Path) -> None:
    data = bytearray(write_lm(tmp_path / "m.gguf").read_bytes())
    for version in (2, 1):
        struct.pack_into("<I", data, 4, version)
        (tmp_path / f"{version}.gguf").write_bytes(data)
    assert models.load_lm(tmp_path / "2.gguf").header.version == 2
    with refused(KgptError, "GGUF version 1 supported"):
        models.load(tmp_path / "1.gguf")


@pytest.mark.parametrize(("offset", "message"), [(8, "tensor multiple 32"), (0, "overlap"), (1 << 40, "truncated")])
def test_tensors_lie_apart_and_within(tmp_path: Path, offset: int, message: str) -> None:
    path = write_lm(tmp_path / "m.gguf")
    data = bytearray(path.read_bytes())
    name = gguf_scan.scan(bytes(data)).tensors[-1].name.encode()
    at = data.index(struct.pack("<Q", len(name)) + name) + 8 + len(name)
    (n_dims,) = struct.unpack_from("<I", data, at)
    struct.pack_into("<Q", data, at + 4 + 8 * n_dims + 4, offset)
    path.write_bytes(data)
    with refused(KgptError, message):
        models.load(path)


def test_the_chat_template(tmp_path: Path) -> None:
    model = models.load_lm(write_lm(tmp_path / "m.gguf"))
    assert read_chat_blob(model.chat_blob()).family == "chatml"
    assert model.chat_blob("none") == b""
    assert read_chat_blob(model.chat_blob("llama3")).family == "llama3"
    bare = models.load_lm(write_lm(tmp_path / "bare.gguf", fields={"tokenizer.chat_template": None}))
    assert bare.chat_blob() == b""
    with refused(KgptError, "chat template 'klingon'"):
        model.chat_blob("klingon")


def test_a_hash_is_kept_while_the_file_looks_the_same(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"one")
    monkeypatch.setattr("kgpt_build.file_hash._SETTLED_NS", -(10**12))
    first = cached_sha256(path)
    kept = next((own_cache / "hashes").iterdir())
    kept.write_text(kept.read_text().replace(first, "0" * 64))
    assert cached_sha256(path) == "0" * 64  # it was not computed again
    path.write_bytes(b"two!")
    assert cached_sha256(path) not in (first, "0" * 64)
    kept.write_text("{")
    assert len(cached_sha256(path)) == 64


def test_a_hash_of_what_was_just_written_is_not_kept(tmp_path: Path, own_cache: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"one")
    cached_sha256(path)
    assert not (own_cache / "hashes").exists()


def test_smollm2(smollm2: Path) -> None:
    """The real one, as the catalog has it."""
    model = models.load_lm(smollm2)
    assert (model.arch, model.type_text, model.n_parameters) == ("llama", "Q4_1 + Q8_0", 134_515_008)
    assert (model.vocabulary.model, model.vocabulary.pre, model.hparams.n_ctx) == ("gpt2", "smollm", 8192)
    assert read_chat_blob(model.chat_blob()).family == "chatml"
