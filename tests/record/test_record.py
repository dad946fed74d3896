"""kgpt computes the bits of tests/record/record.json. tests/record/record.py prints more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import record
from cases import CASES, Case
from record import RECORD, check, check_kernel, different
from runs import Bench

SHORT = [case for case in CASES.values() if case.short]
LONG = [case for case in CASES.values() if not case.short or case.also != case.also_short or case.also_held]


def of(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("record"))


@pytest.fixture(scope="session")
def entries() -> Mapping[str, Any]:
    return load_entries()


def load_entries() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))["entries"]
    return found


def equal(case: Case, bench: Bench, entries: Mapping[str, Any], *, short: bool) -> None:
    if what := case.missing(bench):
        pytest.skip(what)
    wrong = check(case, bench, entries, short=short)
    assert not wrong, "\n".join(wrong)


@of(SHORT)
def test_nothing_moved(case: Case, bench: Bench, entries: Mapping[str, Any]) -> None:
    equal(case, bench, entries, short=True)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.qemu == "long" else [])
        for case in CASES.values()
        if case.qemu
    ],
)
def test_a_kernel_computes_the_same(case: Case, bench: Bench, entries: Mapping[str, Any]) -> None:
    wrong = check_kernel(case, bench, entries)
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@of(LONG)
def test_nothing_moved_in_the_whole_list(case: Case, bench: Bench, entries: Mapping[str, Any]) -> None:
    equal(case, bench, entries, short=False)


@pytest.mark.slow
@pytest.mark.parametrize("toolchain", ["gcc", "clang"])
def test_another_compiler_computes_the_same(toolchain: str, tmp_path: Path, entries: Mapping[str, Any]) -> None:
    if not shutil.which(toolchain):
        pytest.skip(f"the test needs {toolchain}")
    bench = Bench(tmp_path, toolchain)
    possible = [case for case in SHORT if not case.missing(bench)]
    assert len(possible) > 100
    wrong = [line for case in possible for line in check(case, bench, entries, short=True)]
    assert not wrong, "\n".join(wrong)


def test_the_record_is_of_these_cases(entries: Mapping[str, Any]) -> None:
    assert set(entries) == set(CASES)


def test_a_difference_is_told(bench: Bench, entries: Mapping[str, Any]) -> None:
    case, other = CASES["micro/max-tokens"], "1" * 64
    entry = entries[case.name]
    wrong = check(case, bench, {case.name: {**entry, "logits": other}}, short=True)
    words = f"expected {other}, got {entry['logits']}\n  words: {case.words}"
    assert wrong[0] == f"micro/max-tokens: logits: {words}"
    assert wrong[1] == f"micro/max-tokens with cpumask=c: logits: {words}"
    assert "python tests/record/record.py --write 'WHY' --only 'micro/max-tokens'" in wrong[-1]
    assert "is not in the record" in check(case, bench, {}, short=True)[0]
    assert "previews: expected none" in different(case, "", entry, {**entry, "previews": other})[0]
    assert "texts: expected" in different(case, "", entry, {"logits": entry["logits"]})[0]


def test_variants_that_disagree_are_not_written(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "record.json"
    monkeypatch.setattr(record, "RECORD", path)
    case = CASES["micro/max-tokens"]
    assert list(record.written([case], bench, "first")) == []
    assert record.load()["entries"] == {case.name: load_entries()[case.name]}
    before = path.read_bytes()
    wrong = list(record.written([replace(case, also=("seed=3",))], bench, "second"))
    assert wrong[-1] == "  micro/max-tokens is not written: its variants do not agree"
    assert path.read_bytes() == before
    capsys.readouterr()
