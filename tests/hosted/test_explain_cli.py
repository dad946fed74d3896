"""kgpt explain --target hosted: what it writes and says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kgpt_build import models
from kgpt_build.cli import invoke
from kgpt_build.explain.encode import from_json

HOSTED = ["explain", "--target", "hosted"]


def explain(path: Path, *more: str) -> int:
    return invoke([*HOSTED, "--default", "--prompt", "em", "-o", str(path), *more])


def test_the_numbers_and_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trace.json"
    assert explain(path) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"wrote {path}: 4")
    assert line.endswith(", 7 tokens of default, 1 layer, from the hosted program")
    trace = from_json(path.read_text())
    assert (trace.prompt, trace.reply) == ("em", "ando")
    assert (trace.source.made_by, trace.source.same_bits, len(trace.source.image_sha256)) == ("hosted", None, 64)
    assert trace.settings["temperature"] == 0.5


def test_the_page_is_the_same_each_time(tmp_path: Path) -> None:
    assert explain(tmp_path / "a.html") == explain(tmp_path / "b.html") == 0
    page = (tmp_path / "a.html").read_bytes()
    assert page == (tmp_path / "b.html").read_bytes()
    assert len(page) < 1_000_000


def test_settings_of_the_sampler(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    assert explain(path, "--temperature", "0", "--max-tokens", "2") == 0
    trace = from_json(path.read_text())
    assert len(trace.draws) == 2
    assert all(draw.uniform is None for draw in trace.draws)
    assert trace.reason == "max_tokens"


def test_a_model_in_json(tmp_path: Path, default_model: models.Model) -> None:
    path = tmp_path / "names.json"
    weights = {name: tensor.tolist() for name, tensor in default_model.tensors.items()}
    path.write_text(json.dumps({"chars": "".join(default_model.tokenizer.chars), "n_head": 4, "state_dict": weights}))
    assert invoke([*HOSTED, str(path), "--prompt", "em", "-o", str(tmp_path / "out.json")]) == 0
    assert from_json((tmp_path / "out.json").read_text()).reply == "ando"


REFUSED = [
    (["--tokens", "3", "--prompt", "emma"], 1, "the text has 5 tokens, and the trace shows 3", "give more --tokens"),
    (["--tokens", "17"], 2, "--tokens 17 is more than the model's context", "it has 16 positions"),
    (["--layers", "1"], 2, "--layers '1': the model's layers are 0 to 0", "0,3-5"),
    (["--layers", "first"], 2, "--layers 'first' is no list of layers", "0,3-5"),
    (["--prompt", "é"], 1, "é", ""),
    (["--temperature", "-1"], 2, "temperature", ""),
]


@pytest.mark.parametrize(("words", "code", "message", "hint"), REFUSED)
def test_what_is_refused_leaves_the_file_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str, hint: str
) -> None:
    path = tmp_path / "trace.json"
    path.write_text("before")
    assert explain(path, *words) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert message in told.err
    assert hint in told.err
    assert path.read_text() == "before"


def test_a_place_that_cannot_be_written_is_told_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(tmp_path / "missing" / "trace.json") == 1
    assert explain(tmp_path) == 1
    told = capsys.readouterr().err
    assert "make the folder first" in told
    assert "a folder is in the way" in told
    assert "running" not in told
