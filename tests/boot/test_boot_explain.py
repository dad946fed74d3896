"""kgpt explain boots a kernel, and the hosted program gives the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest
from boots import Kgpt

from kgpt_build.explain.encode import from_json
from kgpt_build.explain.microgpt import reference_trace
from kgpt_build.models import load_microgpt


def test_a_microgpt(kgpt: Kgpt, tmp_path: Path) -> None:
    output = tmp_path / "trace.json"
    done = kgpt("explain", "--default", "--prompt", "em", "-o", str(output))
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert "from the kernel in QEMU; the hosted program gave the same bits" in line
    trace = from_json(output.read_text())
    assert (trace.source.made_by, trace.source.same_bits) == ("kernel", True)
    assert len(trace.source.image_sha256) == 64
    expected = reference_trace(load_microgpt(), "em")
    assert trace.reply == expected.reply
    assert [draw.uniform for draw in trace.draws] == [draw.uniform for draw in expected.draws]
    assert len(trace.weights) == 9


@pytest.mark.slow
def test_a_language_model(kgpt: Kgpt, smollm2: Path, tmp_path: Path) -> None:
    output = tmp_path / "trace.json"
    done = kgpt("explain", str(smollm2), "--prompt", "The capital of France is", "--tokens", "8", "-o", str(output))
    assert done.returncode == 0, done.stderr
    assert "the hosted program gave the same bits" in done.stdout
    assert output.stat().st_size < 5_000_000
    assert from_json(output.read_text()).reply.startswith(" Paris")
