"""What kgpt build refuses about language models, before anything is compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_lm import write_lm

from kgpt_build.cli import invoke


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_lm(tmp_path / "tiny.gguf")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["tiny.gguf", "--train"], 2, "Tiny llama, a llama, cannot be trained"),
        (["--lm", "--train"], 2, "a kernel without a model cannot be trained"),
        (["tiny.gguf", "--ctx", "17"], 2, "a context of 17 is more than Tiny llama was trained for"),
        (["tiny.gguf", "--ctx", "100000"], 2, "a context of 100000 is more than Tiny llama was trained for"),
        (["tiny.gguf", "--ctx", "0"], 2, "ctx is 0"),
        (["tiny.gguf", "--ctx", "-1"], 2, "ctx is -1"),
        (["--default", "--system", "x"], 2, "default is a microgpt"),
        (["--default", "--chat-template", "chatml"], 2, "default, a microgpt, has no chat template"),
        (["--lm", "--chat-template", "chatml"], 2, "a kernel without a model has no chat template"),
        (["tiny.gguf", "--chat-template", "klingon"], 1, "there is no chat template 'klingon'"),
        (["smollm2-135m"], 1, "the model smollm2-135m is not here yet"),
        (["smollm"], 1, "there is neither a file nor a model 'smollm'; did you mean smollm2-135m?"),
    ],
)
def test_refused(capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str) -> None:
    assert invoke(["build", *words]) == code
    err = capsys.readouterr().err
    assert f"kgpt: error: {message}" in err.replace("tiny.gguf: ", "")
    assert not Path("build").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tiny.gguf", "--ctx", "100000"], "a context of 100000 is more than Tiny llama was trained for"),
        (["tiny.gguf", "--ctx", "0"], "ctx is 0"),
        (["--default", "--ctx", "16"], "--ctx is for language models, and default is a microgpt"),
        (["--default", "--mode", "chat"], "--mode chat is for language models, and default is a microgpt"),
        (["--ctx", "17"], "a context of 17 is more than Tiny llama was trained for"),
    ],
)
def test_run_refuses_before_it_builds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    def build(*_: object, **__: object) -> None:
        raise AssertionError("it was built")

    monkeypatch.setattr("kgpt_build.kernel.build.build_cached", build)
    monkeypatch.setattr("kgpt_build.cli.talk.run.find_qemu", lambda *_: "qemu")
    write_lm(Path("model.gguf"))
    assert invoke(["run", *words]) == 2
    assert f"kgpt: error: {message}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"llama.rope.scaling.type": "dynamic"}, "the field 'llama.rope.scaling.type' is 'dynamic', not one of none,"),
        (
            {"llama.rope.dimension_count": 10},
            "the field 'llama.rope.dimension_count' (10) is not an even number,",
        ),
        ({"llama.attention.causal": False}, "the field 'llama.attention.causal' is false: the model does not generate"),
        ({"llama.rope.freq_base": 0.0}, "the field 'llama.rope.freq_base' is 0.0, not a positive number"),
        ({"llama.attention.key_length": 514}, "the field 'llama.attention.key_length' is 514, not 1 to 512"),
        ({"split.count": 2, "split.no": 0}, "the file is shard 1 of the 2 that a model was split into"),
    ],
)
def test_what_the_kernel_refuses_is_not_built(
    capsys: pytest.CaptureFixture[str], fields: dict[str, Any], message: str
) -> None:
    write_lm(Path("model.gguf"), fields=fields)
    for words in (["build"], ["build", "--lm", "model.gguf"], ["image", "usb", "model.gguf", "-o", "stick.img"]):
        assert invoke(words) == 1
        assert f"model.gguf: {message}" in capsys.readouterr().err
    assert not Path("build").exists()
    assert not Path("stick.img").exists()


def test_the_command_that_gets_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """kgpt run and kgpt chat get it by themselves; no other command does."""
    for words in (["build", "smollm2-135m"], ["pack", "x", "smollm2-135m"], ["verify", "smollm2-135m"]):
        assert invoke(words) == 1
        assert capsys.readouterr().err.splitlines()[-1].strip() == "kgpt pull smollm2-135m"
