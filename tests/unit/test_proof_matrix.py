"""The matrix's machines: every pair that can be is there, none that cannot."""

from __future__ import annotations

from itertools import combinations, product
from pathlib import Path

import pytest
from fakes import fake_program
from refusals import refused

from kgpt_build.errors import UsageError
from kgpt_build.kernel.settings import Silent
from kgpt_build.proof import virt
from kgpt_build.proof.axes import (
    AXES,
    DEVICE_AXES,
    DEVICE_RULES,
    RULES,
    VIRT_AXES,
    Case,
    VirtCase,
    cases,
    check_words,
    device_cases,
    only,
    reduced,
    virt_cases,
    virt_reduced,
)
from kgpt_build.proof.drive import Result
from kgpt_build.proof.images import Expected
from kgpt_build.proof.pairwise import (
    Rule,
    can_be_completed,
    obeys,
    pairs_of,
    possible_pairs,
    rows_covering_pairs,
)
from kgpt_build.proof.report import MARKS, VIRT_MARKS, Report, as_data, markdown, with_tables
from kgpt_build.proof.virt import ARCH, VirtFiles, virt_jobs, virt_settings
from kgpt_build.vm.firmware import Firmware
from kgpt_build.vm.qemu.argv import qemu_argv
from kgpt_build.vm.qemu.channels import STANDALONE

NEW, OLD = (9, 1), (7, 2, 22)


def test_without_rules_every_pair_is_covered_by_few_rows() -> None:
    axes = {"a": tuple("123"), "b": tuple("456"), "c": tuple("789"), "d": tuple("xyz")}
    rows = rows_covering_pairs(axes, ())
    covered = {pair for row in rows for pair in pairs_of(row)}
    assert covered == {pair for one, two in combinations(axes, 2) for pair in product(
        [(one, value) for value in axes[one]], [(two, value) for value in axes[two]]
    )}  # fmt: skip
    assert 9 <= len(rows) <= 15


def test_a_pair_that_only_two_rules_together_forbid_is_not_asked_for() -> None:
    axes = {"a": ("0", "1"), "b": ("0", "1"), "c": ("0", "1")}
    rules = (
        Rule(("a", "b"), lambda a, b: a != "1" or b == "1"),
        Rule(("b", "c"), lambda b, c: b != "1" or c == "1"),
    )
    assert not can_be_completed({"a": "1", "c": "0"}, axes, rules)
    pairs = set(possible_pairs(axes, rules))
    assert (("a", "1"), ("c", "0")) not in pairs
    rows = rows_covering_pairs(axes, rules)
    assert all(obeys(row, rules) for row in rows)
    assert {pair for row in rows for pair in pairs_of(row)} == pairs


def brute_force() -> set[tuple[tuple[str, str], tuple[str, str]]]:
    """The pairs of all allowed rows, each looked at."""
    found = set()
    for values in product(*AXES.values()):
        row = dict(zip(AXES, values, strict=True))
        if obeys(row, RULES):
            found |= set(pairs_of(row))
    return found


def test_every_allowed_pair_of_the_matrix_is_covered() -> None:
    every, missing = cases(NEW)
    assert missing == []
    assert all(obeys(case.values, RULES) for case in every)
    covered = {pair for case in every for pair in pairs_of(case.values)}
    assert covered == brute_force()
    assert len(every) < 60
    assert len({case.name for case in every}) == len(every)
    assert cases(NEW) == cases(NEW)


def test_what_an_old_qemu_cannot_make_is_named_and_not_there() -> None:
    every, missing = cases(OLD)
    assert [item.name for item in missing] == ["special=x2apic"]
    assert "7.2.22" in missing[0].reason
    covered = {pair for case in every for pair in pairs_of(case.values)}
    assert covered == {pair for pair in brute_force() if ("special", "x2apic") not in pair}


def test_the_reduced_matrix_has_every_value() -> None:
    every, _ = cases(OLD)
    few = reduced(every)
    assert {item for case in few for item in case.values.items()} == {
        item for case in every for item in case.values.items()
    }
    assert 10 <= len(few) <= 12


def test_only() -> None:
    every, _ = cases(OLD)
    chosen = only(every, ("loader=pvh", "microvm"))
    assert chosen
    assert all((case["loader"], case["machine"]) == ("pvh", "microvm") for case in chosen)
    assert only(every, ("loader=pvh", "pixels")) == []
    for word in ("loader=lilo", "speed=1", "memory=7"):
        with refused(UsageError, word):
            check_words((word,))


def test_only_of_devices() -> None:
    """Each axis of both families can be chosen; an axis that a machine lacks does not fit it."""
    every, _ = cases(OLD)
    check_words(["start=direct-uefi", "secure=on", "disk=nvme", "memory=20480", "memory=512", "keyboard=hub"])
    signed = only(device_cases(), ("secure=on", "keyboard=usb"))
    assert signed
    assert all(case["start"] == "direct-uefi" for case in signed)
    assert only(every, ("secure=on",)) == []
    assert only(device_cases(), ("loader=pvh",)) == []


