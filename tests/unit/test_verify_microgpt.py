from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from refusals import refused
from toy import toy_model

from kgpt_build import models
from kgpt_build.errors import KgptError
from kgpt_build.models import FloatArray, Model
from kgpt_build.reference.forward import logits
from kgpt_build.reference.sampler import generate
from kgpt_build.verify import microgpt as verification
from kgpt_build.verify.microgpt import SAMPLES, SEED, TOLERANCE, cmdline_words, greedy, sampled_words, verify

Event = dict[str, Any]


def events(model: Model, prompt: str, isa: str = "avx2") -> list[Event]:
    """What a right kernel sends: the reference, rounded to f32."""
    tokens, values = greedy(model, prompt)
    n_prompt = len(model.prompt_tokens(prompt))
    sent: list[Event] = [
        {"event": "boot", "version": "0.1.0"},
        {"event": "cpu", "isa": isa},
        {"event": "model", "sha256": model.sha256},
    ]
    for position, row in enumerate(values.astype("<f4")):
        logits = {"event": "logits", "sample": 0, "pos": position, "id": tokens[position], "f32": row.tobytes().hex()}
        sent.append(logits)
        if position >= n_prompt - 1:
            sent.append({"event": "token", "sample": 0, "pos": position + 1, "id": tokens[position + 1], "text": ""})
    return [*sent, {"event": "exit", "code": 0, "reason": "done"}]


def of_kind(sent: list[Event], kind: str) -> list[Event]:
    return [event for event in sent if event["event"] == kind]


def change_logits(sent: list[Event], position: int, change: Callable[[FloatArray], None]) -> None:
    event = of_kind(sent, "logits")[position]
    values = np.frombuffer(bytes.fromhex(event["f32"]), "<f4").copy()
    change(values)
    event["f32"] = values.tobytes().hex()


@pytest.fixture
def model() -> Model:
    return models.load_microgpt()


def test_cmdline() -> None:
    assert cmdline_words("a b") == [
        "mode=generate",
        'prompt="a b"',
        "samples=1",
        "max_tokens=0",
        "temperature=0.0",
        "exit",
        "logits",
    ]

    assert sampled_words("k") == ["mode=generate", "prompt=k", "samples=20", "seed=42", "exit", "logits"]


@pytest.mark.parametrize("prompt", ["", "ka", "abcdefghijklmno"])
def test_right_runs(model: Model, prompt: str) -> None:
    report = verify(model, prompt, {"qemu": events(model, prompt), "hosted": events(model, prompt, "c")})
    assert report.ok
    assert report.same_bits
    assert report.text.startswith(prompt)
    assert report.tokens[0] == model.tokenizer.bos_id
    assert [(run.name, run.isa) for run in report.runs] == [("qemu", "avx2"), ("hosted", "c")]
    for run in report.runs:
        assert run.positions == len(report.tokens) - 1
        assert 0 < run.difference < 1e-6


def test_greedy_ends_at_the_context() -> None:
    model = toy_model("ab", n_ctx=4)
    tensors = {name: tensor * 0 for name, tensor in model.tensors.items()}  # all logits 0: always the first token
    tokens, values = greedy(Model("zero", "microgpt", model.hparams, model.tokenizer, tensors), "b")
    assert tokens == [2, 1, 0, 0, 0]
    assert values.shape == (4, 3)


def test_a_difference_above_the_tolerance_is_found_and_one_below_is_not(model: Model) -> None:
    _, values = greedy(model, "ka")
    largest = float(np.abs(values[1]).max())
    for factor, ok in ((0.5, True), (1.5, False)):
        runs = {"qemu": events(model, "ka"), "hosted": events(model, "ka")}

        def shift(row: FloatArray, by: float = factor * TOLERANCE * largest) -> None:
            row[3] += np.float32(by)

        for sent in runs.values():
            change_logits(sent, 1, shift)
        report = verify(model, "ka", runs)
        assert report.ok is ok
        assert report.same_bits
        assert report.runs[0].difference == pytest.approx(factor * TOLERANCE, rel=0.1)
        if not ok:
            assert "position 1: the logits differ by" in report.runs[0].failures[0]


def test_one_bit_between_the_runs_is_found(model: Model) -> None:
    other = events(model, "ka")

    def flip(row: FloatArray) -> None:
        row.view(np.uint32)[5] ^= 1

    change_logits(other, 2, flip)
    report = verify(model, "ka", {"qemu": events(model, "ka"), "hosted": other})
    assert not report.same_bits
    assert not report.ok
    assert not any(run.failures for run in report.runs)
    assert report.failures[0].startswith("position 2: 1 logits differ in their bits, the first is token 5: qemu ")


