"""`kgpt train --record` and `kgpt explain --train`, from a hosted training to the page in a headless Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pace
import pytest
from chromium import Browser, browsing
from explain_pages import CELLS, OPEN_SECONDS, assert_quiet, assert_readable, open_page, value_of
from refusals import refused

from kgpt_build.cli import invoke
from kgpt_build.errors import KgptError
from kgpt_build.explain.recording import Recording, from_json
from kgpt_build.models import load_microgpt
from kgpt_build.reference.sampler import generate
from kgpt_build.reference.trainer import evaluate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a model, its recording, and the page of the recording."""
    made = tmp_path_factory.mktemp("trained")
    words = ["train", "--target", "hosted", "--steps", "60", "--val-fraction", "0.1", "--checkpoint-every", "15"]
    assert invoke([*words, "-o", str(made / "m.gguf"), "--record", str(made / "run.json")]) == 0
    page = ["explain", "--train", str(made / "run.json"), "--prompt", "mariana", "-o", str(made / "train.html")]
    assert invoke(page) == 0
    return made


@pytest.fixture(scope="module")
def recording(folder: Path) -> Recording:
    return from_json((folder / "run.json").read_text())


def test_a_recording_has_the_weights_and_losses_of_the_training(folder: Path, recording: Recording) -> None:
    assert [point.step for point in recording.checkpoints] == [0, 15, 30, 45, 60]
    first = recording.checkpoints[0].model
    drawn = np.concatenate([tensor.ravel() for tensor in first.tensors.values()])
    assert drawn.std() == pytest.approx(0.08, rel=0.05)  # normal, and nothing is learnt yet
    guess = evaluate(dict(first.tensors), first.hparams, first.tokenizer, recording.documents)
    assert guess == pytest.approx(np.log(first.hparams.n_vocab), abs=0.1)
    assert guess == pytest.approx(recording.losses[0][1], abs=0.1)  # a step's loss is that of the weights before it
    assert recording.made_by == "hosted"
    assert [step for step, _ in recording.losses] == list(range(1, 61))
    assert recording.validation
    assert len(recording.documents) == 64
    written = load_microgpt(folder / "m.gguf")
    for name, tensor in written.tensors.items():
        np.testing.assert_array_equal(recording.checkpoints[-1].model.tensors[name], tensor)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--block", "nanogpt"], "--record is for trainings on documents, and cannot record one on a running text"),
        (["--target", "torch"], "--record is an option of a training in a kernel, not of --target torch"),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    assert invoke(["train", *words, "--record", str(tmp_path / "run.json")]) == 2
    assert why in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["--tokens", "3"], ["--layers", "0"], ["--target", "hosted"], ["--seed", "1"]])
def test_options_of_a_run_are_refused(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert invoke(["explain", "--train", str(folder / "run.json"), *words]) == 2
    assert f"for which {words[0]} says nothing" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_refused_before_the_training(tmp_path: Path) -> None:
    assert invoke(["train", "--record", str(tmp_path / "none" / "run.json")]) != 0
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_record_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.json"
    for text, words in (
        (None, "cannot read"),
        ("{}", f"{path}: this is no recording of a training: 'format' is missing"),
        ("[]", "it is no JSON object"),
        ('{"format": 1', "this is no recording"),
    ):
        if text is not None:
            path.write_text(text)
        assert invoke(["explain", "--train", str(path), "-o", str(tmp_path / "page.html")]) == 1
        assert words in capsys.readouterr().err


def test_a_cut_checkpoint_is_refused(folder: Path) -> None:
    read = json.loads((folder / "run.json").read_text())
    read["checkpoints"][1]["weights"] = read["checkpoints"][1]["weights"][:400]
    with refused(KgptError, "recording 75 4192"):
        from_json(json.dumps(read))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


@pytest.mark.slow
def test_the_page_shows_each_checkpoint(browser: Browser, folder: Path, recording: Recording, tmp_path: Path) -> None:
    open_page(browser, (folder / "train.html").read_text(), tmp_path)
    assert_quiet(browser, tmp_path)
    assert browser.run("kgpt.opened") / 1000 < pace.limit(OPEN_SECONDS)
    assert (folder / "train.html").stat().st_size < 1_000_000
    browser.focus("#point")
    browser.press("Home")
    for i, point in enumerate(recording.checkpoints):
        assert f"step {point.step}," in browser.text("#where")
        texts = browser.run("[...document.querySelectorAll('#texts-figure li')].map(node => node.textContent)")
        assert texts == [generate(point.model, seed=42, index=n).text or "∅" for n in range(len(texts))]
        cells = browser.run(f"{CELLS}('weights-figure')")
        read = [value_of(cell.partition(" after")[0]) for cell in cells]
        np.testing.assert_array_equal(read, point.model.tensors["wte"].ravel())
        assert browser.text("#film [aria-current]") == f"step {point.step}"
        browser.focus("#point")
        browser.press("ArrowRight")
        assert browser.run("kgpt.state.point") == min(i + 1, len(recording.checkpoints) - 1)
    browser.click("#play")
    browser.waits_for("kgpt.state.point === 4 && document.getElementById('play').ariaPressed === 'false'")


@pytest.mark.slow
@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280, 2560])
def test_the_page_can_be_read(browser: Browser, folder: Path, tmp_path: Path, width: int, look: str) -> None:
    open_page(browser, (folder / "train.html").read_text(), tmp_path, width, look)
    assert_readable(browser, width, tmp_path / "page.png")


@pytest.mark.slow
def test_without_javascript_the_tables_are_there(browser: Browser, folder: Path) -> None:
    browser.open(javaScriptEnabled=False)
    browser.visit((folder / "train.html").as_uri())
    assert browser.complaints == []
    browser.page(("locator", "summary"), ("first",), ("click",))
    assert browser.page(("locator", "table"), ("first",), ("isVisible",))
