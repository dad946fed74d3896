"""``kgpt train --target torch``: tiny models that train for seconds. Needs the extra ``torch``."""

from __future__ import annotations

import ctypes
import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lm
import numpy as np
import pace
import pytest
from gguf import GGUFReader
from lm_files import interleaved
from rich.console import Console

from kgpt_build import models
from kgpt_build.cli import invoke
from kgpt_build.cli.training.torch_training import LiveReport
from kgpt_build.errors import UsageError

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'kgpt[torch]'")

from kgpt_build.training.corpus import examine  # noqa: E402
from kgpt_build.training.torch import state as torch_state  # noqa: E402
from kgpt_build.training.torch.models import Gpt  # noqa: E402
from kgpt_build.training.torch.report import Banner, Note, Sample, Step, Validation  # noqa: E402
from kgpt_build.training.torch.run import ONE_PRESS, interrupts  # noqa: E402
from kgpt_build.training.torch.settings import TorchSettings  # noqa: E402
from kgpt_build.training.torch.text import tokens_of  # noqa: E402
from kgpt_build.training.torch.trainer import Trainer  # noqa: E402
from kgpt_build.training.torch.world import World  # noqa: E402

TEXT = "".join(f"static int f{n}(int x)\n{{\n\treturn x * {n * n};\n}}\n\n" for n in range(60))
SIZES = ["--n-layer", "2", "--n-embd", "16", "--n-head", "2", "--block-size", "16", "--batch", "4", "--lr", "0.01"]
BLOCKS = ["nanogpt", "nanogpt-without-biases", "microgpt", "llama"]
AGREES = 1e-4
"""Logits of the engine and of PyTorch, which add in other orders. The largest logit is about 10."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text(TEXT)
    return tmp_path


def train(*words: str) -> int:
    return invoke(["train", "text", "--target", "torch", *SIZES, *words])


def options_of(block: str) -> list[str]:
    return ["--block", block.partition("-")[0], *(["--no-bias"] if block != block.partition("-")[0] else [])]


def settings(**given: Any) -> TorchSettings:
    sizes = {"n_layer": 2, "n_embd": 16, "n_head": 2, "block_size": 16, "batch": 4, "lr": 0.01}
    return TorchSettings(**{**sizes, "steps": 20, **given})


def trainer(**given: Any) -> Trainer:
    chosen = settings(**given)
    text = tokens_of(examine("text", TEXT.encode(), 16), chosen.val_fraction, int(chosen.block_size or 0))
    return Trainer(chosen, text, World(0, 1, torch.device("cpu")))


@pytest.mark.parametrize("block", BLOCKS)
def test_the_engine_gives_the_logits_of_pytorch(here: Path, lm_library: ctypes.CDLL, block: str) -> None:
    assert train("--steps", "30", *options_of(block)) == 0
    state = torch_state.load_state(here / "model.pt")
    model = Gpt(state.settings.shape(len(set(TEXT))))
    model.load_state_dict(state.best)
    tokens = np.random.default_rng(1).integers(len(set(TEXT)), size=16)
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(tokens)[None])[0].numpy()
    engine = lm.Engine(lm_library, interleaved(here / "model.gguf"), interleaved=True)
    engine.session()
    found = engine.eval(tokens.tolist())
    assert np.abs(found).max() > 1
    assert np.abs(found - expected).max() <= AGREES


@pytest.mark.parametrize("block", BLOCKS)
def test_it_learns_and_says_so(here: Path, capsys: pytest.CaptureFixture[str], block: str) -> None:
    assert train("--steps", "40", "--csv", "losses.csv", "--dropout", "0.1", *options_of(block)) == 0
    printed = capsys.readouterr().out
    best = re.search(r"best validation loss ([0-9.]+) after step (\d+)", printed)
    assert best
    assert float(best[1]) < 2.2
    for wanted in (
        "device  ",
        "PyTorch",
        "vocabulary  ",
        "tokens/s",
        "new best",
        "tokens per parameter",
        "wrote model",
    ):
        assert wanted in printed
    fields = models.load_lm(here / "model.gguf").header.fields
    assert fields["kgpt.training.step"] == int(best[2])
    assert fields["kgpt.training.validation_loss"] == pytest.approx(float(best[1]), abs=1e-4)
    rows = (here / "losses.csv").read_text().splitlines()
    assert len(rows) == 41
    assert sum(row.split(",")[2] != "" for row in rows[1:]) == 10


@pytest.mark.parametrize("more", [[], ["--accumulate", "2", "--dropout", "0.3"], ["--block", "llama"]])
def test_a_resumed_training_gives_the_same_bits(here: Path, more: list[str]) -> None:
    (here / "a").mkdir()
    (here / "b").mkdir()
    assert train("--steps", "20", "-o", "a/model.gguf", *more) == 0
    assert train("--steps", "20", "--until", "10", "-o", "b/model.gguf", *more) == 0
    assert invoke(["train", "text", "--target", "torch", "--resume", "b/model.gguf"]) == 0
    whole, parts = (torch_state.load_state(here / folder / "model.pt") for folder in "ab")
    assert whole.step == parts.step == 20
    assert whole.validation == parts.validation
    assert all(torch.equal(whole.weights[name], parts.weights[name]) for name in whole.weights)
    assert (here / "a/model.gguf").read_bytes() == (here / "b/model.gguf").read_bytes()


def test_import_takes_the_state_too(here: Path) -> None:
    assert train("--steps", "10", "--block", "llama") == 0
    assert invoke(["import", "model.pt", "-o", "imported.gguf"]) == 0
    first, second = (models.load_lm(here / name) for name in ("model.gguf", "imported.gguf"))
    assert first.vocabulary == second.vocabulary
    assert first.hparams == second.hparams
    for name in ("model.gguf", "imported.gguf"):
        tensors = GGUFReader(here / name).tensors
        assert {tensor.name: tensor.data.tobytes() for tensor in tensors} == weights_in(here / "model.pt")


def weights_in(path: Path) -> dict[str, bytes]:
    """The best weights of a state."""
    return {name: tensor.numpy().tobytes() for name, tensor in torch_state.load_state(path).best.items()}


def test_parts_of_a_batch_give_the_gradients_of_the_whole(here: Path) -> None:
    """To the rounding of f32; without dropout, whose values depend on the parts."""
    losses = [losses_of(trainer(dropout=0.0, accumulate=parts)) for parts in (1, 2, 4)]
    assert losses[1] == pytest.approx(losses[0], abs=2e-5)
    assert losses[2] == pytest.approx(losses[0], abs=2e-5)


class Losses(list[float]):
    """A report that keeps the loss of each step."""

    def tell(self, told: object) -> None:
        if isinstance(told, Step):
            self.append(told.loss)

    def close(self) -> None: ...


def losses_of(made: Trainer) -> list[float]:
    losses = Losses()
    made.run(losses, lambda: False, lambda _: None)
    return losses


def test_bf16_learns_the_same(here: Path) -> None:
    exact, rounded = (losses_of(trainer(dtype=dtype, dropout=0.0))[-1] for dtype in ("f32", "bf16"))
    assert rounded == pytest.approx(exact, abs=0.05)
    assert rounded != exact


def test_the_base_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table of logits comes to the entropy of a character after one character; it is not written."""
    assert train("--steps", "150", "--lr", "0.3", "--model", "bigram") == 0
    printed = capsys.readouterr().out
    best = re.search(r"best validation loss ([0-9.]+)", printed)
    assert best
    assert 1 < float(best[1]) < 1.6
    assert "does not boot" in printed
    assert not (here / "model.gguf").exists()


