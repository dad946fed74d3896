"""The trainer on a running text (kernel_c/train/dense) as a library: against PyTorch, and against itself."""

from __future__ import annotations

import dataclasses
import math
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from refusals import refused

from benchmarks.c_library import ISAS, Refused
from benchmarks.dense_library import DenseLibrary, Options, Trainer, build
from kgpt_build.reference import draws
from kgpt_build.reference.draws import TextShape

SEED = 7
LR = 1e-3
SMALL = {"n_layer": 2, "n_head": 2, "n_embd": 8, "n_ctx": 6, "n_vocab": 11}
ODD = {"n_layer": 1, "n_head": 3, "n_embd": 48, "n_ctx": 37, "n_vocab": 50}


def shape_of(kind: str, sizes: dict[str, int] = SMALL, **more: bool | float) -> TextShape:
    return TextShape(kind, **sizes, **more)  # type: ignore[arg-type]


SHAPES = [
    shape_of("nanogpt"),
    shape_of("nanogpt", bias=False, tied=False, dropout=0.2),
    shape_of("nanogpt", ODD, dropout=0.2),
    shape_of("microgpt", dropout=0.3),
    shape_of("microgpt", ODD),
    shape_of("llama", tied=False),
    shape_of("llama", ODD, dropout=0.2),
]
IDS = [f"{s.kind}-{s.n_embd}-{'biases' if s.has_bias else 'plain'}-{s.dropout:g}" for s in SHAPES]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=IDS)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> DenseLibrary:
    return DenseLibrary(build(tmp_path_factory.mktemp("dense")))


def text_of(shape: TextShape, n: int = 500) -> npt.NDArray[np.uint32]:
    """Tokens that can be learnt: each follows from the one before, but for a tenth of them."""
    rng = np.random.default_rng(1)
    tokens = (np.arange(n) * 3) % shape.n_vocab
    return np.where(rng.random(n) < 0.1, rng.integers(0, shape.n_vocab, n), tokens).astype(np.uint32)


def trainer_of(library: DenseLibrary, shape: TextShape, **options: int | float | str | bool) -> Trainer:
    settings = dataclasses.replace(Options(batch=5, seed=SEED), **options)  # type: ignore[arg-type]
    return Trainer(library, shape, text_of(shape), settings)


def larger_weights(shape: TextShape) -> dict[str, npt.NDArray[np.float32]]:
    """Weights at which every part of a block matters."""
    rng = np.random.default_rng(3)
    first = draws.initial_weights(shape, SEED)
    return {name: (w + rng.normal(0, 0.2, w.shape)).astype(np.float32) for name, w in first.items()}


@each_shape
def test_first_weights_are_those_of_the_reference(library: DenseLibrary, shape: TextShape) -> None:
    expected = draws.initial_weights(shape, SEED)
    found = trainer_of(library, shape).weights()
    for name, tensor in expected.items():
        assert tensor.tobytes() == found[name].tobytes(), name


@pytest.mark.parametrize("isa", ISAS)
@each_shape
def test_gradients_are_torchs(library: DenseLibrary, shape: TextShape, isa: str) -> None:
    torch = pytest.importorskip("torch")
    import dense_torch

    weights = larger_weights(shape)
    trainer = trainer_of(library, shape, isa=isa, chunks=2)
    trainer.set_weights(weights)
    for step in range(2):
        found_loss, found = trainer.batch_gradients()
        parameters = dense_torch.parameters(weights, torch.float64)
        starts = draws.window_starts(SEED, step, 5, 500, shape.n_ctx)
        batch = dense_torch.windows(trainer.tokens, starts, shape.n_ctx)
        loss = dense_torch.loss(parameters, shape, batch, dense_torch.Dropout(SEED, step, shape.dropout))
        loss.backward()
        assert found_loss == pytest.approx(loss.item(), rel=2e-6)
        for name, tensor in found.items():
            gradient = parameters[name].grad
            assert gradient is not None
            expected = gradient.numpy()
            scale = float(np.abs(expected).max())
            np.testing.assert_allclose(tensor, expected, rtol=0, atol=2e-5 * scale + 1e-12, err_msg=name)


