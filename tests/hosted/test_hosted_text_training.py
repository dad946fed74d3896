"""Trainings on a running text as their users start them, in the hosted build: kgpt train --block."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hosted import Hosted

from kgpt_build import models
from kgpt_build.cli import invoke
from kgpt_build.training.state import load_state

TINY = ["--n-layer", "2", "--n-embd", "16", "--n-head", "2", "--block-size", "12", "--batch", "6", "--lr", "0.01"]
BLOCKS = {
    "nanogpt": ["--block", "nanogpt", "--dropout", "0.1"],
    "nanogpt-plain": ["--block", "nanogpt", "--no-bias", "--dropout", "0", "--schedule", "constant"],
    "microgpt": ["--block", "microgpt", "--dropout", "0.2", "--warmup", "5"],
    "llama": ["--block", "llama", "--dropout", "0", "--grad-clip", "0.5"],
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, training: Hosted) -> Path:
    """An empty folder; the program is built by now."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def text(here: Path) -> str:
    drawn = random.Random(1)
    words = ["int ", "x", " = ", "y", ";\n", "if (", ") ", "return ", "0"]
    (here / "text").write_text("".join(drawn.choice(words) for _ in range(700)))
    return "text"


def train(*words: str) -> int:
    return invoke(["train", *words, "--target", "hosted"])


@pytest.mark.parametrize("block", BLOCKS)
def test_halves_of_a_training_are_the_whole_on_any_number_of_processors(text: str, block: str) -> None:
    options = [*TINY, *BLOCKS[block], "--steps", "60", "--eval-every", "20", "--keep-last"]
    whole, halves = Path("whole/m.gguf"), Path("halves/m.gguf")
    for model in (whole, halves):
        model.parent.mkdir()
    assert train(text, "-o", str(whole), *options) == 0
    assert train(text, "-o", str(halves), *options, "--until", "30", "--cpus", "3") == 0
    assert load_state(halves.with_suffix(".state")).step == 30
    assert train(text, "--resume", str(halves), "--keep-last", "--cpus", "2") == 0
    for name in ("m.gguf", "m-last.gguf", "m.state"):
        assert halves.with_name(name).read_bytes() == whole.with_name(name).read_bytes(), name
    fields = models.metadata(whole)
    assert fields["general.architecture"] == BLOCKS[block][1]
    assert fields["kgpt.training.step"] in (20, 40, 60)
    assert fields["kgpt.training.validation_loss"] < 2.5  # type: ignore[operator]
    assert models.load(whole).n_parameters > 3000


def test_the_losses_are_those_of_the_machine_channel(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert train(text, *TINY, "--block", "llama", "--steps", "40") == 0
    out = capfd.readouterr().out
    first, last = (
        float(line.split("loss ")[1]) for line in out.splitlines() if line.startswith(("step    1", "step   40"))
    )
    assert 2.0 < first < 3.5
    assert last < 0.9 * first
    assert "validation after step 40" in out
    assert len(out.partition("sample  1: ")[2]) > 100


def test_patience_ends_a_training_that_learns_no_more(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    words = [*TINY, "--block", "llama", "--dropout", "0", "--lr", "1e-9", "--warmup", "3"]
    assert train(text, *words, "--steps", "900", "--eval-every", "1", "--patience", "2") == 0
    assert 0 < load_state(Path("model.state")).step < 900
    assert "to go on" in capfd.readouterr().err


def test_without_validation_the_last_weights_are_the_best(text: str) -> None:
    assert train(text, *TINY, "--block", "nanogpt", "--steps", "20", "--val-fraction", "0", "--keep-last") == 0
    assert models.load(Path("model.gguf")).n_parameters == models.load(Path("model-last.gguf")).n_parameters
    assert models.metadata(Path("model.gguf"))["kgpt.training.step"] == 20


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--block", "llama", "--n-embd", "6", "--n-head", "2"], "RoPE"),
        (["--block", "nanogpt", "--exact"], "--exact"),
        (["--block", "nanogpt", "--block-size", "4000"], "too few"),
        (["--dropout", "1"], "dropout"),
        (["--block", "nanogpt", "--chunks", "20"], "chunks"),
        (["--block", "nanogpt", "--accumulate", "2"], "--target torch"),
        (["--block", "nanogpt", "--memory", "16", "--n-embd", "512", "--block-size", "16"], "memory"),
    ],
)
def test_what_makes_no_training_is_refused(
    text: str, words: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train(text, *words) in (1, 2)
    assert message in capfd.readouterr().err
    assert not Path("model.gguf").exists()


def test_a_training_on_documents_is_not_resumed_as_one_on_a_text(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert train(text, "--steps", "5") == 0
    assert train(text, "--resume", "model.gguf", "--block", "llama") == 2
    assert "--block" in capfd.readouterr().err


def test_another_block_is_not_resumed(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert train(text, *TINY, "--block", "llama", "--steps", "5") == 0
    assert train(text, "--resume", "model.gguf", "--steps", "9", "--dropout", "0.5") == 2
    assert "dropout" in capfd.readouterr().err


@pytest.mark.parametrize("block", ["nanogpt", "microgpt", "llama"])
def test_pytorch_starts_from_the_same_weights_and_takes_the_same_windows(text: str, block: str) -> None:
    pytest.importorskip("torch")
    options = [*TINY[:-2], "--lr", "0.002", "--block", block, "--dropout", "0", "--steps", "60", "--warmup", "6"]
    losses = []
    for name, target in (("c.gguf", "hosted"), ("torch.gguf", "torch")):
        assert invoke(["train", text, "-o", name, *options, "--target", target]) == 0
        losses.append(models.metadata(Path(name))["kgpt.training.validation_loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