def test_the_tables_of_both_families() -> None:
    every, _ = cases(OLD)
    rows: list[Case] = [every[0], device_cases()[0]]
    results = [Result(case.name, (), 1.0, "serial") for case in rows] + [Result("bochs x", (), 1.0, "serial")]
    text = markdown(Report(rows, results, []))
    assert [line.count("|") for line in text.splitlines() if line.startswith("| ")] == [12, 12, 12, 8, 8]
    assert "| started by | Secure Boot | keyboard | disk | MB | seen on | verdict |" in text
    machines = [run["machine"] for run in as_data(Report(rows, results, []))["runs"]]
    assert machines == [dict(rows[0].values), dict(rows[1].values), {}]


def test_names() -> None:
    row = {axis: values[0] for axis, values in AXES.items()}
    assert Case(row).name == "pvh pc qemu64 1cpu 128MB serial pixels ps2 plain"


def test_every_allowed_pair_of_the_devices_is_covered() -> None:
    every = device_cases()
    covered = {pair for case in every for pair in pairs_of(case.values)}
    assert covered == set(possible_pairs(DEVICE_AXES, DEVICE_RULES))
    assert (("start", "grub-bios"), ("secure", "on")) not in covered
    assert (("secure", "on"), ("disk", "usb")) in covered
    assert len(every) <= 30
    assert len({case.name for case in every}) == len(every)


def test_every_virt_is_a_row() -> None:
    every = virt_cases()
    assert {tuple(case.values.items()) for case in every} == {
        tuple(zip(VIRT_AXES, row, strict=True)) for row in product(*VIRT_AXES.values())
    }
    assert len({case.name for case in every}) == len(every) == 24 * len(VIRT_AXES["start"])
    few = virt_reduced(every)
    assert {item for case in few for item in case.values.items()} == {
        (axis, value) for axis, values in VIRT_AXES.items() for value in values
    }
    assert len(few) == 4
    assert only(every, ("gic=3", "cpu=max", "cpus=8", "uefi")) == [every[-1]]
    assert only(device_cases(), ("gic=3",)) == []
    check_words(["gic=2", "cpu=cortex-a72", "start=linux"])
    with refused(UsageError, "gic=4"):
        check_words(["gic=4"])


@pytest.mark.parametrize("case", virt_cases(), ids=lambda case: case.name)
def test_a_virt_is_what_its_row_says(case: VirtCase) -> None:
    files = VirtFiles(Path("k"), Path("drive"), Firmware(Path("code.fd"), is_uefi=True))
    words = " ".join(qemu_argv(virt_settings(case, files), STANDALONE))
    by_uefi = case["start"] == "uefi"
    assert ("-kernel k " in words, "fat:drive" in words, "-bios code.fd" in words) == (not by_uefi, by_uefi, by_uefi)
    said = (f"-machine gic-version={case['gic']}", f"-cpu {case['cpu']} ", f"-smp {case['cpus']} ", "-m 512M")
    assert all(word in words for word in said)
    assert words.startswith(f"{ARCH.qemu.program} ")
    assert case.name == f"virt {case['cpu']} {case['cpus']}cpu gicv{case['gic']} {case['start']}"
    assert (case["loader"], case.has_screen, case.can_be_typed_to) == (case["start"], False, True)


def test_virt_without_its_qemu_is_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    jobs, made, (item,) = virt_jobs(tmp_path, virt_cases(), Expected((), ()), Silent())
    assert (jobs, made, item.name) == ([], [], "virt")
    assert ARCH.qemu.program in item.reason
    assert ARCH.qemu.install in item.reason


def test_the_tables_of_pcs_and_of_virt_have_their_own_marks() -> None:
    """What was not run keeps its table."""
    pc, virt = cases(OLD)[0][0], virt_cases()[0]
    document = "\n".join(["# A", *(f"{begin}\nold\n{end}" for begin, end in (MARKS, VIRT_MARKS)), "z"])
    one = with_tables(document, Report([virt], [Result(virt.name, (), 1.0, "serial")], []))
    assert one.count("old") == 1
    assert f"{MARKS[0]}\nold\n{MARKS[1]}" in one
    assert "| started by | processor | CPUs | GIC | seen on | verdict |" in one
    both = with_tables(one, Report([pc, virt], [Result(pc.name, (), 1.0, "x"), Result(virt.name, ("y",), 1.0)], []))
    assert "old" not in both
    assert "1 of 1 machine passed" in both
    assert "0 of 1 machine passed" in both
    assert with_tables("no marks", Report([virt], [Result(virt.name, (), 1.0)], [])).startswith("| started by |")
    document = (Path(__file__).parents[2] / "docs" / "matrix.md").read_text()
    assert all(mark in document for mark in VIRT_MARKS)
    table = document.partition(VIRT_MARKS[0])[2].partition(VIRT_MARKS[1])[0]
    assert table.count("| passed |") == len(virt_cases())


def test_virt_without_firmware_is_run_by_kernel_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_program(tmp_path, ARCH.qemu.program, "echo QEMU emulator version 7.2.22")
    monkeypatch.setenv("PATH", str(tmp_path))
    files = VirtFiles(Path("k"), Path("drive"), None)
    monkeypatch.setattr(virt, "_prepare", lambda folder, progress: (files, "there is none"))
    jobs, made, (item,) = virt_jobs(tmp_path, virt_cases(), Expected((), ()), Silent())
    assert len(jobs) == len(made) == 24
    assert {case["start"] for case in made} == {"linux"}
    assert (item.name, item.reason) == ("virt start=uefi", "there is none")
