"""mode=explain: every number that is told is the one that NumPy computes, and telling changes none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hosted import Hosted, Run
from tiny_lm import N_EMBD, N_HEAD, write_lm

from kgpt_build.errors import GuestFailed, KgptError
from kgpt_build.explain.collect import collect, told_lines
from kgpt_build.explain.encode import from_json, to_json
from kgpt_build.explain.microgpt import reference_trace
from kgpt_build.explain.trace import Layer, Source, Trace
from kgpt_build.models import DEFAULT_MODEL, Model, load_lm
from kgpt_build.reference import lm_file
from kgpt_build.reference.lm import Computed, forward, softmax
from kgpt_build.reference.lm_act import cached
from kgpt_build.reference.lm_sampler import LmSampling, candidates
from kgpt_build.reference.rng import Xoshiro
from kgpt_build.reference.sampler import draw

NOWHERE = Source("hosted", "", "", "", None)
OWN = "temperature=0.5 top_k=0 top_p=1 min_p=0 typical_p=1"
"""What a microgpt's own kernel presumes."""
ROUNDING = 2e-5
_WINDOW = {"llama.attention.sliding_window": 3}


def run_lines(program: Hosted, path: Path, words: str) -> tuple[Run, list[bytes]]:
    run = program.run(f"exit mode=explain {words}", options=("--module", str(path)))
    return run, [json.dumps(event, separators=(",", ":")).encode() for event in run.events]


def traced(program: Hosted, path: Path, words: str) -> Trace:
    run, lines = run_lines(program, path, words)
    assert run.returncode == 0, run.console
    return collect(lines, load_lm(path), NOWHERE)


