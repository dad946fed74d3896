"""Replies that one pass computes together: each is, to the bit, what it is alone."""

from __future__ import annotations

import ctypes
import random
from dataclasses import replace
from pathlib import Path

import lm
import pytest
from conversations import Model, Reply, Script, Settings, Talk, build

KG_E_CONTEXT, KG_E_STOPPED = 3, 4
LONG = "abcab" * 5
OPTIONS = Script([], n_ctx=48, n_batch=6)
SCRIPTS = [
    Script(["abc", "ab c", ""], Settings(endless=True)),
    Script(["abc", "ab c", ""], Settings(endless=True, seed=2)),
    Script(["c", "a", "b"], Settings(temperature=0)),
    Script(["abab", "cab"], Settings(repeat_penalty=1.3, frequency_penalty=0.2, logprobs=3)),
    Script(["a", "b", "c", "a"], Settings(max_tokens=20, shift=True, endless=True)),
    Script(["abc", "c", ""], Settings(max_tokens=30, stop="ab", endless=True)),
    Script(["a", 5 * LONG, "b"], Settings(endless=True, max_tokens=4)),
    Script(["a", LONG, "b"], Settings(seed=9, temperature=3, endless=True, max_tokens=60)),
    Script([LONG, "", ""], Settings(seed=9, temperature=3)),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build(tmp_path_factory.mktemp("batch"))


def with_options(script: Script, options: Script) -> Script:
    return replace(script, n_ctx=options.n_ctx, n_batch=options.n_batch, kv=options.kv)


def alone(library: ctypes.CDLL, folder: Path, options: Script, arch: str) -> list[list[Reply]]:
    """The replies of each script where nobody else talks."""
    library.driver_workers(1)
    model = Model(library, folder, arch=arch)
    talks = [model.talk(with_options(script, options)) for script in SCRIPTS]
    for talk in talks:
        while not talk.over:
            talk.advance()
    return [talk.replies for talk in talks]


def together(
    model: Model, options: Script, n_slots: int, order: random.Random, drafts: tuple[str, int] = ("off", 0)
) -> list[list[Reply]]:
    """The replies of each script: it joins at a random step, in the first slot that is free then."""
    talks: list[Talk] = [*model.batch(options, n_slots, drafts)]
    waiting, found = list(range(len(SCRIPTS))), dict[int, Talk]()
    order.shuffle(waiting)
    owner: list[int | None] = [None] * n_slots
    while waiting or any(number is not None for number in owner):
        for slot, number in enumerate(owner):
            if number is None and waiting and order.random() < 0.5:
                owner[slot] = new = waiting.pop()
                talks[slot] = found[new] = model.talk_in(slot, with_options(SCRIPTS[new], options))
            elif number is not None and talks[slot].over:
                owner[slot] = None
            elif number is not None and (talks[slot].running or order.random() < 0.7):
                talks[slot].advance()
        model.step()
    return [found[i].replies for i in range(len(SCRIPTS))]


@pytest.mark.parametrize("kv", lm.KV)
@pytest.mark.parametrize("arch", ["llama", "gemma3", "gpt2"])
def test_random_joins_and_leaves(library: ctypes.CDLL, tmp_path: Path, arch: str, kv: str) -> None:
    options = replace(OPTIONS, kv=kv)
    expected = alone(library, tmp_path, options, arch)
    for seed, n_slots in enumerate((1, 2, 3, 8)):
        library.driver_workers(1 + seed)
        model = Model(library, tmp_path, arch=arch)
        assert together(model, options, n_slots, random.Random(seed)) == expected


@pytest.mark.parametrize("drafts", [("ngram", 0), ("ngram", 3), ("ngram", 15), ("draft", 0), ("draft", 2)], ids=str)
@pytest.mark.parametrize("n_batch", [6, 64])
def test_drafts_in_slots_change_nothing(
    library: ctypes.CDLL, tmp_path: Path, n_batch: int, drafts: tuple[str, int]
) -> None:
    """Not the replies, their logits and what the contexts hold: with more slots than rooms for drafts, and fewer."""
    options = replace(OPTIONS, n_batch=n_batch)
    expected = alone(library, tmp_path, options, "llama")
    for seed, n_slots in enumerate((1, 3, 8)):
        model = Model(library, tmp_path)
        assert together(model, options, n_slots, random.Random(seed), drafts) == expected
        drafted, accepted = model.drafts()
        assert accepted <= drafted
        assert drafted > 0 or drafts[1] == 0 or n_batch <= n_slots


@pytest.mark.parametrize("kind", ["ngram", "draft"])
def test_drafts_save_passes(library: ctypes.CDLL, tmp_path: Path, kind: str) -> None:
    """Texts that repeat themselves, eight at once. The draft model is the model itself, but knows of no banned end."""
    script = replace(OPTIONS, n_batch=128, n_ctx=64, settings=Settings(endless=True, max_tokens=25, temperature=0))
    passes, replies = [], []
    for drafts in (("off", 0), (kind, 3)):
        model = Model(library, tmp_path)
        talks = model.batch(script, 8, drafts)
        for talk in talks:
            talk.begin_text("ab" * 5)
        while model.step()[0]:
            pass
        passes.append(model.step()[1])
        replies.append([talk.take() for talk in talks])
    assert replies[0] == replies[1]
    assert passes[0] == 25
    assert passes[1] < {"ngram": 20, "draft": 25}[kind]
    assert model.drafts()[1] >= 8 * (passes[0] - passes[1])  # each reply got on by them


@pytest.mark.parametrize("n_slots", [1, 8])
def test_texts_that_repeat_themselves_take_half_of_the_passes(
    library: ctypes.CDLL, tmp_path: Path, n_slots: int
) -> None:
    """As many drafts as pay, where a pass takes as long with them: so says the clock of engine_platform.c."""
    settings = Settings(endless=True, max_tokens=200, temperature=0)
    script = replace(OPTIONS, n_batch=128, n_ctx=256, settings=settings)
    passes = []
    for kind in ("off", "ngram"):
        model = Model(library, tmp_path, n_ctx=256)
        for talk in model.batch(script, n_slots, (kind, 0)):
            talk.begin_text("ab" * 5)
        while model.step()[0]:
            pass
        passes.append(model.step()[1])
    assert passes[0] == 200
    assert 2 * passes[1] <= passes[0]


@pytest.mark.parametrize(("isa", "n_batch"), [*((isa, 4) for isa in lm.ISAS), ("c", 1), (lm.ISAS[-1], 64)])
def test_any_batch_and_instruction_set(library: ctypes.CDLL, tmp_path: Path, isa: str, n_batch: int) -> None:
    options = replace(OPTIONS, n_batch=n_batch)
    expected = alone(library, tmp_path, options, "llama")
    library.driver_workers(2)
    assert together(Model(library, tmp_path, isa=isa), options, 4, random.Random(n_batch)) == expected


def test_the_scripts_try_what_can_happen_in_slots(library: ctypes.CDLL, tmp_path: Path) -> None:
    found = alone(library, tmp_path, OPTIONS, "llama")
    assert found[0] != found[1]
    assert any(reply.forgotten for reply in found[4])
    assert any(reply.text and b"ab" not in reply.text and len(reply.tokens) < 30 for reply in found[5])
    assert found[6][1].status == KG_E_CONTEXT  # a message that has no room
    assert KG_E_CONTEXT in [reply.status for reply in found[7]]  # a reply that fills its context
    assert any(len(reply.tokens) > 5 for reply in found[7])


def test_weights_are_read_once_for_all(library: ctypes.CDLL, tmp_path: Path) -> None:
    library.driver_workers(1)
    model = Model(library, tmp_path)
    for talk in model.batch(replace(OPTIONS, n_batch=128, settings=Settings(endless=True, max_tokens=9)), 8):
        talk.begin_text(LONG)
    while model.step()[0]:
        pass
    # A pass for all prompts, then one for each token but the last, which is not computed.
    assert model.step() == (0, 9)


def test_a_prompt_is_read_beside_replies(library: ctypes.CDLL, tmp_path: Path) -> None:
    """The other reply gets a token with each piece of the prompt."""
    model = Model(library, tmp_path)
    settings = Settings(endless=True, max_tokens=30)
    talk, other = model.batch(replace(OPTIONS, n_batch=3, settings=settings), 2)
    talk.begin_text("a")
    for _ in range(4):
        model.step()
    before, steps = len(talk.tokens()), 0
    other.begin_text("c" * 8)
    while not other.tokens():
        model.step()
        steps += 1
    assert steps == 5  # two tokens of the prompt in each pass
    assert len(talk.tokens()) == before + steps


def test_a_common_prefix_is_copied(library: ctypes.CDLL, tmp_path: Path) -> None:
    script = Script([], Settings(endless=True, max_tokens=6), n_batch=8, kv="q8")
    texts = ["abcabcab", "abcabcab", "abcabca", "abcabcabcc", "c"]
    lone = Model(library, tmp_path).talk(script)
    expected = []
    for text in texts:
        lone.reset()
        expected.append(lone.complete(text))
    model = Model(library, tmp_path)
    talks = model.batch(script, len(texts))
    talks[0].begin_text(texts[0])
    model.step()
    for talk, text in list(zip(talks, texts, strict=True))[1:]:
        talk.begin_text(text)
    while model.step()[0]:
        pass
    found = [talk.take() for talk in talks]
    assert [replace(reply, computed=0) for reply in found] == [replace(reply, computed=0) for reply in expected]
    whole = [reply.computed for reply in expected]
    found_computed = [reply.computed for reply in found]
    assert found_computed[:3] == [whole[0], 1, 1]
    assert found_computed[3] < whole[3]
    assert found_computed[4] == whole[4]


@pytest.mark.parametrize("way", ["stop", "leave"])
def test_one_reply_is_stopped(library: ctypes.CDLL, tmp_path: Path, way: str) -> None:
    """It ends within a token, and the others go on as if it had not been there."""
    script = Script(["abc"], Settings(endless=True, max_tokens=20), n_batch=4)
    lone = Model(library, tmp_path).talk(script)
    expected = lone.complete("abc")
    model = Model(library, tmp_path)
    talks = model.batch(script, 3)
    for talk in talks:
        talk.begin_text("abc")
    for _ in range(9):
        model.step()
    told = len(talks[1].tokens())
    getattr(talks[1], way)()
    model.step()
    model.step()
    stopped = talks[1].take()
    assert stopped.status == KG_E_STOPPED
    assert told <= len(stopped.tokens) <= told + 1
    assert expected.text.startswith(stopped.text)
    while model.step()[0]:
        pass
    for talk in (talks[0], talks[2]):
        assert replace(talk.take(), computed=0) == replace(expected, computed=0)


def test_all_replies_are_stopped_within_a_pass(library: ctypes.CDLL, tmp_path: Path) -> None:
    model = Model(library, tmp_path)
    talks = model.batch(replace(OPTIONS, n_batch=64, settings=Settings(endless=True)), 2)
    for talk in talks:
        talk.begin_text(LONG)
        talk.stop()
    assert model.step()[0] == 0
    assert [talk.take().status for talk in talks] == [KG_E_STOPPED] * 2
    assert all(talk.take().past == () for talk in talks)  # a prompt is in the context whole or not at all
