"""What kgpt computes is what it computed before, to the bit (tests/record/record.json)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from cases import CASES, Case
from record import check, check_kernel, different, load
from runs import Bench

SHORT = [case for case in CASES.values() if case.short]
LONG = [case for case in CASES.values() if case not in SHORT or case.also != case.also_short]
IN_QEMU = [case for case in CASES.values() if case.in_qemu]


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


@of(IN_QEMU)
def test_a_kernel_computes_the_same(case: Case, bench: Bench, entries: Mapping[str, Any]) -> None:
    wrong = check_kernel(case, bench, entries.get(case.name))
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@of(LONG)
def test_nothing_moved_in_the_whole_list(case: Case, bench: Bench, entries: Mapping[str, Any]) -> None:
    equal(case, bench, entries, short=False)


def test_the_record_is_of_these_cases(entries: Mapping[str, Any]) -> None:
    assert set(entries) == set(CASES)


def test_a_difference_is_told() -> None:
    case = CASES["micro/default"]
    (line,) = different(
        case, "cpumask=c", {"logits": "1" * 64, "texts": "2" * 64}, {"logits": "3" * 64, "texts": "2" * 64}
    )
    assert f"micro/default with cpumask=c: logits: expected {'1' * 64}, got {'3' * 64}" in line
    assert "python tests/record/record.py --write 'WHY' --only 'micro/default'" in line
