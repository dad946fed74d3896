"""aarch64 computes the bits of tests/record/record.json, which x86-64 wrote: logits, texts, losses and weights."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cases import CASES, Case
from lm_tiny import TINY
from record import check, different
from runs import Bench, digests
from test_record import LONG, SHORT, load_entries, of

from kgpt_build.arch import of_host, of_name

ARCH = of_name("aarch64")
ARCHITECTURES = {tiny.arch: f"lm/{name}" for name, tiny in reversed(TINY.items()) if f"lm/{name}" in CASES}
QUANTIZED = [f"lm/{name}" for name, tiny in TINY.items() if tiny.kind != "F32" and f"lm/{name}" in CASES]
QUICK = [
    CASES[name]
    for name in dict.fromkeys(
        ["micro/default", *ARCHITECTURES.values(), *QUANTIZED, "train/exact/small", "train/fast-avx2/small"]
    )
]
"""A model of each architecture, one of each type of weights, and trainings."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    if of_host() is not ARCH and not shutil.which(ARCH.user_emulator.program):
        pytest.skip("the test needs qemu-user")
    return Bench(tmp_path_factory.mktemp("record"), arch=ARCH)


@pytest.fixture(scope="module")
def entries() -> Mapping[str, Any]:
    return load_entries()


def equal(case: Case, bench: Bench, entries: Mapping[str, Any], *, short: bool) -> None:
    if what := case.missing(bench):
        pytest.skip(what)
    wrong = check(case, bench, entries, short=short)
    assert not wrong, "\n".join(wrong)


@of(QUICK)
def test_the_record_is_computed(case: Case, bench: Bench, entries: Mapping[str, Any]) -> None:
    """By the slots for emulators, as every run in one."""
    if what := case.missing(bench):
        pytest.skip(what)
    _, found = next(iter(case.runs(bench, short=True)))
    assert different(case, "", entries[case.name], found) == []


def test_smollm2(bench: Bench, smollm2: Path, tmp_path: Path) -> None:
    """A real model: the logits of a short prompt and of a reply, by both architectures."""
    words = "mode=generate prompt=Hello max_tokens=2 temperature=0 ctx=64 logits cpus=2 exit"
    found = []
    for each in (Bench(tmp_path), bench):
        found.append(digests(each.hosted(each.image("lm"), words, [str(smollm2)]).lines))
    assert found[0] == found[1]
    assert {"logits", "texts"} <= found[0].keys()


@pytest.mark.parametrize("mask", ["neon", "dotprod", "i8mm"])
@of([case for case in QUICK if case.name in (*ARCHITECTURES.values(), *QUANTIZED)])
@pytest.mark.slow
def test_slots_compute_the_record(case: Case, mask: str, bench: Bench, entries: Mapping[str, Any]) -> None:
    run = bench.hosted(bench.image(case.image), f"{case.words} cpumask={mask}", case.modules(bench), case.typed)
    assert different(case, f"cpumask={mask}", entries[case.name], digests(run.lines)) == []


@pytest.mark.slow
@of(SHORT)
def test_the_short_list(case: Case, bench: Bench, entries: Mapping[str, Any]) -> None:
    equal(case, bench, entries, short=True)


@pytest.mark.slow
@of([case for case in LONG if case.name.startswith(("smollm2/", "train/"))])
def test_smollm2_and_trainings(case: Case, bench: Bench, entries: Mapping[str, Any]) -> None:
    equal(case, bench, entries, short=False)


@pytest.mark.slow
@pytest.mark.parametrize("toolchain", ["gcc", "clang"])
def test_other_compilers_compute_the_record(toolchain: str, tmp_path: Path, entries: Mapping[str, Any]) -> None:
    """Trainings, whose fused products each compiler names differently, and quantized models."""
    if not shutil.which({"gcc": "aarch64-linux-gnu-gcc"}.get(toolchain, toolchain)):
        pytest.skip(f"the test needs {toolchain} for aarch64")
    bench = Bench(tmp_path, toolchain, ARCH)
    for name in ("train/fast-avx2/small", "train/fast-avx2/text", "train/exact/small", *QUANTIZED):
        _, found = next(iter(CASES[name].runs(bench, short=True)))
        assert different(CASES[name], toolchain, entries[name], found) == []