@pytest.mark.parametrize("kind", draws.KINDS)
def test_two_hundred_steps_are_torchs(library: DenseLibrary, kind: str) -> None:
    """AdamW with clipping, warm-up and cosine: the same losses to 1e-3."""
    torch = pytest.importorskip("torch")
    import dense_torch

    shape = TextShape(kind, n_layer=2, n_head=2, n_embd=32, n_ctx=16, n_vocab=20)
    trainer = trainer_of(library, shape, steps=200, warmup=20, lr=LR, batch=4)
    parameters = dense_torch.parameters(draws.initial_weights(shape, SEED), torch.float32)
    matrices = [p for p in parameters.values() if p.dim() == 2]
    groups = [{"params": matrices, "weight_decay": 0.1}]
    groups += [{"params": [p for p in parameters.values() if p.dim() == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=LR, betas=(0.9, 0.99))
    losses = []
    for step in range(200):
        starts = draws.window_starts(SEED, step, 4, 500, shape.n_ctx)
        batch = dense_torch.windows(trainer.tokens, starts, shape.n_ctx)
        loss = dense_torch.loss(parameters, shape, batch, dense_torch.Dropout(SEED, step, 0))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(parameters.values()), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = trainer.learning_rate(step)
        optimizer.step()
        losses.append(loss.item())
    found = [trainer.step() for _ in range(200)]
    np.testing.assert_allclose(found, losses, rtol=0, atol=1e-3)
    assert np.mean(found[-20:]) < 0.8 * found[0]


def test_the_validation_is_the_mean_of_its_windows(library: DenseLibrary) -> None:
    torch = pytest.importorskip("torch")
    import dense_torch

    shape = shape_of("nanogpt", dropout=0.5)
    for most in (1 << 30, 7):
        trainer = trainer_of(library, shape, n_train=300, eval_windows=most)
        weights = larger_weights(shape)
        trainer.set_weights(weights)
        starts = 300 + draws.evaluation_starts(200, shape.n_ctx, most)
        assert len(starts) == min(33, most)
        batch = dense_torch.windows(trainer.tokens, starts, shape.n_ctx)
        parameters = dense_torch.parameters(weights, torch.float64)
        expected = dense_torch.loss(parameters, shape, batch, dense_torch.Dropout(SEED, 0, 0)).item()
        assert trainer.evaluate() == pytest.approx(expected, rel=2e-6)


def test_the_learning_rate_rises_then_falls_to_a_tenth(library: DenseLibrary) -> None:
    trainer = trainer_of(library, SHAPES[0], steps=100, warmup=9, lr=2.0)
    assert [trainer.learning_rate(step) for step in (0, 4, 8, 9)] == pytest.approx([0.2, 1.0, 1.8, 2.0])
    half = 0.2 + 0.9 * (1 + math.cos(math.pi * 45 / 91))
    assert trainer.learning_rate(54) == pytest.approx(half)
    assert trainer.learning_rate(100) == pytest.approx(0.2)
    constant = trainer_of(library, SHAPES[0], steps=100, warmup=9, lr=2.0, constant=True)
    assert [constant.learning_rate(step) for step in (8, 9, 99)] == pytest.approx([1.8, 2.0, 2.0])


@each_shape
def test_avx2_and_avx512_give_the_same_bits(library: DenseLibrary, shape: TextShape) -> None:
    if "avx512" not in library.isas():
        pytest.skip("this machine has no AVX-512")
    wide, widest = (trainer_of(library, shape, isa=isa, lr=1e-2) for isa in ("avx2", "avx512"))
    assert [wide.step() for _ in range(12)] == [widest.step() for _ in range(12)]
    assert wide.save() == widest.save()


def some_steps(library: DenseLibrary, shape: TextShape, isa: str) -> tuple[list[float], bytes]:
    trainer = trainer_of(library, shape, isa=isa, lr=1e-2)
    losses = [trainer.step() for _ in range(6)]
    return losses, b"".join(tensor.tobytes() for tensor in trainer.weights().values())


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_every_compiler_gives_the_same_bits(library: DenseLibrary, tmp_path: Path, compiler: str) -> None:
    if not shutil.which(compiler):
        pytest.skip(f"the test needs {compiler}")
    other = DenseLibrary(build(tmp_path, [compiler, "-march=x86-64"]))
    for shape in SHAPES:
        for isa in library.isas():
            assert some_steps(other, shape, isa) == some_steps(library, shape, isa), isa


def test_the_width_of_vectors_does_not_show(library: DenseLibrary, tmp_path: Path) -> None:
    """Vectors of four floats, compiled with FMA, against those of eight."""
    if "avx2" not in library.isas():
        pytest.skip("this machine has no FMA")
    narrow = DenseLibrary(build(tmp_path, extra={"dense_c": ["-DKG_FUSED", "-mavx", "-mfma"]}))
    for shape in SHAPES:
        assert some_steps(narrow, shape, "c") == some_steps(library, shape, "avx2")


@pytest.mark.parametrize("chunks", [1, 2, 5])
def test_the_order_of_the_work_does_not_show(library: DenseLibrary, chunks: int) -> None:
    shape = SHAPES[2]
    one = trainer_of(library, shape, chunks=chunks)
    other = trainer_of(library, shape, chunks=chunks, workers=3)
    rng = np.random.default_rng(2)
    for _ in range(5):
        expected = one.step()
        other.begin()
        for chunk in rng.permutation(chunks):
            other.gradients(int(chunk), int(rng.integers(0, 3)))
        for phase in ("sum", "update", "pack"):
            for part in rng.permutation(7):
                other.update(int(part), 7, phase)
        assert other.end() == expected
    assert one.save() == other.save()


def test_the_cut_into_chunks_changes_rounding_only(library: DenseLibrary) -> None:
    whole, cut = (trainer_of(library, SHAPES[2], chunks=chunks) for chunks in (1, 5))
    whole_loss, expected = whole.batch_gradients()
    cut_loss, found = cut.batch_gradients()
    assert cut_loss == pytest.approx(whole_loss, rel=1e-6)
    for name, tensor in found.items():
        np.testing.assert_allclose(tensor, expected[name], rtol=0, atol=1e-6 * float(np.abs(tensor).max()))


@pytest.mark.parametrize("isa", ISAS)
@each_shape
def test_a_break_does_not_show(library: DenseLibrary, shape: TextShape, isa: str) -> None:
    whole, first, second = (trainer_of(library, shape, isa=isa, lr=1e-2) for _ in range(3))
    expected = [whole.step() for _ in range(20)]
    found = [first.step() for _ in range(9)]
    second.load(first.save())
    found += [second.step() for _ in range(11)]
    assert found == expected
    assert second.save() == whole.save()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 8}, "another seed"),
        ({"batch": 6}, "another batch"),
        ({"chunks": 2}, "another batch"),
        ({"n_train": 400}, "another text"),
        ({"isa": "c"}, "another arithmetic"),
    ],
)
def test_a_state_of_another_training_is_refused(
    library: DenseLibrary, changed: dict[str, int | str], message: str
) -> None:
    if "avx2" not in library.isas():
        pytest.skip("this machine has one arithmetic only")
    state = trainer_of(library, SHAPES[0], isa="avx2").save()
    ours = trainer_of(library, SHAPES[0], **{"isa": "avx2", **changed})
    before = ours.save()
    with refused(Refused, message):
        ours.load(state)
    with refused(Refused, "cut short"):
        ours.load(state[:-4])
    assert ours.save() == before


