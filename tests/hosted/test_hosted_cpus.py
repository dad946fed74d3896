"""Threads in the place of processors: the same weights from any number of them, also under the sanitizers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hosted import Hosted
from mode_train import TEXT, Training, train

from kgpt_build.events import Cpus, Eval, Panic
from kgpt_build.headers import BROUGHT
from kgpt_build.kernel.build import build_cached

WORDS = "mode=train exit steps=40 batch=24 chunks=5 n_embd=32 val_fraction=0.3 eval_every=10 samples=2"
CORPUS = TEXT.encode() * 7


@pytest.fixture(scope="session")
def training_threads() -> Hosted:
    """A program that can train, under ThreadSanitizer."""
    return Hosted(build_cached(target="hosted", corpus=BROUGHT, toolchain="gcc", sanitize="thread"))


def left(run: Training) -> tuple[list[bytes], list[Eval]]:
    assert run.returncode == 0, run.console
    return [blob.data for blob in run.blobs], [event for event in run.events if isinstance(event, Eval)]


@pytest.mark.parametrize("program", ["training", "training_sanitized", "training_threads"])
def test_the_number_of_threads_does_not_show(request: pytest.FixtureRequest, tmp_path: Path, program: str) -> None:
    hosted = request.getfixturevalue(program)
    alone = left(train(hosted, tmp_path, f"{WORDS} cpus=1", CORPUS))
    for cpus in (2, 3, 6):  # the last is more than there are chunks
        run = train(hosted, tmp_path, f"{WORDS} cpus={cpus}", CORPUS)
        assert left(run) == alone
        (found,) = run.of(Cpus)
        assert isinstance(found, Cpus)
        assert (found.started, found.by, found.note) == (cpus, "threads", "")


def test_two_are_started_by_two_trainings_of_the_shell_once(training: Hosted, tmp_path: Path) -> None:
    words = "steps=5 batch=8 chunks=2 n_embd=8 n_head=2 block_size=8"
    lines = f"train exact steps=2\ntrain {words}\ntrain {words}\nhalt\n".encode()
    run = train(training, tmp_path, "mode=shell cpus=0", CORPUS, stdin=lines)
    assert run.returncode == 0, run.console
    assert len(run.of(Cpus)) == 1
    assert run.console.count("kgpt: 5 steps in") == 2


@pytest.mark.parametrize("program", ["training", "training_sanitized"])
def test_after_the_shell_has_started_them_a_training_is_the_same(
    request: pytest.FixtureRequest, tmp_path: Path, program: str
) -> None:
    hosted = request.getfixturevalue(program)
    words = WORDS.removeprefix("mode=train exit ")
    lines = f"train {words}\ntrain {words}\nhalt\n".encode()
    run = train(hosted, tmp_path, "mode=shell", CORPUS, stdin=lines)
    assert run.returncode == 0, run.console
    states = [blob.data for blob in run.blobs if blob.name == "state"]
    assert states[0] == states[1]


def test_one_that_does_not_start_is_said_and_training_goes_on(training: Hosted, tmp_path: Path) -> None:
    run = train(training, tmp_path, f"{WORDS} cpus=3 fault=deaf", CORPUS)
    assert left(run) == left(train(training, tmp_path, f"{WORDS} cpus=1", CORPUS))
    (found,) = run.of(Cpus)
    assert isinstance(found, Cpus)
    assert (found.started, found.note) == (1, "a thread could not be started")
    assert "1 started: a thread could not be started\n" in run.console


def test_a_fault_on_another_thread_is_a_panic(training: Hosted, tmp_path: Path) -> None:
    run = train(training, tmp_path, f"{WORDS} cpus=2 fault=cpu", CORPUS)
    assert run.returncode == 4
    (panic,) = run.of(Panic)
    assert isinstance(panic, Panic)
    assert panic.name == "#UD"


def test_exact_training_starts_none(training: Hosted, tmp_path: Path) -> None:
    run = train(training, tmp_path, "mode=train exit exact steps=2 samples=1 cpus=4", CORPUS)
    assert run.returncode == 0, run.console
    assert not run.of(Cpus)


def test_a_generation_starts_none_unless_asked(hosted: Hosted) -> None:
    assert not hosted.run("samples=1").of("cpus")
    assert hosted.run("samples=1 cpus=2").one("cpus")["started"] == 2
