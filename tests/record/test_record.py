"""What kgpt computes is what it computed before, to the bit (tests/record/record.json)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cases import CASES, Case
from record import check, check_kernel, different, load
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
    found: Mapping[str, Any] = load()["entries"]
    return found


def equal(case: Case, bench: Bench, entries: Mapping[str, Any], *, short: bool) -> None:
    if not case.possible(bench):
        pytest.skip(f"this processor has no {case.isa}")
    wrong = check(case, bench, entries.get(case.name), short=short)
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
    wrong = check_kernel(case, bench, entries.get(case.name))
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
    wrong = [
        line for case in SHORT if case.possible(bench) for line in check(case, bench, entries[case.name], short=True)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_record_is_of_these_cases(entries: Mapping[str, Any]) -> None:
    assert set(entries) == set(CASES)


def test_a_difference_is_told() -> None:
    case = CASES["micro/default"]
    (line,) = different(
        case, "cpumask=c", {"logits": "1" * 64, "texts": "2" * 64}, {"logits": "3" * 64, "texts": "2" * 64}
    )
    assert f"micro/default with cpumask=c: logits: expected {'1' * 64}, got {'3' * 64}" in line
    assert "python tests/record/record.py --write 'WHY' --only 'micro/default'" in line
