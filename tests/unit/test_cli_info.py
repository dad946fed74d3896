"""`kgpt info`: what it says of a model agrees with the file, and with what memory_needs says of its kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import llama2c_files
import pytest
from tiny_lm import N_CTX, N_EMBD, N_LAYER, write_lm
from toy import toy_model

from kgpt_build import cli, models
from kgpt_build.kernel.facts import facts, tensor_rows
from kgpt_build.kernel.memory import largest_ctx, needs_of
from kgpt_build.kernel.traffic import traffic_of
from kgpt_build.models import GgufModel

MB = 1 << 20


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def tiny(tmp_path: Path) -> GgufModel:
    return models.load_lm(write_lm(tmp_path / "tiny.gguf"))


def info(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.invoke(["info", *words]) == 0
    return capsys.readouterr().out


def test_one_screen_says_what_a_language_model_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_lm(tmp_path / "tiny.gguf")
    text = info(capsys, str(path), "--memory", "1G", "--bandwidth", "10")
    for fact in (
        f"Tiny llama ({path}, GGUF)",
        "architecture  llama",
        f"{N_LAYER} layers, width {N_EMBD}",
        "Q8_0: ",
        "tokenizer     gpt2",
        "BOS 0, EOS 1",
        "template      chatml",
        f"with a context of {N_CTX}",
        f"at most {N_CTX} with 1024.0 MB of memory, all that it was trained for",
        "10 GB/s / (",
    ):
        assert fact in text, fact
    assert len(text.splitlines()) <= 20


def test_the_default_model_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    text = info(capsys, "default", "--tensors")
    assert "architecture  microgpt: 4,192 parameters" in text
    assert "tokenizer     kgpt-char: 27 tokens, BOS 26" in text
    assert "template      none" in text
    assert "layer0.mlp_fc1  F32   64 × 16  4,096" in text


def test_json_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_lm(tmp_path / "tiny.gguf")
    found = json.loads(info(capsys, str(path), "--json", "--tensors", "--ctx", "8", "--kv", "q8", "--memory", "64"))
    model = models.load_lm(path)
    assert found["parameters"] == model.n_parameters
    assert {kind: of["tensors"] for kind, of in found["types"].items()} == dict(model.types)
    assert sum(of["bytes"] for of in found["types"].values()) == sum(t["bytes"] for t in found["tensors"])
    assert (found["memory"]["context"], found["memory"]["kv_type"]) == (8, "q8")
    assert found["largest_context"]["memory"] == 64 * MB


def test_a_microgpt_of_ones_own_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = toy_model()
    models.save_gguf(model, tmp_path / "toy.gguf")
    assert "toy.gguf, GGUF)" in info(capsys, str(tmp_path / "toy.gguf"))
    found = facts(model, tmp_path / "toy.gguf")
    assert found["types"] == {"F32": {"tensors": len(model.tensors), "bytes": 4 * model.n_parameters}}


def test_a_source_that_is_imported_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = llama2c_files.write_model(tmp_path, llama2c_files.Shape())
    text = info(capsys, str(path))
    assert f"model ({path}, llama2.c)" in text
    assert "(as GGUF)" in text
    assert "4 heads of 12 (2 of keys), context 64" in text


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (["default", "--ctx", "8"], "--ctx"),
        (["default", "--kv", "q8"], "--kv"),
        (["default", "--memory", "4X"], "4X"),
        (["default", "--memory", "0"], "'0'"),
        (["default", "--bandwidth", "0"], "bandwidth"),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], facts: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["info", *words]) == 2
    assert facts in capsys.readouterr().err


def test_a_longer_context_than_trained_is_refused(tiny: GgufModel, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["info", str(tiny.path), "--ctx", "17"]) == 2
    assert "17" in capsys.readouterr().err


def test_a_template_that_kgpt_cannot_use_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_lm(tmp_path / "odd.gguf", fields={"tokenizer.chat_template": "{% if %}"})
    assert "template      none: kgpt cannot use the one in the file: " in info(capsys, str(path))


@pytest.mark.parametrize(("size", "n"), [("4G", 4096 * MB), ("512m", 512 * MB), ("1.5 GiB", 1536 * MB), ("7", 7 * MB)])
def test_sizes_of_memory(size: str, n: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(info(capsys, "default", "--json", "--memory", size))["largest_context"]["memory"] == n


# --- The largest context ---


def test_the_largest_context_is_the_largest(tmp_path: Path) -> None:
    path = write_lm(tmp_path / "long.gguf", fields={"llama.context_length": 100_000})
    model = models.load_lm(path)
    for memory in (40 * MB, 45 * MB, 50 * MB + 12345):
        n = largest_ctx(model, memory)
        assert 0 < n < 100_000
        assert needs_of(model, n).total <= memory < needs_of(model, n + 1).total
    assert largest_ctx(model, 16 * MB) == 0
    assert largest_ctx(model, 64 << 30) == 100_000
    assert facts(model, path, ram=16 * MB)["largest_context"]["context"] == 0


def test_no_context_fits(capsys: pytest.CaptureFixture[str]) -> None:
    assert "none fits into 1.0 MB: the least is 16.5 MB" in info(capsys, "default", "--memory", "1")


# --- What a token reads ---


def test_a_matrix_is_read_whole_and_an_embedding_by_the_row(tmp_path: Path) -> None:
    tied = models.load_lm(write_lm(tmp_path / "tied.gguf", "gpt2"))
    rows = {row.name: row for row in tensor_rows(tied)}
    assert "output.weight" not in rows
    everything = sum(row.size for row in rows.values())
    positions = rows["position_embd.weight"]
    assert traffic_of(tied, 16, "f16").weights == everything - positions.size + positions.size // positions.shape[0]
    untied = models.load_lm(write_lm(tmp_path / "untied.gguf", "phi2"))
    rows = {row.name: row for row in tensor_rows(untied)}
    embedding = rows["token_embd.weight"]
    everything = sum(row.size for row in rows.values())
    assert traffic_of(untied, 16, "f16").weights == everything - embedding.size + embedding.size // embedding.shape[0]


def test_a_microgpt_reads_all_but_its_embeddings() -> None:
    model = toy_model()
    sizes = model.hparams
    kept = 4 * (model.n_parameters - (sizes.n_vocab - 1 + sizes.n_ctx - 1) * sizes.n_embd)
    assert traffic_of(model, sizes.n_ctx, "f32").weights == kept


@pytest.mark.parametrize(("kv", "vector"), [("f16", 2 * 8), ("f32", 4 * 8), ("q8", 4 + 8)])
def test_the_cache_is_read_up_to_the_position(tiny: GgufModel, kv: str, vector: int) -> None:
    heads = tiny.hparams.n_head_kv
    assert tiny.hparams.head_dim == 8
    traffic = traffic_of(tiny, 16, kv)
    assert traffic.kv(3) == 3 * N_LAYER * 2 * heads * vector
    assert traffic.rate(2.0, 3) == 2e9 / (traffic.weights + traffic.kv(3))


def test_a_layer_with_a_window_reads_no_more_than_it(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"gemma3.attention.sliding_window": 4, "gemma3.attention.sliding_window_pattern": 2}
    traffic = traffic_of(models.load_lm(write_lm(tmp_path / "window.gguf", "gemma3", fields=fields)), 16, "f16")
    assert traffic.windows == (4, 16)
    assert traffic.kv(10) == traffic.kv_position * (4 + 10)
