"""The C engine against llama.cpp on the same files."""

from __future__ import annotations

import ctypes
from pathlib import Path

import lm
import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter, quants
from lm_corners import CORNERS, LLAMA_CPP_ENDS, random_tiny, yarn_betas
from lm_llama_cpp import LlamaCpp
from lm_measures import divergence, relative
from lm_tiny import TINY, write
from native import ROOT

from kgpt_build import models

pytestmark = pytest.mark.slow

TOKENS = [int(token) for token in np.random.default_rng(0).integers(0, 50, 30)]
# llama.cpp takes GELU from a table of halves, and does not compute what the others have, or computes it otherwise.
GELU = {"gemma3": 2e-4, "phi2": 2e-3, "gpt2": 2e-3}
NOT_THERE = {
    "microgpt": "",
    "nanogpt": "",
    "nanogpt-biases": "",
    "llama-partial": "",
    "mistral": "no window",
    "phi3": "no window",
}
_FINE = ("F32", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS")
TO_ROUNDING = [name for name, tiny in TINY.items() if tiny.kind in _FINE and not tiny.kinds]
# Of the types with small blocks, it keeps the scale of activations in halves.
COARSE = [name for name, tiny in TINY.items() if name not in TO_ROUNDING]

QUESTIONS = (
    "What is the capital of France?",
    "Name three colours.",
    "How do plants make food?",
    "Who wrote Hamlet?",
    "Explain gravity to a child.",
    "What is a prime number?",
    "List the planets of the solar system.",
    "Why is the sky blue?",
)


@pytest.fixture(scope="module")
def llama_cpp() -> LlamaCpp:
    return LlamaCpp()


def _ours(library: ctypes.CDLL, path: Path) -> lm.Floats:
    engine = lm.Engine(library, path.read_bytes())
    engine.session(n_batch=7)
    return engine.eval(TOKENS)


@pytest.mark.parametrize("name", [name for name in TO_ROUNDING if name not in NOT_THERE])
def test_tiny_models(llama_cpp: LlamaCpp, lm_library: ctypes.CDLL, tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "model.gguf", TINY[name])
    theirs = llama_cpp.logits(path, TOKENS, n_ctx=48)
    differences = [relative(*rows) for rows in zip(theirs[:, None], _ours(lm_library, path)[:, None], strict=True)]
    assert np.median(differences) < GELU.get(name, 1e-5)
    assert max(differences) < (0.05 if TINY[name].kind != "F32" else GELU.get(name, 1e-5))


@pytest.mark.parametrize("name", [name for name in CORNERS if name not in LLAMA_CPP_ENDS])
def test_corners(llama_cpp: LlamaCpp, lm_library: ctypes.CDLL, tmp_path: Path, name: str) -> None:
    tiny = CORNERS[name]
    path = write(tmp_path / "model.gguf", tiny)
    theirs = llama_cpp.logits(path, TOKENS, n_ctx=48, parameters=yarn_betas(tiny))
    assert np.isfinite(theirs).all()
    most = GELU.get(tiny.arch, 1e-5) * max(1, tiny.n_layer / 7)  # each layer's table of halves adds some
    assert relative(theirs, _ours(lm_library, path)) < most


@pytest.mark.parametrize("seed", range(60))
def test_random_hyperparameters(llama_cpp: LlamaCpp, lm_library: ctypes.CDLL, tmp_path: Path, seed: int) -> None:
    tiny = random_tiny(seed)
    path = write(tmp_path / "model.gguf", tiny)
    theirs = llama_cpp.logits(path, TOKENS, n_ctx=48, parameters=yarn_betas(tiny))
    assert np.isfinite(theirs).all()
    assert relative(theirs, _ours(lm_library, path)) < GELU.get(tiny.arch, 1e-5) * max(1, tiny.n_layer / 2), tiny


@pytest.mark.parametrize("name", ["mistral", "phi3"])
def test_within_the_window(llama_cpp: LlamaCpp, lm_library: ctypes.CDLL, tmp_path: Path, name: str) -> None:
    """llama.cpp lets these look at everything, so they agree as long as the window holds everything."""
    path = write(tmp_path / "model.gguf", TINY[name])
    theirs, ours = llama_cpp.logits(path, TOKENS, n_ctx=48), _ours(lm_library, path)
    assert relative(theirs[:7], ours[:7]) < 1e-5
    assert relative(theirs[12:], ours[12:]) > 0.1


@pytest.mark.parametrize("name", COARSE)
def test_tiny_models_of_other_types(llama_cpp: LlamaCpp, lm_library: ctypes.CDLL, tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "model.gguf", TINY[name])
    assert relative(llama_cpp.logits(path, TOKENS, n_ctx=48), _ours(lm_library, path)) < 0.15


def _in_f32(path: Path, to: Path) -> Path:
    """The same model with nothing left to round: what two engines then say can be compared."""
    reader, writer = GGUFReader(path), GGUFWriter(to, "llama")
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            inner = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return to


def _chat(question: str) -> str:
    system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    return f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def in_f32(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _in_f32(smollm2, tmp_path_factory.mktemp("lm") / "f32.gguf")


def test_smollm2_in_f32_says_the_same(llama_cpp: LlamaCpp, lm_library: ctypes.CDLL, in_f32: Path) -> None:
    answers = llama_cpp.greedy(in_f32, [_chat(question) for question in QUESTIONS], 32)
    engine, whole = lm.Engine(lm_library, in_f32.read_bytes()), []
    for tokens, greedy in answers:
        engine.session(128, n_batch=64)
        rows = engine.eval(tokens + greedy[:-1])
        whole.append(rows[len(tokens) - 1 :].argmax(1).tolist() == greedy)
    assert sum(whole) >= 0.9 * len(QUESTIONS)
    tokens = answers[0][0] + answers[0][1]
    theirs, ours = llama_cpp.logits(in_f32, tokens), _all(engine, tokens)
    assert divergence(theirs, ours).mean() < 1e-8


def _all(engine: lm.Engine, tokens: list[int], kv: str = "f32", n_ctx: int = 128) -> lm.Floats:
    engine.session(n_ctx, n_batch=64, kv=kv)
    return engine.eval(tokens)


@pytest.mark.parametrize("kind", ["Q4_1", "IQ4_XS"])
def test_smollm2_is_as_near_as_llama_cpp_is_to_itself(
    llama_cpp: LlamaCpp, lm_library: ctypes.CDLL, smollm2: Path, tmp_path: Path, kind: str
) -> None:
    """Inputs of products in 8 bits magnify the smallest difference, such as that of two sizes of batches.

    The file of IQ4_XS has IQ4_NL, Q5_K and Q8_0, too: most of its rows are no multiple of 256.
    """
    if kind != "Q4_1":
        smollm2 = llama_cpp.quantize(smollm2, tmp_path / "other.gguf", kind)
        assert kind in models.load_lm(smollm2).types
    texts = [_chat(question) for question in QUESTIONS]
    answers = llama_cpp.greedy(smollm2, texts, 24, kv="f16")
    engine = lm.Engine(lm_library, smollm2.read_bytes())
    near, own, alike, own_alike = [], [], [], []
    for tokens, greedy in answers:
        whole = tokens + greedy[:-1]
        engine.session(256, n_batch=64, kv="f16")
        theirs, single = (llama_cpp.logits(smollm2, whole, kv="f16", n_batch=n) for n in (256, 1))
        ours = engine.eval(whole)
        near.append(divergence(theirs, ours).mean())
        own.append(divergence(theirs, single).mean())
        alike.append((theirs.argmax(1) == ours.argmax(1)).mean())
        own_alike.append((theirs.argmax(1) == single.argmax(1)).mean())
    assert np.mean(near) < 2 * np.mean(own)
    assert np.mean(alike) > np.mean(own_alike) - 0.05


def test_perplexity(llama_cpp: LlamaCpp, lm_library: ctypes.CDLL, smollm2: Path) -> None:
    """Of 20 kB of English, in pieces of 512 tokens."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")))[:20_000]
    tokens, theirs = llama_cpp.likelihood(smollm2, text, 512, kv="f16")
    engine, ours, n = lm.Engine(lm_library, smollm2.read_bytes()), 0.0, 0
    for start in range(0, len(tokens) - 511, 512):
        piece = tokens[start : start + 512]
        rows = _all(engine, piece, "f16", 512)[:-1].astype(np.float64)
        rows -= rows.max(axis=1, keepdims=True)
        ours += float((np.log(np.exp(rows).sum(axis=1)) - rows[np.arange(511), piece[1:]]).sum())
        n += 511
    assert n > 4000
    assert abs(np.exp(ours / n) / np.exp(theirs / n) - 1) < 0.005
