"""What is generated: the events, the same bits everywhere, and the reference's own numbers and tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hosted import Hosted, Run, floats

from kgpt_build.models import FloatArray, Model
from kgpt_build.reference import forward
from kgpt_build.reference.sampler import Sampling, generate
from kgpt_build.settings import Settings

TOLERANCE = 1e-5
ISAS = ["c", "avx2", "avx512"]


def test_twenty_names_and_the_end(hosted: Hosted) -> None:
    run = hosted.run("exit")
    assert run.returncode == 0
    lines = run.console.splitlines()
    assert lines[0].startswith("kgpt 0.1.0: booted by process, 256 MB of memory, ")
    assert lines[1].startswith("kgpt: model default: microgpt, 4,192 parameters, 27 tokens, context 16")
    assert lines[2].startswith("kgpt: memory: weights 16 KB + kv 2 KB + scratch ")
    assert [line for line in lines if line.startswith("sample ")] == [
        f"sample {i:2d}: {text}" for i, text in enumerate(run.samples(), start=1)
    ]
    assert len(run.samples()) == 20
    assert all(text.isalpha() and text.islower() for text in run.samples())
    assert lines[-1].startswith("kgpt: 20 samples, ")
    assert lines[-1].endswith(", seed 42")


def test_the_events_are_those_of_the_document(hosted: Hosted, default_model: Model) -> None:
    run = hosted.run("exit samples=2")
    kinds = [event["event"] for event in run.events]
    assert kinds[:6] == ["boot", "cpu", "model", "memory", "ready", "config"]
    assert kinds[-2:] == ["stats", "exit"]
    assert set(kinds[6:-2]) == {"token", "sample"}
    model = run.one("model")
    assert model["sha256"] == default_model.sha256
    assert model["parameters"] == default_model.n_parameters
    assert run.one("boot")["platform"] == "linux"
    assert run.one("boot")["cmdline"] == "exit samples=2"
    memory = run.one("memory")
    assert memory["needed"] == memory["kv"] + memory["scratch"] <= memory["arena"]
    assert run.one("config")["temperature"] == 0.5
    assert run.one("exit") == {"event": "exit", "code": 0, "reason": "done"}


def test_tokens_make_the_samples(hosted: Hosted, default_model: Model) -> None:
    run = hosted.run("exit samples=50 prompt=ma")
    for sample in run.of("sample"):
        tokens = [event for event in run.of("token") if event["sample"] == sample["index"]]
        assert "ma" + "".join(token["text"] for token in tokens) == sample["text"]
        assert len(tokens) == sample["tokens"]
        assert [token["pos"] for token in tokens] == list(range(3, 3 + len(tokens)))
        ended = tokens[-1]["id"] == default_model.tokenizer.bos_id
        assert sample["reason"] == ("eos" if ended else "context")
    stats = run.one("stats")
    assert stats["tokens"] == len(run.of("token"))
    assert stats["prompt_tokens"] == 50 * 3
    assert 0 < stats["first_token_ticks"] <= stats["ticks"]


@pytest.mark.parametrize("program", ["hosted", "odd", "wide"])
def test_every_isa_gives_the_same_bits(request: pytest.FixtureRequest, program: str) -> None:
    runs = [request.getfixturevalue(program).run(f"exit logits samples=3 cpumask={isa}") for isa in ISAS]
    assert len(runs[0].logits()) > 10
    for run in runs[1:]:
        assert run.logits() == runs[0].logits()
        assert run.samples() == runs[0].samples()


def test_cpumask_limits_the_isa(hosted: Hosted) -> None:
    features = hosted.run("exit samples=1").one("cpu")["features"]
    for isa, needed in {"c": [], "avx2": ["avx2"], "avx512": ["avx512f", "avx512bw", "avx512dq", "avx512vl"]}.items():
        used = hosted.run(f"exit samples=1 cpumask={isa}").one("cpu")["isa"]
        assert ISAS.index(used) <= ISAS.index(isa)
        if set(needed) <= set(features):
            assert used == isa


@pytest.mark.parametrize(("plain", "other"), [("hosted", "sanitized"), ("odd", "odd_sanitized")])
def test_every_compiler_gives_the_same_bits(request: pytest.FixtureRequest, plain: str, other: str) -> None:
    """zig -O2 against gcc with sanitizers; the latter also watches the whole run."""
    ours, theirs = (request.getfixturevalue(name).run("exit logits samples=5") for name in (plain, other))
    assert theirs.returncode == 0, theirs.console
    assert theirs.logits() == ours.logits()
    assert theirs.samples() == ours.samples()


def _fed(run: Run, sample: int) -> list[int]:
    return [token for of, _, token, _ in run.logits() if of == sample]


@pytest.mark.parametrize("program", ["hosted", "odd", "wide"])
def test_logits_are_the_references(request: pytest.FixtureRequest, program: str) -> None:
    model: Model = request.getfixturevalue({"hosted": "default_model"}.get(program, f"{program}_model"))
    run = request.getfixturevalue(program).run("exit logits samples=2")
    for sample in range(2):
        expected = forward.logits(model, _fed(run, sample))
        found = np.stack([floats(data) for of, _, _, data in run.logits() if of == sample])
        assert found.shape == expected.shape
        largest = np.abs(expected).max(axis=1, keepdims=True)
        assert (np.abs(found - expected) <= TOLERANCE * largest).all()


SAMPLINGS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.0},
    {"temperature": 1.7},
    {"temperature": 1.0, "top_k": 3},
    {"temperature": 1.0, "top_p": 0.6},
    {"temperature": 1.0, "min_p": 0.3},
    {"temperature": 0.9, "top_k": 9, "top_p": 0.9, "min_p": 0.05},
]


@pytest.mark.parametrize("program", ["hosted", "odd"])
@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_tokens_are_the_reference_samplers(
    request: pytest.FixtureRequest, program: str, sampling: dict[str, Any]
) -> None:
    """From the program's own logits the reference draws the same tokens, and ends for the same reason."""
    model: Model = request.getfixturevalue({"hosted": "default_model"}.get(program, f"{program}_model"))
    settings = Settings(samples=4, seed=7, **sampling)
    run = request.getfixturevalue(program).run(" ".join(["exit", "logits", *settings.cmdline_words()]))
    assert run.returncode == 0, run.console
    for index, sample in enumerate(run.of("sample")):
        steps = [floats(data) for of, _, _, data in run.logits() if of == index]

        def logits_of(fed: Any, steps: list[FloatArray] = steps) -> FloatArray:
            return steps[len(fed) - 1]

        expected = generate(model, sampling=Sampling(**sampling), seed=7, index=index, logits_of=logits_of)
        tokens = [event["id"] for event in run.of("token") if event["sample"] == index]
        assert tokens == list(expected.tokens)
        assert (sample["text"], sample["reason"]) == (expected.text, expected.reason)


