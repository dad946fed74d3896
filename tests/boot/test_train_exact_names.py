"""The bar of exact training: 1000 steps by ``kgpt train --exact``, in QEMU and hosted, against the reference."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from boots import Kgpt, need
from native import ROOT
from reference_autograd import Result, Settings, read_documents, train

from kgpt_build import models
from kgpt_build.models import tensor_shapes
from kgpt_build.reference.corpus import first_names
from kgpt_build.training.state import load_state

NAMES = Path(os.environ.get("KGPT_NAMES", ROOT.parent / "shared" / "data" / "names.txt"))
"""microgpt's own corpus, which is no part of the project."""
LOSS_TOLERANCE, WEIGHT_TOLERANCE = 1e-9, 1e-8


@dataclass(frozen=True)
class Trained:
    """What a training left: the losses and the weights in double."""

    losses: Sequence[float]
    weights: Sequence[float]
    samples: Sequence[str]
    state: bytes
    model: Path


def trained(kgpt: Kgpt, corpus: Path, output: Path, *words: str) -> Trained:
    done = kgpt("train", corpus, "--exact", "--json", "-o", output, *words)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    losses = [
        struct.unpack(">d", int(event["loss_bits"], 16).to_bytes(8, "big"))[0]
        for event in events
        if event["event"] == "step"
    ]
    samples = [event["text"] for event in events if event["event"] == "sample"]
    state = load_state(output.with_suffix(".state")).data
    n = sum(rows * columns for rows, columns in tensor_shapes(models.load_microgpt(output).hparams).values())
    weights = np.frombuffer(state, dtype="<f8", offset=len(state) - 3 * 8 * n, count=n)  # then Adam's two averages
    return Trained(losses, weights.tolist(), samples, state, output)


def assert_agrees(found: Trained, expected: Result) -> None:
    for step, (loss, reference) in enumerate(zip(found.losses, expected.losses, strict=True), 1):
        assert math.isclose(loss, reference, rel_tol=LOSS_TOLERANCE), step
    assert max(abs(a - b) for a, b in zip(found.weights, expected.weights, strict=True)) < WEIGHT_TOLERANCE
    assert found.samples == expected.samples
    written = np.concatenate([tensor.ravel() for tensor in models.load_microgpt(found.model).tensors.values()])
    assert written.tolist() == np.array(found.weights, dtype=np.float32).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["of the package", "of microgpt"])
def test_a_thousand_steps_of_names(kgpt: Kgpt, tmp_path: Path, corpus: str) -> None:
    need("qemu-system-x86_64")
    path = NAMES
    if corpus == "of the package":
        path = tmp_path / "names.txt"
        path.write_text("".join(f"{name}\n" for name in first_names().documents))
    elif not path.exists():
        pytest.skip(f"{path} is not there: KGPT_NAMES can say where names.txt is")
    hosted = trained(kgpt, path, tmp_path / "hosted.gguf", "--target", "hosted")
    bare = trained(kgpt, path, tmp_path / "bare.gguf", "--accel", "tcg")
    assert (bare.losses, bare.samples, bare.state) == (hosted.losses, hosted.samples, hosted.state)
    expected = train(read_documents(path), Settings())
    assert_agrees(hosted, expected)
    assert len(expected.losses) == 1000
    assert len(expected.samples) == 20