def test_a_state_of_another_dropout_is_refused(library: DenseLibrary) -> None:
    state = trainer_of(library, shape_of("nanogpt")).save()
    with refused(Refused, "another dropout"):
        trainer_of(library, shape_of("nanogpt", dropout=0.1)).load(state)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", ["token_embd.weight", "blk.1.attn_qkv.weight", "blk.0.ffn_up.bias"])
def test_what_is_no_number_shows_in_the_loss(library: DenseLibrary, name: str, isa: str) -> None:
    trainer = trainer_of(library, SHAPES[0], isa=isa)
    weights = trainer.weights()
    weights[name].ravel()[0] = np.nan
    trainer.set_weights(weights)
    first, second = trainer.step(), trainer.step()
    assert np.isnan(first) or name.startswith("token")  # a row of the embedding may be in no window
    assert np.isnan(second)


@pytest.mark.parametrize(
    ("options", "sizes", "message"),
    [
        ({"batch": 0}, {}, "batch 0 windows"),
        ({"batch": 2, "chunks": 3}, {}, "batch 3 chunks"),
        ({"steps": 0}, {}, "steps range"),
        ({"warmup": 1000}, {}, "warmup range"),
        ({"lr": -1.0}, {}, "lr range"),
        ({}, {"dropout": 1.0}, "dropout range"),
        ({}, {"n_embd": 9}, "n_embd divisible n_head"),
        ({}, {"kind": "llama", "n_embd": 6}, "RoPE pairs"),
        ({}, {"n_ctx": 500}, "characters to train on context 500"),
        ({"n_train": 495}, {}, "validation context"),
        ({}, {"n_embd": 65536, "n_layer": 64}, "parameters"),
    ],
)
def test_impossible_settings_are_refused(
    library: DenseLibrary, options: dict[str, int | float], sizes: dict[str, int | float | str], message: str
) -> None:
    shape = dataclasses.replace(SHAPES[0], **sizes)  # type: ignore[arg-type]
    with refused(Refused, message):
        trainer_of(library, shape, **options)


@each_shape
def test_the_next_token_follows_the_probabilities(library: DenseLibrary, shape: TextShape) -> None:
    torch = pytest.importorskip("torch")
    import dense_torch

    weights = larger_weights(shape)
    trainer = trainer_of(library, shape)
    trainer.set_weights(weights)
    parameters = dense_torch.parameters(weights, torch.float64)
    for n in (1, shape.n_ctx // 2, shape.n_ctx):
        ids = torch.from_numpy(trainer.tokens[:n].astype(np.int64))[None]
        logits = dense_torch.forward(parameters, shape, ids, dense_torch.Dropout(SEED, 0, 0))
        sums = logits[0, -1].softmax(-1).cumsum(-1).tolist()
        for number in (0.0, 0.3, 0.7, 0.999):
            expected = next((i for i, total in enumerate(sums) if total > number), shape.n_vocab - 1)
            assert trainer.next(trainer.tokens[:n], number) == expected
