"""kgpt serve with a prefill: the beginning of every chat, computed before, is the prefix of the first one in each slot.
Texts and probabilities are those of a server that computes it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from chats import write_talker
from hosted import Hosted
from serving import Server, serving, talker_modules

from kgpt_build import models
from kgpt_build.headers import LmBlob
from kgpt_build.headers.prefill import read_prefill
from kgpt_build.kernel.prefill import compute_prefill

SYSTEM = "the line of the number " * 6
CLIENTS = 8
WORDS = f"slots={CLIENTS} queue=16 ctx=512 max_tokens=12"
Servers = tuple[Callable[..., Any], int]


@pytest.fixture(scope="module")
def serve(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Servers:
    """``serve(words)``, with the prefill if there are no words, and the number of its tokens."""
    path = write_talker(tmp_path_factory.mktemp("prefill"), n_ctx=512)
    content = LmBlob(models.load_lm(path), path.with_suffix(".kgct").read_bytes())
    prefill = compute_prefill(content, SYSTEM, "kv=f16", without_model.path)
    modules = talker_modules(path)

    def start(words: str = "") -> Any:
        return serving(without_model, modules if words else (*modules, "--module", str(prefill)), f"{WORDS} {words}")

    return start, len(read_prefill(prefill.read_bytes()).tokens)


def ask(server: Server, i: int, system: str | None = None) -> tuple[Any, int]:
    """A choice with probabilities, and how many tokens of its prompt were not computed."""
    said = [{"role": "system", "content": system}] if system is not None else []
    said.append({"role": "user", "content": f"number {i} " * (1 + i % 3)})
    answer = server.post("/v1/chat/completions", messages=said, seed=i, logprobs=True, top_logprobs=2).json()
    return answer["choices"], answer["usage"]["prompt_tokens_details"]["cached_tokens"]


def test_eight_clients_get_what_they_get_without_it(serve: Servers) -> None:
    start, n = serve
    with start() as one, start(f'system="{SYSTEM}"') as other, ThreadPoolExecutor(CLIENTS) as pool:
        with_it = list(pool.map(lambda i: ask(one, i), range(CLIENTS)))
        without = [ask(other, i) for i in range(CLIENTS)]
        assert [choices for choices, _ in with_it] == [choices for choices, _ in without]
        assert all(cached >= n for _, cached in with_it)  # in each slot, from its first chat on
        assert without[0][1] == 0


def test_the_beginning_that_is_the_same_is_used(serve: Servers) -> None:
    """Of another system prompt, and not more."""
    start, n = serve
    with start() as server:
        whole = ask(server, 1)
        for other in (SYSTEM[:40] + "cab", "cab"):
            _, cached = ask(server, 1, other)
            assert 0 < cached < n
        assert ask(server, 1)[0] == whole[0]


def test_another_cache_computes_it(serve: Servers) -> None:
    start, n = serve
    with start() as one, start(f'system="{SYSTEM}" kv=q8') as other:
        assert ask(other, 2)[1] == 0
        assert ask(one, 2)[1] >= n
