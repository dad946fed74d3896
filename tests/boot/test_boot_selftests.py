"""The self-tests inside the kernel: one pytest id each, and on every kind of machine those of the default image."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from boots import Boot
from selftests import DEFAULT, LANGUAGE_MODELS
from selftests import TRAINING as NAMES

from kgpt_build.events import Event, SelfTest, SelfTests
from kgpt_build.kernel.elf import read_elf
from kgpt_build.kernel.inspect import test_names as names_in_image
from kgpt_build.pytest_plugin import Guest

ALL = [
    {"cpu": cpu, "machine": machine, "cpus": cpus, "memory": memory, "serial": serial}
    for cpu, machine, cpus, memory, serial in itertools.product(
        ("qemu64", "Haswell", "max"), ("pc", "q35", "microvm"), (1, 2), (64, 4096), (True, False)
    )
]


def described(settings: dict[str, object]) -> str:
    return ",".join(f"{key}={value}" for key, value in settings.items())


def run_all(guest: Guest, names: list[str]) -> list[Event]:
    end = guest.wait()
    assert end.ok, end
    assert guest.events[-2] == SelfTests(passed=len(names), failed=0)
    return guest.events


_runs: dict[str, list[Event]] = {}


@pytest.fixture(params=["qemu64", "Haswell", "max"])
def selftests(request: pytest.FixtureRequest, boot: Boot, training_kernel: Path) -> list[Event]:
    """The events of one boot per processor, shared by all tests of this process."""
    if request.param not in _runs:
        _runs[request.param] = run_all(boot("mode=selftest", image=training_kernel, cpu=request.param), NAMES)
    return _runs[request.param]


@pytest.mark.parametrize("name", NAMES)
def test_selftest(selftests: list[Event], name: str) -> None:
    (event,) = [event for event in selftests if isinstance(event, SelfTest) and event.name == name]
    assert event.ok, event.message


_lm_runs: dict[str, list[Event]] = {}


@pytest.fixture(params=["qemu64", "Haswell", "max"])
def lm_selftests(request: pytest.FixtureRequest, boot: Boot, kernel_without_model: Path) -> list[Event]:
    """The same of an image for language models."""
    if request.param not in _lm_runs:
        guest = boot("mode=selftest", image=kernel_without_model, cpu=request.param)
        _lm_runs[request.param] = run_all(guest, sorted(DEFAULT + LANGUAGE_MODELS))
    return _lm_runs[request.param]


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_selftest_of_language_models(lm_selftests: list[Event], name: str) -> None:
    (event,) = [event for event in lm_selftests if isinstance(event, SelfTest) and event.name == name]
    assert event.ok, event.message


def test_the_image_lists_them(training_kernel: Path) -> None:
    image = read_elf(training_kernel)
    assert sorted(names_in_image(image)) == NAMES
    assert {f"kg_test_{name.replace('.', '__', 1)}" for name in NAMES} <= set(image.symbol_by_name)
    assert len(NAMES) >= 40


def test_an_image_that_cannot_train_has_none_for_it(kernel: Path) -> None:
    assert sorted(names_in_image(read_elf(kernel))) == DEFAULT


@pytest.mark.parametrize("settings", ALL, ids=described)
def test_all_pass(boot: Boot, settings: dict[str, object]) -> None:
    run_all(boot("mode=selftest", **settings), DEFAULT)


def test_one_suite(boot: Boot) -> None:
    guest = boot("mode=selftest test=crc32")
    assert guest.wait().ok
    names = [event.name for event in guest.events if isinstance(event, SelfTest)]
    assert names == [name for name in NAMES if name.startswith("crc32.")]
