"""The fast trainer against the NumPy reference, against central differences, and against itself."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from benchmarks.c_library import ISAS, Refused
from benchmarks.fast_library import Documents, FastLibrary, Options, Trainer, build
from kgpt_build.models import Hyperparameters
from kgpt_build.reference.backward import cross_entropy, loss_and_gradients
from kgpt_build.reference.forward import Tokens, forward
from kgpt_build.reference.ordered import Array


def shape(vocab: int, ctx: int, embd: int, layers: int, heads: int, ff: int) -> Hyperparameters:
    return Hyperparameters(
        n_vocab=vocab, n_ctx=ctx, n_embd=embd, n_layer=layers, n_head=heads, n_head_kv=heads, n_ff=ff
    )


SHAPES = {
    "default": shape(27, 16, 16, 1, 4, 64),
    "d64": shape(27, 16, 64, 1, 4, 256),
    "odd": shape(5, 7, 12, 2, 3, 17),
    "one-head": shape(9, 5, 10, 3, 1, 6),
    "many-heads": shape(40, 21, 30, 4, 15, 33),
    "wide-heads": shape(11, 9, 36, 2, 2, 50),
    "smallest": shape(3, 1, 1, 1, 1, 1),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> FastLibrary:
    return FastLibrary(build(tmp_path_factory.mktemp("fast")))


def names(hparams: Hyperparameters, n: int, seed: int = 1) -> Documents:
    """Documents that share beginnings, some of them longer than the block, one of them empty of all but one letter."""
    rng = np.random.default_rng(seed)
    letters = hparams.n_vocab - 1
    lengths = rng.integers(1, hparams.n_ctx + 4, n)
    drawn = [(letters * rng.random(length) ** 2).astype(int).tolist() for length in lengths]
    return Documents([*drawn[:-1], [0]], hparams.n_vocab)


def random_weights(trainer: Trainer, scale: float) -> dict[str, Array]:
    rng = np.random.default_rng(3)
    return {
        name: rng.normal(0, scale, tensor.shape).astype(np.float32).astype(np.float64)
        for name, tensor in trainer.weights().items()
    }


def one_by_one(hparams: Hyperparameters, document: list[int]) -> tuple[Tokens, Tokens]:
    """Tokens and targets (1, n) of one document, as microgpt cuts them."""
    bos = hparams.n_vocab - 1
    row = [bos, *document, bos]
    n = min(hparams.n_ctx, len(row) - 1)
    return np.array([row[:n]]), np.array([row[1 : n + 1]])


def reference(
    hparams: Hyperparameters, weights: dict[str, Array], documents: Documents
) -> tuple[float, dict[str, Array]]:
    """Loss and gradients in double, a document at a time, averaged over the documents."""
    losses, sums = [], {name: np.zeros_like(tensor) for name, tensor in weights.items()}
    for document in documents.ids:
        tokens, targets = one_by_one(hparams, list(document))
        loss, gradients = loss_and_gradients(weights, hparams, forward(weights, hparams, tokens), targets)
        losses.append(loss)
        for name, gradient in gradients.items():
            sums[name] += gradient / len(documents.ids)
    return float(np.mean(losses)), sums


def whole_corpus_step(trainer: Trainer) -> float:
    """The loss of a batch that is the whole corpus, its gradients left to be read."""
    trainer.begin()
    for chunk in range(trainer.chunks):
        trainer.gradients(chunk)
    return trainer.end()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", SHAPES)
def test_gradients_are_the_references(library: FastLibrary, name: str, isa: str) -> None:
    hparams = SHAPES[name]
    documents = names(hparams, 24)
    trainer = Trainer(library, hparams, documents, Options(batch=24, isa=isa))
    weights = random_weights(trainer, 0.3)
    trainer.set_weights(weights)
    loss, expected = reference(hparams, weights, documents)
    assert whole_corpus_step(trainer) == pytest.approx(loss, rel=2e-6)
    for tensor, found in trainer.last_gradients().items():
        scale = float(np.abs(expected[tensor]).max())
        np.testing.assert_allclose(found, expected[tensor], rtol=0, atol=2e-5 * scale + 1e-12, err_msg=tensor)


@pytest.mark.parametrize("name", ["default", "odd", "one-head", "many-heads"])
def test_gradients_are_central_differences(library: FastLibrary, name: str) -> None:
    hparams = SHAPES[name]
    documents = names(hparams, 6)
    trainer = Trainer(library, hparams, documents, Options(batch=6))
    weights = random_weights(trainer, 0.3)
    trainer.set_weights(weights)
    whole_corpus_step(trainer)
    rng = np.random.default_rng(7)
    for tensor, found in trainer.last_gradients().items():
        for _ in range(4):
            at = tuple(int(rng.integers(0, size)) for size in found.shape)
            expected = central_difference(hparams, weights, documents, tensor, at)
            assert found[at] == pytest.approx(expected, rel=1e-3, abs=1e-4 * float(np.abs(found).max())), (tensor, at)


def central_difference(
    hparams: Hyperparameters, weights: dict[str, Array], documents: Documents, name: str, at: tuple[int, ...]
) -> float:
    """In double, by one weight. A step small enough that hardly any relu changes its mind."""
    step, losses = 1e-5, []
    for sign in (1, -1):
        moved = {key: value.copy() for key, value in weights.items()}
        moved[name][at] += sign * step
        losses.append(mean_loss(hparams, moved, documents))
    return (losses[0] - losses[1]) / (2 * step)


def mean_loss(hparams: Hyperparameters, weights: dict[str, Array], documents: Documents) -> float:
    """In double, by the forward pass alone."""
    total = 0.0
    for document in documents.ids:
        tokens, targets = one_by_one(hparams, list(document))
        total += cross_entropy(forward(weights, hparams, tokens).logits, targets)[0]
    return total / len(documents.ids)


@pytest.mark.parametrize("name", SHAPES)
def test_avx2_and_avx512_give_the_same_bits(library: FastLibrary, name: str) -> None:
    if "avx512" not in library.isas():
        pytest.skip("this machine has no AVX-512")
    hparams = SHAPES[name]
    documents = names(hparams, 40)
    wide, widest = (Trainer(library, hparams, documents, Options(isa=isa, chunks=2)) for isa in ("avx2", "avx512"))
    assert [wide.step() for _ in range(12)] == [widest.step() for _ in range(12)]
    assert wide.save() == widest.save()


def twelve_steps(library: FastLibrary, hparams: Hyperparameters, isa: str) -> tuple[list[float], bytes]:
    """Losses and weights."""
    trainer = Trainer(library, hparams, names(hparams, 40), Options(isa=isa, chunks=2))
    losses = [trainer.step() for _ in range(12)]
    return losses, b"".join(tensor.tobytes() for tensor in trainer.weights().values())


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_every_compiler_gives_the_same_bits(library: FastLibrary, tmp_path: Path, compiler: str) -> None:
    if not shutil.which(compiler):
        pytest.skip(f"the test needs {compiler}")
    other = FastLibrary(build(tmp_path, [compiler, "-march=x86-64"]))
    for hparams in (SHAPES["default"], SHAPES["odd"]):
        for isa in library.isas():
            assert twelve_steps(other, hparams, isa) == twelve_steps(library, hparams, isa), isa


def test_the_width_of_vectors_does_not_show(library: FastLibrary, tmp_path: Path) -> None:
    """Vectors of four floats, compiled with FMA, against those of eight."""
    if "avx2" not in library.isas():
        pytest.skip("this machine has no FMA")
    narrow = FastLibrary(build(tmp_path, extra={"fast_c": ["-DKG_FUSED", "-mavx", "-mfma"]}))
    for hparams in SHAPES.values():
        assert twelve_steps(narrow, hparams, "c") == twelve_steps(library, hparams, "avx2")


@pytest.mark.parametrize("isa", ISAS)
def test_the_loss_falls(library: FastLibrary, isa: str) -> None:
    hparams = SHAPES["odd"]
    documents = names(hparams, 100)
    trainer = Trainer(library, hparams, documents, Options(steps=200, isa=isa))
    before = trainer.evaluate(0, 100)
    losses = [trainer.step() for _ in range(200)]
    assert trainer.evaluate(0, 100) < 0.85 * before
    assert np.mean(losses[-20:]) < 0.85 * np.mean(losses[:5])


@pytest.mark.parametrize("chunks", [1, 2, 5, 16])
def test_the_order_of_the_work_does_not_show(library: FastLibrary, chunks: int) -> None:
    hparams = SHAPES["default"]
    documents = names(hparams, 50)
    one, other = (Trainer(library, hparams, documents, Options(chunks=chunks)) for _ in range(2))
    rng = np.random.default_rng(2)
    for _ in range(10):
        one.step()
        other.begin()
        for chunk in rng.permutation(chunks):
            other.gradients(int(chunk))
        for part in rng.permutation(7):
            other.update(int(part), 7)
        other.end()
    assert one.save() == other.save()


def test_the_cut_into_chunks_changes_rounding_only(library: FastLibrary) -> None:
    hparams = SHAPES["default"]
    documents = names(hparams, 16)
    whole, cut = (Trainer(library, hparams, documents, Options(chunks=chunks)) for chunks in (1, 5))
    assert whole_corpus_step(whole) == pytest.approx(whole_corpus_step(cut), rel=1e-6)
    expected = whole.last_gradients()
    for tensor, found in cut.last_gradients().items():
        np.testing.assert_allclose(found, expected[tensor], rtol=0, atol=1e-6 * float(np.abs(found).max()))


def test_one_step_is_adam(library: FastLibrary) -> None:
    """The first two steps, worked out in double from the gradients that the trainer says it has."""
    hparams, options = SHAPES["odd"], Options(batch=8, steps=10, weight_decay=0.1)
    trainer = Trainer(library, hparams, names(hparams, 8), options)
    weights = {name: tensor.astype(np.float64) for name, tensor in trainer.weights().items()}
    mean = {name: np.zeros_like(tensor) for name, tensor in weights.items()}
    square = {name: np.zeros_like(tensor) for name, tensor in weights.items()}
    for step in range(2):
        trainer.step()
        rate = options.lr * (1 - step / options.steps)
        for name, gradient in trainer.last_gradients().items():
            mean[name] = options.beta1 * mean[name] + (1 - options.beta1) * gradient
            square[name] = options.beta2 * square[name] + (1 - options.beta2) * gradient.astype(np.float64) ** 2
            root = np.sqrt(square[name] / (1 - options.beta2 ** (step + 1))) + options.eps
            decay = rate * options.weight_decay * weights[name]
            weights[name] = weights[name] - decay - rate * mean[name] / (1 - options.beta1 ** (step + 1)) / root
    for name, found in trainer.weights().items():
        np.testing.assert_allclose(found, weights[name], rtol=0, atol=2e-7, err_msg=name)


def test_first_weights_are_normal(library: FastLibrary) -> None:
    hparams = SHAPES["d64"]
    trainer = Trainer(library, hparams, names(hparams, 4), Options())
    drawn = np.concatenate([tensor.ravel() for tensor in trainer.weights().values()]).astype(np.float64) / 0.08
    assert abs(drawn.mean()) < 0.02
    assert drawn.std() == pytest.approx(1, abs=0.01)
    assert (np.abs(drawn) > 2).mean() == pytest.approx(0.0455, abs=0.004)
    assert 3.5 < np.abs(drawn).max() < 6


@pytest.mark.parametrize("isa", ISAS)
def test_a_break_does_not_show(library: FastLibrary, isa: str) -> None:
    hparams, options = SHAPES["odd"], Options(isa=isa, batch=6, seed=9)
    documents = names(hparams, 25)
    whole, first, second = (Trainer(library, hparams, documents, options) for _ in range(3))
    expected = [whole.step() for _ in range(30)]
    found = [first.step() for _ in range(13)]
    second.load(first.save())
    found += [second.step() for _ in range(17)]
    assert found == expected
    assert second.save() == whole.save()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 8}, "another seed"),
        ({"batch": 5}, "another batch"),
        ({"chunks": 2}, "another batch"),
        ({"isa": "c"}, "another arithmetic"),
    ],
)
def test_a_state_of_another_training_is_refused(
    library: FastLibrary, changed: dict[str, int | str], message: str
) -> None:
    hparams = SHAPES["odd"]
    documents = names(hparams, 25)
    state = Trainer(library, hparams, documents, Options(isa="avx2", batch=6)).save()
    ours = Trainer(library, hparams, documents, dataclasses.replace(Options(isa="avx2", batch=6), **changed))  # type: ignore[arg-type]
    if changed.get("isa") == "c" and "avx2" not in library.isas():
        pytest.skip("this machine has one arithmetic only")
    before = ours.save()
    with refused(Refused, message):
        ours.load(state)
    with refused(Refused, "cut short"):
        ours.load(state[:-4])
    assert ours.save() == before


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", ["wte", "lm_head", "layer1.attn_wq", "layer0.mlp_fc2", "layer1.mlp_fc1"])
def test_what_is_no_number_shows_in_the_loss(library: FastLibrary, name: str, isa: str) -> None:
    hparams = SHAPES["odd"]
    trainer = Trainer(library, hparams, names(hparams, 16), Options(isa=isa))
    weights = trainer.weights()
    weights[name][0, 0] = np.nan
    trainer.set_weights(weights)
    first, second = trainer.step(), trainer.step()
    assert np.isnan(first) or "fc1" in name  # which relu hides, but not from the gradients
    assert np.isnan(second)


def test_every_document_once_an_epoch(library: FastLibrary) -> None:
    """Documents of one letter each: the embeddings that get a gradient tell which were taken."""
    hparams = shape(13, 2, 8, 1, 2, 8)
    trainer = Trainer(library, hparams, Documents([[i] for i in range(12)], 13), Options(batch=4))
    for _ in range(3):
        taken: list[int] = []
        for _ in range(3):
            trainer.step()
            taken += np.flatnonzero(np.abs(trainer.last_gradients()["wte"][:12]).sum(axis=1)).tolist()
        assert sorted(taken) == list(range(12))


def test_more_of_a_batch_than_of_documents(library: FastLibrary) -> None:
    hparams = SHAPES["odd"]
    trainer = Trainer(library, hparams, Documents([[0, 1], [2]], 5), Options(batch=16, steps=300))
    assert trainer.step() > 1
    for _ in range(299):
        last = trainer.step()
    assert last < 0.5  # which of the two begins cannot be known: ln 2 of one position


def test_a_document_of_the_blocks_length_has_no_end(library: FastLibrary) -> None:
    """n = min(block_size, tokens - 1): a document longer than the block is cut, and is learnt as far as that."""
    hparams = SHAPES["odd"]
    for length, same_length in ((7, 8), (8, 12)):
        losses = []
        for n in (length, same_length):
            trainer = Trainer(library, hparams, Documents([([0, 1, 2] * 4)[:n]], 5), Options(batch=1))
            losses.append(trainer.step())
        assert (losses[0] == losses[1]) is (length >= hparams.n_ctx)


@pytest.mark.parametrize(
    ("options", "hparams", "message"),
    [
        (Options(batch=0), SHAPES["odd"], "batch 0 documents"),
        (Options(batch=2, chunks=3), SHAPES["odd"], "batch 3 chunks"),
        (Options(steps=0), SHAPES["odd"], "steps range"),
    ],
)
def test_impossible_settings_are_refused(
    library: FastLibrary, options: Options, hparams: Hyperparameters, message: str
) -> None:
    with refused(Refused, message):
        Trainer(library, hparams, names(hparams, 5), options)
