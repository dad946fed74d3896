"""llama.cpp's logits, for a Python that has llama_cpp: ``python llama_cpp_logits.py OUT.npy < request.json``.

The request is {"model": path, "tokens": [...], "n_ctx": n, "kv": "f32" or "f16"}; OUT gets (T, n_vocab) float32. It is a
program of its own because the package is compiled when it is installed, for minutes, and so may well be in another
environment than the tests.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import llama_cpp
import numpy as np

GGML_TYPES = {"f32": 0, "f16": 1}


def logits(request: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Of every token."""
    llama = llama_cpp.Llama(
        request["model"],
        n_ctx=request["n_ctx"],
        n_batch=512,
        n_threads=2,
        logits_all=True,
        type_k=GGML_TYPES[request["kv"]],
        type_v=GGML_TYPES[request["kv"]],
        flash_attn=False,
        verbose=False,
    )
    llama.eval(request["tokens"])
    return np.array(llama.scores[: len(request["tokens"])], np.float32)


if __name__ == "__main__":
    np.save(sys.argv[1], logits(json.load(sys.stdin)))