def test_odd_characters_come_through(odd: Hosted, odd_model: Model) -> None:
    prompt = "é€😀 \n\"\\'"
    words = Settings(prompt=prompt, samples=5).cmdline_words()
    run = odd.run(" ".join(["exit", *words]))
    assert run.returncode == 0, run.console
    assert run.one("config")["prompt"] == prompt
    assert all(text.startswith(prompt) for text in run.samples())
    assert set("".join(run.samples())) <= set(odd_model.tokenizer.chars)


def test_a_seed_reproduces_a_random_run(hosted: Hosted) -> None:
    first = hosted.run("exit seed=random samples=5")
    seed = first.one("config")["seed"]
    assert f", seed {seed}" in first.console
    assert hosted.run(f"exit seed={seed} samples=5").samples() == first.samples()
    assert hosted.run("exit seed=random samples=5").one("config")["seed"] != seed


def test_samples_do_not_depend_on_how_many(hosted: Hosted) -> None:
    assert hosted.run("exit samples=3").samples() == hosted.run("exit samples=30").samples()[:3]


def test_max_tokens(hosted: Hosted) -> None:
    run = hosted.run("exit samples=10 max_tokens=2")
    assert {sample["tokens"] for sample in run.of("sample")} <= {1, 2}
    assert "max_tokens" in {sample["reason"] for sample in run.of("sample")}


def test_a_full_context_is_told(hosted: Hosted) -> None:
    run = hosted.run("exit samples=3 prompt=abcdefghijklmno")
    assert [sample["tokens"] for sample in run.of("sample")] == [1, 1, 1]
    assert {sample["reason"] for sample in run.of("sample")} <= {"context", "eos"}
