"""The self-tests in the program's ELF section: one pytest id each, once as it is built and once under sanitizers."""

from __future__ import annotations

import re

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from hosted import Hosted, Run
from refusals import lacks
from selftests import LANGUAGE_MODELS
from selftests import TRAINING as NAMES


@pytest.fixture(scope="module", params=["training", "training_sanitized"])
def selftest(request: pytest.FixtureRequest) -> Run:
    program: Hosted = request.getfixturevalue(request.param)
    return program.run("mode=selftest")


@pytest.mark.parametrize("name", NAMES)
def test_selftest(selftest: Run, name: str) -> None:
    (event,) = [event for event in selftest.of("test") if event["name"] == name]
    assert event["ok"], event["message"]


def test_all_ran_and_passed(selftest: Run) -> None:
    assert selftest.returncode == 0, selftest.console
    assert selftest.one("tests") == {"event": "tests", "passed": len(NAMES), "failed": 0}
    assert selftest.events[-1] == {"event": "exit", "code": 0, "reason": "selftest"}
    assert len(NAMES) >= 40


@pytest.fixture(scope="module", params=["without_model", "without_model_sanitized"])
def lm_selftest(request: pytest.FixtureRequest) -> Run:
    program: Hosted = request.getfixturevalue(request.param)
    return program.run("mode=selftest")


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_selftest_of_language_models(lm_selftest: Run, name: str) -> None:
    (event,) = [event for event in lm_selftest.of("test") if event["name"] == name]
    assert event["ok"], event["message"]


def test_an_image_for_language_models_passes_all(lm_selftest: Run) -> None:
    assert lm_selftest.returncode == 0, lm_selftest.console
    assert lm_selftest.one("tests")["failed"] == 0


def test_the_symbols_name_them(training: Hosted) -> None:
    with training.path.open("rb") as file:
        elf = ELFFile(file)
        symtab, section = elf.get_section_by_name(".symtab"), elf.get_section_by_name("kgpt_tests")
        assert isinstance(symtab, SymbolTableSection)
        assert section is not None
        symbols = {symbol.name for symbol in symtab.iter_symbols()}
        assert section["sh_size"] == 24 * len(NAMES)
    listed = {symbol.removeprefix("kg_test_") for symbol in symbols if re.match(r"kg_test_\w+__\w+$", symbol)}
    assert listed == {name.replace(".", "__", 1) for name in NAMES}


def test_one_by_name(hosted: Hosted) -> None:
    run = hosted.run("mode=selftest test=crc32.known_answers")
    assert [event["name"] for event in run.of("test")] == ["crc32.known_answers"]


def test_one_suite(hosted: Hosted) -> None:
    run = hosted.run("mode=selftest test=json")
    assert [event["name"] for event in run.of("test")] == [name for name in _in_order(run) if name.startswith("json.")]
    assert run.one("tests")["passed"] > 1


def test_an_unknown_name_is_refused(hosted: Hosted) -> None:
    run = hosted.run("mode=selftest test=jso")
    assert run.returncode == 1
    assert not lacks(run.console, 'self-test "jso"')


def _in_order(run: Run) -> list[str]:
    return [event["name"] for event in run.of("test")]
