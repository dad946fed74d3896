"""kgpt quantize: the files that it writes, the types of their tensors, and what it refuses."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from quantized import write_wide
from refusals import lacks
from tiny_lm import write_lm

from kgpt_build import models
from kgpt_build.cli import cli, invoke
from kgpt_build.models.gguf.tensors import ARCHITECTURES
from kgpt_build.models.gguf.types import TYPES
from kgpt_build.models.quantize.mix import MIXES
from kgpt_build.models.quantize.rows import dequantize_rows, quantize_rows
from kgpt_build.models.quantize.source import as_checkpoint


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wide(tmp_path_factory.mktemp("wide") / "wide.gguf", n_layer=2)


def _run(*words: Any) -> Result:
    return CliRunner().invoke(cli, ["quantize", *map(str, words)], catch_exceptions=False)


def _types(path: Path) -> dict[str, str]:
    return {tensor.name: TYPES[tensor.kind].name for tensor in models.load_lm(path).header.tensors}


@pytest.mark.parametrize("mix", MIXES)
def test_every_type_makes_a_model(wide: Path, tmp_path: Path, mix: str) -> None:
    out = tmp_path / "out.gguf"
    result = _run(wide, mix, "-o", out, "--json")
    report = json.loads(result.stdout)
    model = models.load_lm(out)
    assert report["file_size"] == model.size
    assert report["sha256"] == model.sha256
    assert report["bits_per_weight"] == pytest.approx(8 * report["size"] / model.n_parameters)
    assert model.header.fields["general.file_type"] == MIXES[mix].file_type
    assert model.header.fields["general.quantization_version"] == 2
    assert {item["name"]: item["new"] for item in report["tensors"]} == _types(out)
    assert MIXES[mix].main in _types(out).values()


def test_everything_else_of_the_file_stays(wide: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    _run(wide, "Q4_K_M", "-o", out)
    before, after = models.load_lm(wide), models.load_lm(out)
    added = {"general.file_type", "general.quantization_version"}
    assert {key: value for key, value in after.header.fields.items() if key not in added} == before.header.fields
    assert {key: kind for key, kind in after.header.kinds.items() if key not in added} == before.header.kinds
    assert after.chat_template == before.chat_template
    assert [tensor.name for tensor in after.header.tensors] == [tensor.name for tensor in before.header.tensors]
    pairs = zip(as_checkpoint(before).tensors, as_checkpoint(after).tensors, strict=True)
    assert all((old.read() == new.read()).all() for old, new in pairs if new.kind == "F32")


def test_the_errors_are_those_of_the_file(wide: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    report = json.loads(_run(wide, "Q3_K_M", "-o", out, "--json").stdout)
    old = {tensor.name: tensor for tensor in as_checkpoint(models.load_lm(wide)).tensors}
    for tensor, said in zip(as_checkpoint(models.load_lm(out)).tensors, report["tensors"], strict=True):
        values = dequantize_rows(old[tensor.name].read(), old[tensor.name].kind)
        wrong = dequantize_rows(tensor.read(), tensor.kind) - values
        assert said["error"] == pytest.approx(np.sqrt((wrong**2).mean() / (values**2).mean()), rel=1e-4, abs=1e-9)
        assert said["largest"] == pytest.approx(np.abs(wrong).max(), rel=1e-5, abs=1e-9)
        assert (said["error"] > 0.01) == (len(tensor.shape) > 1)


def test_the_matrices_are_those_of_quantize_rows(wide: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    _run(wide, "Q5_K_S", "-o", out, "--pure")
    old = {tensor.name: tensor for tensor in as_checkpoint(models.load_lm(wide)).tensors}
    for tensor in as_checkpoint(models.load_lm(out)).tensors:
        if len(tensor.shape) > 1:
            assert tensor.kind == "Q5_K"
            values = old[tensor.name].read().astype(np.float32)
            assert (tensor.read() == quantize_rows(values, "Q5_K")).all()


def test_the_mix_gives_more_to_some(tmp_path: Path) -> None:
    """Of 8 layers: the first and the last eighth, and every third one between (llama-quantize chooses these too)."""
    _run(write_wide(tmp_path / "deep.gguf", n_layer=8), "q4_k", "-o", tmp_path / "out.gguf")
    types = _types(tmp_path / "out.gguf")
    for part in ("attn_v", "ffn_down"):
        assert [i for i in range(8) if types[f"blk.{i}.{part}.weight"] == "Q6_K"] == [0, 3, 6, 7]
    assert types["output.weight"] == "Q6_K"
    assert types["token_embd.weight"] == "Q4_K"
    assert Counter(types.values()) == {"F32": 17, "Q6_K": 9, "Q4_K": 8 * 7 + 2 - 9}


def test_a_tied_embedding_is_the_output(tmp_path: Path) -> None:
    path = write_wide(tmp_path / "tied.gguf", n_layer=1, tied=True)
    _run(path, "Q4_K_S", "-o", tmp_path / "out.gguf")
    assert _types(tmp_path / "out.gguf")["token_embd.weight"] == "Q6_K"


def test_rows_that_do_not_fit_are_said(tmp_path: Path) -> None:
    path, out = write_wide(tmp_path / "narrow.gguf", n_layer=1, n_embd=96), tmp_path / "out.gguf"
    result = _run(path, "Q4_K_M", "-o", out)
    assert not lacks(result.output, "Q5_0 for Q4_K Q8_0")
    types = _types(out)
    assert types["blk.0.attn_q.weight"] == "Q5_0"
    assert types["blk.0.ffn_down.weight"] == "Q6_K"
    assert types["output.weight"] == "Q8_0"


def test_no_block_fits_at_all(tmp_path: Path) -> None:
    path, out = write_wide(tmp_path / "odd.gguf", n_layer=1, n_embd=72), tmp_path / "out.gguf"
    _run(path, "Q4_0", "-o", out)
    assert _types(out)["blk.0.attn_q.weight"] == "F16"
    assert _types(out)["blk.0.ffn_down.weight"] == "Q4_0"


@pytest.mark.parametrize("arch", [name for name in ARCHITECTURES if name != "microgpt"])
def test_every_architecture(tmp_path: Path, arch: str) -> None:
    """Its matrices change, except learned positions; vectors stay, and the model is accepted."""
    path, out = write_lm(tmp_path / "tiny.gguf", arch, kind="F16"), tmp_path / "out.gguf"
    _run(path, "Q5_0", "-o", out)
    old, new = _types(path), _types(out)
    outputs = ("output.weight", "token_embd.weight")
    for tensor in models.load_lm(path).header.tensors:
        stays = len(tensor.dims) == 1 or tensor.name == "position_embd.weight"
        allowed = {old[tensor.name]} if stays else {"Q8_0", "Q5_0"} if tensor.name in outputs else {"Q5_0"}
        assert new[tensor.name] in allowed, tensor.name


def test_quantising_again_is_warned(wide: Path, tmp_path: Path) -> None:
    _run(wide, "Q8_0", "-o", tmp_path / "q8.gguf")
    result = _run(tmp_path / "q8.gguf", "Q4_0", "-o", tmp_path / "q4.gguf")
    assert not lacks(result.stderr, "warning quantised already Q8_0")
    assert "warning" not in _run(wide, "Q4_0", "-o", tmp_path / "q4.gguf").stderr
    assert "warning" not in _run(tmp_path / "q8.gguf", "F32", "-o", tmp_path / "f32.gguf").stderr


@pytest.mark.parametrize("mix", ["Q8_0", "Q4_K_M"])
def test_the_same_model_gives_the_same_bytes(wide: Path, tmp_path: Path, mix: str) -> None:
    digests = {json.loads(_run(wide, mix, "-o", tmp_path / name, "--json").stdout)["sha256"] for name in "ab"}
    assert len(digests) == 1


def test_another_alignment(tmp_path: Path) -> None:
    """The new file has the usual one."""
    path = write_lm(tmp_path / "tiny.gguf", fields={"general.alignment": 32}, kind="F16")
    _run(path, "Q8_0", "-o", tmp_path / "out.gguf")
    assert "general.alignment" not in models.load_lm(tmp_path / "out.gguf").header.fields


def _refused(capsys: pytest.CaptureFixture[str], facts: str, *words: Any) -> None:
    assert invoke(["quantize", *map(str, words)]) in (1, 2)
    message = capsys.readouterr().err
    assert message.startswith("kgpt: error: ")
    assert not lacks(message, facts), message


def test_refusals(wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = wide.read_bytes()
    _refused(capsys, "Q9 Q4_K_M", wide, "Q9")
    _refused(capsys, "Q8_0 Q4_K_M", wide)
    _refused(capsys, "is the model itself", wide, "Q8_0", "-o", wide)
    _refused(capsys, "nowhere.gguf", tmp_path / "nowhere.gguf", "Q8_0")
    _refused(capsys, "microgpt F32", "default", "Q8_0")
    _refused(capsys, "cannot write", wide, "Q8_0", "-o", tmp_path / "no" / "out.gguf")
    assert wide.read_bytes() == before


def test_a_value_beyond_f16_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    large = np.full((32, 32), 1e6, np.float32)
    path = write_lm(tmp_path / "large.gguf", tensors={"blk.1.attn_q.weight": large}, kind="BF16")
    _refused(capsys, "blk.1.attn_q.weight 999424 F16 BF16", path, "F16", "-o", tmp_path / "out.gguf")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["large.gguf"]
