"""--prefill and --system @FILE of kgpt build, run, image and pack: what is refused before anything is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from tiny_lm import write_lm

from kgpt_build import models
from kgpt_build.cli import invoke
from kgpt_build.cli.shared.settings import literal_text, settings_options
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.kernel.manifest import reproduce_line
from kgpt_build.kernel.memory import said_kv
from kgpt_build.kernel.settings import BuildSettings


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_lm(tmp_path / "tiny.gguf")
    write_lm(tmp_path / "plain.gguf", fields={"tokenizer.chat_template": None})
    (tmp_path / "system.txt").write_text("Be brief.\nSay ab.\n")
    (tmp_path / "kernel.elf").write_bytes(b"\x7fELF")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["build", "--default", "--prefill"], 2, "default is a microgpt"),
        (["build", "--lm", "--prefill"], 2, "a kernel without a model has no chats to compute"),
        (["build", "plain.gguf", "--prefill"], 2, "Tiny llama has no chat template"),
        (["build", "tiny.gguf", "--chat-template", "none", "--prefill"], 2, "Tiny llama has no chat template"),
        (["build", "tiny.gguf", "--prefill", "--system", "@none.txt"], 1, "cannot read none.txt"),
        (["run", "--target", "hosted", "--default", "--prefill"], 2, "default is a microgpt"),
        (["run", "--target", "bare", "kernel.elf", "--prefill"], 2, "kernel.elf is built already"),
        (["image", "iso", "default", "-o", "k.iso", "--prefill"], 2, "a prefill is for the chats of a language model"),
        (["image", "iso", "tiny.gguf", "-o", "k.iso", "--system", "x"], 2, "--system comes without --prefill"),
        (["pack", "kernel.elf", "tiny.gguf", "--system", "x"], 2, "--system cannot change the kernel's command line"),
    ],
)
def test_refused(capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str) -> None:
    assert invoke(words) == code
    assert f"kgpt: error: {message}" in capsys.readouterr().err
    assert not Path("build").exists()


@pytest.mark.parametrize(
    ("given", "text"),
    [("Be kind.", "Be kind."), ("@system.txt", "Be brief.\nSay ab."), ("@@home", "@home"), ("", "")],
)
def test_a_system_prompt_may_be_a_file(given: str, text: str) -> None:
    found: dict[str, Any] = {}

    @click.command
    @settings_options("system")
    def command(**options: Any) -> None:
        found.update(options)

    command.main(["--system", given], standalone_mode=False)
    assert found == {"system": text}


def test_a_file_that_is_no_text_is_refused() -> None:
    @click.command
    @settings_options("system")
    def command(system: str) -> None:
        raise AssertionError(system)

    Path("nul").write_bytes(b"a\0b")
    with pytest.raises(UsageError, match="nul is not text: byte 1 is a NUL"):
        command.main(["--system", "@nul"], standalone_mode=False)
    with pytest.raises(KgptError, match="cannot read"):
        command.main(["--system", "@"], standalone_mode=False)


def test_the_manifest_repeats_it() -> None:
    model = models.load_lm(Path("tiny.gguf"))
    line = reproduce_line(BuildSettings(model, prefill="@ home"), Path("tiny.gguf"))
    assert " --system '@@ home' --prefill" in line
    assert literal_text("@ home") == "@@ home"
    assert " --prefill" in reproduce_line(BuildSettings(model, prefill=""), Path("tiny.gguf"))
    assert "--system" not in reproduce_line(BuildSettings(model, prefill=""), Path("tiny.gguf"))


def test_the_command_line_decides_the_type() -> None:
    assert said_kv("ctx=8 kv=q8 kv=f32") == "f32"
    assert said_kv("rng=llama2c") == "f32"
    assert said_kv("kv=f16 rng=llama2c") == "f16"
    assert said_kv("kv=auto") == said_kv("") == ""
