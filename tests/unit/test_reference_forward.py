from __future__ import annotations

import json
import math
import os

import numpy as np
import pytest
from toy import GOLDEN, toy_model

from kgpt_build import models
from kgpt_build.errors import KgptError
from kgpt_build.models import Model
from kgpt_build.reference import ordered
from kgpt_build.reference.backward import IGNORED, cross_entropy, loss_and_gradients
from kgpt_build.reference.forward import Tokens, attend, forward, logits, rmsnorm, softmax

Vector = list[float]


def _norm(x: Vector) -> Vector:
    scale = (sum(v * v for v in x) / len(x) + 1e-5) ** -0.5
    return [v * scale for v in x]


def _times(w: list[Vector], x: Vector) -> Vector:
    return [sum(a * b for a, b in zip(row, x, strict=True)) for row in w]


def scalar_microgpt(model: Model, tokens: list[int]) -> list[Vector]:
    """microgpt one number at a time, written from its description; logits of every position."""
    w = {name: tensor.tolist() for name, tensor in model.tensors.items()}
    n_head, size = model.hparams.n_head, model.hparams.head_dim
    keys: list[list[Vector]] = [[] for _ in range(model.hparams.n_layer)]
    values: list[list[Vector]] = [[] for _ in range(model.hparams.n_layer)]
    result = []
    for position, token in enumerate(tokens):
        x = _norm([a + b for a, b in zip(w["wte"][token], w["wpe"][position], strict=True)])
        for i in range(model.hparams.n_layer):
            y = _norm(x)
            q = _times(w[f"layer{i}.attn_wq"], y)
            keys[i].append(_times(w[f"layer{i}.attn_wk"], y))
            values[i].append(_times(w[f"layer{i}.attn_wv"], y))
            out: Vector = []
            for head in range(n_head):
                part = slice(head * size, (head + 1) * size)
                e = [math.exp(sum(a * b for a, b in zip(q[part], k[part], strict=True)) / size**0.5) for k in keys[i]]
                out += [
                    sum(p * v[j] for p, v in zip(e, values[i], strict=True)) / sum(e)
                    for j in range(part.start, part.stop)
                ]
            x = [a + b for a, b in zip(x, _times(w[f"layer{i}.attn_wo"], out), strict=True)]
            hidden = [max(v, 0.0) for v in _times(w[f"layer{i}.mlp_fc1"], _norm(x))]
            x = [a + b for a, b in zip(x, _times(w[f"layer{i}.mlp_fc2"], hidden), strict=True)]
        result.append(_times(w["lm_head"], x))
    return result


@pytest.mark.parametrize(
    "model",
    [
        toy_model(),
        toy_model("abcde", n_ctx=7, n_embd=6, n_layer=3, n_head=3, n_ff=5, seed=3),
        toy_model("abc", n_ctx=5, n_embd=5, n_layer=2, n_head=1, n_ff=9, seed=4),
    ],
)
def test_forward_is_microgpts(model: Model) -> None:
    tokens = [model.tokenizer.bos_id, *(i * 7 % model.hparams.n_vocab for i in range(model.hparams.n_ctx - 1))]
    values = logits(model, tokens)
    assert values.shape == (len(tokens), model.hparams.n_vocab)
    np.testing.assert_allclose(values, scalar_microgpt(model, tokens), rtol=1e-11, atol=1e-11)


def test_float32_is_near_float64() -> None:
    model = models.load_microgpt()
    tokens = model.prompt_tokens("christopher")
    wide, narrow = logits(model, tokens), logits(model, tokens, np.float32)
    assert [str(values.dtype) for values in (wide, narrow)] == ["float64", "float32"]
    assert np.abs(wide - narrow).max() < 1e-5 * np.abs(wide).max()


def test_golden_logits_of_the_default_model() -> None:
    """The same bits on every machine: a change of the model or of the arithmetic shows here."""
    model = models.load_microgpt()
    values = logits(model, model.prompt_tokens("emma"))
    path = GOLDEN / "default_logits.json"
    if os.environ.get("KGPT_WRITE_GOLDEN"):
        golden = {
            "sha256": model.sha256,
            "prompt": "emma",
            "logits": [[v.hex() for v in row] for row in values.tolist()],
        }
        path.write_text(json.dumps(golden, indent=1) + "\n")
    golden = json.loads(path.read_text())
    assert golden["sha256"] == model.sha256
    assert [[v.hex() for v in row] for row in values.tolist()] == golden["logits"]


def test_later_tokens_change_nothing_before_them() -> None:
    model = toy_model("abc", n_ctx=6, n_layer=2)
    a, b = logits(model, [3, 0, 1, 2]), logits(model, [3, 0, 1, 0, 2])
    assert a[:3].tobytes() == b[:3].tobytes()
    assert a[3].tobytes() != b[3].tobytes()


def test_a_batch_gives_what_its_sequences_give_alone() -> None:
    model = toy_model("abc", n_ctx=4, n_layer=2)
    weights = {name: tensor.astype(np.float64) for name, tensor in model.tensors.items()}
    rows = [[3, 0, 1, 2], [3, 2, 2, 0]]
    batch = forward(weights, model.hparams, np.array(rows)).logits
    for i, row in enumerate(rows):
        assert batch[:, i].T.tobytes() == logits(model, row).tobytes()


