"""Speculative decoding: events and texts are those of plain decoding to the bit, and what cannot draft is refused."""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hosted import Event, Hosted, Run
from refusals import lacks, refused
from running_text import running_model
from test_llama2c import Llama2c
from test_lm_finite import HALF_NAN, poked
from tiny_lm import N_EMBD, TOKENS, TYPES, write_lm

from kgpt_build import models
from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.vocab import check_same
from kgpt_build.settings import quoted

GREEDY, SAMPLED = "temperature=0", "temperature=1.5 top_k=0 top_p=1 min_p=0 seed=5"
TOLD = ("fed", "logits", "token", "logprobs", "sample", "error")
"""What a run tells of its texts; durations and counts are in other events."""


@dataclass(frozen=True)
class Models:
    """A model, its chat template, and models with the same vocabulary."""

    program: Hosted
    model: Path
    chat: Path
    other: Path

    def run(self, words: str, *lines: str, draft: Path | str = "", chat: bool = True) -> Run:
        """With ``lines`` typed, and a draft model as the last module."""
        modules = ["--module", str(self.model), *(["--module", str(self.chat)] if chat else [])]
        modules += ["--module", f"{draft} kind=draft"] if draft else []
        typed = "".join(f"{line}\n" for line in lines).encode()
        return self.program.run(f"logits logprobs=2 {words}", typed, tuple(modules))

    def drafts(self, kind: str) -> tuple[str, Path | str]:
        """The words and the draft model of a way to draft."""
        drafts: dict[str, Path | str] = {"ngram": "", "same": self.model, "other": self.other}
        draft = drafts[kind]
        return f"speculate={'draft' if draft else 'ngram'}", draft


@pytest.fixture(scope="module")
def brought(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("speculation")
    fields = {"llama.context_length": 256, "qwen2.context_length": 256}
    model = write_lm(folder / "m.gguf", fields=fields, kind="F16")
    chat = folder / "m.kgct"
    chat.write_bytes(models.load_lm(model).chat_blob())
    return Models(without_model, model, chat, write_lm(folder / "other.gguf", "qwen2", fields=fields))


def told(run: Run) -> list[Event]:
    assert run.returncode == 0, run.console
    found = [event for event in run.events if event["event"] in TOLD]
    assert any(event["event"] == "token" for event in found)
    return found


def digest(run: Run) -> str:
    """The SHA-256 of the logits."""
    return hashlib.sha256(b"".join(logits for *_, logits in run.logits())).hexdigest()


def assert_same(run: Run, plain: Run) -> None:
    assert digest(run) == digest(plain)
    assert told(run) == told(plain)


def check_counts(run: Run, plain: Run) -> None:
    """Each token after the prompt took a pass, or was drafted; what passes computed is accounted for."""
    for speed, other in zip(run.of("speed"), plain.of("speed"), strict=True):
        assert speed["tokens"] == other["tokens"]
        assert speed["accepted"] <= speed["drafted"] <= 15 * speed["passes"]
        assert speed["passes"] + speed["accepted"] == other["passes"]
        assert speed["computed"] == speed["passes"] + speed["drafted"] + (other["computed"] - other["passes"])
        assert (other["drafted"], other["accepted"]) == (0, 0)


@pytest.mark.parametrize("kind", ["ngram", "same", "other"])
@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED])
@pytest.mark.parametrize("kv", ["f16", "q8", "f32"])
def test_text_and_logits_of_plain_decoding(brought: Models, kind: str, sampling: str, kv: str) -> None:
    words = f"exit mode=generate prompt=abcabcab samples=3 max_tokens=60 kv={kv} {sampling}"
    plain = brought.run(words)
    how, draft = brought.drafts(kind)
    for more in ("", "speculate_tokens=1", "speculate_tokens=6", "speculate_tokens=15 cpus=2", "cpus=2"):
        run = brought.run(f"{words} {how} {more}", draft=draft)
        assert_same(run, plain)
        check_counts(run, plain)
        if more == "speculate_tokens=6" and (kind == "same" or sampling == GREEDY):
            assert sum(speed["accepted"] for speed in run.of("speed")) > 0
    assert len(plain.of("sample")) == 3


