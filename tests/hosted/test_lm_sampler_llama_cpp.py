"""Our samplers against llama.cpp's: recorded answers, and fresh ones where it is installed."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_cpp_samplers import logits_of

from kgpt_build.reference import lm_sampler
from kgpt_build.reference.lm_sampler import LmSampling

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "llama_cpp_samplers.json"
"""Written with llama-cpp-python 0.3.36 by ``python tests/hosted/test_lm_sampler_llama_cpp.py``."""

LAST = [5, 5, 5, 17, 3, 119, 12, 5]
N_VOCAB = 120

ONE_BY_ONE: list[dict[str, Any]] = [
    {},
    {"top_k": 7},
    {"typical_p": 0.4},
    {"typical_p": 0.9},
    {"top_p": 0.5},
    {"min_p": 0.2},
    {"repeat_penalty": 1.5},
    {"repeat_penalty": 0.7, "repeat_last_n": 3},
    {"frequency_penalty": 0.9},
    {"presence_penalty": -2.0},
    {"frequency_penalty": 0.4, "presence_penalty": 0.3, "repeat_penalty": 1.1, "repeat_last_n": 5},
    {"bias": {3: 4.5, 50: -9.0, 7: 2.25}},
    {"temperature": 0.3},
    {"temperature": 0.0},
    {"temperature": 0.0, "repeat_penalty": 3.0, "bias": {9: 1.5}},
    {"temperature": 0.0, "typical_p": 0.3},
]
OFF = LmSampling(temperature=1, top_k=0, typical_p=1, top_p=1, min_p=0)


def _random(rng: np.random.Generator) -> LmSampling:
    """Every setting off in half of the cases."""

    def either(off: float, on: float) -> float:
        return round(float(off if rng.random() < 0.5 else on), 3)

    return LmSampling(
        temperature=either(1, rng.uniform(0.1, 2)),
        top_k=int(either(0, int(rng.integers(1, N_VOCAB)))),
        typical_p=either(1, rng.uniform(0.05, 0.95)),
        top_p=either(1, rng.uniform(0.05, 0.99)),
        min_p=either(0, rng.uniform(0.01, 0.5)),
        repeat_last_n=int(rng.integers(0, 12)),
        repeat_penalty=either(1, rng.uniform(0.5, 2)),
        frequency_penalty=either(0, rng.uniform(-1, 1)),
        presence_penalty=either(0, rng.uniform(-1, 1)),
        bias={int(token): round(float(rng.normal(0, 3)), 3) for token in rng.integers(0, N_VOCAB, rng.integers(0, 4))},
    )


def _requests(n_random: int, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    samplings = [dataclasses.replace(OFF, **change) for change in ONE_BY_ONE]
    samplings += [LmSampling(), *(_random(rng) for _ in range(n_random))]
    common = {"n_vocab": N_VOCAB, "last": LAST}
    return [{"seed": i, **common, **dataclasses.asdict(sampling)} for i, sampling in enumerate(samplings)]


def _sampling(request: dict[str, Any]) -> LmSampling:
    settings = {name: value for name, value in request.items() if name not in ("seed", "n_vocab", "last", "bias")}
    return LmSampling(**settings, bias={int(token): bias for token, bias in request["bias"].items()})


def _agree(request: dict[str, Any], answer: dict[str, Any]) -> None:
    sampling = _sampling(request)
    logits = logits_of(request["seed"], request["n_vocab"])
    found = lm_sampler.candidates(logits, sampling, request["last"])
    order = np.lexsort((found.ids, -found.logits))
    assert found.ids[order].tolist() == answer["ids"], sampling
    theirs = np.exp(np.array(answer["logits"]) - max(answer["logits"]))
    assert found.p[order] == pytest.approx(theirs / theirs.sum(), rel=2e-5, abs=1e-9), sampling


def _llama_python() -> str:
    """A Python that has llama_cpp, or "": KGPT_LLAMA_PYTHON, or this one."""
    python = os.environ.get("KGPT_LLAMA_PYTHON", sys.executable)
    found = subprocess.run([python, "-c", "import llama_cpp"], capture_output=True, check=False)
    return "" if found.returncode else python


def _ask(python: str, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    program = [python, str(Path(__file__).with_name("llama_cpp_samplers.py"))]
    ran = subprocess.run(program, input=json.dumps(requests).encode(), capture_output=True, check=True)
    answers: list[dict[str, Any]] = json.loads(ran.stdout)
    return answers


@pytest.mark.parametrize("record", json.loads(GOLDEN.read_text()))
def test_recorded_answers(record: dict[str, Any]) -> None:
    _agree(record["request"], record["answer"])


@pytest.mark.slow
def test_fresh_answers() -> None:
    python = _llama_python()
    if not python:
        pytest.skip("needs llama.cpp: pip install llama-cpp-python, or KGPT_LLAMA_PYTHON=a Python that has it")
    requests = _requests(1000, seed=2)
    for request, answer in zip(requests, _ask(python, requests), strict=True):
        _agree(request, answer)


def _record() -> None:
    requests = _requests(40, seed=1)
    answers = _ask(_llama_python() or sys.executable, requests)
    lines = [json.dumps({"request": r, "answer": a}) for r, a in zip(requests, answers, strict=True)]
    GOLDEN.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    _record()