@pytest.mark.parametrize("tokens", [[], [2] * 5, [3], [-1]])
def test_tokens_that_do_not_fit(tokens: list[int]) -> None:
    with pytest.raises(KgptError):
        logits(toy_model(), tokens)


def test_activations_are_those_of_their_definitions() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 2, 5))
    norm = rmsnorm(x, 1e-5)
    np.testing.assert_allclose((norm.y**2).mean(axis=0), 1, rtol=1e-4)
    attention = attend(x, x, x, 2)
    assert attention.p.shape == (5, 2, 2, 5)  # (S, H, B, T)
    np.testing.assert_allclose(attention.p.sum(axis=0), 1)
    assert not attention.p[np.tril_indices(5, -1)[0], :, :, np.tril_indices(5, -1)[1]].any()
    np.testing.assert_allclose(attention.out[:, :, 0], x[:, :, 0])


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 4e-16), (np.float32, 3e-7)])
def test_exp(dtype: type[np.floating], tolerance: float) -> None:
    x = np.concatenate([np.linspace(-80, 10, 20001), [0.0, -1e-8]]).astype(dtype)
    got = ordered.exp(x)
    assert got.dtype == dtype
    expected = np.exp(x.astype(np.longdouble))
    assert float(np.abs(got / expected - 1).max()) < tolerance
    assert ordered.exp(np.array([0.0, -1e4, -np.inf], dtype=dtype)).tolist() == [1, 0, 0]


@pytest.mark.parametrize("n", [1, 2, 3, 7, 64, 100])
def test_sums_and_products(n: int) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(size=(5, n)), rng.normal(size=(n, 3, 2))
    np.testing.assert_allclose(ordered.total(b), b.sum(axis=0), atol=1e-12)
    np.testing.assert_allclose(ordered.matmul(a, b), np.tensordot(a, b, 1), atol=1e-12)
    c, d = rng.normal(size=(5, n, 2)), rng.normal(size=(3, n, 2))
    np.testing.assert_allclose(ordered.outer_total(c, d), np.tensordot(c, d, ((1, 2), (1, 2))), atol=1e-12)
    np.testing.assert_allclose(ordered.outer_total(d, c), ordered.outer_total(c, d).T)


def test_the_order_of_a_sum_is_the_one_written_down() -> None:
    big = np.array([1e16, 1.0, -1e16, 1.0])
    assert ordered.total(big) == (1e16 + -1e16) + (1.0 + 1.0)
    assert ordered.matmul(big[None], np.ones((4, 1)))[0, 0] == ((1e16 + 1.0) - 1e16) + 1.0


def test_softmax_of_large_values() -> None:
    np.testing.assert_allclose(softmax(np.array([1000.0, 1000.0, -1000.0])), [0.5, 0.5, 0])


def _loss(weights: dict[str, np.ndarray], model: Model, tokens: Tokens, targets: Tokens) -> float:
    return cross_entropy(forward(weights, model.hparams, tokens).logits, targets)[0]


@pytest.mark.parametrize(("n_layer", "n_head", "n_ff"), [(1, 2, 7), (2, 1, 4), (2, 4, 0)])
def test_every_gradient_against_central_differences(n_layer: int, n_head: int, n_ff: int) -> None:
    model = toy_model("abc", n_ctx=5, n_embd=4, n_layer=n_layer, n_head=n_head, n_ff=n_ff, seed=5)
    rng = np.random.default_rng(1)
    weights = {name: rng.normal(size=tensor.shape) for name, tensor in model.tensors.items()}
    tokens = np.array([[3, 0, 1, 2], [3, 2, 2, 0], [3, 3, 3, 3]])
    targets = np.array([[0, 1, 2, 3], [2, 2, IGNORED, IGNORED], [IGNORED] * 4])
    loss, gradients = loss_and_gradients(weights, model.hparams, forward(weights, model.hparams, tokens), targets)
    assert loss == _loss(weights, model, tokens, targets)
    assert gradients.keys() == weights.keys()
    step = 1e-5
    for name, tensor in weights.items():
        numeric = np.zeros_like(tensor)
        for place in np.ndindex(*tensor.shape):
            saved = tensor[place]
            tensor[place] = saved + step
            above = _loss(weights, model, tokens, targets)
            tensor[place] = saved - step
            below = _loss(weights, model, tokens, targets)
            tensor[place] = saved
            numeric[place] = (above - below) / (2 * step)
        np.testing.assert_allclose(gradients[name], numeric, rtol=1e-6, atol=1e-8, err_msg=name)
        assert np.abs(numeric).max() > 1e-4, name  # the comparison above was not one of zeros


def test_cross_entropy_of_even_logits() -> None:
    loss, gradient = cross_entropy(np.zeros((4, 1, 2)), np.array([[1, IGNORED]]))
    assert loss == pytest.approx(math.log(4))
    np.testing.assert_allclose(gradient[:, 0], [[0.25, 0], [-0.75, 0], [0.25, 0], [0.25, 0]])
