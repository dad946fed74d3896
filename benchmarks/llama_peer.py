"""Measures llama.cpp for benchmarks/inference.py: reads ``pp N`` or ``tg N`` per line, and writes tokens per second."""

import sys
import time
from typing import Any


def _decode(api: Any, context: Any, tokens: list[int]) -> None:
    array = (api.llama_token * len(tokens))(*tokens)
    if api.llama_decode(context, api.llama_batch_get_one(array, len(tokens))) != 0:
        raise SystemExit("llama_decode failed")


def _rate(api: Any, context: Any, kind: str, n: int, n_vocab: int) -> float:
    tokens = [i * 7919 % n_vocab for i in range(n)]
    calls = [tokens] if kind == "pp" else [[token] for token in tokens]
    for timed in (False, True):
        api.llama_memory_clear(api.llama_get_memory(context), True)
        start = time.perf_counter()
        for call in calls if timed else calls[:1]:
            _decode(api, context, call)
        api.llama_synchronize(context)
    return n / (time.perf_counter() - start)


def main() -> None:
    """Answer the lines of standard input."""
    import llama_cpp as api

    threads = int(sys.argv[2])
    model = api.Llama(sys.argv[1], n_ctx=1024, n_batch=512, n_threads=threads, n_threads_batch=threads, verbose=False)
    for line in sys.stdin:
        kind, n = line.split()
        print(_rate(api, model.ctx, kind, int(n), model.n_vocab()), flush=True)


if __name__ == "__main__":
    main()
