"""Which model and which image are meant, where the user names none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from refusals import refused
from toy import toy_model

from kgpt_build import models
from kgpt_build.cli import invoke
from kgpt_build.cli.shared import boot_file
from kgpt_build.cli.shared.options import model_or_here
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.headers import BROUGHT

TAKING = "kgpt: taking model.gguf, which is in this folder (--default: the model that ships)\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def trained(here: Path) -> Path:
    """What kgpt train leaves."""
    models.save_gguf(toy_model(), here / "model.gguf")
    return Path("model.gguf")


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path | None, dict[str, Any]]]:
    """The models, and settings, of the kernels that were asked of the cache."""
    calls: list[tuple[Path | None, dict[str, Any]]] = []

    def build(model: Path | None, **settings: Any) -> Path:
        calls.append((model, settings))
        return Path("cached.elf")

    monkeypatch.setattr(boot_file, "_build", build)
    return calls


def write_build_folder(model: Path | None, **changes: Any) -> None:
    """A manifest that is out of date: no image is beside it."""
    Path("build").mkdir()
    described = {
        "format": 1,
        "target": "bare",
        "toolchain": "zig",
        "debug": False,
        "cmdline": "samples=2",
        "corpus": None,
        "output": {"file": "kernel.elf", "sha256": ""},
        "model": {"file": str(model.absolute()) if model else None},
    }
    Path("build", "manifest.json").write_text(json.dumps({**described, **changes}))


def test_a_model_that_is_named_is_that_model(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert model_or_here(Path("other.gguf"), default=False) == Path("other.gguf")
    assert capsys.readouterr().err == ""


def test_the_model_in_this_folder_is_taken_and_said(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert model_or_here(None, default=False) == trained
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", TAKING)


def test_without_one_it_is_the_model_that_ships(capsys: pytest.CaptureFixture[str]) -> None:
    assert model_or_here(None, default=False) is None
    assert capsys.readouterr().err == ""


def test_default_is_the_model_that_ships(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert model_or_here(None, default=True) is None
    assert capsys.readouterr().err == ""


def test_two_models_are_one_too_many(trained: Path) -> None:
    with refused(UsageError, "other.gguf --default"):
        model_or_here(Path("other.gguf"), default=True)


@pytest.mark.parametrize("words", [["build"], ["run"], ["verify"]])
def test_a_damaged_model_here_is_refused_by_name(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("model.gguf").write_bytes(b"GGUF")
    assert invoke(words) == 1
    text = capsys.readouterr().err
    assert text.startswith(TAKING + "kgpt: error: model.gguf: ")
    assert not Path("build").exists()


@pytest.mark.parametrize("words", [["build"], ["run"], ["verify"]])
def test_default_and_a_name(words: list[str], trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke([*words, str(trained), "--default"]) == 2
    assert "model.gguf and --default are given" in capsys.readouterr().err


def test_run_takes_the_model_here(trained: Path, built: list[tuple[Path | None, dict[str, Any]]]) -> None:
    boot_file.boot_file_for(None)
    assert built == [(trained, {"target": "bare"})]


def test_run_takes_the_model_that_ships(built: list[tuple[Path | None, dict[str, Any]]]) -> None:
    boot_file.boot_file_for(None)
    assert built == [(None, {"target": "bare"})]


def test_a_build_folder_goes_before_the_model_here(
    trained: Path, built: list[tuple[Path | None, dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    write_build_folder(trained)
    boot_file.boot_file_for(None)
    settings = {"toolchain": "zig", "debug": False, "cmdline": "samples=2", "chat_template": None, "prefill": None}
    settings |= {"target": "bare", "corpus": None}
    assert built == [(trained.absolute(), settings)]
    assert capsys.readouterr().err == ""


def test_an_image_that_trains_is_built_again_as_one_that_trains(
    built: list[tuple[Path | None, dict[str, Any]]],
) -> None:
    Path("text").write_bytes(b"ab\nba\n")
    kept = {"source": "some text", "size": 6, "sha256": "", "file": str(Path("text").absolute())}
    write_build_folder(None, corpus=kept)
    boot_file.boot_file_for(None)
    corpus = built[0][1]["corpus"]
    assert (corpus.source, corpus.data, corpus.path) == ("some text", b"ab\nba\n", Path("text").absolute())
    Path("text").unlink()
    with refused(KgptError, "text no such file"):
        boot_file.boot_file_for(None)


def test_an_image_that_trains_on_what_is_brought(built: list[tuple[Path | None, dict[str, Any]]]) -> None:
    write_build_folder(None, corpus={"source": "brought by the loader", "size": 0, "sha256": "", "file": None})
    boot_file.boot_file_for(None)
    assert built[0][1]["corpus"] is BROUGHT


def test_a_build_folder_of_the_default_model_says_that_the_model_here_is_not_in_it(
    trained: Path, built: list[tuple[Path | None, dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    write_build_folder(None)
    boot_file.boot_file_for(None)
    assert [model for model, _ in built] == [None]
    assert capsys.readouterr().err == (
        "kgpt: build was made of the default model, not of model.gguf (kgpt build takes that)\n"
    )


def test_default_goes_before_the_build_folder(
    trained: Path, built: list[tuple[Path | None, dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    write_build_folder(trained)
    boot_file.boot_file_for(None, default=True)
    assert built == [(None, {"target": "bare"})]
    assert capsys.readouterr().err == ""
