"""A model in several GGUF files, as the gguf library's writer and llama-gguf-split make them, is one model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from refusals import refused
from shard_files import rewritten, split
from tiny_lm import N_EMBD, write_lm

from kgpt_build import models
from kgpt_build.cli import cli
from kgpt_build.errors import KgptError
from kgpt_build.models import GgufModel, ImportOptions
from kgpt_build.models.gguf.scan import Scan, scan

SPLIT = ("split.no", "split.count", "split.tensors.count")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))


def header(path: Path) -> Scan:
    return scan(path.read_bytes())


def content(path: Path) -> tuple[object, object]:
    """Fields with their types, and tensors with their bytes."""
    found, data = header(path), path.read_bytes()
    tensors = {
        tensor.name: (tensor.kind, tensor.dims, data[found.start + tensor.offset :][: tensor.size])
        for tensor in found.tensors
    }
    return {key: (found.kinds[key], value) for key, value in found.fields.items()}, tensors


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return write_lm(tmp_path / "whole.gguf", "llama")


@pytest.fixture
def shards(whole: Path, tmp_path: Path) -> list[Path]:
    found = split(whole, tmp_path / "some model.gguf", split_max_tensors=8)
    assert [path.name for path in found] == [f"some model-0000{i}-of-00003.gguf" for i in (1, 2, 3)]
    return found


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"split_max_tensors": 8}, 3),
        ({"split_max_tensors": 1}, 20),
        ({"split_max_tensors": 8, "small_first_shard": True}, 4),
        ({"split_max_size": 9000}, 0),
    ],
)
def test_the_joined_file_holds_what_was_split(whole: Path, tmp_path: Path, options: dict[str, Any], count: int) -> None:
    parts = split(whole, tmp_path / "m.gguf", **options)
    assert len(parts) == count or (not count and len(parts) > 2)
    assert not options.get("small_first_shard") or not header(parts[0]).tensors
    model = models.load(parts[0])
    assert isinstance(model, GgufModel)
    assert content(model.path) == content(whole)
    assert not any(key in model.header.fields for key in SPLIT)


def test_it_is_joined_once(shards: list[Path]) -> None:
    first, again = models.load_lm(shards[0]), models.load_lm(shards[0])
    assert first.path == again.path
    rewritten(shards[2], {"kgpt.test": "changed"})
    assert models.load_lm(shards[0]).path != first.path


def test_import_joins(shards: list[Path], whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    result = CliRunner().invoke(cli, ["import", str(shards[0]), "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert content(out) == content(whole)
    result = CliRunner().invoke(cli, ["import", str(shards[0]), "-o", str(out), "--name", "Another"])
    assert models.load(out).name == "Another"
    with refused(KgptError, f"{shards[0]} tokenizer"):
        models.import_model(shards[0], out, ImportOptions(tokenizer=whole), lambda _: None)


def test_names_of_new_files_have_no_number(shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do they replace a shard."""
    monkeypatch.chdir(tmp_path)
    before = [path.read_bytes() for path in shards]
    result = CliRunner().invoke(cli, ["import", str(shards[0])])
    assert result.exit_code == 0, result.output
    assert content(tmp_path / "some model.gguf")
    with refused(KgptError, f"{shards[1]} overwritten"):
        models.import_model(shards[0], shards[1], ImportOptions(), lambda _: None)
    assert [path.read_bytes() for path in shards] == before
    assert models.stem_of(Path("a/b-00001-of-00001.gguf")) == "b"
    assert models.stem_of(Path("a/b-0001-of-0001.gguf")) == "b-0001-of-0001"


def test_commands_take_the_first_shard(shards: list[Path], whole: Path) -> None:
    told = [json.loads(CliRunner().invoke(cli, ["info", str(path), "--json"]).stdout) for path in (shards[0], whole)]
    assert told[0]["parameters"] == told[1]["parameters"] > 0


def test_a_single_shard_is_a_whole_model(whole: Path, tmp_path: Path) -> None:
    """-00001-of-00001, with split.count 1: some are published so. llama-gguf-split --merge leaves a count of 0."""
    for count in (0, 1):
        path = tmp_path / "m-00001-of-00001.gguf"
        path.write_bytes(whole.read_bytes())
        rewritten(path, {"split.no": 0, "split.count": count})
        assert models.load_lm(path).path == path


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _count_wrongly(shards: list[Path]) -> None:
    for path in shards:
        rewritten(path, {"split.tensors.count": 99})


