"""llama.cpp's logits, for a Python that has llama_cpp: ``python llama_cpp_logits.py OUT.npz < request.json``.

The request is {"model": path, "n_ctx": n, "kv": "f32" or "f16", "n_batch": n, "parameters": {…}}
(further ones of llama_cpp.Llama) and one of these:
- "tokens": their logits (T, n_vocab) go to "logits" in OUT;
- "texts" and "n_greedy": "tokens" and "greedy" get each text's tokens and their continuation, -1 behind the end;
- "quantized" and "type": the file "quantized" gets the model in a type such as IQ4_XS, as llama-quantize writes it;
- "text": "tokens" and "nll" get its tokens, and the sum of -log p of all but the first of each n_ctx of them.

It is a program of its own because the package is compiled when it is installed, for minutes, and so may well be in
another environment than the tests.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

import llama_cpp
import numpy as np

GGML_TYPES = {"f32": 0, "f16": 1}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What was asked for, as arrays."""
    if "quantized" in request:
        _quantize(request)
        return {}
    llama = llama_cpp.Llama(
        request["model"],
        n_ctx=request["n_ctx"],
        n_batch=request["n_batch"],
        n_ubatch=request["n_batch"],
        n_threads=1,  # more would wait for each other where the machine has other work
        n_threads_batch=1,
        logits_all=True,
        type_k=GGML_TYPES[request["kv"]],
        type_v=GGML_TYPES[request["kv"]],
        flash_attn=False,
        verbose=False,
        **request["parameters"],
    )
    if "tokens" in request:
        llama.eval(request["tokens"])
        return {"logits": np.array(llama.scores[: len(request["tokens"])], np.float32)}
    if "text" in request:
        return _likelihood(llama, llama.tokenize(request["text"].encode(), add_bos=False), request["n_ctx"])
    texts = [llama.tokenize(text.encode(), add_bos=False, special=True) for text in request["texts"]]
    return {"tokens": _padded(texts), "greedy": _padded([_greedy(llama, text, request["n_greedy"]) for text in texts])}


def _quantize(request: dict[str, Any]) -> None:
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{request['type']}")
    parameters.nthread, parameters.allow_requantize = 1, True
    paths = (request["model"].encode(), request["quantized"].encode())
    if llama_cpp.llama_model_quantize(*paths, ctypes.byref(parameters)):
        raise SystemExit(f"llama.cpp does not quantise {request['model']}")


def _greedy(llama: Any, tokens: list[int], n: int) -> list[int]:
    llama.reset()
    llama.eval(tokens)
    chosen: list[int] = []
    while len(chosen) < n:
        chosen.append(int(llama.scores[llama.n_tokens - 1].argmax()))
        llama.eval(chosen[-1:])
    return chosen


def _likelihood(llama: Any, tokens: list[int], n: int) -> dict[str, Any]:
    total = 0.0
    for start in range(0, len(tokens) - n + 1, n):
        llama.reset()
        llama.eval(tokens[start : start + n])
        rows = llama.scores[: n - 1].astype(np.float64)
        rows -= rows.max(axis=1, keepdims=True)
        chosen = rows[np.arange(n - 1), tokens[start + 1 : start + n]]
        total += float((np.log(np.exp(rows).sum(axis=1)) - chosen).sum())
    return {"tokens": np.array(tokens), "nll": total}


def _padded(rows: list[list[int]]) -> Any:
    longest = max(len(row) for row in rows)
    return np.array([row + [-1] * (longest - len(row)) for row in rows], np.int64)


if __name__ == "__main__":
    np.savez(sys.argv[1], **answer(json.load(sys.stdin)))
