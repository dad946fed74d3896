"""kgpt serve with drafts (speculate=): eight clients at once get what each gets alone without them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from chats import write_talker
from hosted import Hosted
from serving import Server, metrics, serving, talker_modules

CLIENTS = 8
WORDS = f"slots={CLIENTS} queue=16 ctx=512"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_talker(tmp_path_factory.mktemp("drafts"), n_ctx=512)


def ask(server: Server, i: int) -> Any:
    """A choice with its probabilities; some are greedy and some within a grammar, which repeats itself."""
    ways: list[dict[str, Any]] = [
        {"logprobs": True, "top_logprobs": 3},
        {"temperature": 0, "logprobs": True},
        {"grammar": 'root ::= ("number " [0-9] ", ")+'},
        {"stop": ["e"], "frequency_penalty": 0.5},
    ]
    said = f"number {i} of the number {i} of the line " * (1 + i % 3)
    answer = server.chat(said, seed=i, max_tokens=40, **ways[i % 4]).json()
    return answer["choices"], answer["usage"]["completion_tokens"]


@pytest.mark.parametrize(("kind", "tokens"), [("ngram", 3), ("ngram", 0), ("draft", 2)])
def test_eight_clients_get_what_they_get_without_drafts(
    without_model: Hosted, model: Path, kind: str, tokens: int
) -> None:
    modules = talker_modules(model)
    draft = ("--module", f"{model} kind=draft") if kind == "draft" else ()
    with serving(without_model, modules, WORDS) as plain:
        expected = [ask(plain, i) for i in range(CLIENTS)]
        before = metrics(plain)
    words = f"{WORDS} speculate={kind} speculate_tokens={tokens}"
    with serving(without_model, (*modules, *draft), words) as server, ThreadPoolExecutor(CLIENTS) as pool:
        for _ in range(2):
            assert list(pool.map(lambda i: ask(server, i), range(CLIENTS))) == expected
        after = metrics(server)
    assert before["kgpt_drafted_total"] == 0
    if tokens:
        assert after["kgpt_drafted_total"] >= after["kgpt_accepted_total"] > 0
        assert after["kgpt_passes_total"] < before["kgpt_passes_total"]


def test_a_text_for_embedding_comes_between(without_model: Hosted, model: Path) -> None:
    """What is drafted and not yet sampled survives that another text is computed meanwhile."""
    words = f"{WORDS} speculate=ngram speculate_tokens=4"
    with serving(without_model, talker_modules(model), WORDS) as plain:
        expected = [ask(plain, i) for i in range(4)]
    with serving(without_model, talker_modules(model), words) as server, ThreadPoolExecutor(CLIENTS) as pool:
        replies = [pool.submit(ask, server, i) for i in range(4)]
        vectors = [server.post("/v1/embeddings", input=f"line {i}").status for i in range(8)]
        assert [reply.result() for reply in replies] == expected
        assert vectors == [200] * 8


@pytest.mark.parametrize("clients", [1, CLIENTS])
def test_texts_without_repeats_have_few_drafts_in_vain(without_model: Hosted, model: Path, clients: int) -> None:
    """A draft costs a quarter of a token or more, each token earns 0.005, each sampled draft 1, and there are 4 at the
    beginning (infer/speculate/pace.c): so whatever the clock says, this is a bound.
    """
    with (
        serving(without_model, talker_modules(model), f"{WORDS} speculate=ngram") as server,
        ThreadPoolExecutor(clients) as pool,
    ):
        ways = {"temperature": 5, "top_p": 1, "max_tokens": 400}
        list(pool.map(lambda i: server.chat(f"number {i}", seed=i, **ways), range(clients)))
        found = metrics(server)
    tokens, sampled = found["llamacpp:tokens_predicted_total"], found["kgpt_accepted_total"]
    assert tokens > 100 * clients
    assert found["kgpt_drafted_total"] <= 16 + 0.02 * tokens + 4 * sampled
    assert sampled < 0.02 * tokens