@pytest.mark.parametrize("kind", ["ngram", "same", "other"])
def test_all_settings_of_the_sampler(brought: Models, kind: str) -> None:
    words = (
        "exit mode=generate prompt=abcab samples=4 max_tokens=50 temperature=1.3 top_k=7 top_p=0.97 min_p=0.01 "
        "typical_p=0.95 repeat_penalty=1.2 repeat_last_n=9 frequency_penalty=0.1 presence_penalty=-0.1 "
        "logit_bias=0-inf logit_bias=1-3 stop=cc stop=bab"
    )
    how, draft = brought.drafts(kind)
    plain = brought.run(words)
    for n in (0, 5):
        assert_same(brought.run(f"{words} {how} speculate_tokens={n}", draft=draft), plain)


@pytest.mark.parametrize("kind", ["ngram", "same", "other"])
@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED])
def test_a_chat_of_several_turns(brought: Models, kind: str, sampling: str) -> None:
    """Stop strings cut replies in the middle of drafts; /regen begins anew in the middle of a context."""
    lines = ("abcab", "/regen", "cab", "/set stop ab", "bca", "/regen", "/clear", "abc")
    words = f"mode=chat max_tokens=30 logit_bias=0-inf logit_bias=2-inf logit_bias=3-inf {sampling}"
    how, draft = brought.drafts(kind)
    plain = brought.run(words, *lines)
    for n in (0, 4):
        assert_same(brought.run(f"{words} {how} speculate_tokens={n}", *lines, draft=draft), plain)
    assert len(plain.of("sample")) == 6


@pytest.mark.parametrize("kind", ["ngram", "same", "other"])
@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED])
@pytest.mark.parametrize("mode", ["generate", "chat"])
def test_a_context_that_slides(brought: Models, kind: str, sampling: str, mode: str) -> None:
    words = f"exit mode={mode} prompt=abcab max_tokens=200 ctx=48 on_overflow=shift logit_bias=1-inf logit_bias=3-inf"
    how, draft = brought.drafts(kind)
    plain = brought.run(f"{words} {sampling}")
    for n in (0, 7):
        run = brought.run(f"{words} {sampling} {how} speculate_tokens={n}", draft=draft)
        assert_same(run, plain)
        check_counts(run, plain)


@pytest.mark.parametrize("arch", ["nanogpt", "microgpt", "llama"])
def test_a_text_without_an_end(without_model: Hosted, tmp_path: Path, arch: str) -> None:
    """Learned positions are computed again when the context slides."""
    path = running_model(tmp_path / "m.gguf", arch)
    words = "exit mode=generate prompt=ab max_tokens=300 temperature=0 logits"
    plain, run = (
        without_model.run(f"{words} {more}", options=("--module", str(path)))
        for more in ("", "speculate=ngram speculate_tokens=5")
    )
    assert_same(run, plain)
    assert run.one("speed")["accepted"] > 50


@pytest.mark.parametrize("ctx", [12, 13, 14])
def test_a_context_that_fills_up(brought: Models, ctx: int) -> None:
    words = f"exit mode=generate prompt=abcab ctx={ctx} logit_bias=1-inf logit_bias=3-inf {GREEDY}"
    assert_same(brought.run(f"{words} speculate=ngram speculate_tokens=15"), brought.run(words))


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_small_batches_limit_the_drafts(brought: Models, batch: int) -> None:
    words = f"exit mode=generate prompt=abcabcab max_tokens=60 ubatch={batch} {GREEDY}"
    run = brought.run(f"{words} speculate=draft speculate_tokens=15", draft=brought.model)
    assert_same(run, brought.run(words))
    speed = run.one("speed")
    assert speed["drafted"] <= (batch - 1) * speed["passes"]
    assert (speed["drafted"] > 0) == (batch > 1)


def test_the_sampler_of_llama2c(without_model: Hosted, tmp_path: Path) -> None:
    model = Llama2c(without_model, tmp_path)
    words = 'exit mode=generate rng=llama2c prompt="One day, one day" max_tokens=60 logits seed=3'
    for temperature in (0, 1):
        plain, run = (
            model.run(f"{words} temperature={temperature} {more}")
            for more in ("", "speculate=ngram speculate_tokens=4")
        )
        assert_same(run, plain)
        assert run.one("speed")["drafted"] > 0


