"""The programs and files of benchmarks: they compile, measure, and are read by the engine."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
from hosted import Hosted

from benchmarks.inference import bandwidth, first_token, ours, synthetic
from benchmarks.inference.figures import Workload
from benchmarks.microbench import roofline
from kgpt_build import models
from kgpt_build.errors import KgptError

SMALL = synthetic.Shape(n_layer=1, n_embd=256, n_head=4, n_head_kv=2, n_ff=512)


def test_the_bandwidth_is_a_rate(tmp_path: Path) -> None:
    program = bandwidth.build(tmp_path)
    assert bandwidth.measure(program, 1) > 1e7
    assert bandwidth.measure(program, 2, huge=False) > 1e7
    assert bandwidth.buffer_bytes() >= 256 << 20


def test_the_roofline_has_the_peaks_of_this_processor(tmp_path: Path) -> None:
    found = roofline.measure(tmp_path)
    assert all(rate > 1e7 for rate in found.peaks.values())
    assert found.peak("swar", is_float=False) is None
    assert found.peak("avx2", is_float=False) == found.peaks.get("int-avx2")
    assert found.peak("avx2", is_float=True) == found.peaks.get("float-avx2")


@pytest.fixture(scope="module", params=synthetic.KINDS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("synthetic") / "model.gguf"
    synthetic.write(path, SMALL, synthetic.KINDS[request.param])
    return path


def test_synthetic_weights_have_a_sensible_scale(written: Path) -> None:
    for tensor in gguf.GGUFReader(written).tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        if values.ndim == 2:
            assert abs(values.mean()) < 0.1 * values.std()
            assert 0.9 < values.std() * np.sqrt(values.shape[1]) < 1.1
        else:
            assert np.all(values == 1)


def test_a_synthetic_model_is_computed(without_model: Hosted, written: Path) -> None:
    assert models.load_lm(written).hparams.n_head_kv == SMALL.n_head_kv
    options = ("--module", str(written))
    run = without_model.run("mode=bench exit pp=8 tg=2 repeat=2 depth=4 ctx=64", options=options)
    assert run.returncode == 0
    lines = [json.dumps(event).encode() for event in run.events]
    assert all(rate > 0 for rate in ours.parse(lines, [Workload("pp", 8, 4), Workload("tg", 2, 4)]))
    with pytest.raises(KgptError, match="did not measure tg3"):
        ours.parse(lines, [Workload("tg", 3, 4)])


def test_the_first_token_is_timed() -> None:
    program = first_token.Program(
        "sh", ["sh", "-c", "echo prompt; sleep 0.2; echo the; echo token; sleep 60"], b"token"
    )
    start = first_token.measure(program)
    assert 0.2 <= start.seconds < 60
    assert 0 < start.private <= start.peak
    with pytest.raises(KgptError, match="sh gave no token"):
        first_token.measure(first_token.Program("sh", ["sh", "-c", "echo nothing"], b"token"))
