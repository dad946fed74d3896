"""mode=bench of a language model: which tests it makes, and the context in which it makes them."""

from __future__ import annotations

from typing import Any

import pytest
from hosted import Hosted
from lm_brought import Brought

N_CTX = 64


@pytest.fixture(scope="module")
def brought(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Brought:
    return Brought(without_model, tmp_path_factory.mktemp("bench"), n_ctx=N_CTX)


def measured(brought: Brought, words: str) -> list[dict[str, Any]]:
    run = brought.run(f"mode=bench exit {words}")
    assert run.returncode == 0
    return run.of("bench")


def test_a_prompt_and_a_reply_are_measured(brought: Brought) -> None:
    prompt, decode = measured(brought, "pp=16 tg=4 repeat=3")
    assert (prompt["test"], prompt["tokens"], prompt["depth"]) == ("pp16", 16, 0)
    assert (decode["test"], decode["tokens"], decode["depth"]) == ("tg4", 4, 0)
    assert [len(test["us"]) for test in (prompt, decode)] == [3, 3]


@pytest.mark.parametrize("kv", ["f16", "q8", "f32"])
def test_a_context_lies_before_the_measured_tokens(brought: Brought, kv: str) -> None:
    prompt, decode = measured(brought, f"pp=16 tg=4 repeat=2 depth=20 ubatch=8 kv={kv}")
    assert (prompt["test"], prompt["tokens"], prompt["depth"]) == ("pp16 @ d20", 16, 20)
    assert (decode["test"], decode["tokens"], decode["depth"]) == ("tg4 @ d20", 4, 20)


def test_depth_and_tokens_fit_into_the_context(brought: Brought) -> None:
    (prompt,) = measured(brought, "pp=50 tg=0 depth=30")
    assert (prompt["tokens"], prompt["depth"]) == (N_CTX - 30, 30)
    (decode,) = measured(brought, "pp=0 tg=5 depth=1000")
    assert (decode["tokens"], decode["depth"]) == (1, N_CTX - 1)
