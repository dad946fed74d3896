"""The C engine against llama.cpp on the same files."""

from __future__ import annotations

import ctypes
from pathlib import Path

import lm
import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter, quants
from lm_llama_cpp import LlamaCpp
from lm_measures import divergence, relative
from lm_tiny import TINY, write

pytestmark = pytest.mark.slow

TOKENS = [int(token) for token in np.random.default_rng(0).integers(0, 50, 30)]
# llama.cpp takes GELU from a table of halves, and does not compute what the others have, or computes it otherwise.
GELU = {"gemma3": 2e-4, "phi2": 2e-3, "gpt2": 2e-3}
NOT_THERE = {"microgpt": "", "llama-partial": "", "mistral": "no window", "phi3": "no window"}
TO_ROUNDING = [name for name, tiny in TINY.items() if tiny.kind in ("F32", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")]
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


def test_smollm2_in_f32(llama_cpp: LlamaCpp, lm_library: ctypes.CDLL, tmp_path: Path, smollm2: Path) -> None:
    path = _in_f32(smollm2, tmp_path / "f32.gguf")
    ((tokens, _),) = llama_cpp.greedy(smollm2, [_chat(QUESTIONS[0])], 1)
    engine = lm.Engine(lm_library, path.read_bytes())
    engine.session(128, n_batch=16)
    ours, theirs = engine.eval(tokens), llama_cpp.logits(path, tokens)
    assert divergence(theirs, ours).mean() < 1e-8
    assert (theirs.argmax(1) == ours.argmax(1)).all()


def test_smollm2_is_as_near_as_llama_cpp_is_to_itself(
    llama_cpp: LlamaCpp, lm_library: ctypes.CDLL, smollm2: Path
) -> None:
    """Inputs of products in 8 bits magnify the smallest difference, such as that of two sizes of batches."""
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
    assert np.mean(alike) > 2 * np.mean(own_alike) - 1