def test_random_prompts(brought: Models) -> None:
    rng = random.Random(3)
    for _ in range(25):
        prompt = "".join(rng.choice(["a", "b", "c", "ab", "abc", " "]) for _ in range(rng.randint(1, 40)))
        sampling = f"temperature={rng.choice([0, 0.7, 2])} top_k=0 seed={rng.randrange(1000)}"
        words = f"exit mode={rng.choice(['generate', 'chat'])} prompt={quoted(prompt)} max_tokens=70 {sampling}"
        how, draft = brought.drafts(rng.choice(["ngram", "same", "other"]))
        how += f" speculate_tokens={rng.randint(0, 15)} ubatch={rng.randint(1, 16)}"
        plain, run = brought.run(words), brought.run(f"{words} {how}", draft=draft)
        assert_same(run, plain)
        check_counts(run, plain)


def test_the_model_itself_drafts_what_it_says(without_model: Hosted, tmp_path: Path) -> None:
    path = running_model(tmp_path / "m.gguf", "llama", n_ctx=128)
    options = ("--module", str(path), "--module", f"{path} kind=draft")
    words = f"exit mode=generate prompt=abc max_tokens=61 speculate_tokens=5 {GREEDY}"
    speed = without_model.run(words, options=options).one("speed")
    assert (speed["tokens"], speed["passes"], speed["accepted"], speed["drafted"]) == (61, 10, 50, 50)


def test_drafts_that_are_of_no_use_are_not_made(brought: Models) -> None:
    """The last token of a reply is not computed, so no draft goes beyond it."""
    words = f"exit mode=generate prompt=abc max_tokens=4 speculate_tokens=15 {GREEDY}"
    speed = brought.run(words, draft=brought.model).one("speed")
    assert speed["drafted"] <= 2
    assert speed["computed"] <= 3


def test_layers_are_told_token_by_token(brought: Models) -> None:
    words = f"exit mode=generate prompt=abcabc max_tokens=8 layers {GREEDY}"
    plain, run = brought.run(words), brought.run(f"{words} speculate=ngram speculate_tokens=4")
    assert run.of("layer") == plain.of("layer") != []
    assert_same(run, plain)
    assert run.one("speed")["drafted"] == 0


def test_numbers_that_are_not_finite_are_told_as_without_drafts(brought: Models, tmp_path: Path) -> None:
    """Also where a draft has them that is never sampled."""
    for token in (4, 5, 6, 7, 8):
        bad = tmp_path / f"{token}.gguf"
        bad.write_bytes(poked(brought.model, "token_embd.weight", HALF_NAN * 32, 64 * token))
        files = Models(brought.program, bad, brought.chat, brought.other)
        for words in (f"prompt=abcb {GREEDY}", f"prompt=bccb {SAMPLED}"):
            words = f"exit mode=generate max_tokens=40 {words}"
            plain = files.run(words)
            run = files.run(f"{words} speculate=ngram speculate_tokens=5")
            draft = files.run(f"{words} speculate_tokens=5", draft=brought.model)
            for other in (run, draft):
                assert other.returncode == plain.returncode
                assert [e for e in other.events if e["event"] in TOLD] == [
                    e for e in plain.events if e["event"] in TOLD
                ]


