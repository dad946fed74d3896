"""mode=jitter and kgpt jitter, hosted: times of single tokens, their percentiles, and gaps."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pace
import pytest
from click.testing import CliRunner
from hosted import Hosted, Run
from lm_brought import Brought

from kgpt_build.cli import cli, invoke
from kgpt_build.cli.shared.jitter import Series, busy, histogram, percentile, text_of

N_CTX = 64
WORDS = "mode=jitter exit times=1100 depth=8"
SLOWEST = 12345678


@pytest.fixture(scope="module")
def brought(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Brought:
    return Brought(without_model, tmp_path_factory.mktemp("jitter"), n_ctx=N_CTX)


@pytest.fixture(scope="module")
def measured(brought: Brought) -> Run:
    return brought.run(f"{WORDS} cpus=2")


def test_every_token_is_sent_in_its_order(measured: Run) -> None:
    assert measured.returncode == 0
    parts = measured.of("durations")
    assert [(part["first"], len(part["ticks"])) for part in parts] == [(0, 1000), (1000, 100)]
    assert measured.events.index(measured.one("jitter")) > measured.events.index(parts[-1])


def test_the_summary_is_that_of_the_durations(measured: Run) -> None:
    """C and Python rank and count alike."""
    durations = sorted(tick for part in measured.of("durations") for tick in part["ticks"])
    said = measured.one("jitter")
    assert (said["tokens"], said["depth"], said["cpus"]) == (1100, 8, 2)
    ranks = {"min": 0, "p50": 500, "p99": 990, "p999": 999, "max": 1000}
    assert {name: percentile(durations, rank) for name, rank in ranks.items()} == {name: said[name] for name in ranks}
    assert histogram(durations, said["p50"], said["bounds"]) == said["counts"]
    assert sum(said["counts"]) == 1100
    assert (said["smis"], said["smis_unknown"]) == (0, "a process cannot read the counter")


def test_tokens_that_another_task_interrupted_are_told(brought: Brought) -> None:
    """On a processor that a busy process shares: of the others the figures stand beside those of all."""
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    try:
        with busy(1):
            end, run = time.monotonic() + pace.limit(60), None
            while not (run and any(part["switches"] for part in run.of("durations"))):
                assert time.monotonic() < end, "the busy process never took the processor"
                run = brought.run("mode=jitter exit times=10000 depth=8 cpus=1")
    finally:
        os.sched_setaffinity(0, processors)
    ticks = [tick for part in run.of("durations") for tick in part["ticks"]]
    switches = [count for part in run.of("durations") for count in part["switches"]]
    assert len(switches) == len(ticks) == 10000
    kept = sorted(tick for tick, count in zip(ticks, switches, strict=True) if not count)
    assert 0 < len(kept) < 10000
    assert f"jitter: {len(kept)} of these while no other task took a processor: " in run.console
    assert f"p99/p50 {percentile(kept, 990) / percentile(kept, 500):.3f}" in run.console


def test_each_processor_looks_for_gaps_before_and_after(measured: Run) -> None:
    gaps = measured.of("gaps")
    assert [(gap["when"], gap["cpu"]) for gap in gaps] == [
        *(("before", 0), ("before", 1)),
        *(("after", 0), ("after", 1)),
    ]
    for gap in gaps:
        assert gap["ticks"] >= 100_000_000
        assert gap["reads"] > 0
        assert gap["threshold"] == 1000
        assert gap["longest"] <= gap["stolen"] <= gap["ticks"]
        assert (gap["gaps"] > 0) == (gap["longest"] >= 1000)


def test_a_section_of_work_is_measured(measured: Run, brought: Brought) -> None:
    said = measured.one("sections")
    assert (said["cpus"], said["repeats"]) == (2, 50)
    assert 0 < said["min"] <= said["p50"] <= said["p99"] <= said["max"]
    assert "an empty section of work on 2 CPUs: p50" in measured.console
    assert not brought.run("mode=jitter exit times=1 cpus=1").of("sections")


def test_the_console_shows_percentiles_and_a_histogram(measured: Run) -> None:
    said = measured.one("jitter")
    assert f"p99/p50 {said['p99'] / said['p50']:.3f}" in measured.console
    lines = measured.console.splitlines()
    rows = [line.split() for line in lines if " to " in line or line.strip().startswith("above")]
    shown = [int(row[3] if row[1] == "to" else row[2]) for row in rows]
    assert shown == said["counts"]
    assert all(("#" in row[-1]) == (count > 0) for row, count in zip(rows, shown, strict=True))


def test_one_processor_decodes_and_the_others_watch(brought: Brought) -> None:
    run = brought.run("mode=jitter exit times=70 depth=8 cpus=3 watch")
    assert run.returncode == 0
    assert (run.one("jitter")["tokens"], run.one("jitter")["cpus"]) == (70, 1)
    gaps = run.of("gaps")
    assert [gap["cpu"] for gap in gaps if gap["when"] == "while"] == [1, 2]
    assert len(gaps) == 2 * 3 + 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (f"depth={N_CTX}", f"depth={N_CTX} leaves no room for a token in a context of {N_CTX}"),
        ("watch cpus=1", "watch needs a processor besides the one that decodes"),
    ],
)
def test_what_cannot_be_measured_is_refused(brought: Brought, words: str, message: str) -> None:
    run = brought.run(f"mode=jitter exit {words}")
    assert run.returncode == 1
    assert run.one("error")["message"] == message
    assert not run.of("jitter")


@pytest.fixture
def peer(tmp_path: Path) -> Path:
    """A program with llama-bench's words and output."""
    program = tmp_path / "llama-bench"
    program.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        "words = dict(zip(sys.argv[1::2], sys.argv[2::2]))\n"
        "assert (words['-p'], words['-n'], words['-d'], words['-t'], words['-o']) == ('0', '1', '8', '1', 'json')\n"
        "assert open(words['-m'], 'rb').read(4) == b'GGUF'\n"
        "print('a log', file=sys.stderr)\n"
        f"print(json.dumps([{{'samples_ns': [1000] * (int(words['-r']) - 1) + [{SLOWEST}]}}]))\n"
    )
    program.chmod(0o755)
    return program


