"""Several processors: found, started, asleep and awake, broken; and a training that does not show how many worked."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from boots import Boot, texts

from kgpt_build.boot_modules import BootModule
from kgpt_build.events import Cpus, Eval, Event
from kgpt_build.pytest_plugin import Guest

MACHINES = ("pc", "q35", "microvm")
# Four chunks, so that there is work for four; all steps take so long here that who has nothing to do falls asleep.
TRAIN = "mode=train exit steps=6 batch=32 chunks=4 val_fraction=0.2 eval_every=2 samples=2"
NAMES = ("anna", "bob", "carla", "dan", "frieda", "gus", "hanna", "ida", "jo", "karl", "lena", "max", "nora", "otto")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred short documents."""
    path = tmp_path_factory.mktemp("cpus") / "corpus"
    path.write_text("".join(f"{first}{second}\n" for first in NAMES for second in NAMES[:5]))
    return path


@pytest.fixture
def train(boot: Boot, training_kernel: Path, corpus: Path) -> Boot:
    """``train(words, **settings)``: a training, under way."""

    def start(words: str = "", image: Path = training_kernel, **settings: object) -> Guest:
        return boot(f"{TRAIN} {words}", image=image, modules=(BootModule(corpus),), **settings)

    return start


Result = tuple[dict[str, bytes], list[Event], list[str]]
_alone: list[Result] = []


def result(guest: Guest) -> Result:
    """All that a training leaves: weights and state, losses on the validation documents, samples."""
    end = guest.wait()
    assert end.ok, end
    blobs = {blob.name: blob.data for blob in guest.machine.blobs}
    assert blobs.keys() == {"best", "last", "state"}
    return blobs, [event for event in guest.events if isinstance(event, Eval)], texts(guest)


@pytest.fixture
def alone(train: Boot) -> Result:
    """What one processor computes."""
    if not _alone:
        _alone.append(result(train(machine="pc")))
    return _alone[0]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_the_number_of_processors_does_not_show(train: Boot, alone: Result, machine: str, cpus: int) -> None:
    guest = train(machine=machine, cpus=cpus)
    assert result(guest) == alone
    guest.expect(f"^kgpt: cpus: {cpus} found, {cpus} started$")
    guest.expect_event("cpus", found=cpus, started=cpus, by="xapic" if cpus > 1 else "", note="")


@pytest.mark.parametrize("machine", MACHINES)
def test_started_by_pvh(train: Boot, alone: Result, training_kernel: Path, tmp_path: Path, machine: str) -> None:
    """QEMU starts what has no multiboot 1 header by its PVH note; then the root pointer comes from the loader."""
    image = tmp_path / "pvh.elf"
    magic = struct.pack("<II", 0x1BADB002, 0x00010003)
    image.write_bytes(training_kernel.read_bytes().replace(magic, bytes(8)))
    guest = train(image=image, machine=machine, cpus=2, memory=256)
    assert result(guest) == alone
    guest.expect_event("boot", loader="pvh")
    guest.expect_event("cpus", found=2, started=2)


def test_fewer_than_there_are(train: Boot, alone: Result) -> None:
    guest = train("cpus=2", cpus=3)
    assert result(guest) == alone
    guest.expect_event("cpus", found=3, started=2, note="")


def test_one_that_does_not_answer_is_said_and_training_goes_on(train: Boot, alone: Result) -> None:
    guest = train("fault=deaf", cpus=3)
    assert result(guest) == alone
    guest.expect("^kgpt: cpus: 3 found, 2 started: some did not answer$")


def test_none_answers(train: Boot, alone: Result) -> None:
    guest = train("fault=deaf", cpus=2)
    assert result(guest) == alone
    guest.expect_event("cpus", found=2, started=1, note="some did not answer")


@pytest.mark.parametrize("machine", ["pc", "microvm"])
def test_without_acpi_tables_there_is_one(train: Boot, alone: Result, machine: str) -> None:
    guest = train(machine=machine, cpus=2, extra=("-machine", "acpi=off"))
    assert result(guest) == alone
    guest.expect_event("cpus", found=1, started=1, note="the firmware has no ACPI tables")


def test_sockets_for_processors_to_come_are_not_counted(train: Boot) -> None:
    guest = train(cpus=1, machine="q35", extra=("-smp", "2,maxcpus=4"))
    assert guest.wait().ok
    guest.expect_event("cpus", found=2, started=2)


def test_a_fault_on_another_processor_is_a_panic(train: Boot) -> None:
    guest = train("fault=cpu", cpus=2)
    end = guest.wait()
    assert (end.kind, end.exit_code) == ("failed", 4)
    assert end.panic is not None
    assert (end.panic.name, end.panic.cpu) == ("#UD", 1)
    assert end.panic.registers["rsp"]
    assert "kernel_c/platform/x86_64/fault.c:" in end.message.splitlines()[0]
    assert end.message.splitlines()[0].endswith("(cpu 1)")
    assert any("kg_parallel_serve" in line for line in end.message.splitlines())
    guest.expect("^kgpt: panic: #UD .*, cpu 1$")


def test_a_generation_looks_for_no_others(boot: Boot) -> None:
    guest = boot("samples=1 exit", cpus=4)
    assert guest.wait().ok
    assert not [event for event in guest.events if isinstance(event, Cpus)]


@pytest.mark.parametrize("cpu", ["qemu64", "Haswell", "max"])
def test_every_kind_of_processor(boot: Boot, cpu: str) -> None:
    guest = boot("samples=1 exit cpus=8", cpu=cpu, cpus=8)
    assert guest.wait().ok
    guest.expect_event("cpus", found=8, started=8)
