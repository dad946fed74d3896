"""llama.cpp's samplers, for a Python that has llama_cpp: ``python llama_cpp_samplers.py < requests > answers`` (JSON).

A request is {"seed", "n_vocab", "last", and the settings of kgpt_build.reference.lm_sampler.LmSampling}, an answer
{"ids", "logits"} of the candidates that remain, the most likely first. A program of its own because the package is
compiled when it is installed, for minutes, and so may well be in another environment than the tests.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

import numpy as np


def logits_of(seed: int, n_vocab: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Sums of four uniform numbers, times five: the same everywhere, unlike a library's normal distribution."""
    state, values = seed, []
    for _ in range(n_vocab):
        total = 0.0
        for _ in range(4):
            state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
            total += (state >> 40) * 2.0**-24 - 0.5
        values.append(5 * total)
    return np.array(values, np.float32)


def _chain(api: Any, request: dict[str, Any]) -> Any:
    chain = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())
    biases = [(int(token), bias) for token, bias in request["bias"].items()]
    array = (api.llama_logit_bias * max(1, len(biases)))(*biases)
    penalties = [request[name] for name in ("repeat_penalty", "frequency_penalty", "presence_penalty")]
    for sampler in (
        api.llama_sampler_init_logit_bias(request["n_vocab"], len(biases), array),
        api.llama_sampler_init_penalties(request["n_vocab"], request["repeat_last_n"], *penalties),
        api.llama_sampler_init_top_k(request["top_k"]),
        api.llama_sampler_init_typical(request["typical_p"], 0),
        api.llama_sampler_init_top_p(request["top_p"], 0),
        api.llama_sampler_init_min_p(request["min_p"], 0),
        api.llama_sampler_init_temp(request["temperature"]),
    ):
        api.llama_sampler_chain_add(chain, sampler)
    return chain


def candidates(api: Any, request: dict[str, Any]) -> dict[str, list[float]]:
    """What llama.cpp's chain leaves of the vocabulary."""
    n = request["n_vocab"]
    values = logits_of(request["seed"], n)
    data = (api.llama_token_data * n)(*((i, float(values[i]), 0.0) for i in range(n)))
    array = api.llama_token_data_array(data=data, size=n, selected=-1, sorted=False)
    chain = _chain(api, request)
    for token in request["last"]:
        api.llama_sampler_accept(chain, token)
    api.llama_sampler_apply(chain, ctypes.byref(array))
    left = [(array.data[i].id, float(array.data[i].logit)) for i in range(array.size)]
    api.llama_sampler_free(chain)
    left = sorted((item for item in left if item[1] > -np.inf), key=lambda item: (-item[1], item[0]))
    return {"ids": [token for token, _ in left], "logits": [logit for _, logit in left]}


if __name__ == "__main__":
    import llama_cpp.llama_cpp as api

    json.dump([candidates(api, request) for request in json.load(sys.stdin)], sys.stdout)
