"""`kgpt verify` for real: a kernel in QEMU, the hosted build, and the NumPy reference."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_lm import write_lm

from kgpt_build import models
from kgpt_build.cli import invoke
from kgpt_build.models import CharTokenizer, Hyperparameters, Model, tensor_shapes
from kgpt_build.models.gguf.tensors import ARCHITECTURES
from kgpt_build.reference.rng import Xoshiro


def random_model(chars: str, n_ctx: int, n_embd: int, n_layer: int, n_head: int, n_ff: int) -> Model:
    """Weights as an untrained model has them, but large enough to make every path matter."""
    hparams = Hyperparameters(len(chars) + 1, n_ctx, n_embd, n_layer, n_head, n_head, n_ff)
    rng = Xoshiro(1)
    tensors = {
        name: np.array([(rng.uniform() - 0.5) * 0.6 for _ in range(rows * columns)], np.float32).reshape(rows, columns)
        for name, (rows, columns) in tensor_shapes(hparams).items()
    }
    return Model("random", "microgpt", hparams, CharTokenizer(tuple(chars)), tensors)


MODELS = {
    "sizes that no vector divides": random_model(" abcdé中😀", 9, 30, 3, 5, 37),
    "weights included by the assembler": random_model("abcdefgh", 40, 128, 2, 8, 200),
    "one of everything": random_model("a", 1, 1, 1, 1, 1),
}


@pytest.mark.parametrize("cpu", ["qemu64", "Haswell", "max"])
@pytest.mark.parametrize("prompt", ["", "ka", "abcdefghijklmno"])
def test_the_default_model(cpu: str, prompt: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["verify", "--cpu", cpu, "--prompt", prompt, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in report["runs"]] == ["qemu", "hosted"]
    assert report["runs"][0]["isa"] == ("c" if cpu == "qemu64" else "avx2")
    assert report["text"].startswith(prompt)


@pytest.mark.parametrize("cpu", ["qemu64", "max"])
@pytest.mark.parametrize("arch", [arch for arch in ARCHITECTURES if arch != "microgpt"])
def test_tiny_language_models(arch: str, cpu: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_lm(tmp_path / "m.gguf", arch, kind="Q4_0")
    assert invoke(["verify", str(path), "--cpu", cpu, "--prompt", "abcab", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["same_bits"]) == (True, True)
    assert [(one["name"], one["isa"]) for one in report["runs"]] == [
        (name, "c" if cpu == "qemu64" else "avx2") for name in ("qemu", "hosted")
    ]


@pytest.mark.slow
def test_a_language_model(smollm2: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["verify", str(smollm2), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"]
    assert report["same_bits"]
    assert [one["positions"] for one in report["runs"]] == [8, 8]


@pytest.mark.parametrize("name", MODELS)
def test_other_sizes(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models.save_gguf(MODELS[name], tmp_path / "m.gguf")
    assert invoke(["verify", str(tmp_path / "m.gguf"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["sha256"] == MODELS[name].sha256
