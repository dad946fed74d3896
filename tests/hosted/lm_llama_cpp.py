"""llama.cpp as the tests ask it: see llama_cpp_logits.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest


class LlamaCpp:
    """A Python that has llama_cpp: KGPT_LLAMA_PYTHON, or this one."""

    def __init__(self) -> None:
        self._python = os.environ.get("KGPT_LLAMA_PYTHON", sys.executable)
        found = subprocess.run([self._python, "-c", "import llama_cpp"], capture_output=True, check=False)
        if found.returncode:
            pytest.skip("needs llama.cpp: pip install llama-cpp-python, or KGPT_LLAMA_PYTHON=a Python that has it")

    def logits(self, path: Path, tokens: list[int], **options: Any) -> npt.NDArray[np.float32]:
        """(T, n_vocab)"""
        return np.asarray(self._ask(path, {"tokens": tokens, **options})["logits"], np.float32)

    def greedy(self, path: Path, texts: list[str], n: int, **options: Any) -> list[tuple[list[int], list[int]]]:
        """The tokens of each text, and the ``n`` that llama.cpp continues it with."""
        found = self._ask(path, {"texts": texts, "n_greedy": n, **options})
        pairs = zip(found["tokens"].tolist(), found["greedy"].tolist(), strict=True)
        return [([token for token in tokens if token >= 0], greedy) for tokens, greedy in pairs]

    def likelihood(self, path: Path, text: str, n_ctx: int, **options: Any) -> tuple[list[int], float]:
        """The tokens of ``text``, and the sum of -log p of all but the first in each ``n_ctx`` of them."""
        found = self._ask(path, {"text": text, "n_ctx": n_ctx, **options})
        return found["tokens"].tolist(), float(found["nll"])

    def quantize(self, path: Path, to: Path, kind: str) -> Path:
        """Write the model ``path`` to ``to``, its matrices in ``kind``, such as IQ4_XS, as llama-quantize does."""
        self._ask(path, {"quantized": str(to), "type": kind})
        return to

    def _ask(self, path: Path, request: dict[str, Any]) -> dict[str, npt.NDArray[Any]]:
        whole = {"model": str(path), "n_ctx": 256, "kv": "f32", "n_batch": 256, "parameters": {}, **request}
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out.npz"
            program = [self._python, str(Path(__file__).with_name("llama_cpp_logits.py")), str(out)]
            subprocess.run(program, input=json.dumps(whole), text=True, check=True)
            with np.load(out) as found:
                return dict(found)
