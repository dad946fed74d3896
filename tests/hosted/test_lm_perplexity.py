"""mode=perplexity, and kgpt perplexity: how well a model predicts a text."""

from __future__ import annotations

import ctypes
import json
import math
from pathlib import Path
from typing import Any

import lm
import numpy as np
import pytest
from click.testing import CliRunner
from hosted import Hosted, Run
from lm_brought import Brought
from refusals import lacks
from tiny_lm import TOKENS

from kgpt_build.cli import cli, invoke

TEXT = "abcabacbbcaabcabbca" * 8
CTX = 16


@pytest.fixture(scope="module")
def brought(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Brought:
    return Brought(without_model, tmp_path_factory.mktemp("brought"))


@pytest.fixture(scope="module")
def with_bos(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Brought:
    fields = {"tokenizer.ggml.add_bos_token": True}
    return Brought(without_model, tmp_path_factory.mktemp("brought"), fields=fields)


def _run(model: Brought, words: str = "", text: str = TEXT) -> Run:
    return model.run(f'mode=perplexity ctx={CTX} exit prompt="{text}" {words}')


def _encoded(text: str) -> list[int]:
    """The tokens by the tiny vocabulary's two merges: "ab", then "abc"."""
    tokens, rest = [], text
    while rest:
        piece = next(piece for piece in ("abc", "ab", "a", "b", "c") if rest.startswith(piece))
        tokens.append(TOKENS.index(piece))
        rest = rest[len(piece) :]
    return tokens


def _expected(library: ctypes.CDLL, model: Brought, *, bos: int | None = None) -> list[tuple[int, float, float]]:
    """(tokens, mean, its standard error) after each window, from the logits of the same engine."""
    tokens = ([] if bos is None else [bos]) + _encoded(TEXT)
    engine, found, seen = lm.Engine(library, model.path.read_bytes()), [], np.zeros(0)
    for start in range(0, len(tokens) - CTX + 1, CTX):
        window = tokens[start : start + CTX]
        if bos is not None:
            window[0] = bos
        engine.session(CTX, n_batch=CTX, kv="f16")
        rows = engine.eval(window)[CTX // 2 : -1].astype(np.float64)
        chosen = rows[np.arange(len(rows)), window[CTX // 2 + 1 :]]
        seen = np.concatenate([seen, np.log(np.exp(rows).sum(1)) - chosen])
        found.append((len(seen), float(seen.mean()), float(seen.std() / math.sqrt(len(seen) - 1))))
    return found


def _said(run: Run) -> list[tuple[int, float, float]]:
    assert run.returncode == 0, run.console
    return [(event["tokens"], event["nll"], event["deviation"]) for event in run.of("perplexity")]


def test_it_is_that_of_the_logits(lm_library: ctypes.CDLL, brought: Brought) -> None:
    run, expected = _run(brought), _expected(lm_library, brought)
    assert len(expected) > 3
    assert np.array(_said(run)) == pytest.approx(np.array(expected), abs=2e-9)
    assert [event["window"] for event in run.of("perplexity")] == list(range(len(expected)))
    assert {event["windows"] for event in run.of("perplexity")} == {len(expected)}
    assert f"perplexity {math.exp(expected[-1][1]):.4f}" in run.console


def test_windows_begin_with_bos_where_texts_do(lm_library: ctypes.CDLL, with_bos: Brought) -> None:
    expected = _expected(lm_library, with_bos, bos=0)
    assert np.array(_said(_run(with_bos))) == pytest.approx(np.array(expected), abs=2e-9)


@pytest.mark.parametrize("words", ["ubatch=1", "ubatch=5", "cpus=3", "cpumask=c"])
def test_bits_do_not_depend_on_batches_and_processors(brought: Brought, words: str) -> None:
    assert _said(_run(brought, words)) == _said(_run(brought))


def test_fewer_windows(brought: Brought) -> None:
    assert _said(_run(brought, "windows=2")) == _said(_run(brought))[:2]


@pytest.mark.parametrize(
    ("words", "text", "facts"),
    [("", "abc", "1 16 longer"), ("ctx=3", TEXT, "3 ctx=4"), ("ctx=300", TEXT, "ctx=300 256")],
)
def test_refusals(brought: Brought, words: str, text: str, facts: str) -> None:
    run = _run(brought, words, text)
    assert run.returncode == 1
    error = run.one("error")
    assert not lacks(f"{error['message']} {error['hint']}", facts), error


def test_a_microgpt_has_none(hosted: Hosted) -> None:
    run = hosted.run("mode=perplexity exit")
    assert run.returncode == 1
    assert not lacks(run.one("error")["message"], "mode=perplexity language model")


def _command(*words: Any) -> dict[str, Any]:
    result = CliRunner().invoke(cli, ["perplexity", *map(str, words), "--json"], catch_exceptions=False)
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_command(brought: Brought, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.txt"
    text.write_text(TEXT)
    found, (*_, last) = _command(brought.path, text, "--ctx", CTX), _said(_run(brought))
    assert (found["tokens"], found["nll"]) == last[:2]
    assert found["perplexity"] == pytest.approx(math.exp(last[1]))
    assert _command(brought.path, text, "--ctx", CTX, "--windows", 1)["windows"] == 1
    for words, facts in (
        ([tmp_path / "none.txt"], "none.txt"),
        ([text, "--ctx", 512], "512 256"),
        ([text], "longer"),
    ):
        assert invoke(["perplexity", str(brought.path), *map(str, words)]) == 1
        message = capsys.readouterr().err
        assert not lacks(message, facts), message


def test_quantize_tells_the_change(brought: Brought, tmp_path: Path) -> None:
    text, out = tmp_path / "text.txt", tmp_path / "out.gguf"
    text.write_text(TEXT * 40)
    words = ["quantize", str(brought.path), "Q4_0", "--text", str(text), "-o", str(out)]
    report = json.loads(CliRunner().invoke(cli, [*words, "--json"], catch_exceptions=False).stdout)["perplexity"]
    before, after = _command(brought.path, text), _command(out, text)
    assert report["before"]["nll"] == before["nll"]
    assert report["after"]["nll"] == after["nll"] != before["nll"]
    assert report["change"] == pytest.approx(after["perplexity"] / before["perplexity"] - 1)
    lines = CliRunner().invoke(cli, words, catch_exceptions=False).stdout.splitlines()
    assert lines[-1].startswith(f"perplexity of {text}: {before['perplexity']:.4f}")
