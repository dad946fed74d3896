"""Importance matrices: both forms of the file, what does not match, and what they change."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from gguf import GGUFWriter
from quantized import Floats, write_wide
from refusals import lacks, refused

from kgpt_build import models
from kgpt_build.cli import cli, invoke
from kgpt_build.errors import KgptError
from kgpt_build.models.quantize.imatrix import read_imatrix
from kgpt_build.models.quantize.rows import dequantize_rows, quantize_rows
from kgpt_build.models.quantize.source import as_checkpoint

N_LAYER, CALLS, CHUNKS = 2, 4, 7


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wide(tmp_path_factory.mktemp("wide") / "wide.gguf", n_layer=N_LAYER)


def _squares(seed: int = 1) -> dict[str, Floats]:
    """Mean squares for every matrix of a layer of the model, as llama-imatrix has none for embeddings."""
    rng = np.random.default_rng(seed)
    parts = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    names = [f"blk.{i}.{part}.weight" for i in range(N_LAYER) for part in parts]
    return {name: np.exp(2 * rng.standard_normal(256)).astype(np.float32) for name in names}


def _write_gguf(path: Path, squares: Mapping[str, Floats], *, counts: float = 512, left_out: str = "") -> Path:
    writer = GGUFWriter(path, "")
    writer.add_string("general.type", "imatrix")
    writer.add_array("imatrix.datasets", ["some.txt"])
    writer.add_uint32("imatrix.chunk_count", CHUNKS)
    writer.add_uint32("imatrix.chunk_size", 512)
    for name, values in squares.items():
        writer.add_tensor(f"{name}.in_sum2", values * np.float32(counts))
        if name != left_out:
            writer.add_tensor(f"{name}.counts", np.array([counts], np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _dat(squares: Mapping[str, Floats]) -> bytes:
    pieces = [struct.pack("<i", len(squares))]
    for name, values in squares.items():
        pieces += [struct.pack("<i", len(name)), name.encode(), struct.pack("<ii", CALLS, len(values))]
        pieces.append((values * np.float32(CALLS)).astype("<f4").tobytes())
    return b"".join([*pieces, struct.pack("<ii", CHUNKS, 8), b"some.txt"])


def _write(path: Path, squares: Mapping[str, Floats]) -> Path:
    if path.suffix == ".gguf":
        return _write_gguf(path, squares)
    path.write_bytes(_dat(squares))
    return path


@pytest.mark.parametrize("name", ["imatrix.gguf", "imatrix.dat"])
def test_both_forms(tmp_path: Path, name: str) -> None:
    squares = _squares()
    found = read_imatrix(_write(tmp_path / name, squares))
    assert (found.n_chunks, found.dataset) == (CHUNKS, "some.txt")
    assert list(found.values) == list(squares)
    for tensor, values in squares.items():
        assert found.values[tensor] == pytest.approx(np.maximum(values / values.mean(), 1e-4), rel=1e-5)


def test_an_older_file_may_end_after_its_entries(tmp_path: Path) -> None:
    path = tmp_path / "imatrix.dat"
    path.write_bytes(_dat(_squares())[:-16])
    found = read_imatrix(path)
    assert (found.n_chunks, found.dataset) == (0, "")


def test_matrices_that_saw_nothing_count_alike(tmp_path: Path) -> None:
    squares = {name: 0 * values for name, values in _squares().items()}
    assert all((values == 1).all() for values in read_imatrix(_write(tmp_path / "a.dat", squares)).values.values())
    found = read_imatrix(_write_gguf(tmp_path / "a.gguf", squares, counts=0))
    assert all((values == 1).all() for values in found.values.values())


def _run(*words: Any) -> Result:
    return CliRunner().invoke(cli, ["quantize", *map(str, words)], catch_exceptions=False)


@pytest.mark.parametrize("name", ["imatrix.gguf", "imatrix.dat"])
def test_it_weights_the_search(wide: Path, tmp_path: Path, name: str) -> None:
    imatrix, out = _write(tmp_path / name, _squares()), tmp_path / "out.gguf"
    result = _run(wide, "Q4_K_S", "-o", out, "--imatrix", imatrix, "--pure")
    assert not lacks(result.stderr, "warning nothing token_embd.weight output.weight")
    importance = read_imatrix(imatrix).values
    old = {tensor.name: tensor for tensor in as_checkpoint(models.load_lm(wide)).tensors}
    for tensor in as_checkpoint(models.load_lm(out)).tensors:
        if tensor.name in importance:
            values = old[tensor.name].read().astype(np.float32)
            assert (tensor.read() == quantize_rows(values, "Q4_K", importance[tensor.name])).all()
            wrong, plain = (
                dequantize_rows(raw, "Q4_K") - values for raw in (tensor.read(), quantize_rows(values, "Q4_K"))
            )
            assert (importance[tensor.name] * wrong**2).sum() < 0.9 * (importance[tensor.name] * plain**2).sum()
    fields = models.load_lm(out).header.fields
    assert fields["quantize.imatrix.file"] == str(imatrix)
    assert fields["quantize.imatrix.dataset"] == "some.txt"
    assert fields["quantize.imatrix.entries_count"] == 7 * N_LAYER
    assert fields["quantize.imatrix.chunks_count"] == CHUNKS


def test_mixes_heed_it(tmp_path: Path) -> None:
    """As in llama-quantize: the first ffn_down of Q4_0 become Q4_1."""
    path, out = write_wide(tmp_path / "wide.gguf", n_layer=8, n_embd=64, group=1), tmp_path / "out.gguf"
    squares = {"blk.0.ffn_down.weight": np.ones(256, np.float32)}
    report = json.loads(
        _run(path, "Q4_0", "-o", out, "--imatrix", _write(tmp_path / "a.dat", squares), "--json").stdout
    )
    types = {item["name"]: item["new"] for item in report["tensors"]}
    assert [types[f"blk.{i}.ffn_down.weight"] for i in (0, 1)] == ["Q4_1", "Q4_0"]


def test_names_that_do_not_match_are_told(wide: Path, tmp_path: Path) -> None:
    squares = _squares()
    squares["blk.9.ffn_up.weight"] = squares.pop("blk.1.ffn_up.weight")
    imatrix = _write(tmp_path / "imatrix.dat", squares)
    result = _run(wide, "Q8_0", "-o", tmp_path / "out.gguf", "--imatrix", imatrix)
    assert not lacks(result.stderr, "nothing blk.1.ffn_up.weight blk.9.ffn_up.weight")


def _refused(capsys: pytest.CaptureFixture[str], facts: str, *words: Any) -> None:
    assert invoke(["quantize", *map(str, words)]) == 1
    message = capsys.readouterr().err
    assert message.startswith("kgpt: error: ")
    assert not lacks(message, facts), message


def test_a_matrix_of_another_model(wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.gguf"
    narrow = {name: values[:128] for name, values in _squares().items()}
    other = {f"other.{name}": values for name, values in _squares().items()}
    for squares, facts in ((narrow, "128 256 blk.0.attn_q.weight"), (other, "another model other.blk.0.attn_q.weight")):
        imatrix = _write(tmp_path / "imatrix.dat", squares)
        _refused(capsys, f"imatrix.dat {facts}", wide, "Q4_K", "-o", out, "--imatrix", imatrix)
    assert not out.exists()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_values_that_are_no_squares(tmp_path: Path, bad: float) -> None:
    squares = _squares()
    squares["blk.1.attn_q.weight"][3] = bad
    with refused(KgptError, f"a.dat {bad:g} blk.1.attn_q.weight"):
        read_imatrix(_write(tmp_path / "a.dat", squares))


def test_other_files(tmp_path: Path, wide: Path) -> None:
    with refused(KgptError, "a.gguf blk.0.attn_q.weight.counts"):
        read_imatrix(_write_gguf(tmp_path / "a.gguf", _squares(), left_out="blk.0.attn_q.weight"))
    with refused(KgptError, f"{wide} NAME.in_sum2"):
        read_imatrix(wide)
    with refused(KgptError, "none.dat"):
        read_imatrix(tmp_path / "none.dat")
    (tmp_path / "empty.dat").write_bytes(b"")
    with refused(KgptError, "empty.dat empty"):
        read_imatrix(tmp_path / "empty.dat")
    (tmp_path / "text.dat").write_text("some text, and no matrix at all")
    with refused(KgptError, "text.dat"):
        read_imatrix(tmp_path / "text.dat")


@pytest.mark.parametrize("name", ["imatrix.gguf", "imatrix.dat"])
def test_damaged_files_are_refused_or_read(tmp_path: Path, name: str) -> None:
    """Cut anywhere, and with bytes changed at random: never another exception than KgptError."""
    path = _write(tmp_path / name, {name: values[:32] for name, values in _squares().items()})
    whole, rng = path.read_bytes(), np.random.default_rng(2)
    refusals = 0
    for i in range(300):
        data = bytearray(whole[: rng.integers(0, len(whole))] if i % 3 == 0 else whole)
        for place in rng.integers(0, max(len(data), 1), 4 if i % 3 else 0):
            data[place] = rng.integers(0, 256)
        path.write_bytes(data)
        try:
            read_imatrix(path)
        except KgptError as error:
            refusals += name in error.message
    assert refusals > 100
