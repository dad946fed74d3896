"""Any number of conversations at once: each says, to the bit, what it says alone."""

from __future__ import annotations

import ctypes
import random
from dataclasses import replace
from pathlib import Path

import pytest
from conversations import Model, Reply, Script, Settings, build
from tiny_lm import TOKENS

LONG = "abcab" * 5
SCRIPTS = [
    Script(["abc", "ab c", ""], Settings(endless=True)),
    Script(["abc", "ab c", ""], Settings(endless=True, seed=2)),
    Script(["c", "a", "b"], Settings(temperature=0), kv="q8", n_batch=1),
    Script(["abab", "cab"], Settings(repeat_penalty=1.3, frequency_penalty=0.2, logprobs=3), kv="f32"),
    Script(["a", "b", "c", "a"], Settings(max_tokens=20, shift=True, endless=True), n_ctx=48),
    Script(["abc", "c", ""], Settings(max_tokens=30, stop="ab", endless=True)),
    Script(["a", 5 * LONG, "b"], Settings(endless=True, max_tokens=4), n_ctx=44),
    Script([LONG, "", ""], Settings(seed=9, temperature=3)),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build(tmp_path_factory.mktemp("conversations"))


def alone(library: ctypes.CDLL, folder: Path, script: Script, arch: str) -> list[Reply]:
    """Its replies where nobody else talks: with a model of its own."""
    talk = Model(library, folder, arch=arch).talk(script)
    while not talk.over:
        talk.advance()
    return talk.replies


@pytest.mark.parametrize("arch", ["llama", "gemma3", "gpt2"])
@pytest.mark.parametrize("n", [2, 8])
def test_interleaved_token_by_token(library: ctypes.CDLL, tmp_path: Path, n: int, arch: str) -> None:
    expected = [alone(library, tmp_path, script, arch) for script in SCRIPTS[:n]]
    model, order = Model(library, tmp_path, arch=arch), random.Random(n)
    talks = [model.talk(script) for script in SCRIPTS[:n]]
    turns, before = 0, None
    while going := [talk for talk in talks if not talk.over]:
        talk = order.choice(going)
        turns += talk is not before
        before = talk
        talk.advance()
    assert turns > 5 * n  # they really took turns
    for script, talk, replies in zip(SCRIPTS, talks, expected, strict=False):
        assert talk.replies == replies, script.texts


def test_the_scripts_try_what_conversations_keep(library: ctypes.CDLL, tmp_path: Path) -> None:
    found = [alone(library, tmp_path, script, "llama") for script in SCRIPTS]
    assert found[0] != found[1]
    assert any(reply.forgotten for reply in found[4])
    assert any(reply.text and b"ab" not in reply.text and len(reply.tokens) < 30 for reply in found[5])
    assert [reply.status for reply in found[6]][1] != 0  # a message that has no room is refused, and the next goes on
    assert found[6][2].status == 0
    assert all(reply.logprobs != bytes(4) for reply in found[3])
    assert all(reply.logits for replies in found for reply in replies if not reply.status)


@pytest.mark.parametrize("kv", ["f16", "q8", "f32"])
@pytest.mark.parametrize("arch", ["llama", "gemma3", "gpt2"])
def test_a_prefix_is_computed_once(library: ctypes.CDLL, tmp_path: Path, arch: str, kv: str) -> None:
    model = Model(library, tmp_path, arch=arch)
    script = Script([], Settings(endless=True, max_tokens=6), kv=kv)
    fresh, held = model.talk(script), model.talk(script)
    texts = ["abcabcab", "abcabcab", "abcabcabcc", "abcabca", "abcabcabccab", "cab"]
    computed = []
    for seed, text in enumerate(texts):
        settings = replace(script.settings, seed=seed)
        fresh.reset()
        one, other = fresh.complete(text, settings), held.complete(text, settings)
        assert replace(one, computed=0) == replace(other, computed=0), text
        assert one.past == other.past
        computed.append((one.computed, other.computed))
    assert computed[0][0] == computed[0][1]
    assert computed[1][1] == 1  # the same prompt again: its last token alone, for its logits
    assert all(some < whole for whole, some in computed[1:5])


def test_a_context_that_was_shifted_is_computed_anew(library: ctypes.CDLL, tmp_path: Path) -> None:
    model = Model(library, tmp_path)
    script = Script([], Settings(endless=True, max_tokens=40, shift=True), n_ctx=32)
    fresh, held = model.talk(script), model.talk(script)
    first = held.complete("abcab")
    assert first.forgotten
    text = "".join(TOKENS[token] for token in first.past[:8])
    one, other = fresh.complete(text), held.complete(text)
    assert replace(one, forgotten=0) == replace(other, forgotten=0)
