from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_verify_microgpt import change_logits, events, sampled_events
from toy import toy_model

from kgpt_build import models
from kgpt_build.arch import ALL, Arch, of_host
from kgpt_build.cli import invoke
from kgpt_build.cli.check import verify as command
from kgpt_build.cli.check import verify_lm
from kgpt_build.kernel import build, hosted


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """Greedy runs of the default model from "ka" that the command gets to see, instead of building and booting."""
    model = models.load_microgpt()
    greedy: dict[str, list[Any]] = {name: events(model, "ka") for name in ("qemu", "hosted")}
    sampled: dict[str, list[Any]] = {name: sampled_events(model, "ka") for name in ("qemu", "hosted")}
    monkeypatch.setattr(command, "_runs", lambda *_: (greedy, sampled))
    return greedy


def test_good(runs: dict[str, list[Any]], capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["verify", "--prompt", "ka"]) == 0
    printed = capsys.readouterr().out
    assert "prompt 'ka', greedy 'katha'" in printed
    assert "qemu   isa avx2: 6 positions" in printed
    assert "20 documents drawn alike: ok" in printed
    assert "qemu and hosted: the same bits" in printed


def test_good_as_json(runs: dict[str, list[Any]], capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["verify", "--prompt", "ka", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["same_bits"], report["text"]) == (True, True, "katha")
    assert [(one["name"], one["samples"]) for one in report["runs"]] == [("qemu", 20), ("hosted", 20)]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_kernel_that_differs(runs: dict[str, list[Any]], capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    change_logits(runs["qemu"], 1, lambda row: row.fill(float("nan")))
    assert invoke(["verify", "--prompt", "ka", *(["--json"] if as_json else [])]) == 4
    captured = capsys.readouterr()
    assert captured.err.startswith("kgpt: error: the kernel and the reference differ\n")
    if as_json:
        report = json.loads(captured.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        assert not report["ok"]
        assert report["runs"][0]["difference"] is None
    else:
        assert "  position 1: the logits differ by inf" in captured.out
        assert "qemu and hosted: differ" in captured.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--prompt", "é"], 1, "'é' (position 1 of 'é') is not in the model's vocabulary"),
        (["--prompt", "a" * 16], 1, "16 characters, more than the 15"),
        (["none.gguf"], 1, "none.gguf: no such file"),
        (["--accel", "hvf"], 2, "hvf"),
    ],
)
def test_refused_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.setattr(command, "_runs", lambda *_: pytest.fail("built"))
    assert invoke(["verify", *arguments]) == code
    assert message in capsys.readouterr().err


def test_another_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = toy_model("abc", n_ctx=5)
    models.save_gguf(model, tmp_path / "m.gguf")
    runs = {"qemu": events(model, "a"), "hosted": events(model, "a")}
    sampled = {name: sampled_events(model, "a") for name in runs}
    monkeypatch.setattr(command, "_runs", lambda *_: (runs, sampled))
    assert invoke(["verify", str(tmp_path / "m.gguf"), "--prompt", "a"]) == 0
    assert model.sha256 in capsys.readouterr().out


@pytest.mark.parametrize("language_model", [False, True])
@pytest.mark.parametrize("arch", ALL, ids=lambda arch: arch.name)
def test_the_process_gets_the_instruction_set_of_its_own_architecture(
    arch: Arch, language_model: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one's instruction sets mean nothing to it."""
    said: list[str] = []

    def run_hosted(_: Path, words: str, timeout: float) -> list[bytes]:
        said.append(words)
        return []

    module = verify_lm if language_model else command
    monkeypatch.setattr(build, "build_cached", lambda *_, **__: Path("kernel.elf"))
    monkeypatch.setattr(module, "_boot", lambda *_: [{"event": "cpu", "isa": "special"}])
    monkeypatch.setattr("kgpt_build.verify.lm.read_run", lambda *_: SimpleNamespace(isa="special"))
    monkeypatch.setattr(hosted, "run_hosted", run_hosted)
    if language_model:
        verify_lm._runs(None, ["a=b"], 8, "zig", arch, "max", "tcg")  # type: ignore[arg-type]
    else:
        command._runs(toy_model(), "a", "zig", arch, "max", "tcg")
    assert len(said) == (1 if language_model else 2)
    assert all(("cpumask=special" in words) == (arch is of_host()) for words in said)
    assert all(("cpumask" in words) == (arch is of_host()) for words in said)
