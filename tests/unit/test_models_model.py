from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from refusals import refused
from toy import toy_model

from kgpt_build.errors import KgptError
from kgpt_build.models import CharTokenizer, Hyperparameters, Model, tensor_shapes
from kgpt_build.models.model import MAX_WEIGHT_BYTES, clean_name


def test_tokenizer_round_trip() -> None:
    tokenizer = CharTokenizer.from_documents(["héa", "ab"])
    assert tokenizer.chars == ("a", "b", "h", "é")
    assert tokenizer.bos_id == 4
    assert tokenizer.n_vocab == 5
    assert tokenizer.encode("béa") == [1, 3, 0]
    assert tokenizer.decode([4, 1, 3, 0, 4]) == "béa"


def test_unknown_character_is_named_with_its_place() -> None:
    with refused(KgptError, "'z' 2 'azb'") as caught:
        CharTokenizer(("a", "b")).encode("azb")
    assert "'ab'" in caught.value.hint


@pytest.mark.parametrize("token", [-1, 3])
def test_decode_refuses_what_is_no_token(token: int) -> None:
    with refused(KgptError, f"{token} token"):
        CharTokenizer(("a", "b")).decode([token])


@pytest.mark.parametrize(
    ("chars", "message"),
    [
        ((), "vocabulary empty"),
        (("a", "a"), "'a' twice"),
        (("b", "a"), "sorted: 'a' 'b'"),
        (("ab",), "'ab' character"),
        (("",), "'' character"),
        (("\ud800",), "surrogate"),
    ],
)
def test_bad_vocabulary(chars: tuple[str, ...], message: str) -> None:
    with refused(KgptError, message):
        CharTokenizer(chars)


def test_long_vocabulary_is_cut_in_messages() -> None:
    tokenizer = CharTokenizer(tuple(chr(0x100 + i) for i in range(300)))
    assert tokenizer.describe().endswith("and 200 more")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *[({name: 0}, f"{name} 0") for name in ("n_ctx", "n_embd", "n_layer", "n_head", "n_head_kv", "n_ff")],
        ({"n_ctx": -1}, "n_ctx -1"),
        ({"n_ctx": 1 << 40}, "n_ctx 1099511627776"),
        ({"n_layer": True}, "n_layer True whole"),
        ({"n_vocab": 1}, "n_vocab 1"),
        ({"n_head": 3, "n_head_kv": 3}, "n_embd 4 n_head 3"),
        ({"n_head_kv": 1}, "n_head_kv 1 n_head 2"),
        ({"norm_eps": 0.0}, "norm_eps 0.0"),
        ({"norm_eps": float("nan")}, "norm_eps nan"),
        ({"n_embd": 1 << 16, "n_layer": 4}, "weights bytes"),
        ({"n_vocab": 7}, "2 characters n_vocab 7"),
    ],
)
def test_bad_hyperparameters(change: dict[str, Any], message: str) -> None:
    model = toy_model()
    with refused(KgptError, message):
        replace(model, hparams=replace(model.hparams, **change))


def test_limits_fit_the_image() -> None:
    largest = Hyperparameters(n_vocab=2, n_ctx=1, n_embd=4096, n_layer=1, n_head=1, n_head_kv=1, n_ff=16384)
    largest.validate()
    assert 4 * sum(rows * columns for rows, columns in tensor_shapes(largest).values()) <= MAX_WEIGHT_BYTES
    with refused(KgptError, "weights bytes"):
        replace(largest, n_layer=2).validate()


def _with(model: Model, name: str, tensor: Any) -> dict[str, Any]:
    return {**model.tensors, name: tensor}


def test_bad_tensors() -> None:
    model = toy_model()
    wte = model.tensors["wte"]
    missing = {name: tensor for name, tensor in model.tensors.items() if name != "layer0.attn_wk"}
    cases = [
        (missing, "'layer0.attn_wk' missing"),
        (_with(model, "layer1.attn_wk", wte), "unexpected 'layer1.attn_wk'"),
        (_with(model, "wte", wte.T.copy()), "'wte' shape 4 3"),
        (_with(model, "wte", wte.ravel()), "'wte' shape 12 3 4"),
        (_with(model, "wte", wte.astype(np.float64)), "'wte' type float64 float32"),
    ]
    for tensors, message in cases:
        with refused(KgptError, message):
            replace(model, tensors=tensors)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_named_by_place(value: float) -> None:
    model = toy_model()
    tensor = model.tensors["lm_head"].copy()
    tensor[2, 1] = value
    with refused(KgptError, f"'lm_head' {value} row 2 column 1"):
        replace(model, tensors=_with(model, "lm_head", tensor))


def test_unknown_architecture_says_what_is_supported() -> None:
    with refused(KgptError, "architecture 'llama'") as caught:
        replace(toy_model(), arch="llama")
    assert caught.value.hint == "supported: microgpt"


def test_a_model_cannot_be_changed() -> None:
    model = toy_model()
    with pytest.raises(ValueError, match="read-only"):
        model.tensors["wte"][0, 0] = 1
    with pytest.raises(TypeError):
        model.tensors["wte"] = model.tensors["wpe"]  # type: ignore[index]


def test_sha256_is_of_what_the_model_computes() -> None:
    model = toy_model()
    changed = model.tensors["wpe"].copy()
    changed[0, 0] += 1
    assert replace(model, name="other").sha256 == model.sha256
    assert toy_model().sha256 == model.sha256
    others = [
        replace(model, tokenizer=CharTokenizer(("a", "c"))),
        replace(model, hparams=replace(model.hparams, n_head=1, n_head_kv=1)),
        replace(model, hparams=replace(model.hparams, norm_eps=1e-6)),
        replace(model, tensors=_with(model, "wpe", changed)),
    ]
    assert len({model.sha256, *(other.sha256 for other in others)}) == 5


def test_parameters_are_counted() -> None:
    assert toy_model().n_parameters == 3 * 4 + 4 * 4 + 3 * 4 + 4 * 16 + 2 * 64
    assert len(toy_model().weight_bytes()) == 4 * toy_model().n_parameters


def test_prompt_tokens() -> None:
    model = toy_model(n_ctx=4)
    assert model.prompt_tokens("") == [2]
    assert model.prompt_tokens("aba") == [2, 0, 1, 0]
    with refused(KgptError, "4 characters 3"):
        model.prompt_tokens("abab")


@pytest.mark.parametrize(
    ("text", "name"),
    [("names", "names"), ("a\x1b[2Jb\n", "a[2Jb"), ("", "model"), ("\0", "model"), ("é" * 40, "é" * 31), (" x ", "x")],
)
def test_clean_name(text: str, name: str) -> None:
    assert clean_name(text) == name


def test_a_name_that_the_image_cannot_keep_is_refused() -> None:
    with refused(KgptError, f"model name '{'x' * 64}'"):
        replace(toy_model(), name="x" * 64)
