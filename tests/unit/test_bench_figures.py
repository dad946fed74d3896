"""The arithmetic of benchmarks.inference, and what it marks as disturbed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gguf
import pytest
from tiny_lm import write_lm

from benchmarks import machine
from benchmarks.inference import after_prefill, bandwidth, everything, report, tables
from benchmarks.inference.figures import (
    Conditions,
    Spread,
    Workload,
    bytes_per_token,
    kv_bytes,
    rate,
    ratios,
    weight_bytes,
)
from benchmarks.inference.tables import Figure
from kgpt_build import models
from kgpt_build.errors import KgptError

QUIET = Conditions(load=0.2, bandwidth=30e9, best_bandwidth=31e9, foreign=0.01)


def test_a_rate_is_that_of_the_median_repetition() -> None:
    assert rate(64, [2e9, 1e9, 64e9]) == 32
    assert rate(10, [1e9, 3e9]) == 5


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    assert ratios([10, 40, 90], [10, 20, 30]) == Spread(1, 2, 3)
    with pytest.raises(ValueError, match="zip"):
        ratios([1], [1, 2])


@pytest.mark.parametrize(
    ("test", "name"),
    [
        (Workload("pp", 64), "pp64"),
        (Workload("tg", 32, 512), "tg32 @ d512"),
        (Workload("tg", 32, 512, "q8"), "tg32 @ d512, q8 KV"),
    ],
)
def test_names_are_those_of_llama_bench(test: Workload, name: str) -> None:
    assert test.name == name


@pytest.mark.parametrize(
    ("conditions", "mark"),
    [
        (QUIET, ""),
        (Conditions(0.5, 24.8e9, 31e9, 0.1), ""),
        (Conditions(0.51, 31e9, 31e9), "load 0.5 at the start"),
        (Conditions(0.2, 24.7e9, 31e9), "bandwidth 80 % of the best"),
        (Conditions(0.2, 31e9, 31e9, 0.7), "other work took 0.7 CPUs"),
        (Conditions(3, 10e9, 40e9), "load 3.0 at the start, bandwidth 25 % of the best"),
    ],
)
def test_what_is_disturbed(conditions: Conditions, mark: str) -> None:
    assert conditions.mark == mark


def test_a_figure_says_how_many_rounds_were_disturbed() -> None:
    busy = Conditions(0.1, 10e9, 20e9)
    figure = Figure(Workload("pp", 64), 1, [1, 2, 3], conditions=[QUIET, busy, QUIET])
    assert figure.mark == "disturbed in 1 of 3 rounds: bandwidth 50 % of the best"
    assert Figure(Workload("pp", 64), 1, [1], conditions=[QUIET]).mark == ""


def test_a_token_reads_the_weights_and_the_cache_before_it(tmp_path: Path) -> None:
    path = write_lm(tmp_path / "tiny.gguf", kind="F16")
    model, tensors = models.load_lm(path), gguf.GGUFReader(path).tensors
    sizes, bytes_of = model.hparams, {tensor.name: int(tensor.n_bytes) for tensor in tensors}
    total = sum(bytes_of.values())
    if "output.weight" in bytes_of:
        total -= bytes_of["token_embd.weight"] * (sizes.n_vocab - 1) // sizes.n_vocab
    assert weight_bytes(model) == total
    one = 2 * sizes.n_layer * sizes.n_head_kv * sizes.head_dim * 2
    assert kv_bytes(model, "f16", 10) == 10 * one
    assert kv_bytes(model, "q8", 10) * 32 == 10 * one * 17
    assert bytes_per_token(model, Workload("tg", 4, depth=100)) == weight_bytes(model) + 102.5 * one


def test_a_row_has_both_sides_and_the_share_of_the_bandwidth() -> None:
    figure = Figure(
        Workload("tg", 64), 2, [200.0, 210.0, 190.0], {"llama.cpp": [100.0, 100.0, 100.0]},
        bandwidths=[40e9, 40e9, 40e9], conditions=[QUIET] * 3, bytes_read=100e6,
    )  # fmt: skip
    cells = [cell.strip() for cell in tables.row(figure, ["llama.cpp", "other"]).strip("|").split("|")]
    assert cells == [
        *("tg64", "2", "200 (190 – 210)", "50 %"),
        *("100 (100 – 100)", "25 %", "**2.00** (1.90 – 2.10)"),
        *("–", "–", "–", ""),
    ]
    assert tables.header(["llama.cpp", "other"]).splitlines()[0].count("|") == len(cells) + 1


def spoken(computed: int, first: int, step: int) -> bytes:
    event = {"event": "speed", "prompt_tokens": computed, "first_token_us": first, "p50_us": step}
    return json.dumps(event | {"context_used": 512 + computed + 15, "computed": 15}).encode()


def test_steps_behind_a_prefill_are_those_of_each_answer() -> None:
    lines = [b'{"event":"ready"}', spoken(9, 99_000, 1000), spoken(7, 12_000, 4000), spoken(7, 10_000, 5000)]
    answers = after_prefill.answers_of(lines)
    assert [(answer.prefill, answer.computed, answer.steps) for answer in answers] == [(512, 7, 3.0), (512, 7, 2.0)]
    assert after_prefill.row(2, answers) == "| 2 | 512 | 7 | 11.0 (10.0 – 12.0) | 4.5 (4.0 – 5.0) | 2.5 (2.0 – 3.0) |"
    for few in (lines[:2], [*lines, spoken(7, 1000, 0)]):
        with pytest.raises(KgptError, match="too few answers"):
            after_prefill.answers_of(few)


def test_the_headline_has_a_column_for_each_file() -> None:
    figures = {
        name: [Figure(Workload("pp", 64), 1, [rate], {"llama.cpp": [10.0]}, [1.0], [conditions])]
        for name, rate, conditions in (("a", 15.0, QUIET), ("b", 20.0, Conditions(2, 1, 1)))
    }
    assert tables.headline(figures, "llama.cpp")[0] == "| test | threads | a | b |"
    assert tables.headline(figures, "llama.cpp")[2:] == ["| pp64 | 1 | 1.50 | 2.00 (disturbed) |"]


@pytest.mark.parametrize(("value", "text"), [(4561.7, "4,562"), (456.7, "457"), (45.67, "45.7"), (4.567, "4.57")])
def test_digits(value: float, text: str) -> None:
    assert tables.digits(value) == text


def test_the_best_bandwidth_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "bandwidth.json"
    assert bandwidth.Best(path).update(1, 20e9) == 20e9
    assert bandwidth.Best(path).update(1, 10e9) == 20e9
    assert bandwidth.Best(path).update(2, 10e9) == 10e9
    assert bandwidth.Best(path).update(1, 30e9) == 30e9
    (machine_name,) = json.loads(path.read_text())
    assert machine.processor() in machine_name
    path.write_text("[1")
    assert bandwidth.Best(path).update(1, 5e9) == 5e9


def test_our_own_work_is_not_foreign() -> None:
    watch = machine.Watch()
    assert sum(i * i for i in range(200_000)) > 0
    assert 0 <= watch.foreign() <= 1024


def test_what_is_printed_replaces_a_part_of_a_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = tmp_path / "a:b.md"
    document.write_text("before\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n")
    with report.kept_in(f"{document}:figures"):
        sys.stdout.write("| 1 |\n\n")
    assert document.read_text() == "before\n<!-- figures -->\n| 1 |\n<!-- /figures -->\nafter\n"
    assert capsys.readouterr().out == "| 1 |\n\n"
    with pytest.raises(ZeroDivisionError), report.kept_in(f"{document}:figures"):
        sys.stdout.write(str(1 / 0))
    assert "| 1 |" in document.read_text()


@pytest.mark.parametrize(("place", "message"), [("x.md:others", "no part others"), ("y.md:a", "cannot be read")])
def test_a_part_that_is_not_there_is_refused_at_once(tmp_path: Path, place: str, message: str) -> None:
    (tmp_path / "x.md").write_text("<!-- figures -->\n")
    with pytest.raises(KgptError, match=message), report.kept_in(f"{tmp_path}/{place}"):
        pytest.fail("it was measured")


def test_lines_of_prose_fit_into_a_document() -> None:
    assert all(len(line) <= 110 for line in report.prose("word " * 100).splitlines())


def test_the_document_has_every_part() -> None:
    text = (Path(__file__).parents[2] / "docs" / "inference.md").read_text(encoding="utf-8")
    for name in (*everything.PARTS, "microbench"):
        assert report.replaced(text, name, "new") != text
