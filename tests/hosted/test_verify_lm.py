"""What `kgpt verify` says of a language model: right runs pass, and of wrong ones the first wrong layer is named."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lm
import numpy as np
import pytest
from gguf import GGUFReader
from lm_tiny import TINY, write
from refusals import refused

from kgpt_build.arch import DEFAULT
from kgpt_build.cli.check import verify_lm
from kgpt_build.errors import GuestFailed, KgptError
from kgpt_build.reference.lm_file import load
from kgpt_build.verify.lm import LmReport, LmRun, cmdline_words, read_run, verify

PROMPT = [3, 1, 4, 1, 5, 9, 2, 0]


def events(library: ctypes.CDLL, data: bytes, *, isa: str = "avx2") -> list[dict[str, Any]]:
    """The events of a greedy reply of three tokens, as the kernel would send them."""
    engine = lm.Engine(library, data)
    engine.session(n_batch=4, kv="f16", isa=isa, all_logits=False)
    told: list[dict[str, Any]] = [{"event": "cpu", "isa": isa}]
    fed = PROMPT
    for step in range(3):
        values, logits = engine.probe(fed)
        told += [{"event": "layer", "what": w, "layer": i, "f32": x.tobytes().hex()} for (w, i), x in values.items()]
        if not step:
            told.append({"event": "fed", "pos": 0, "u32": np.array(fed, np.uint32).tobytes().hex()})
        place = {"pos": len(engine.tokens) - 1, "id": fed[-1]}
        told.append({"event": "logits", **place, "f32": logits[-1].tobytes().hex()})
        fed = [int(logits[-1].argmax())]
    return told


def damaged(path: Path, name: str) -> bytes:
    """The file with one value of a tensor that is far too large."""
    data = bytearray(path.read_bytes())
    (tensor,) = (tensor for tensor in GGUFReader(path).tensors if tensor.name == name)
    row = np.frombuffer(data, np.float32, 64, tensor.data_offset)
    data[tensor.data_offset : tensor.data_offset + row.nbytes] = (row + 1).tobytes()
    return bytes(data)


def check(path: Path, runs: Sequence[LmRun]) -> LmReport:
    return verify(load(path), "tiny", runs)


@pytest.mark.parametrize(
    "name", ["llama", "gemma3", "phi2", "gpt2", "nanogpt-biases", "llama-Q4_1", "llama-Q3_K", "phi3-Q4_K"]
)
def test_right_runs(lm_library: ctypes.CDLL, tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "model.gguf", TINY[name])
    runs = [read_run(isa, events(lm_library, path.read_bytes(), isa=isa)) for isa in lm.ISAS]
    report = check(path, runs)
    assert report.ok, report
    assert report.same_bits
    assert report.tokens[: len(PROMPT)] == tuple(PROMPT)
    assert [run.positions for run in report.runs] == [3] * len(lm.ISAS)
    assert [run.isa for run in report.runs] == list(lm.ISAS)
    assert len(report.runs[0].steps) == 2 + 2 * TINY[name].n_layer


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        ("token_embd.weight", "the embedding strays"),
        ("blk.0.attn_q.weight", "layer 0, attention, strays"),
        ("blk.1.attn_norm.weight", "layer 1, attention, strays"),
        ("blk.1.ffn_down.weight", "layer 1, feed-forward, strays"),
        ("output_norm.weight", "the final norm strays"),
        ("output.weight", "its logits diverge"),
    ],
)
def test_the_first_wrong_layer_is_named(lm_library: ctypes.CDLL, tmp_path: Path, tensor: str, words: str) -> None:
    path = write(tmp_path / "model.gguf", replace(TINY["llama"], n_vocab=10))
    report = check(path, [read_run("hosted", events(lm_library, damaged(path, tensor)))])
    assert not report.ok
    assert report.runs[0].failures[0].startswith(words)
    assert (report.runs[0].strays is None) == (tensor == "output.weight")


def test_what_runs_can_get_wrong(lm_library: ctypes.CDLL, tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", TINY["llama"])
    told = events(lm_library, path.read_bytes())
    good = read_run("good", told)

    def complaint(run: LmRun) -> str:
        report = check(path, [good, run])
        assert not report.ok
        return " ".join([*report.failures, *report.runs[1].failures])

    nan = replace(good, name="b", logits=(*good.logits[:2], good.logits[2] * np.float32("nan")))
    assert "diverge by inf nats" in complaint(nan)
    assert "position 9: the logits of good and b differ in their bits" in complaint(nan)
    short = replace(good, name="b", at=good.at[:2], logits=good.logits[:2], streams=good.streams[:2])
    assert "good reported 3 positions, b 2" in complaint(short)
    assert "its logits say" in complaint(replace(good, tokens=(*good.tokens[:-1], (good.tokens[-1] + 1) % 50)))
    assert "another run" in complaint(replace(good, tokens=(9, *good.tokens[1:])))
    without = [event for event in told if (event.get("what"), event.get("layer")) != ("ffn", 1)]
    assert "it did not report layer 1, feed-forward, at every position" in complaint(read_run("b", without))
    assert "reported no logits" in complaint(read_run("b", [{"event": "error", "message": "no"}]))
    assert "it ended with panic: bad" in complaint(read_run("b", [*told, {"event": "panic", "message": "bad"}]))


def test_damaged_numbers_and_nothing_at_all(tmp_path: Path) -> None:
    with refused(KgptError, "event damaged numbers"):
        read_run("x", [{"event": "logits", "pos": 0, "id": 1, "f32": "0g"}])
    path = write(tmp_path / "model.gguf", TINY["llama"])
    assert not check(path, [read_run("x", [])]).ok
    assert not check(path, []).ok


def test_the_words_ask_for_what_is_compared() -> None:
    words = cmdline_words("Hello", 48)
    assert {"prompt=Hello", "samples=1", "kv=f16", "ctx=48", "exit", "logits", "layers"} <= set(words)


@pytest.mark.parametrize("tensor", ["", "blk.1.attn_v.weight"])
def test_the_command_prints_it(
    lm_library: ctypes.CDLL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    tensor: str,
) -> None:  # fmt: skip
    path = write(tmp_path / "model.gguf", TINY["llama"])
    data = damaged(path, tensor) if tensor else path.read_bytes()
    runs = [read_run(name, events(lm_library, data)) for name in ("qemu", "hosted")]
    monkeypatch.setattr(verify_lm, "_runs", lambda *_: runs)
    model: Any = SimpleNamespace(path=path, name="tiny", arch="llama", sha256="ab", hparams=SimpleNamespace(n_ctx=48))
    for as_json in (False, True):
        try:
            verify_lm.run(model, "Hello", toolchain="zig", arch=DEFAULT, cpu="max", accel="tcg", as_json=as_json)
        except GuestFailed:
            assert tensor
        else:
            assert not tensor
    printed = capsys.readouterr().out
    text, _, report = printed.partition("{")
    assert "qemu   isa avx2: 3 positions, 6 steps each" in text
    assert "qemu and hosted: the same bits" in text
    assert ("  layer 1, attention, strays from the reference" in text) == bool(tensor)
    assert json.loads("{" + report)["ok"] == (not tensor)
