"""Sliding windows, which llama.cpp leaves out of these architectures, against transformers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lm_measures import relative
from lm_tiny import TINY, write

from kgpt_build.reference.lm import forward
from kgpt_build.reference.lm_file import load

pytestmark = pytest.mark.slow

TOKENS = [int(token) for token in np.random.default_rng(0).integers(0, 50, 30)]


@pytest.fixture(scope="module")
def python() -> str:
    """A Python that has torch and transformers: KGPT_TORCH_PYTHON, or this one."""
    path = os.environ.get("KGPT_TORCH_PYTHON", sys.executable)
    if subprocess.run([path, "-c", "import torch, transformers"], capture_output=True, check=False).returncode:
        pytest.skip("needs transformers: pip install torch transformers, or KGPT_TORCH_PYTHON=a Python that has them")
    return path


@pytest.mark.parametrize("name", ["mistral", "phi3"])
def test_the_reference_has_the_windows_of_transformers(python: str, tmp_path: Path, name: str) -> None:
    path, out = write(tmp_path / "model.gguf", TINY[name]), tmp_path / "out.npy"
    program = [python, str(Path(__file__).with_name("transformers_logits.py")), str(out)]
    subprocess.run(program, input=json.dumps({"model": str(path), "tokens": TOKENS}), text=True, check=True)
    assert relative(np.load(out), forward(load(path), TOKENS).logits) < 1e-5