def test_early_stopping_and_overfitting(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A noise cannot be learned, so that validation rises."""
    letters = np.random.default_rng(3).choice(list("abcdefgh"), size=200)
    (here / "text").write_text("".join(letters))
    assert train("--steps", "300", "--dropout", "0", "--eval-every", "15", "--patience", "3") == 0
    printed = capsys.readouterr()
    assert "stopped early: 3 validations without a new best" in printed.out
    assert "overfitting: validation rose from" in printed.out
    assert "to go on: kgpt train text --target torch --resume model.gguf" in printed.err
    state = torch_state.load_state(here / "model.pt")
    assert state.best_step == state.step - 45


def test_ctrl_c_stops_after_the_step_and_saves(here: Path) -> None:
    command = [sys.executable, "-m", "kgpt_build", "train", "text", "--target", "torch", *SIZES, "--steps", "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=here) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("step    1 "):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
    assert process.returncode == 0
    assert "wrote model.pt: to go on after step" in rest
    assert 1 <= torch_state.load_state(here / "model.pt").step < 100000
    assert models.load_lm(here / "model.gguf").n_parameters > 5000


def test_signals_at_once_are_one() -> None:
    """torchrun sends its own beside the terminal's; only a later one ends the training at once."""
    with interrupts(False) as stopped:
        assert not stopped()
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert stopped()
        time.sleep(ONE_PRESS + 0.1)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ([], r"a logit after step \d is not finite"),
        (["--sample-every", "0"], r"the loss of step \d is (nan|inf)"),
        (["--sample-every", "0", "--eval-every", "1"], r"the validation loss after step \d is (nan|inf)"),
    ],
)
def test_a_training_that_diverges(here: Path, capsys: pytest.CaptureFixture[str], more: list[str], what: str) -> None:
    (here / "model.gguf").write_bytes(b"old")
    assert train("--steps", "9", "--lr", "999", "--weight-decay", "900", "--eval-every", "0", *more) == 1
    assert re.search(rf"{what}: the training has diverged", capsys.readouterr().err)
    assert (here / "model.gguf").read_bytes() == b"old" or "--eval-every" in more


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "model.pt: no such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "is damaged, or no state of a training"),
        (lambda path: path.write_bytes(b"x" * 300), "is damaged, or no state of a training"),
        (lambda path: torch.save({"weights": torch.ones(2)}, path), "is no state of a training"),
        (lambda path: torch.save(print, path), "is damaged, or no state of a training"),
        (lambda path: compress(path), "is damaged, or no state of a training"),
        (lambda path: edit(path, step=-1), "is no state of a training"),
        (lambda path: edit(path, weights={}), "is no state of a training"),
        (lambda path: edit(path, mean={"token_embd.weight": torch.ones(3)}), "is no state of a training"),
        (lambda path: edit(path, settings={"n_embd": 1 << 20}), "is no state of a training"),
        (lambda path: edit(path, settings={"optimizer": "x"}), "is no state of a training"),
        (lambda path: edit(path, validation=[(1, "x")]), "is no state of a training"),
        (lambda path: edit(path, kgpt_torch_state=9), "is no state of a training by this version of kgpt"),
    ],
)
def test_a_faulty_state(here: Path, capsys: pytest.CaptureFixture[str], damage: Any, message: str) -> None:
    assert train("--steps", "4", "--until", "2") == 0
    damage(here / "model.pt")
    assert invoke(["train", "text", "--target", "torch", "--resume", "model.gguf"]) == 1
    assert message in capsys.readouterr().err


