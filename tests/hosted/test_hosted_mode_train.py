"""Trainings of the hosted program: where the corpus comes from, what is sent, and the shell's commands."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from hosted import Hosted
from mode_train import TEXT, train
from refusals import lacks

from kgpt_build import events
from kgpt_build.headers import Corpus
from kgpt_build.headers.blob import read_model
from kgpt_build.kernel.build import build_cached

SMALL = "mode=train exit steps=30 batch=4 n_embd=8 n_head=2 block_size=8 samples=2"


@pytest.fixture(scope="session")
def with_corpus() -> Hosted:
    """A program that has TEXT in it."""
    return Hosted(build_cached(target="hosted", corpus=Corpus("some names", TEXT.encode())))


def test_the_corpus_in_the_image_and_one_from_the_loader_give_the_same(
    with_corpus: Hosted, training: Hosted, tmp_path: Path
) -> None:
    embedded = train(with_corpus, tmp_path, SMALL)
    brought = train(training, tmp_path, SMALL, TEXT.encode())
    assert embedded.returncode == brought.returncode == 0
    assert len(embedded.of(events.Step)) == 30
    assert embedded.events == brought.events or embedded.of(events.Step) == brought.of(events.Step)
    assert [blob.data for blob in embedded.blobs] == [blob.data for blob in brought.blobs]


def test_what_the_loader_brings_comes_first(with_corpus: Hosted, tmp_path: Path) -> None:
    ended = train(with_corpus, tmp_path, SMALL, b"xyz\nzyx\n")
    (corpus,) = ended.of(events.Corpus)
    assert isinstance(corpus, events.Corpus)
    assert (corpus.documents, corpus.n_vocab) == (2, 4)


def test_no_corpus_at_all(training: Hosted, tmp_path: Path) -> None:
    ended = train(training, tmp_path, SMALL)
    assert ended.returncode == 1
    assert not lacks(ended.console, "training corpus: none kernel, loader")


def test_a_long_corpus_is_included_as_a_file(training: Hosted, tmp_path: Path) -> None:
    text = ("abc é\n" * 60_000).encode()
    program = Hosted(build_cached(target="hosted", corpus=Corpus("long", text)))
    few = "mode=train exit steps=3 block_size=8 samples=1"
    assert train(program, tmp_path, few).blob("state") == train(training, tmp_path, few, text).blob("state")


def test_a_saved_training_is_known_in_any_place(with_corpus: Hosted, tmp_path: Path) -> None:
    whole = train(with_corpus, tmp_path, SMALL)
    half = train(with_corpus, tmp_path, f"{SMALL} until=15")
    state = half.blob("state")
    for modules in ((state,), (state, TEXT.encode()), (TEXT.encode(), state)):
        rest = train(with_corpus, tmp_path, SMALL, *modules)
        (begin,) = rest.of(events.Training)
        assert isinstance(begin, events.Training)
        assert begin.first_step == 15
        assert [rest.blob(name) for name in ("best", "last", "state")] == [
            whole.blob(name) for name in ("best", "last", "state")
        ]


@pytest.mark.parametrize("method", ["", "exact"])
def test_running_text_in_blocks(with_corpus: Hosted, tmp_path: Path, method: str) -> None:
    text = "to be, or not to be:\r\nthat is the question" * 3
    ended = train(with_corpus, tmp_path, f"{SMALL.replace('batch=4', '')} {method} text", text.encode())
    assert ended.returncode == 0, ended.console
    (corpus,) = ended.of(events.Corpus)
    assert isinstance(corpus, events.Corpus)
    plain = text.replace("\r\n", "\n")
    assert corpus.characters == len(plain)
    assert corpus.documents == -(-len(plain) // 8)
    assert corpus.n_vocab == len(set(plain)) + 1
    assert "\n" in read_model(ended.blob("best"), "text").tokenizer.chars


def test_running_text_that_is_not_utf8(with_corpus: Hosted, tmp_path: Path) -> None:
    ended = train(with_corpus, tmp_path, f"{SMALL} text", b"one\ntwo\r\nth\xffree")
    assert ended.returncode == 1
    assert not lacks(ended.console, "line 3 corpus: byte 0xff at byte 3 of the line UTF-8")


def test_checkpoints_on_the_way_change_nothing(with_corpus: Hosted, tmp_path: Path) -> None:
    plain = train(with_corpus, tmp_path, SMALL)
    often = train(with_corpus, tmp_path, f"{SMALL} checkpoint_every=10")
    first, *later = often.blobs
    assert (first.name, first.step) == ("first", 0)
    assert read_model(first.data, "first").tensors.keys() == read_model(later[1].data, "last").tensors.keys()
    assert [(blob.name, blob.step) for blob in later] == [
        (name, step) for step in (10, 20, 30) for name in ("best", "last", "state")
    ]
    assert often.of(events.Step) == plain.of(events.Step)
    assert later[-3:] == plain.blobs
    # What was sent on the way is what a training that ends there sends.
    until = train(with_corpus, tmp_path, f"{SMALL} until=20")
    assert [zlib.crc32(blob.data) for blob in later[3:6]] == [zlib.crc32(blob.data) for blob in until.blobs]


def test_previews_are_generated_and_leave_the_training_alone(with_corpus: Hosted, tmp_path: Path) -> None:
    for method in ("", "exact batch=1"):
        ended = train(with_corpus, tmp_path, f"{SMALL} {method}")
        previews = [event for event in ended.events if isinstance(event, events.Preview)]
        assert [preview.step for preview in previews] == [*range(1, 30, 2), 30]
        assert len({preview.text for preview in previews}) > 1


def test_the_shell_trains_and_generates_with_it(with_corpus: Hosted, tmp_path: Path) -> None:
    lines = [
        "loss", "train steps=40 batch=4 block_size=8", "loss", "loss anna", "loss x", "loss annaannaanna", "model",
        "generate b", "train n_embd=15", "model", "train mode=shell", "train exact steps=5 samples=2", "halt",
    ]  # fmt: skip
    ended = train(with_corpus, tmp_path, "mode=shell samples=2", stdin="".join(f"{line}\n" for line in lines).encode())
    assert ended.returncode == 0
    answers = ended.console.split("kgpt> ")[1:]
    loss0, trained, losses, anna, unknown, long, model, generated, refused, back, key, exact = answers[:12]
    assert "nothing was trained in this run yet" in loss0
    assert "method fast, 40 steps of 4 documents" in trained
    assert trained.count("| loss ") == losses.count("| loss ") == 14
    assert "loss" in anna
    assert "the mean over 5 tokens" in anna
    assert "character 'x' (U+0078)" in unknown
    assert "the text has 12 tokens, more than the context of 8" in long
    assert "name         trained" in model
    assert "sample  2: b" in generated
    assert "n_embd, 15, is not divisible by n_head, 4" in refused
    assert "name         default" in back
    assert 'unknown key "mode"' in key
    assert "method exact, 5 steps of 1 document" in exact
    assert "sample  2: " in exact


def test_the_loss_of_a_text_is_the_trainings(with_corpus: Hosted, tmp_path: Path) -> None:
    """One document, all of it held by every step: the loss of step n + 1 is that of the weights after n."""
    word = "abcab"
    short = "steps=1000 batch=1 n_embd=8 n_head=2 block_size=8"
    stdin = f"train {short} until=20\nloss {word}\ntrain {short} until=21\nhalt\n".encode()
    ended = train(with_corpus, tmp_path, "mode=shell", f"{word}\n".encode(), stdin=stdin)
    answers = ended.console.split("kgpt> ")[1:]
    said = float(answers[1].split("loss ")[-1].split(",")[0])
    (next_loss,) = [event.loss for event in ended.events if isinstance(event, events.Step) and event.step == 21]
    assert said == pytest.approx(next_loss, abs=1e-4)


def test_an_image_without_training_says_so(hosted: Hosted) -> None:
    run = hosted.run("mode=shell", b"train\nloss\nhalt\n")
    assert run.console.count("this kernel was built without training") == 2
    assert hosted.run("mode=train exit").returncode == 1
