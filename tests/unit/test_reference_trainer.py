from __future__ import annotations

import importlib.resources
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from refusals import refused
from toy import toy_model

from kgpt_build import models
from kgpt_build.errors import KgptError, ToolMissing
from kgpt_build.models import DEFAULT_MODEL, CharTokenizer
from kgpt_build.reference import __main__ as command
from kgpt_build.reference import corpus, trainer
from kgpt_build.reference.backward import IGNORED
from kgpt_build.reference.trainer import TrainSettings

FEW = TrainSettings(steps=5, batch=4)


def test_pack() -> None:
    tokens, targets = trainer.pack(CharTokenizer(("a", "b")), ["ab", "", "abab"], 4)
    x = IGNORED
    assert tokens.tolist() == [[2, 0, 1, 2], [2, 2, 2, 2], [2, 0, 1, 0]]
    assert targets.tolist() == [[0, 1, 2, x], [2, x, x, x], [0, 1, 0, 1]]


def test_training_learns_a_text() -> None:
    model = toy_model("ab", n_ctx=6)
    losses = []
    weights = trainer.train(
        model.hparams,
        model.tokenizer,
        ["abab"],
        TrainSettings(steps=60, batch=2),
        lambda _, loss, __: losses.append(loss),
    )
    assert len(losses) == 60
    assert losses[0] > 0.9
    assert losses[-1] < 0.1
    assert trainer.evaluate(weights, model.hparams, model.tokenizer, ["abab"]) == pytest.approx(losses[-1], abs=0.05)


def test_a_seed_gives_the_same_bits() -> None:
    model = toy_model("abc", n_ctx=5, n_layer=2)
    documents = ["abc", "cab", "b", "aacbb", "ca", "cc"]
    first, again, other = (
        trainer.train(model.hparams, model.tokenizer, documents, replace(FEW, seed=seed)) for seed in (1, 1, 2)
    )
    for name, tensor in first.items():
        assert tensor.tobytes() == again[name].tobytes()
        assert tensor.tobytes() != other[name].tobytes()


def test_initial_weights_have_their_deviation() -> None:
    model = toy_model("abc", n_embd=32)
    weights = trainer.initial_weights(model.hparams, TrainSettings(init_std=0.08))
    assert weights["layer0.mlp_fc1"].std() == pytest.approx(0.08, rel=0.05)
    assert abs(weights["layer0.mlp_fc1"].mean()) < 0.01


def test_every_document_is_seen_once_an_epoch() -> None:
    documents = [chr(ord("a") + i) for i in range(6)]
    seen = [document for batch in trainer._batches(documents, TrainSettings(steps=6, batch=2)) for document in batch]
    assert sorted(seen[:6]) == sorted(seen[6:]) == documents
    assert seen[:6] != seen[6:]


def test_nothing_to_train_on() -> None:
    with refused(KgptError, "nothing train"):
        trainer.train(toy_model().hparams, toy_model().tokenizer, [], FEW)


def test_corpus() -> None:
    text = corpus.first_names()
    assert text.documents == tuple(sorted(set(text.documents)))
    assert {"mary", "james"} < set(text.documents)
    assert all(name.isascii() and name.isalpha() and name.islower() for name in text.documents)
    training, validation = corpus.split(text.documents, 42, 500)
    assert len(validation) == 500
    assert sorted(training + validation) == list(text.documents)
    assert corpus.split(text.documents, 42, 500) == (training, validation)


def test_missing_corpus_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "PACKAGE", "there-is-no-such-package")
    with pytest.raises(ToolMissing) as caught:
        corpus.first_names()
    assert caught.value.hint == "pip install names==0.3.0"


@pytest.mark.parametrize("content", ["mary 1\n", "", "m\u00e9lanie 2\n"])
def test_other_names_are_no_corpus_of_the_default_model(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in corpus.FILES:
        (tmp_path / name).write_text(content, encoding="latin-1")
    monkeypatch.setattr(importlib.resources, "files", lambda _: tmp_path)
    with refused(KgptError, "'names' 0.3.0 names default model") as caught:
        corpus.first_names()
    assert "names==0.3.0" in caught.value.hint


def test_the_default_model_says_what_it_was_trained_on() -> None:
    model, fields, text = models.load_microgpt(), models.metadata(DEFAULT_MODEL), corpus.first_names()
    assert fields.items() >= command.provenance(text, command.SETTINGS).items()
    assert fields["kgpt.training.corpus_sha256"] == text.sha256
    assert model.tokenizer == CharTokenizer.from_documents(text.documents)
    assert (model.name, model.n_parameters) == ("default", 4192)
    sizes = model.hparams
    assert (sizes.n_layer, sizes.n_embd, sizes.n_ctx, sizes.n_head, sizes.n_ff) == (1, 16, 16, 4, 64)


def test_the_default_model_has_learnt_names() -> None:
    model, text = models.load_microgpt(), corpus.first_names()
    _, validation = corpus.split(text.documents, command.SETTINGS.seed, command.N_VALIDATION)
    weights = {name: tensor.astype(np.float64) for name, tensor in model.tensors.items()}
    # Letters at random would have log(27) = 3.30 nats; counting pairs of letters gives 2.2.
    assert trainer.evaluate(weights, model.hparams, model.tokenizer, validation) < 2.0


def test_the_command_trains_and_saves_the_same_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / "a.gguf", tmp_path / "b.gguf"]
    for path in paths:
        assert command.main(["--output", str(path), "--steps", "3"]) == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert models.metadata(paths[0])["kgpt.training.steps"] == 3
    printed = capsys.readouterr().out
    assert "step      3: training loss 3." in printed
    assert "validation loss 3." in printed
    assert models.load_microgpt(paths[0]).sha256 in printed


def test_the_command_prints_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--output", str(tmp_path / "none" / "a.gguf"), "--steps", "1"]) == 1
    assert "kgpt: cannot write" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        command.main(["--steps", "0"])
    assert caught.value.code == 2


@pytest.mark.slow
def test_the_default_model_can_be_trained_again_bit_for_bit(tmp_path: Path) -> None:
    """The whole of `make default-model`, about 1.5 minutes."""
    path = tmp_path / "default.gguf"
    assert command.main(["--output", str(path)]) == 0
    assert path.read_bytes() == DEFAULT_MODEL.read_bytes()


def test_the_reference_needs_no_click() -> None:
    sources = Path(sys.modules["kgpt_build.models"].__file__ or "").parent.parent
    for folder in ("models", "headers", "reference"):
        for path in (sources / folder).glob("*.py"):
            assert "import click" not in path.read_text(), path