def test_a_report_has_the_undisturbed_tokens_beside_all() -> None:
    some = Series("kgpt", 0, 4, 8, 1, (1000, 1000, 9000, 1000), per_us=1e3, bounds=(1000,), switches=(0, 0, 2, 0))
    none = Series("kgpt", 0, 2, 8, 1, (3000, 3000), per_us=1e3)
    rows = [line.split() for line in text_of("m", [some, none])]
    assert ["kgpt,", "idle", "1.0", "9.0", "9.0", "9.0", "9.000"] in rows
    assert ["…", "5", "undisturbed", "1.0", "3.0", "3.0", "3.0", "3.000"] in rows
    assert some.as_json["undisturbed"]["max"] == 1.0
    assert none.as_json["undisturbed"] is None


def jitter(*words: str) -> str:
    result = CliRunner().invoke(cli, ["jitter", *words], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_llama_cpp_and_load_stand_beside_it(brought: Brought, peer: Path) -> None:
    words = [str(brought.path), "--target", "hosted", "-n", "50", "-d", "8", "--peer", str(peer), "--load", "1"]
    found: dict[str, Any] = json.loads(jitter(*words, "--rounds", "2", "--json").splitlines()[-1])
    assert [(one["name"].split()[0], one["load"]) for one in found["series"]] == [
        *(("kgpt", 0), ("llama.cpp", 0)) * 2,
        *(("kgpt", 1), ("llama.cpp", 1)) * 2,
    ]
    ours, theirs = found["series"][:2]
    assert len(ours["durations"]) == len(theirs["durations"]) == 50
    assert ours["unit"] == theirs["unit"] == "µs"
    assert (theirs["p50"], theirs["max"]) == (1.0, SLOWEST / 1000)
    text = jitter(*words, "--rounds", "2")
    assert "100 tokens at depth 8, 1 processor" in text
    assert "llama.cpp, 1 busy process" in text
    assert "CPU 0, before:" in text


@pytest.mark.parametrize("output", ["", "[]", '[{"model": 1}]'])
def test_another_program_is_no_peer(
    brought: Brought, peer: Path, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.write_text(f"#!/bin/sh\necho '{output}'\n")
    assert invoke(["jitter", str(brought.path), "--target", "hosted", "-n", "10", "-d", "8", "--peer", str(peer)]) == 1
    error = capsys.readouterr().err
    assert f"{peer} did not print the times of 10 tokens" in error
    assert "give llama.cpp's llama-bench; this was run:" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--icount", "--target", "hosted"], "--icount counts the instructions of one processor"),
        (["--icount", "--cpus", "2"], "--icount counts the instructions of one processor"),
        (["--watch"], "--watch needs a processor besides"),
        (["--peer", "llama-bench"], "--peer compares processes of this machine"),
        (["--depth", str(N_CTX)], f"--depth {N_CTX} leaves no room in a context of {N_CTX}"),
        (["-n", "0"], "times is 0"),
    ],
)
def test_options_that_exclude_each_other(
    brought: Brought, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["jitter", str(brought.path), *words]) == 2
    assert message in capsys.readouterr().err
