"""Which layers a trace tells, and the merges of its tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_lm import MERGES, TOKENS, write_lm

from kgpt_build.errors import KgptError, UsageError
from kgpt_build.explain.choose import choose, list_words, read_layers, spread
from kgpt_build.explain.pieces import Pieces
from kgpt_build.explain.trace import Merge
from kgpt_build.models import DEFAULT_MODEL, GgufModel, load_lm


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> GgufModel:
    return load_lm(write_lm(tmp_path_factory.mktemp("choose") / "m.gguf", fields={"llama.context_length": 4096}))


def test_a_small_model_is_told_whole(model: GgufModel) -> None:
    choice = choose(model, 16, None)
    assert choice.layers == choice.vectors == (0, 1)
    micro = choose(load_lm(DEFAULT_MODEL), 16, None)
    assert micro.layers == micro.vectors == (0,)


def test_the_layers_that_are_asked_for(model: GgufModel) -> None:
    assert choose(model, 16, "1").layers == (1,)
    assert choose(model, 16, "all").layers == (0, 1)


def test_vectors_give_way_to_attention(model: GgufModel) -> None:
    choice = choose(model, 430, None)
    assert choice.layers == (0, 1)
    assert len(choice.vectors) < 2


def test_a_trace_that_no_page_holds_is_refused(model: GgufModel) -> None:
    with pytest.raises(KgptError, match="a page has room for") as refused:
        choose(model, 4096, None)
    assert_holds_at_most(model, refused.value.hint, None)
    with pytest.raises(KgptError, match="the trace of 2 layers") as refused:
        choose(model, 500, "0,1")
    assert "--layers 0)" in refused.value.hint
    assert_holds_at_most(model, refused.value.hint, "0,1")


def assert_holds_at_most(model: GgufModel, hint: str, layers: str | None) -> None:
    """The hint names the most positions that a page holds."""
    _, _, told = hint.partition("--tokens ")
    positions = int(told.rstrip(")"))
    choose(model, positions, layers)
    with pytest.raises(KgptError):
        choose(model, positions + 1, layers)


@pytest.mark.parametrize(("text", "layers"), [("0", (0,)), ("3-5,0", (0, 3, 4, 5)), ("all", (0, 1, 2, 3, 4, 5))])
def test_lists_of_layers(text: str, layers: tuple[int, ...]) -> None:
    assert read_layers(text, 6) == layers


@pytest.mark.parametrize("text", ["", "x", "6", "3-1", "0-6", "1,", "-1", "1-", "²", "1;2", "999999999999999999999"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--layers"):
        read_layers(text, 6)


def test_layers_are_spread_evenly() -> None:
    layers = tuple(range(30))
    assert spread(layers, 30) == layers
    assert spread(layers, 3) == (0, 14, 29)
    assert spread(layers, 1) == (29,)
    assert spread(layers, 0) == ()


def test_words_for_the_kernel() -> None:
    assert list_words((0, 1, 2, 7)) == "0-2,7"
    assert list_words(()) == "none"


def test_merges_inside_a_token(model: GgufModel) -> None:
    pieces = Pieces(model)
    token = pieces.token(TOKENS.index("abc"), merges=True)
    assert token.merges == (Merge(b"a", b"b", MERGES.index("a b")), Merge(b"ab", b"c", MERGES.index("ab c")))
    assert pieces.token(TOKENS.index("a"), merges=True).merges == ()
    assert pieces.token(TOKENS.index("<s>"), merges=True).merges == ()
    assert pieces.token(TOKENS.index("abc")).merges == ()


def test_the_bytes_of_tokens(model: GgufModel) -> None:
    pieces = Pieces(model)
    assert pieces.data(TOKENS.index("abc")) == b"abc"
    assert pieces.data(TOKENS.index("<s>")) == b""
    assert pieces.text(TOKENS.index("<s>")) == "<s>"


def test_sentencepieces_merges_go_by_score(tmp_path: Path) -> None:
    tokens = ["<unk>", "<s>", "</s>", "<0x41>", "▁", "a", "b", "ab", "▁a", "▁ab"]
    fields = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": None,
        "tokenizer.ggml.merges": None,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [2, 3, 3, 6, 1, 1, 1, 1, 1, 1],
        "tokenizer.ggml.scores": [0.0, 0.0, 0.0, 0.0, -9.0, -7.0, -8.0, -1.0, -2.0, -3.0],
        "tokenizer.chat_template": None,
    }
    width = 32
    matrix = (np.random.default_rng(0).standard_normal((len(tokens), width)) / 8).astype(np.float32)
    path = write_lm(
        tmp_path / "spm.gguf", fields=fields, tensors={"token_embd.weight": matrix, "output.weight": matrix}
    )
    pieces = Pieces(load_lm(path))
    token = pieces.token(9, merges=True)
    assert (token.data, token.piece) == (b" ab", "▁ab")
    assert [(merge.left, merge.right) for merge in token.merges] == [(b"a", b"b"), (b" ", b"ab")]
    assert token.merges[0].rank < token.merges[1].rank
    assert pieces.data(3) == b"A"