def edit(path: Path, **values: Any) -> None:
    """Replace values in a state."""
    torch.save({**torch.load(path, weights_only=True), **values}, path)


def compress(path: Path) -> None:
    """The same state as an archive that is larger in memory than on the disk."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


def test_another_corpus_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--steps", "4", "--until", "2") == 0
    (here / "text").write_text(TEXT + "x")
    assert invoke(["train", "text", "--target", "torch", "--resume", "model.gguf"]) == 1
    assert "text is not the corpus of the training to resume" in capsys.readouterr().err


def test_two_processes_give_the_losses_of_one(here: Path) -> None:
    """Two processes, each with half of the batch. They add gradients in another order, and Adam's first steps, which
    divide by small numbers, widen that: the losses agree to 1e-4 over 20 steps."""
    words = [*SIZES, "--steps", "20", "--dropout", "0", "--warmup", "5", "--eval-every", "5"]
    for folder, processes in (("one", 1), ("two", 2)):
        (here / folder).mkdir()
        files = ["-o", f"{folder}/model.gguf", "--csv", f"{folder}/losses.csv"]
        run_processes(here, processes, ["text", *files, *words])
    one, two = (np.genfromtxt(here / folder / "losses.csv", delimiter=",", names=True) for folder in ("one", "two"))
    assert len(one) == len(two) == 20
    for column in ("loss", "validation"):
        assert np.nanmax(np.abs(one[column] - two[column])) <= 1e-4
    assert torch_state.load_state(here / "two/model.pt").step == 20


def run_processes(here: Path, n: int, words: list[str]) -> None:
    """Start what torchrun starts: ``n`` processes that meet at a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(n), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "kgpt_build.training.torch", *words]
    running = [
        subprocess.Popen(command, cwd=here, env={**os.environ, **world, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(n)
    ]
    assert [process.wait(timeout=pace.limit(300)) for process in running] == [0] * n


def test_torchrun(here: Path) -> None:
    """Its launcher starts both processes, and a fault of one ends all."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nnodes", "1", "--nproc-per-node", "2"]
    command += ["-m", "kgpt_build.training.torch", "text", *SIZES, "--steps", "3"]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=pace.limit(300), check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("wrote model.gguf") == 1
    assert "2 processes" in done.stdout


def test_tensorboard(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if find_spec("tensorboard") is None:
        assert train("--steps", "4", "--tensorboard", "board") == 3
        assert "pip install tensorboard" in capsys.readouterr().err
        return
    assert train("--steps", "4", "--tensorboard", "board") == 0
    assert list((here / "board").glob("events.out.tfevents.*"))


def test_a_terminal_shows_a_bar_and_no_control_characters(here: Path) -> None:
    shown = io.StringIO()
    report = LiveReport(Console(file=shown, force_terminal=True, width=100), settings())
    report.tell(Banner({"device": "CPU"}))
    report.tell(Step(10, 2.5, 0.01, 10, 640, 2.0))
    report.tell(Validation(10, 2.0, 2.0, 10, 2.25))
    report.tell(Sample(10, "int\x1b[2Jx"))
    report.tell(Note("best validation loss 2.0000 after step 10"))
    report.close()
    text = shown.getvalue()
    assert "after step 10 | validation 2.0000 | training 2.2500 | new best" in text
    assert "loss 2.5000 | 320 tokens/s | 2 s left" in text
    assert "int\x1b[2Jx" not in text
    assert text.rstrip().endswith("best validation loss 2.0000 after step 10")


def test_a_batch_that_processes_cannot_share() -> None:
    chosen = settings(batch=3)
    text = tokens_of(examine("text", TEXT.encode(), 16), 0.1, 16)
    with pytest.raises(UsageError, match="3 windows cannot be shared by 2 processes"):
        Trainer(chosen, text, World(0, 2, torch.device("cpu")))
