"""Several texts at once: with slots=N a run tells the texts and the numbers that it tells with one slot."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pace
import pytest
from hosted import Event, Hosted, Run
from model_files import model_file
from refusals import lacks
from running_text import first_bytes, running_model
from test_lm_stop import SENTENCEPIECE
from tiny_lm import N_EMBD, write_lm

from kgpt_build import models
from kgpt_build.kernel import memory

Texts = Callable[..., Run]
FLAT = "exit mode=generate temperature=1.5 top_p=1 min_p=0 seed=3"
NO_END = " ".join(f"logit_bias={token}-inf" for token in range(4))


@pytest.fixture
def texts(without_model: Hosted, tmp_path: Path) -> Texts:
    """Runs a tiny model, whose architecture and tokenizer can be chosen."""

    def run(words: str, arch: str = "llama", **fields: object) -> Run:
        path = write_lm(tmp_path / "model.gguf", arch, fields={"llama.context_length": 96, **fields})
        return without_model.run(words, options=("--module", str(path)))

    return run


def told(run: Run, sample: int) -> list[object]:
    """All that is told of a sample, besides times; of its logits the SHA-256."""
    found: list[object] = []
    for event in run.events:
        if event.get("sample", event.get("index")) != sample or event["event"] in ("speed", "layer"):
            continue
        values = {key: value for key, value in event.items() if key != "f32"}
        found.append((values, hashlib.sha256(event.get("f32", "").encode()).hexdigest()))
    return found


def speeds(run: Run) -> list[Event]:
    return [{key: value for key, value in event.items() if "us" not in key} for event in run.of("speed")]


def console(run: Run) -> str:
    """Without what tells memory and times."""
    return "\n".join(line for line in run.console.splitlines() if not line.startswith("kgpt: "))


WORDS = {
    "plain": f"{NO_END} prompt=abcab max_tokens=20 logits",
    "ends": "prompt=abcab max_tokens=40 logits logprobs=2",
    "stop": f"{NO_END} prompt=c max_tokens=40 stop=ab stop=cc",
    "full context": f"{NO_END} ctx=24 prompt=abcab logits",
    "shift": f"{NO_END} ctx=24 prompt=abcab max_tokens=70 on_overflow=shift logits",
    "greedy": "temperature=0 prompt=ab max_tokens=9 repeat_penalty=1.3",
    "no prompt": f"{NO_END} prompt= max_tokens=5 kv=q8",
    "speculate": f"{NO_END} prompt=abcab max_tokens=20 speculate=ngram logits",
    "two processors": f"{NO_END} prompt=abcab max_tokens=20 logits cpus=2 ubatch=2",
}


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_texts_and_numbers_are_those_of_one_slot(texts: Texts, words: str) -> None:
    one = texts(f"{FLAT} samples=7 {words}")
    assert one.returncode == 0, one.console
    for slots in (2, 3, 7, 64):
        run = texts(f"{FLAT} samples=7 {words} slots={slots}")
        assert run.returncode == 0, run.console
        assert run.of("sample") == one.of("sample")
        assert console(run) == console(one)
        for sample in range(7):
            assert told(run, sample) == told(one, sample), (slots, sample)
        if "speculate" not in words and "shift" not in words:  # what is computed differs, the texts do not
            assert speeds(run) == speeds(one)
        assert run.one("stats")["samples"] == 7
        assert run.one("stats")["tokens"] == sum(event["tokens"] for event in one.of("sample"))


def test_a_slot_is_taken_again_at_once(texts: Texts) -> None:
    """Samples of two slots overlap, also behind the first two."""
    run = texts(f"{FLAT} {NO_END} samples=6 slots=2 max_tokens=8 prompt=ab")
    order = [event["sample"] for event in run.of("token")]
    assert [order.index(sample) for sample in range(6)] == sorted(order.index(sample) for sample in range(6))
    assert order.index(1) < max(at for at, sample in enumerate(order) if sample == 0)
    assert order.index(5) < max(at for at, sample in enumerate(order) if sample == 4)


def test_llama2c_has_slots_too(texts: Texts) -> None:
    words = "exit mode=generate rng=llama2c samples=5 max_tokens=30 seed=5 prompt=abcab"
    one = texts(words, **SENTENCEPIECE)
    run = texts(f"{words} slots=3", **SENTENCEPIECE)
    assert one.returncode == run.returncode == 0
    assert (run.of("sample"), console(run)) == (one.of("sample"), console(one))


def test_learned_positions_and_layers(without_model: Hosted, tmp_path: Path) -> None:
    """A shift computes the tokens of learned positions again, between two passes. Layers are told one by one."""
    path = running_model(tmp_path / "m.gguf")
    words = 'exit mode=generate samples=4 max_tokens=90 prompt="a b" logits'
    one = without_model.run(words, options=("--module", str(path)))
    run = without_model.run(f"{words} slots=3", options=("--module", str(path)))
    assert all(event["dropped"] == 0 and event["tokens"] == 90 for event in one.of("sample"))
    assert [told(run, i) for i in range(4)] == [told(one, i) for i in range(4)]
    layers = without_model.run(f"{words} max_tokens=3 layers slots=3", options=("--module", str(path)))
    alone = without_model.run(f"{words} max_tokens=3 layers", options=("--module", str(path)))
    assert layers.of("layer") == alone.of("layer") != []


def test_ctrl_c_ends_all(without_model: Hosted, tmp_path: Path) -> None:
    """Each sample that has begun is told in order, no other one begins."""
    path = running_model(tmp_path / "m.gguf")
    line = 'exit mode=generate samples=9 slots=4 max_tokens=0 temperature=3 prompt="a b"'
    with tempfile.TemporaryFile() as channel:
        argv = without_model.argv(line, channel.fileno(), "--module", str(path))
        with subprocess.Popen(
            argv, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[channel.fileno()], env=os.environ
        ) as process:
            first_bytes(process, 2000)
            assert process.stdin is not None
            process.stdin.write(b"\x03")
            process.communicate(timeout=pace.limit(60))
        channel.seek(0)
        events = [json.loads(line) for line in channel]
    samples = [event for event in events if event["event"] == "sample"]
    assert [event["index"] for event in samples] == [0, 1, 2, 3]
    assert {event["reason"] for event in samples} == {"stopped"}
    assert process.returncode == 0


def test_numbers_that_are_none_fail_the_run(without_model: Hosted, tmp_path: Path) -> None:
    path = write_lm(tmp_path / "m.gguf", "llama", tensors={"output_norm.weight": np.full(N_EMBD, 3e38, np.float32)})
    words = "exit mode=generate prompt=ab samples=3 max_tokens=4"
    one = without_model.run(words, options=("--module", str(path)))
    run = without_model.run(f"{words} slots=3", options=("--module", str(path)))
    assert one.returncode == run.returncode == 4
    assert run.one("error") == one.one("error")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("slots=0", "slots=0 whole number from 1 to 64"),
        ("slots=65", "slots=65 whole number from 1 to 64"),
        ("slots=two", "slots=two whole number from 1 to 64"),
        (
            "slots=8 ctx=60000",
            "8 contexts of 60000 need memory besides the weights free; fewer slots= or a smaller ctx=",
        ),
    ],
)
def test_refused_in_one_line(without_model: Hosted, tmp_path: Path, words: str, expected: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(model_file("llama").with_fields(context_length=65536).bytes())
    run = without_model.run(f"exit mode=generate {words}", options=("--module", str(path), "--arena-mb", "64"))
    assert run.returncode == 1
    error = run.one("error")
    assert not lacks(f"{error['message']} {error['hint']}", expected.replace(";", ""))
    assert not run.of("sample")


def test_the_context_is_halved_until_all_fit(without_model: Hosted, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(model_file("llama").with_fields(context_length=65536).bytes())
    module = ("--module", str(path), "--arena-mb", "8")
    found = [without_model.run(f"exit mode=generate samples=2 max_tokens=1 slots={n}", options=module) for n in (1, 16)]
    assert [run.returncode for run in found] == [0, 0]
    one, many = (run.of("config")[0]["context"] for run in found)
    assert 256 <= many < one


@pytest.mark.parametrize("slots", [2, 16])
@pytest.mark.parametrize(
    ("arch", "kv", "n_ctx"), [("llama", "f16", 77), ("gemma3", "q8", 4096), ("qwen2", "f32", 1000)]
)
def test_the_host_knows_the_memory(
    without_model: Hosted, tmp_path: Path, arch: str, kv: str, n_ctx: int, slots: int
) -> None:
    """The KV caches to the byte, the rest with its margin."""
    path = tmp_path / "model.gguf"
    path.write_bytes(model_file(arch).with_fields(context_length=65536).bytes())
    words = f"exit mode=generate prompt=ab max_tokens=1 ctx={n_ctx} kv={kv} slots={slots}"
    found, model = without_model.run(words, options=("--module", str(path))).one("memory"), models.load_lm(path)
    longest = max(len(token.encode()) for token in model.vocabulary.tokens)
    cache, rest = memory.lm_session(model.hparams, longest, n_ctx, kv, slots)
    assert cache == found["kv"]
    assert found["scratch"] <= rest + memory._LM_MARGIN
    assert rest <= found["scratch"] + (1 << 20) + slots * memory._SLOT_BYTES


def test_a_chat_has_one_slot(without_model: Hosted, tmp_path: Path) -> None:
    path = write_lm(tmp_path / "model.gguf", "llama")
    runs = [without_model.run(f"exit mode=chat prompt=ab {words}", options=("--module", str(path)))
            for words in ("", "slots=8")]  # fmt: skip
    assert runs[0].one("memory") == runs[1].one("memory")


def test_bench_measures_sequences(without_model: Hosted, tmp_path: Path) -> None:
    path = write_lm(tmp_path / "model.gguf", "llama", fields={"llama.context_length": 96})
    words = "exit mode=bench pp=0 tg=3 depth=5 repeat=2 slots=6"
    run = without_model.run(words, options=("--module", str(path)))
    found = [(event["test"], event["tokens"], event["slots"], len(event["us"])) for event in run.of("bench")]
    assert found == [
        ("tg3 @ d5", 3, 1, 2),
        ("tg3 x2 @ d5", 6, 2, 2),
        ("tg3 x4 @ d5", 12, 4, 2),
        ("tg3 x6 @ d5", 18, 6, 2),
    ]
    assert "| tg3 x6 @ d5 |" in run.console