def grouped(folder: Path) -> Path:
    """A Llama with two query heads for each head of keys, and a window of three positions."""
    rng, kv = np.random.default_rng(5), N_EMBD // 2
    tensors = {
        f"blk.{i}.attn_{letter}.weight": (rng.standard_normal((kv, N_EMBD)) / 8).astype(np.float32)
        for i in range(2)
        for letter in "kv"
    }
    fields = {"llama.attention.head_count_kv": N_HEAD // 2, **_WINDOW}
    return write_lm(folder / "grouped.gguf", "llama", fields=fields, tensors=tensors, kind="F16")


@pytest.fixture(scope="module")
def micro(without_model: Hosted) -> Trace:
    return traced(without_model, DEFAULT_MODEL, f"prompt=em {OWN}")


def close(found: Any, expected: Any) -> None:
    assert found is not None
    scale = max(float(np.abs(expected).max()), 1.0)
    np.testing.assert_allclose(found, np.asarray(expected).reshape(np.shape(found)), atol=ROUNDING * scale, rtol=0)


def test_a_microgpt_against_its_reference(micro: Trace, default_model: Model) -> None:
    expected = reference_trace(default_model, "em")
    assert micro.tokens == expected.tokens
    assert (micro.reply, micro.reason, micro.n_prompt) == (expected.reply, expected.reason, expected.n_prompt)
    for name in ("embedding", "embedding_norm", "final", "logits"):
        close(getattr(micro, name), getattr(expected, name))
    for layer, other in zip(micro.layers, expected.layers, strict=True):
        for name in vars(other):
            close(getattr(layer, name), getattr(other, name))
    for one, two in zip(micro.draws, expected.draws, strict=True):
        assert (one.pos, one.uniform, one.chosen, one.place, one.left) == (
            two.pos,
            two.uniform,
            two.chosen,
            two.place,
            two.left,
        )
        assert one.kept.tolist() == two.kept.tolist()
        for name in ("logits", "adjusted", "weights", "total", "below", "log_sum"):
            close(getattr(one, name), getattr(two, name))


def test_a_traced_microgpt_has_the_bits_of_its_own_kernel(hosted: Hosted, micro: Trace) -> None:
    own = hosted.run("exit samples=1 prompt=em logits")
    assert micro.logits is not None
    assert [logits for *_, logits in own.logits()] == [row.tobytes() for row in micro.logits]
    ids = [event["id"] for event in own.of("token")]
    assert [token.id for token in micro.tokens[micro.n_prompt :]] == ids


def test_a_microgpts_json_is_small_and_whole(micro: Trace) -> None:
    text = to_json(micro)
    assert len(text) < 200_000
    assert to_json(from_json(text)) == text


@pytest.mark.parametrize("arch", ["llama", "grouped", "qwen3", "gemma3", "phi2", "phi3", "gpt2", "nanogpt"])
def test_each_part_against_numpy(without_model: Hosted, tmp_path: Path, arch: str) -> None:
    path = grouped(tmp_path) if arch == "grouped" else write_lm(tmp_path / "m.gguf", arch, kind="F16")
    trace = traced(without_model, path, "prompt=abcabcab kv=f32 temperature=0 max_tokens=4")
    fed = [token.id for token in trace.tokens][: trace.n_steps]
    expected = forward(lm_file.load(path), fed, n_ctx=16)
    for layer in trace.layers:
        check_layer(layer, expected)
        check_lens(trace, layer, path, expected)
    close(trace.embedding, expected.streams["embed", 0])
    close(trace.final, expected.streams["norm", trace.model.n_layer])
    close(trace.logits, expected.logits)


def check_layer(layer: Layer, expected: Computed) -> None:
    for name in ("q_raw", "k_raw", "v", "q", "k", "attention", "attended"):
        close(getattr(layer, name), expected.parts[name, layer.layer])
    close(layer.after_attention, expected.streams["attn", layer.layer])
    close(layer.after_mlp, expected.streams["ffn", layer.layer])
    assert (layer.neurons == np.arange(64)).all()
    close(layer.activations, expected.parts["hidden", layer.layer])
    close(layer.norm_attention, np.linalg.norm(expected.streams["attn", layer.layer], axis=1))
    close(layer.norm_mlp, np.linalg.norm(expected.streams["ffn", layer.layer], axis=1))
    np.testing.assert_allclose(layer.attention.sum(axis=-1), 1, atol=1e-5)


def check_lens(trace: Trace, layer: Layer, path: Path, expected: Computed) -> None:
    """The lens is norm and output matrix of the stream; of the last layer it is the model's own answer."""
    model = lm_file.load(path)
    x = expected.streams["ffn", layer.layer]
    if model.arch.norm == "layer":
        x = x - x.mean(axis=-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + model.hparams.norm_eps)
    x = x * model.tensor("output_norm.weight", np.float64) if "output_norm.weight" in model else x
    x = x + (model.tensor("output_norm.bias", np.float64) if "output_norm.bias" in model else 0)
    head = "output" if "output.weight" in model else "token_embd"
    logits = x @ model.tensor(f"{head}.weight", np.float64).T
    logits = logits + (model.tensor("output.bias", np.float64) if "output.bias" in model else 0)
    p = softmax(logits)
    close(layer.lens_p, np.take_along_axis(p, layer.lens_ids, axis=1))
    if layer.layer == trace.model.n_layer - 1:
        close(p, softmax(expected.logits))


def test_a_cache_of_halves_is_what_attention_reads(without_model: Hosted, tmp_path: Path) -> None:
    trace = traced(without_model, grouped(tmp_path), "prompt=abcabcab kv=f16 temperature=0 max_tokens=4")
    (layer, _) = trace.layers
    assert layer.q is not None
    assert layer.k is not None
    keys = np.repeat(cached(layer.k, "f16"), 2, axis=1)
    scores = np.einsum("thd,shd->hts", layer.q, keys) * trace.model.attn_scale
    t = np.arange(trace.n_steps)
    behind = t[:, None] - t[None, :]
    close(layer.attention, softmax(np.where((behind >= 0) & (behind < 3), scores, -np.inf)))


SETTINGS = [
    ("temperature=0.8", LmSampling()),
    ("temperature=0", LmSampling(0.0)),
    (
        "temperature=1.7 top_k=6 typical_p=0.9 top_p=0.9 min_p=0.1 repeat_penalty=1.3 presence_penalty=0.2",
        LmSampling(1.7, 6, 0.9, 0.9, 0.1, 64, 1.3, 0.0, 0.2),
    ),
    ("temperature=2 top_k=0 top_p=1 min_p=0 logit_bias=4+3 logit_bias=5-inf",
     LmSampling(2.0, 0, 1.0, 1.0, 0.0, bias={4: 3.0, 5: float("-inf")})),
]  # fmt: skip


@pytest.mark.parametrize(("words", "sampling"), SETTINGS)
def test_a_draw_is_the_samplers(without_model: Hosted, tmp_path: Path, words: str, sampling: LmSampling) -> None:
    path = write_lm(tmp_path / "m.gguf", kind="F16")
    trace = traced(without_model, path, f"prompt=abca seed=7 {words}")
    rng, ids = Xoshiro(7), [token.id for token in trace.tokens]
    assert trace.logits is not None
    assert len(trace.draws) == len(ids) - trace.n_prompt > 0
    for found in trace.draws:
        logits = trace.logits[found.pos]
        expected = candidates(logits, sampling, ids[: found.pos + 1])
        assert found.kept.tolist() == expected.ids.tolist()
        assert found.weights.tobytes() == expected.weights.tobytes()
        assert found.total == pytest.approx(float(expected.total), rel=1e-7)
        assert len(found.kept) == found.left["min_p"] <= found.left["top_p"] <= found.left["typical_p"]
        assert found.logits.tobytes() == logits[found.ids].tobytes()
        assert (np.diff(found.adjusted) <= 0).all()
        before = Xoshiro(0)
        before.state = list(rng.state)
        place = draw(expected.weights, expected.total, rng) if sampling.temperature else 0
        assert (found.place, found.chosen) == (place, int(expected.ids[place]))
        assert found.chosen == ids[found.pos + 1]
        assert found.uniform == (float(before.uniform()) if sampling.temperature else None)


def test_a_draw_within_a_grammar(without_model: Hosted, tmp_path: Path) -> None:
    path = write_lm(tmp_path / "m.gguf", kind="F16")
    trace = traced(without_model, path, 'prompt=abca max_tokens=5 temperature=1 "grammar=root ::= [bc]+"')
    assert trace.draws
    for found in trace.draws:
        assert found.chosen in found.kept
        assert {trace.pieces[int(token)] for token in found.kept} <= {"b", "c", "</s>", "<|im_end|>"}


@pytest.mark.parametrize("more", ["cpus=2", "cpumask=c", "cpus=2 cpumask=avx2"])
def test_telling_gives_the_same_bits_everywhere(without_model: Hosted, tmp_path: Path, more: str) -> None:
    path = grouped(tmp_path)
    words = "prompt=abcabc seed=3 temperature=1"
    _, first = run_lines(without_model, path, f"{words} cpus=1")
    _, second = run_lines(without_model, path, f"{words} {more}")
    assert told_lines(first) == told_lines(second)
    assert len(told_lines(first)) > 100
    untold = without_model.run(f"exit mode=generate ctx=16 {words} {more}", options=("--module", str(path)))
    tokens = [json.loads(line)["id"] for line in first if line.startswith(b'{"event":"token"')]
    assert [event["id"] for event in untold.of("token")] == tokens


def test_chosen_layers_alone_are_told(without_model: Hosted, tmp_path: Path) -> None:
    path = write_lm(tmp_path / "m.gguf", kind="F16")
    trace = traced(without_model, path, "prompt=ab max_tokens=2 explain_layers=1 explain_vectors=none")
    whole = traced(without_model, path, "prompt=ab max_tokens=2")
    (layer,) = trace.layers
    assert layer.layer == 1
    assert layer.q is layer.after_mlp is trace.embedding is None
    assert layer.attention.tobytes() == whole.layers[1].attention.tobytes()
    assert layer.norm_mlp.tobytes() == whole.layers[1].norm_mlp.tobytes()
    assert any("1 layer of 2" in text for text in trace.left_out)
    text = to_json(trace)
    assert to_json(from_json(text)) == text


REFUSED = [
    ("explain_layers=2", "explain_layers=2: that is no list of the model's 2 layers"),
    ("explain_vectors=1-0", "explain_vectors=1-0: that is no list"),
    ("ctx=3", "the text has 4 tokens, and the context 3"),
    ("on_overflow=shift", "mode=explain cannot tell what on_overflow=shift does"),
    ("speculate=ngram", "mode=explain cannot tell what speculate does"),
]


@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_what_cannot_be_told_is_refused(without_model: Hosted, tmp_path: Path, words: str, message: str) -> None:
    path = write_lm(tmp_path / "m.gguf", kind="F16")
    run, lines = run_lines(without_model, path, f"prompt=abcabcbb {words}")
    assert run.returncode == 1
    assert run.one("error")["message"].startswith(message)
    with pytest.raises(KgptError, match=r"\w"):
        collect(lines, load_lm(path), NOWHERE)


def test_numbers_that_are_not_finite_are_a_failure(without_model: Hosted, tmp_path: Path) -> None:
    """The host accepts the file: its weights are finite."""
    huge = np.full(N_EMBD, 3e38, np.float32)
    path = write_lm(tmp_path / "m.gguf", tensors={"output_norm.weight": huge}, kind="F16")
    run, lines = run_lines(without_model, path, "prompt=ab")
    assert run.returncode == 4
    with pytest.raises(GuestFailed, match="the logits are not finite after layer 1"):
        collect(lines, load_lm(path), NOWHERE)


def test_a_trace_that_is_too_large_says_what_to_leave_out(without_model: Hosted, tmp_path: Path) -> None:
    path = write_lm(tmp_path / "m.gguf", fields={"llama.context_length": 4096}, kind="F16")
    run, _ = run_lines(without_model, path, "prompt=ab ctx=4096")
    assert run.returncode == 1
    error = run.one("error")
    assert error["message"].startswith("the trace of 4096 positions would have 7")
    assert "explain_vectors=none" in error["hint"]
    assert "ctx=2048" in error["hint"]


def test_a_kernel_for_a_microgpt_refuses(hosted: Hosted) -> None:
    run = hosted.run("exit mode=explain")
    assert run.returncode == 1
    assert "mode=explain needs a language model" in run.one("error")["message"]
