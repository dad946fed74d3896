"""Checkpoints of llama2.c: every version and classifier, the tokenizer, and what is wrong with a file."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import llama2c_files
import numpy as np
import pytest
from llama2c_files import Shape
from refusals import refused

from kgpt_build.errors import KgptError
from kgpt_build.models.checkpoint import Checkpoint
from kgpt_build.models.importing.options import ImportOptions
from kgpt_build.models.llama2c import files, read, recognises

SHAPE = Shape()
_NAMES = {
    "attention_norm": "attn_norm",
    "wq": "attn_q",
    "wk": "attn_k",
    "wv": "attn_v",
    "wo": "attn_output",
    "ffn_norm": "ffn_norm",
    "w1": "ffn_gate",
    "w2": "ffn_down",
    "w3": "ffn_up",
}


def _write(folder: Path, data: bytes, shape: Shape = SHAPE) -> Path:
    (folder / "tokenizer.bin").write_bytes(llama2c_files.tokenizer_bytes(llama2c_files.small_pieces(shape.vocab_size)))
    (folder / "model.bin").write_bytes(data)
    return folder / "model.bin"


def _same_weights(checkpoint: Checkpoint, weights: dict[str, llama2c_files.Floats]) -> None:
    found = {tensor.name: tensor for tensor in checkpoint.tensors}
    outer = {"tok_embeddings": "token_embd", "norm": "output_norm", "output": "output"}
    expected = {f"{outer[name]}.weight": values for name, values in weights.items() if name in outer}
    for name, inner in _NAMES.items():
        expected |= {f"blk.{layer}.{inner}.weight": values for layer, values in enumerate(weights[name])}
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert (found[name].kind, found[name].shape) == ("F32", values.shape)
        assert found[name].read().tobytes() == values.tobytes(), name


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("version", [0, 1, 2])
def test_every_weight_is_that_of_the_file(tmp_path: Path, version: int, *, shared: bool) -> None:
    shape = replace(SHAPE, shared=shared)
    weights = llama2c_files.random_weights(shape)
    data = [llama2c_files.legacy, llama2c_files.version1, lambda *of: b""][version](shape, weights)
    if version == 2:
        data, weights = llama2c_files.version2(shape, weights)
    source = _write(tmp_path, data, shape)
    assert recognises(source, data[:64])
    _same_weights(read(source, ImportOptions()), weights)


def test_the_fields(tmp_path: Path) -> None:
    source = _write(tmp_path, llama2c_files.legacy(SHAPE, llama2c_files.random_weights(SHAPE)))
    checkpoint = read(source, ImportOptions())
    assert (checkpoint.architecture, checkpoint.name) == ("llama", "model")
    assert read(source, ImportOptions(name="tiny")).name == "tiny"
    fields = checkpoint.fields
    assert fields["llama.attention.head_count_kv"] == 2
    assert fields["llama.context_length"] == 64
    assert fields["llama.rope.freq_base"] == 10000.0
    assert fields["llama.attention.layer_norm_rms_epsilon"] == 1e-5
    tokens, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    assert isinstance(tokens, list)
    assert isinstance(types, list)
    assert tokens[:4] == ["<unk>", "<s>", "</s>", "<0x00>"]
    assert types[:4] == [2, 3, 3, 6]
    assert types[258:260] == [6, 1]
    assert any(token.startswith("▁") for token in tokens)
    assert not any(" " in token for token in tokens)
    scores = fields["tokenizer.ggml.scores"]
    assert isinstance(scores, list)
    assert scores[258:262] == [0, 0, -1, -2]


def test_the_tokenizer_of_llama_2() -> None:
    if not llama2c_files.BIG_TOKENIZER.is_file():
        pytest.skip("../shared/data/llama2c-tokenizer.bin is not there")
    from kgpt_build.models.llama2c.tokenizer import read_tokenizer

    fields = read_tokenizer(llama2c_files.BIG_TOKENIZER, 32000)
    tokens, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    assert isinstance(tokens, list)
    assert isinstance(types, list)
    assert tokens[259:262] == ["▁▁", "▁t", "er"]
    assert len(set(tokens)) == 32000
    assert [types.count(kind) for kind in (1, 2, 3, 6)] == [32000 - 259, 1, 2, 256]


def test_a_tokenizer_elsewhere(tmp_path: Path) -> None:
    source = _write(tmp_path, llama2c_files.legacy(SHAPE, llama2c_files.random_weights(SHAPE)))
    other = (tmp_path / "tokenizer.bin").rename(tmp_path / "tok400.bin")
    with refused(KgptError, "tokenizer.bin missing"):
        files(source, ImportOptions())
    assert files(source, ImportOptions(tokenizer=other)) == (source, other)
    assert read(source, ImportOptions(tokenizer=other)).fields["tokenizer.ggml.model"] == "llama"
    with refused(KgptError, "none.bin no file"):
        read(source, ImportOptions(tokenizer=tmp_path / "none.bin"))


def _sizes(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + struct.pack("<i", value) + data[at + 4 :]


Edit = Callable[[bytes], bytes]

LEGACY_FAULTS: dict[str, Edit] = {
    "truncated": lambda data: data[:-4],
    "truncated 41": lambda data: data[:20],
    "4 more": lambda data: data + b"\0\0\0\0",
    "dim -48": lambda data: _sizes(data, 0, -48),
    "dim 1610612736": lambda data: _sizes(data, 0, 0x60000000),
    "n_layers 0": lambda data: _sizes(data, 8, 0),
    "48 5 heads": lambda data: _sizes(data, 12, 5),
    "n_kv_heads 3": lambda data: _sizes(data, 16, 3),
    "seq_len 0": lambda data: _sizes(data, 24, 0),
}
VERSIONED_FAULTS: dict[str, Edit] = {
    "truncated": lambda data: data[:-1],
    "1 more": lambda data: data + b"\0",
    "version 3": lambda data: _sizes(data, 4, 3),
    "hidden_dim 0": lambda data: _sizes(data, 12, 0),
    "vocab_size -400": lambda data: _sizes(data, 28, -400),
    "7 shared": lambda data: data[:36] + b"\7" + data[37:],
    "group 0": lambda data: _sizes(data, 37, 0),
    "group 13": lambda data: _sizes(data, 37, 13),
}


@pytest.mark.parametrize("facts", LEGACY_FAULTS)
def test_faults_of_a_legacy_file(tmp_path: Path, facts: str) -> None:
    data = llama2c_files.legacy(SHAPE, llama2c_files.random_weights(SHAPE))
    with refused(KgptError, facts):
        read(_write(tmp_path, LEGACY_FAULTS[facts](data)), ImportOptions())


@pytest.mark.parametrize("facts", VERSIONED_FAULTS)
def test_faults_of_a_file_with_a_version(tmp_path: Path, facts: str) -> None:
    data, _ = llama2c_files.version2(SHAPE, llama2c_files.random_weights(SHAPE))
    with refused(KgptError, facts):
        read(_write(tmp_path, VERSIONED_FAULTS[facts](data)), ImportOptions())


TOKENIZER_FAULTS: dict[str, Edit] = {
    "399 400": lambda data: data[: data.rindex(struct.pack("<f", -140.0))],
    "truncated 399": lambda data: data[:-1],
    "truncated header": lambda data: data[:3],
    "longest -1": lambda data: _sizes(data, 0, -1),
    "0 5 bytes": lambda data: _sizes(data, 0, 4),
    "0 score nan": lambda data: data[:4] + struct.pack("<f", float("nan")) + data[8:],
    "1 0 bytes": lambda data: _sizes(data, 21, 0),
    "0 UTF-8": lambda data: data[:12] + b"\xff" + data[13:],
    "0 NUL": lambda data: data[:12] + b"\0" + data[13:],
    "1,048,576 tokens": lambda data: data + struct.pack("<fiB", 0.0, 1, 65) * (1 << 20),
}


@pytest.mark.parametrize("facts", TOKENIZER_FAULTS)
def test_faults_of_a_tokenizer(tmp_path: Path, facts: str) -> None:
    source = _write(tmp_path, llama2c_files.legacy(SHAPE, llama2c_files.random_weights(SHAPE)))
    path = tmp_path / "tokenizer.bin"
    path.write_bytes(TOKENIZER_FAULTS[facts](path.read_bytes()))
    with refused(KgptError, f"tokenizer.bin {facts}"):
        read(source, ImportOptions())


def test_other_files_are_not_recognised(tmp_path: Path) -> None:
    for data in (b"GGUF\3\0\0\0" + bytes(60), b'{"state_dict": {}}'.ljust(64), b"PK\3\4".ljust(64, b"\0"), bytes(64)):
        assert not recognises(tmp_path / "x", data)
    assert not recognises(tmp_path, b"")


def test_random_edits_end_in_one_line(tmp_path: Path) -> None:
    """Any edit of a header is read as a model or refused by a KgptError of one line."""
    rng, weights = np.random.default_rng(4), llama2c_files.random_weights(SHAPE)
    valid = (llama2c_files.legacy(SHAPE, weights), llama2c_files.version2(SHAPE, weights)[0])
    refusals = []
    for i in range(300):
        edited = bytearray(valid[i % 2])
        for at in rng.integers(0, 41, rng.integers(1, 4)):
            edited[at] = rng.integers(256)
        source = _write(tmp_path, bytes(edited))
        try:
            tensors = read(source, ImportOptions()).tensors
        except KgptError as error:
            refusals.append(error.message)
        else:
            assert all(tensor.read().shape == tensor.shape for tensor in tensors)
    assert 100 < len(refusals) < 300
    assert not any("\n" in message for message in refusals)
