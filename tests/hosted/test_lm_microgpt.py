"""A microgpt says in an image for language models what it says in its own: one sampler, the same settings and seed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hosted import Hosted, Run

from kgpt_build import models
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import Model, save_gguf

OWN = "temperature=0.5 top_k=0 top_p=1 min_p=0 typical_p=1 samples=20"
"""What its own image presumes, in words of the other one."""


def documents(run: Run, prompt: str) -> list[tuple[str, int, str]]:
    """(text, tokens, reason): in its own image the prompt is a part of the text."""
    assert run.returncode == 0, run.console
    found = [(event["text"].removeprefix(prompt), event["tokens"], event["reason"]) for event in run.of("sample")]
    assert found
    return found


def tokens(run: Run) -> list[tuple[int, int, int]]:
    return [(event["sample"], event["pos"], event["id"]) for event in run.of("token")]


def agree(own: Hosted, other: Hosted, model: Path, words: str, prompt: str = "") -> list[tuple[str, int, str]]:
    words = f"exit {words}" + (f" prompt={prompt}" if prompt else "")
    mine = own.run(" ".join(word for word in words.split() if not word.startswith("typical_p")))
    theirs = other.run(f"{words} mode=generate", options=("--module", str(model)))
    assert tokens(theirs) == tokens(mine), words
    assert documents(theirs, "") == documents(mine, prompt), words
    return documents(mine, prompt)


def test_the_samples_of_the_default_image(hosted: Hosted, without_model: Hosted) -> None:
    said = agree(hosted, without_model, models.DEFAULT_MODEL, f"{OWN} seed=42")
    assert len({text for text, *_ in said}) > 15


@pytest.mark.parametrize("seed", [1, 7, 2**64 - 1])
@pytest.mark.parametrize(
    "words",
    [
        "temperature=0.5",
        "temperature=0",
        "temperature=1.3",
        "temperature=2 top_k=5",
        "temperature=1 top_p=0.7",
        "temperature=1 min_p=0.2",
        "temperature=1.5 top_k=9 top_p=0.9 min_p=0.05",
        "temperature=100",
    ],
)
def test_settings(hosted: Hosted, without_model: Hosted, words: str, seed: int) -> None:
    rest = " ".join(word for word in OWN.split() if word.split("=")[0] not in words and "samples" not in word)
    agree(hosted, without_model, models.DEFAULT_MODEL, f"{words} {rest} samples=100 seed={seed}", prompt="ma")


def test_documents_as_long_as_the_context(odd: Hosted, odd_model: Model, without_model: Hosted, tmp_path: Path) -> None:
    """They end there, and the next one begins."""
    save_gguf(odd_model, tmp_path / "odd.gguf")
    said = agree(odd, without_model, tmp_path / "odd.gguf", f"{OWN} seed=5 samples=40", prompt="ab")
    assert "context" in {reason for *_, reason in said}
    agree(odd, without_model, tmp_path / "odd.gguf", f"{OWN} seed=5 max_tokens=3")


def test_it_is_so_in_an_image_that_holds_it(hosted: Hosted) -> None:
    holds = Hosted(build_cached(models.load_lm(models.DEFAULT_MODEL), target="hosted"))
    run = holds.run(f"exit mode=generate {OWN} seed=42")
    assert tokens(run) == tokens(hosted.run("exit"))
