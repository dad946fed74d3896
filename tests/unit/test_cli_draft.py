"""--draft of kgpt run, image and build: what is refused before anything is built, and what an image gets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from refusals import refused
from tiny_lm import MERGES, TOKENS, write_lm

from kgpt_build import models
from kgpt_build.boot_modules import DRAFT, BootModule
from kgpt_build.cli import invoke
from kgpt_build.cli.shared.lm import Draft
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.image.contents import Wanted, gather, load_models
from kgpt_build.kernel.settings import Silent
from kgpt_build.models import NO_MODEL
from kgpt_build.models.gguf.vocab import check_same
from kgpt_build.training.corpus import read_corpus


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_lm(tmp_path / "tiny.gguf")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A model with another vocabulary."""
    tokens = [*TOKENS[:6], "d", *TOKENS[7:]]
    return write_lm(
        tmp_path / "other.gguf", fields={"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.merges": MERGES[:1]}
    )


def wanted(draft: Path | None, *names: Path | None) -> Wanted:
    loaded = models.load_lm(draft) if draft else None
    return Wanted(load_models(names), read_corpus(None).embedded(), "zig", draft=loaded)


def test_the_first_difference_is_named(tiny: Path, other: Path) -> None:
    vocabulary = models.load_lm(tiny).vocabulary
    check_same(vocabulary, vocabulary)
    with refused(KgptError, "token 6 d c"):
        check_same(vocabulary, models.load_lm(other).vocabulary)
    with refused(KgptError, "8 tokens 9"):
        check_same(vocabulary, replace(vocabulary, tokens=vocabulary.tokens[:8]))
    with refused(KgptError, "llama gpt2"):
        check_same(vocabulary, replace(vocabulary, model="llama"))


def test_a_draft_is_checked_before_a_kernel_is_built(tiny: Path, other: Path) -> None:
    loaded = models.load_lm(tiny)
    Draft(models.load_lm(tiny)).check(loaded)
    Draft(None).check(models.load_microgpt(None))
    Draft(loaded).check(NO_MODEL)  # the kernel finds out
    with refused(KgptError, "token 6"):
        Draft(models.load_lm(other)).check(loaded)
    with refused(UsageError, "draft language models microgpt"):
        Draft(loaded).check(models.load_microgpt(None))


def test_its_boot_module(tiny: Path) -> None:
    (module,) = Draft(models.load_lm(tiny)).modules
    assert module == BootModule(tiny, ("kind=draft",))
    assert module.is_draft
    assert not module.is_text
    assert Draft(None).modules == ()


@pytest.mark.parametrize("words", [("run", "--target", "hosted"), ("chat",), ("run", "--json", "--dry-run")])
def test_refused_by_the_command(
    tiny: Path, other: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke([*words, str(tiny), "--draft", str(other), "--prompt", "a"]) == 1
    said = capsys.readouterr().err
    assert "token 6 is 'd' of the draft model, and 'c' of the model" in said
    assert invoke([*words, str(tiny), "--draft", str(tiny.parent / "none.gguf")]) == 1
    assert "none.gguf" in capsys.readouterr().err
    assert invoke([*words, "--model", str(tiny), "--draft", str(other)]) == 1
    assert "token 6" in capsys.readouterr().err


def test_a_kernel_holds_one_model(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["build", str(tiny), "--draft", str(tiny), "-o", str(tmp_path / "build")]) == 2
    said = capsys.readouterr().err
    assert f"kgpt run KERNEL --draft {tiny}" in said
    assert not (tmp_path / "build").exists()


def test_drafts_are_for_language_models(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--draft", str(tiny)], ["--speculate", "ngram"]):
        assert invoke(["run", "--default", "--target", "hosted", *words]) == 2
        assert "microgpt" in capsys.readouterr().err


def test_an_image_has_it_in_every_entry_that_drafts(tiny: Path, tmp_path: Path) -> None:
    second = write_lm(tmp_path / "second.gguf", "qwen2")
    found = gather(wanted(tiny, tiny, second), Silent())
    (item,) = [item for item in found.items if item.role == DRAFT]
    assert item.path == "/models/draft.gguf"
    entries = [entry for entry in found.entries if any("kind=draft" in module.words for module in entry.modules)]
    others = [entry for entry in found.entries if entry.modules and entry not in entries]
    assert len(entries) == 6
    assert len(others) == 2
    assert all("mode=serve" in entry.words for entry in others)  # whose slots take no drafts
    for entry in entries:
        (module,) = [module for module in entry.modules if "kind=draft" in module.words]
        assert (module.path, module.words[0]) == (item.path, "draft.gguf")
        assert module.words[2] == f"sha256={item.sha256}"
        assert f"modules={len(entry.modules)}" in entry.words


def test_an_image_that_it_does_not_fit(tiny: Path, other: Path) -> None:
    with refused(KgptError, "token 6"):
        gather(wanted(other, tiny), Silent())
    with refused(UsageError, "draft language model none") as caught:
        gather(wanted(tiny, None), Silent())
    assert "--draft" in caught.value.hint
