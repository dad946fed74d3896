"""The host's side of a training on a running text in the kernel: its options, and the files it writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from kgpt_build import models
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.reference import draws
from kgpt_build.reference.draws import TextShape
from kgpt_build.settings import options
from kgpt_build.training.corpus import check_window, examine
from kgpt_build.training.presets import PRESETS
from kgpt_build.training.state import load_state, save_state
from kgpt_build.training.text_model import count_weights, weights_of_bytes, write_text_model
from kgpt_build.training.text_settings import OF_BLOCK, TextSettings, text_settings


def test_every_option_of_a_block_is_a_word_of_the_kernel() -> None:
    settings = TextSettings(block="llama", preset="gpu", until=7, chunks=4, checkpoint_every=9, bias=False)
    words = settings.cmdline_words()
    given = dict(word.partition("=")[::2] for word in words)
    assert given["mode"] == "train"
    assert set(given) <= set(options())
    assert {name for name, option in options().items() if option.group == "BLOCK"} <= set(given)
    preset = PRESETS["gpu"]
    assert [given[name] for name in ("block", "n_embd", "batch", "dropout", "schedule")] == [
        "llama", str(preset.n_embd), str(preset.batch), "0.2", "cosine"
    ]  # fmt: skip
    assert {"until", "chunks", "checkpoint_every", "no_bias"} <= set(given)
    plain = {word.partition("=")[0] for word in TextSettings().cmdline_words()}
    assert not {"until", "chunks", "checkpoint_every", "no_bias", "text"} & plain


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"chunks": 17}, "chunks"),
        ({"dropout": 1.0}, "dropout"),
        ({"grad_clip": 1e9}, "grad_clip"),
        ({"warmup": 3000}, "warmup"),
        ({"eval_batches": 10_000_000}, "eval_batches"),
    ],
)
def test_what_the_kernel_refuses_is_refused(values: dict[str, float], message: str) -> None:
    with refused(UsageError, message):
        TextSettings(**values)  # type: ignore[arg-type]


def test_a_resumed_training_keeps_its_options() -> None:
    old = TextSettings(block="llama", steps=50, until=20, dropout=0.0, chunks=2)
    new = text_settings(old, {"until": 30, "lr": 0.1}, {"block": None, "patience": 3})
    assert (new.block, new.steps, new.until, new.lr, new.patience, new.chunks) == ("llama", 50, 30, 0.1, 3, 2)
    for given, message in (({"chunks": 3}, "2 chunks"), ({"n_embd": 64}, "--n-embd 64")):
        with refused(UsageError, message):
            text_settings(old, given, {})
    with refused(UsageError, "--block nanogpt"):
        text_settings(old, {}, {"block": "nanogpt"})
    assert {name for name in OF_BLOCK if name not in ("preset", "bias")} <= set(options())


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    settings = TextSettings(block="microgpt", bias=False, lr=0.01)
    save_state(tmp_path / "m.state", settings, "0" * 64, 5, b"state")
    state = load_state(tmp_path / "m.state")
    assert state.settings == settings
    assert state.data == b"state"


@pytest.mark.parametrize("kind", draws.KINDS)
def test_weights_of_the_kernel_become_a_model(tmp_path: Path, kind: str) -> None:
    shape = TextShape(kind, n_layer=1, n_head=2, n_embd=8, n_ctx=6, n_vocab=3)
    weights = draws.initial_weights(shape, 1)
    data = b"".join(tensor.tobytes() for tensor in weights.values())
    read = weights_of_bytes(shape, data)
    assert {name: tensor().tolist() for name, tensor in read.items()} == {
        name: tensor.tolist() for name, tensor in weights.items()
    }
    write_text_model(tmp_path / "m.gguf", shape, ("a", "b", "c"), read, {"steps": 3, "lr": 0.5})
    model = models.load(tmp_path / "m.gguf")
    assert model.n_parameters == count_weights(shape) == len(data) // 4
    assert models.metadata(tmp_path / "m.gguf")["kgpt.training.lr"] == 0.5
    with refused(KgptError, "bytes of weights"):
        weights_of_bytes(shape, data[4:])
    with refused(KgptError, "not finite"):
        weights_of_bytes(shape, np.float32(np.nan).tobytes() + data[4:])


def test_a_text_without_a_window_is_refused() -> None:
    text = examine("text", b"abcd\r\n" * 20, 16)
    assert text.characters == ("\n", "a", "b", "c", "d")
    check_window(text, 0.1, 9)
    with refused(KgptError, "10 characters of validation context 10"):
        check_window(text, 0.1, 10)
    with refused(KgptError, "100 characters to train on context 100"):
        check_window(text, 0, 100)


@pytest.mark.parametrize(("preset", "cpus", "needed"), [("cpu", 1, 66), ("cpu", 8, 162), ("gpu", 1, 807)])
def test_the_memory_is_that_of_the_kernel_or_more(preset: str, cpus: int, needed: int) -> None:
    """``needed``: MB, from refusals of the hosted trainer."""
    assert needed + 16 < TextSettings(preset=preset).memory(95, 120_000, cpus) < 2 * needed
