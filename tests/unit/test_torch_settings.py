"""Options, text and reports of a training with PyTorch, as far as they need no PyTorch."""

from __future__ import annotations

import codecs
import math
from pathlib import Path

import pytest

from kgpt_build.cli import invoke
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.reference.draws import tensor_shapes
from kgpt_build.training.corpus import examine
from kgpt_build.training.history import Point
from kgpt_build.training.torch.arguments import given_settings, parser
from kgpt_build.training.torch.report import (
    CsvReport,
    PlainReport,
    Sample,
    Step,
    Validation,
    duration,
    overfitting,
    tokens_line,
)
from kgpt_build.training.torch.settings import TorchSettings, resumed
from kgpt_build.training.torch.text import tokens_of


@pytest.mark.parametrize(("preset", "n_vocab", "millions"), [("cpu", 95, 0.82), ("gpu", 95, 10.78)])
def test_presets(preset: str, n_vocab: int, millions: float) -> None:
    """0.83 and 10.8 million parameters, as the published models, whose heads have matrices of their own."""
    settings = TorchSettings(preset=preset)
    shape = settings.shape(n_vocab)
    n = sum(math.prod(size) for size in tensor_shapes(shape).values())
    assert n / 1e6 == pytest.approx(millions, abs=0.01)
    assert (settings.lr, settings.dropout) == (3e-4, 0.2)
    assert (settings.eval_every, settings.sample_every) == (settings.n_steps // 10, settings.n_steps // 4)


def test_an_option_replaces_the_value_of_the_preset() -> None:
    settings = TorchSettings(preset="gpu", n_layer=2, steps=7, lr=0.5)
    assert (settings.n_layer, settings.n_head, settings.n_steps, settings.lr) == (2, 6, 7, 0.5)
    assert settings.eval_every == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_embd": 30}, "n_embd 30 cannot be divided into n_head 4 heads"),
        ({"block": "llama", "n_embd": 12}, "heads of 3 values cannot be rotated by pairs (RoPE)"),
        ({"batch": 6, "accumulate": 4}, "a batch of 6 cannot be cut into 4 equal parts"),
        ({"steps": 5, "warmup": 5}, "warmup 5 is not less than steps 5"),
        ({"lr": 0.0}, "lr is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"beta1": float("nan")}, "beta1 is nan"),
        ({"preset": "tpu"}, "preset is 'tpu'"),
        ({"schedule": "linear"}, "schedule is 'linear'"),
        ({"n_layer": 0}, "n_layer"),
        ({"seed": -1}, "seed"),
    ],
)
def test_wrong_values(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as error:
        TorchSettings(**given)  # type: ignore[arg-type]
    assert message in error.value.message
    assert error.value.hint


def test_the_learning_rate() -> None:
    """It rises by equal steps, then falls by half a cosine to a tenth."""
    settings = TorchSettings(steps=30, warmup=9, lr=1.0)
    rates = [settings.learning_rate(step) for step in range(30)]
    assert rates[:9] == pytest.approx([i / 10 for i in range(1, 10)])
    assert rates[9] == 1.0
    share = 10 / 21
    assert rates[19] == pytest.approx(0.1 + 0.45 * (1 + math.cos(math.pi * share)))
    assert rates[29] == pytest.approx(0.1, abs=0.01)
    assert TorchSettings(steps=30, schedule="constant", lr=0.5).learning_rate(29) == 0.5


def test_resumed_settings() -> None:
    old = TorchSettings(steps=10, until=5, n_layer=2)
    assert resumed(old, {"steps": 20, "n_layer": 2}) == TorchSettings(steps=20, n_layer=2, eval_every=1, sample_every=2)
    with pytest.raises(UsageError, match="--n-layer is 3, but the training to resume has 2"):
        resumed(old, {"n_layer": 3})


def test_tokens_are_the_sorted_characters() -> None:
    data = codecs.BOM_UTF8 + "bé\r\nab😀\rab\n".encode()
    text = tokens_of(examine("a text", data.removeprefix(codecs.BOM_UTF8), 16), 0.3, 2)
    assert text.chars == ("\n", "a", "b", "é", "😀")
    assert text.decode(text.tokens.tolist()) == "bé\nab😀\nab\n"
    assert text.n_train == 7


@pytest.mark.parametrize(
    ("fraction", "message"),
    [(0.0, "10 characters to train on"), (0.9, "1 character to train on"), (0.3, "7 characters to train on")],
)
def test_a_text_without_a_window(fraction: float, message: str) -> None:
    with pytest.raises(KgptError) as error:
        tokens_of(examine("a text", b"abcdefghij"), fraction, 10)
    assert message in error.value.message


def test_overfitting_is_named() -> None:
    training = [Point(step, 3 - step / 50) for step in range(1, 101)]
    validation = [Point(20, 2.8), Point(40, 2.5), Point(60, 2.6), Point(100, 2.9)]
    sentence = overfitting(training, validation)
    assert sentence.startswith("overfitting: validation rose from 2.5000 (step 40) to 2.9000 (step 100)")
    assert overfitting(training, validation[:2]) == ""
    assert overfitting([Point(1, 1.0), Point(100, 2.0)], validation) == ""


def test_plain_lines() -> None:
    lines: list[str] = []
    report = PlainReport(lines.append, 40, 40)
    for step in range(1, 41):
        report.tell(Step(step, 4 - step / 100, 1e-3, step, 200 * step, step / 2))
    report.tell(Validation(40, 2.0, 2.0, 40, 2.5))
    report.tell(Validation(41, 2.25, 2.0, 40, 2.5))
    report.tell(Sample(40, "static int"))
    assert lines[0] == "step    1 /   40 | loss 3.9900 | 400 tokens/s | 20 s left"
    assert len(lines) == 1 + 20 + 3
    assert lines[-3] == "after step 40 | validation 2.0000 | training 2.5000 | new best"
    assert lines[-2].endswith("| best 2.0000 after step 40")
    assert lines[-1] == "--- sample after step 40\nstatic int\n---"


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "losses.csv"
    for goes_on, first in ((False, 1), (True, 3)):
        report = CsvReport(path, goes_on=goes_on)
        report.tell(Step(first, 3.0, 1e-3, 1, 16, 0.5))
        report.tell(Step(first + 1, 2.5, 1e-3, 2, 32, 1.0))
        report.tell(Validation(first + 1, 2.75, 2.75, first + 1, 2.6))
        report.close()
    assert path.read_text().splitlines() == [
        "step,loss,validation,rate,tokens,seconds",
        "1,3.000000,,0.001,16,0.500",
        "2,2.500000,2.750000,0.001,32,1.000",
        "3,3.000000,,0.001,16,0.500",
        "4,2.500000,2.750000,0.001,32,1.000",
    ]


def test_words() -> None:
    assert [duration(seconds) for seconds in (0.2, 59, 61, 3600 * 2 + 65)] == ["0 s", "59 s", "1:01", "2:01:05"]
    assert tokens_line(2000, 500, 100).startswith("tokens per parameter: 20.00 seen, 5.00 in the text")


def test_words_of_a_process() -> None:
    words = ["text", "--steps", "9", "--no-bias", "--block", "llama", "--lr", "0.5", "--warmup", "3"]
    given = given_settings(parser().parse_args(words))
    assert given == {"steps": 9, "bias": False, "block": "llama", "lr": 0.5, "warmup": 3}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--target torch --exact", "--exact is an option of a training in a kernel, not of --target torch"),
        ("--target torch --cpus 2", "--cpus is an option of a training in a kernel"),
        ("--target torch --json", "--json is an option of a training in a kernel"),
        ("--target torch --no-serial", "--no-serial is an option of a training in a kernel"),
        ("--compile", "--compile is an option of --target torch, not of bare"),
        ("--target hosted --csv x", "--csv is an option of --target torch, not of hosted"),
    ],
)
def test_options_of_another_target(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["train", "text", *words.split()]) == 2
    assert message in capsys.readouterr().err


def test_without_pytorch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("kgpt_build.training.torch.settings.find_spec", lambda name: None)
    assert invoke(["train", "text", "--target", "torch"]) == 3
    error = capsys.readouterr().err
    assert "PyTorch, which is not installed" in error
    assert "pip install 'kgpt[torch]'" in error
