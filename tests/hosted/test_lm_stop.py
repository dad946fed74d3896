"""What a stop string leaves in the context: the tokens before it as they were sampled, as if the reply ended there."""

from __future__ import annotations

import ctypes
from pathlib import Path

import lm
import pytest
from hosted import Event, Hosted, Run
from lm_brought import Brought
from tiny_lm import TOKENS

LONG, ABC, AB, A, B, C = 40, 8, 7, 4, 5, 6
assert [TOKENS[token] for token in (ABC, AB, A, B, C)] == ["abc", "ab", "a", "b", "c"]
SETTINGS = "mode=chat temperature=1.5 logits seed=3"
NO_END = "logit_bias=0-inf logit_bias=1-inf logit_bias=2-inf logit_bias=3-inf"


SENTENCEPIECE = {
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.pre": None,
    "tokenizer.ggml.merges": None,
    "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "\u2581", *TOKENS[4:]],
    "tokenizer.ggml.scores": [0.0, 0.0, 0.0, -1.0, -2.0, -3.0, -4.0, -0.5, -0.25],
    "tokenizer.ggml.token_type": [2, 3, 3, 1, 1, 1, 1, 1, 1],
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.unknown_token_id": 0,
}
"""With the same tokens from 4 on. Before a text it puts a space, but not before the rest of a word."""


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def brought(request: pytest.FixtureRequest, without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Brought:
    fields = SENTENCEPIECE if request.param == "llama" else None
    return Brought(without_model, tmp_path_factory.mktemp("stop"), fields=fields)


def fed(run: Run) -> list[tuple[int, list[int]]]:
    """Of each prompt: where it begins, and its tokens."""
    return [(e["pos"], list(memoryview(bytes.fromhex(e["u32"])).cast("I"))) for e in run.of("fed")]


def sampled(run: Run, reply: int = 0) -> list[int]:
    return [event["id"] for event in run.of("token") if event["sample"] == reply]


def answer(run: Run) -> Event:
    """The first logits of the second reply."""
    (event,) = [e for e in run.of("logits") if e["sample"] == 1][:1]
    return event


def text_of(tokens: list[int]) -> str:
    return "".join(TOKENS[token] for token in tokens)


def before(tokens: list[int], stop: str) -> tuple[list[int], str]:
    """The tokens before a stop string that the last one completes, and what the next one has before it."""
    at, kept = text_of(tokens).index(stop), 0
    while len(text_of(tokens[: kept + 1])) <= at:
        kept += 1
    return tokens[:kept], text_of(tokens)[len(text_of(tokens[:kept])) : at]


def unstopped(brought: Brought) -> list[int]:
    tokens = sampled(brought.run(f"{SETTINGS} {NO_END} max_tokens={LONG} exit prompt=a"))
    assert len(tokens) == LONG
    return tokens


def stops(tokens: list[int]) -> dict[str, bool]:
    """Some texts of the reply, by whether the first place of each is the beginning of a token."""
    text = text_of(tokens)
    texts = {text[at : at + n] for at in range(4, len(text) - 4) for n in (2, 3, 4)}
    found = {stop: not before(tokens[: _completes(tokens, stop)], stop)[1] for stop in sorted(texts)}
    whole = [stop for stop, at_token in found.items() if at_token][:3]
    parts = [stop for stop, at_token in found.items() if not at_token][:3]
    assert len(whole) == 3
    assert len(parts) == 3
    return {stop: found[stop] for stop in whole + parts}


def _completes(tokens: list[int], stop: str) -> int:
    """How many tokens are sampled until the stop string is there."""
    return next(n for n in range(len(tokens) + 1) if stop in text_of(tokens[:n]))


def test_the_context_is_that_of_an_unstopped_reply(brought: Brought, lm_library: ctypes.CDLL) -> None:
    """The next answer has the bits that it has after a reply which ends there by itself, or is computed anew."""
    tokens = unstopped(brought)
    for stop, at_token in stops(tokens).items():
        kept, tail = before(tokens[: _completes(tokens, stop)], stop)
        run = brought.run(f"{SETTINGS} {NO_END} max_tokens={LONG} stop={stop}", "a", "c")
        assert run.of("sample")[0]["reason"] == "stop"
        assert run.of("sample")[0]["text"] == text_of(kept) + tail
        if at_token and kept:
            ended = brought.run(f"{SETTINGS} {NO_END} max_tokens={len(kept)}", "a", "c")
            assert answer(ended)["f32"] == answer(run)["f32"]
            assert fed(ended) == fed(run)
        (_, first), (at, second) = fed(run)
        whole = first + kept + {"": [], "a": [A], "ab": [AB]}[tail] + second
        assert at == len(whole) - len(second)
        assert answer(run)["f32"] == computed(lm_library, brought.path, whole)


def computed(library: ctypes.CDLL, path: Path, tokens: list[int]) -> str:
    engine = lm.Engine(library, path.read_bytes())
    engine.session(kv="f16", all_logits=False)
    return engine.eval(tokens).tobytes().hex()


def test_what_was_shown_is_in_the_history(brought: Brought) -> None:
    tokens = unstopped(brought)
    stop = next(stop for stop, at_token in stops(tokens).items() if not at_token)
    kept, tail = before(tokens[: _completes(tokens, stop)], stop)
    run = brought.run(f"{SETTINGS} {NO_END} max_tokens={LONG} stop={stop}", "a", "c", "/history")
    assert f"aa{text_of(kept)}{tail}" in run.console  # after what the vocabulary has of "assistant"