def test_nan_is_not_equal_to_anything(model: Model) -> None:
    runs = {"qemu": events(model, ""), "hosted": events(model, "")}
    for sent in runs.values():
        change_logits(sent, 0, lambda row: row.fill(np.nan))
    assert not verify(model, "", runs).ok


def _drop(kind: str) -> Callable[[list[Event]], None]:
    def damage(sent: list[Event]) -> None:
        sent[:] = [event for event in sent if event["event"] != kind]

    return damage


def _put(kind: str, key: str, value: object) -> Callable[[list[Event]], None]:
    return lambda sent: of_kind(sent, kind)[-1].update({key: value})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda sent: sent.clear(), "it has sent no logits event"),
        (_drop("model"), "it has sent no model event"),
        (_drop("exit"), "it has sent no exit event"),
        (_drop("token"), "it chose the tokens []"),
        (_put("exit", "code", 4), "it ended with the code 4"),
        (_put("model", "sha256", "00"), "it holds another model: SHA-256 00"),
        (_put("token", "id", 3), "it chose the tokens"),
        (_put("token", "id", None), "it chose the tokens"),
        (_put("logits", "id", 3), "it fed the tokens"),
        (_put("logits", "pos", 99), "is damaged: pos 99"),
        (_put("logits", "f32", "00"), "is damaged"),
        (_put("logits", "f32", "zz"), "is damaged"),
        (_put("logits", "f32", None), "is damaged"),
        (lambda sent: sent.remove(of_kind(sent, "logits")[-1]), "it fed the tokens"),
        (lambda sent: sent.append({"event": "error", "message": "no"}), "it refused: no"),
        (lambda sent: sent.append({"event": "panic", "message": "oops"}), "it panicked: oops"),
    ],
)
def test_wrong_runs(model: Model, damage: Callable[[list[Event]], None], message: str) -> None:
    wrong = events(model, "ka")
    damage(wrong)
    report = verify(model, "ka", {"qemu": wrong, "hosted": events(model, "ka")})
    assert not report.ok
    assert any(message in failure for failure in report.runs[0].failures)
    assert not report.runs[1].failures


def test_failures_are_limited(model: Model) -> None:
    sent = events(model, "ka")
    for i in range(len(of_kind(sent, "logits"))):
        change_logits(sent, i, lambda row: row.fill(0))
    report = verify(model, "ka" + "a" * 12, {"qemu": sent, "hosted": sent})
    assert 1 <= len(report.runs[0].failures) <= verification.MAX_FAILURES


def test_all_zero_logits() -> None:
    assert verification._relative_difference(np.zeros(3, np.float32), np.zeros(3)) == 0
    assert verification._relative_difference(np.ones(3, np.float32), np.zeros(3)) == np.inf


def sampled_events(model: Model, prompt: str) -> list[Event]:
    """What a right kernel sends for sampled documents."""
    sent: list[Event] = []
    for index in range(SAMPLES):
        fed: list[FloatArray] = []

        def step(tokens: Sequence[int], fed: list[FloatArray] = fed) -> FloatArray:
            fed[:] = [*logits(model, tokens, np.float32).astype(np.float32)]
            return fed[-1]

        document = generate(model, prompt, seed=SEED, index=index, logits_of=step)
        sent += [{"event": "logits", "sample": index, "f32": row.tobytes().hex()} for row in fed]
        sent += [{"event": "token", "sample": index, "id": token} for token in document.tokens]
    return sent


def test_sampled_documents(model: Model) -> None:
    runs = {"qemu": events(model, "ka"), "hosted": events(model, "ka")}
    wrong = sampled_events(model, "ka")
    token = next(event for event in wrong if event["event"] == "token" and event["sample"] == 3)
    token["id"] = (token["id"] + 1) % 27
    report = verify(model, "ka", runs, {"qemu": sampled_events(model, "ka"), "hosted": wrong})
    qemu, hosted = report.runs
    assert (qemu.samples, qemu.failures) == (SAMPLES, ())
    assert hosted.samples == SAMPLES - 1
    assert hosted.failures[0].startswith("document 3: it drew [")
    assert not report.ok


def test_sampled_documents_that_are_missing(model: Model) -> None:
    report = verify(model, "", {"qemu": events(model, "")}, {"qemu": []})
    assert report.runs[0].samples == 0
    assert not report.ok


def test_a_bad_prompt_is_refused(model: Model) -> None:
    with refused(KgptError, "'é'"):
        verify(model, "é", {})