def _repeat(shards: list[Path]) -> None:
    """The second shard says that it is the third."""
    shards[2].write_bytes(shards[1].read_bytes())
    rewritten(shards[2], {"split.no": 2})


FAULTS: dict[str, tuple[Callable[[list[Path]], object], str]] = {
    "missing": (lambda s: s[1].unlink(), "shard model-00002-of-00003.gguf missing"),
    "truncated": (lambda s: _cut(s[2]), "model-00003-of-00003.gguf damaged: truncated data tensor"),
    "truncated first": (lambda s: _cut(s[0]), "model-00001-of-00003.gguf: truncated data tensor"),
    "empty": (lambda s: s[1].write_bytes(b""), "model-00002-of-00003.gguf damaged: file empty"),
    "not GGUF": (lambda s: s[1].write_bytes(b"<html>" * 9), "model-00002-of-00003.gguf damaged: GGUF file"),
    "other count": (lambda s: rewritten(s[1], {"split.count": 4}), "model-00002-of-00003.gguf split.count 4"),
    "no count": (lambda s: rewritten(s[1], {"split.count": None}), "model-00002-of-00003.gguf no split.count"),
    "other number": (lambda s: rewritten(s[1], {"split.no": 2}), "model-00002-of-00003.gguf shard 3 split.no 2"),
    "copied": (lambda s: s[1].write_bytes(s[2].read_bytes()), "model-00002-of-00003.gguf shard 3 split.no 2"),
    "text as number": (lambda s: rewritten(s[1], {"split.no": "1"}), "'split.no'"),
    "tensors": (
        lambda s: rewritten(s[1], {"split.tensors.count": 99}),
        "model-00002-of-00003.gguf another split.tensors.count 99 20",
    ),
    "all tensors": (
        _count_wrongly,
        "3 shards 20 tensors split.tensors.count 99",
    ),
    "architecture": (
        lambda s: rewritten(s[1], {"general.architecture": "qwen2"}),
        "model-00002-of-00003.gguf another general.architecture 'qwen2' 'llama'",
    ),
    "same tensors": (
        _repeat,
        "tensor model-00002-of-00003.gguf model-00003-of-00003.gguf different",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named_in_one_line(shards: list[Path], tmp_path: Path, fault: str) -> None:
    spoil, facts = FAULTS[fault]
    spoil(shards)
    with refused(KgptError, facts):
        models.load(shards[0])
    joined = tmp_path / "cache" / "imported"
    assert not joined.exists() or list(joined.iterdir()) == []


def test_another_shard_than_the_first(shards: list[Path]) -> None:
    with refused(KgptError, f"{shards[1]}: shard 2 3") as caught:
        models.load(shards[1])
    assert str(shards[0]) in caught.value.hint


def test_a_shard_by_another_name(shards: list[Path]) -> None:
    renamed = shards[0].rename(shards[0].with_name("x.gguf"))
    with refused(KgptError, "x.gguf: shard 1 3") as caught:
        models.load(renamed)
    assert "MODEL-00001-of-00003.gguf" in caught.value.hint


def test_a_shard_with_other_shapes(shards: list[Path], tmp_path: Path) -> None:
    """The check of the model names the first wrong tensor, before anything is joined."""
    matrix = next(tensor.name for tensor in header(shards[1]).tensors if len(tensor.dims) > 1)
    wide = write_lm(tmp_path / "o.gguf", tensors={matrix: np.zeros((96, N_EMBD), np.float32)})
    shards[1].write_bytes(split(wide, tmp_path / "o2.gguf", split_max_tensors=8)[1].read_bytes())
    with refused(KgptError, f"'{matrix}' shape 96"):
        models.load(shards[0])
    assert not list((tmp_path / "cache" / "imported").iterdir())


def test_a_model_that_is_not_supported_is_not_joined(tmp_path: Path) -> None:
    mamba = split(write_lm(tmp_path / "w.gguf", "mamba"), tmp_path / "m.gguf", split_max_tensors=8)
    with refused(KgptError, "architecture 'mamba'"):
        models.load(mamba[0])
    assert not list((tmp_path / "cache" / "imported").iterdir())
