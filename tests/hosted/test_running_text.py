"""A model of a running text of characters: nothing begins or ends it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hosted import Hosted, Run
from running_text import CHARS, running_model


def tokens_fed(run: Run) -> list[int]:
    """The tokens of the prompt."""
    return list(memoryview(bytes.fromhex(run.one("fed")["u32"])).cast("I"))


@pytest.mark.parametrize(("prompt", "tokens"), [("", [1]), ("a\\té\\n€", [3, 0, 5, 1, 6])])
@pytest.mark.parametrize("arch", ["nanogpt", "microgpt"])
def test_a_prompt_of_such_a_text(
    without_model: Hosted, tmp_path: Path, arch: str, prompt: str, tokens: list[int]
) -> None:
    """An empty one is a new line."""
    path = running_model(tmp_path / "m.gguf", arch)
    words = f'exit mode=generate seed=1 logits max_tokens=20 prompt="{prompt}"'
    run = without_model.run(words, options=("--module", str(path)))
    assert run.returncode == 0, run.console
    assert tokens_fed(run) == tokens
    (sample,) = run.of("sample")
    assert (sample["tokens"], sample["reason"]) == (20, "max_tokens")
    assert len(sample["text"]) == 20
    assert set(sample["text"]) <= set(CHARS)


def test_without_a_newline_an_empty_prompt_is_the_first_token(without_model: Hosted, tmp_path: Path) -> None:
    path = running_model(tmp_path / "m.gguf", chars=tuple("xyzabcdef"))
    run = without_model.run("exit mode=generate logits max_tokens=3 prompt=", options=("--module", str(path)))
    assert tokens_fed(run) == [0]


def test_a_character_that_it_does_not_know(without_model: Hosted, tmp_path: Path) -> None:
    path = running_model(tmp_path / "m.gguf")
    run = without_model.run("exit mode=generate prompt=abz", options=("--module", str(path)))
    assert run.returncode != 0
    assert "character 'z' (U+007A) at byte 2 of the text is not in the model's vocabulary" in run.console


def test_the_shell_lists_its_characters(without_model: Hosted, tmp_path: Path) -> None:
    """As the refusal of another character says."""
    path = running_model(tmp_path / "m.gguf")
    run = without_model.run("mode=shell", b"model\ngenerate abz\nhalt\n", ("--module", str(path)))
    assert run.returncode == 0
    assert "vocabulary   \\x09\\x0a abé€😀c\n" in run.console
    assert "`model` in the shell lists them" in run.console