def test_a_draft_model_that_computes_no_numbers_drafts_nothing(brought: Models, tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(poked(brought.other, "output_norm.weight", b"\x00\x00\xc0\x7f"))
    words = f"exit mode=generate prompt=abcab max_tokens=30 {GREEDY}"
    run = brought.run(f"{words} speculate_tokens=3", draft=bad)
    assert_same(run, brought.run(words))
    assert run.one("speed")["drafted"] == 0


def test_the_context_of_the_draft_model_may_be_shorter(brought: Models, tmp_path: Path) -> None:
    short = write_lm(tmp_path / "short.gguf", fields={"llama.context_length": 16})
    words = f"exit mode=generate prompt=abcabc max_tokens=60 logit_bias=1-inf logit_bias=3-inf {GREEDY}"
    run = brought.run(f"{words} speculate_tokens=3", draft=short)
    assert_same(run, brought.run(words))
    assert 0 < run.one("speed")["drafted"] < 16 * 3


def test_the_logits_of_drafts_and_their_model_take_memory(brought: Models) -> None:
    words = f"exit mode=generate prompt=abc max_tokens=4 {GREEDY}"
    plain, ngram = brought.run(words), brought.run(f"{words} speculate=ngram")
    draft, unused = brought.run(words, draft=brought.other), brought.run(f"{words} speculate=off", draft=brought.other)
    assert plain.one("memory")["scratch"] < ngram.one("memory")["scratch"] < draft.one("memory")["scratch"]
    weights = [run.one("memory")["weights"] for run in (plain, ngram, draft, unused)]
    assert weights[0] == weights[1] == weights[3] < weights[2]
    assert unused.one("memory") == plain.one("memory")


REFUSED = [
    ({"tokenizer.ggml.tokens": [*TOKENS[:6], "d", "ab", "abd"], "tokenizer.ggml.merges": ["a b"]}, "token 6 d c"),
    ({"tokenizer.ggml.tokens": TOKENS[:8], "tokenizer.ggml.token_type": TYPES[:8]}, "8 tokens 9"),
    ({"tokenizer.ggml.tokens": [*TOKENS[:7], "ba", "bac"], "tokenizer.ggml.merges": ["b a", "ba c"]}, "token 7 ba ab"),
]


@pytest.mark.parametrize(("fields", "facts"), REFUSED)
def test_another_vocabulary(brought: Models, tmp_path: Path, fields: dict[str, list[Any]], facts: str) -> None:
    """Host and kernel name the same difference."""
    n = len(fields["tokenizer.ggml.tokens"])
    tensors = {name: np.ones((n, N_EMBD), np.float32) for name in ("token_embd.weight", "output.weight")}
    merges = {"tokenizer.ggml.merges": ["a b"]}
    other = write_lm(tmp_path / "other.gguf", fields={**merges, **fields}, tensors=tensors)
    run = brought.run("exit prompt=ab", draft=other)
    assert run.returncode == 1
    error = run.one("error")
    assert not lacks(error["message"], facts), error
    assert "same family" in error["hint"]
    with refused(KgptError, facts):
        check_same(models.load_lm(brought.model).vocabulary, models.load_lm(other).vocabulary)


def test_another_tokenizer(brought: Models, tmp_path: Path) -> None:
    other = running_model(tmp_path / "other.gguf", "llama")
    run = brought.run("exit prompt=ab", draft=other)
    assert run.returncode == 1
    assert not lacks(run.one("error")["message"], "kgpt-char gpt2")
    with refused(KgptError, "kgpt-char gpt2"):
        check_same(models.load_lm(brought.model).vocabulary, models.load_lm(other).vocabulary)


def test_what_is_no_draft_model(brought: Models, tmp_path: Path) -> None:
    cut, text = tmp_path / "cut.gguf", tmp_path / "text"
    cut.write_bytes(brought.other.read_bytes()[:-100])
    text.write_text("no model")
    for path in (cut, text, brought.chat):
        run = brought.run("exit prompt=ab", draft=path)
        assert run.returncode == 1
        assert run.one("error")["hint"]
        assert not run.of("token")
    two = ("--module", f"{brought.other} kind=draft", "--module", f"{brought.other} kind=draft")
    run = brought.program.run("exit prompt=ab", options=("--module", str(brought.model), *two))
    assert run.returncode == 1
    assert not lacks(run.one("error")["message"], "second draft")


def test_a_draft_model_is_asked_for_and_none_came(brought: Models) -> None:
    run = brought.run("exit prompt=ab speculate=draft")
    assert run.returncode == 1
    assert not lacks(run.one("error")["message"], "speculate=draft none came")
    assert "--draft" in run.one("error")["hint"]


def test_the_hash_of_a_draft_model_is_checked(brought: Models) -> None:
    good = hashlib.sha256(brought.other.read_bytes()).hexdigest()
    for digits, code in ((good, 0), (good[::-1], 1)):
        run = brought.run(f"exit prompt=ab max_tokens=2 {GREEDY}", draft=f"{brought.other} sha256={digits}")
        assert run.returncode == code, run.console


def test_another_model_is_taken_with_the_same_draft(brought: Models, tmp_path: Path) -> None:
    """The draft model is opened again; one that does not fit keeps the model in use."""
    third = running_model(tmp_path / "third.gguf", "llama")
    options = ("--module", str(brought.model), "--module", str(brought.other), "--module", str(third))
    lines = b"generate abc\nuse 2\ngenerate abc\nuse 3\ngenerate abc\n"
    words = f"mode=shell max_tokens=20 logits speculate_tokens=3 {GREEDY}"
    plain = brought.program.run(words, lines.replace(b"use 3\n", b""), options)
    run = brought.program.run(words, lines, (*options, "--module", f"{brought.other} kind=draft"))
    assert [event for event in told(run) if event["event"] != "error"] == told(plain)
    assert not lacks(run.one("error")["message"], "kgpt-char gpt2")
    assert math.fsum(speed["accepted"] for speed in run.of("speed")) > 0
