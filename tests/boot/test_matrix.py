"""`kgpt test --matrix`: a few machines of it, all of it where there is time, and that it sees what is wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pace
import pytest
from boots import ENVIRONMENT, Kgpt, need

from kgpt_build.kernel.settings import Silent
from kgpt_build.proof.axes import AXES, RULES, Case
from kgpt_build.proof.drive import Result, run
from kgpt_build.proof.images import Expected, Images, expected, prepare
from kgpt_build.proof.matrix import run_all
from kgpt_build.proof.pairwise import obeys
from kgpt_build.proof.report import MARKS, Report, as_data, inserted, markdown

QEMU = "qemu-system-x86_64"


def test_the_reduced_matrix(kgpt: Kgpt, tmp_path: Path) -> None:
    """About ten machines, in which everything occurs: loaders, firmware, screens, keyboards, timers."""
    need(QEMU, "xorriso", "mtools", "grub-mkimage")
    words = ("--matrix", "--reduced", "-j", "2", "--junit", "j.xml", "--markdown", "m.md")
    done = kgpt("test", *words)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    runs = re.findall(r"^ok +[\d.]+ s  (.*)  \(.*\)$", done.stdout, re.MULTILINE)
    for axis, values in AXES.items():
        for value in set(values) - {"x2apic"}:
            said = {"cpus": f"{value}cpu", "memory": f"{value}MB"}.get(axis, value)
            assert any(said in name.split() for name in runs), f"{axis}={value} was not run"
    cases = ElementTree.parse(tmp_path / "j.xml").getroot()[0].findall("testcase")
    assert len([case for case in cases if case.find("skipped") is None]) == len(runs)
    assert (tmp_path / "m.md").read_text().count("| passed |") == len(runs)


@pytest.mark.slow
def test_the_whole_matrix() -> None:
    need(QEMU, "xorriso", "mtools", "grub-mkimage", "bochs")
    words = [sys.executable, "-m", "kgpt_build", "test", "--matrix", "--json"]
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, timeout=pace.limit(3000), check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["failed"], report["passed"]) == (0, len(report["runs"]))
    assert all(item["reason"] for item in report["not_run"])
    assert sum("bochs" in each["name"] for each in report["runs"]) == 3


@pytest.fixture(scope="module")
def images(kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Without discs: the cases here need none."""
    return prepare(tmp_path_factory.mktemp("matrix"), [], Silent())


def case(**values: str) -> Case:
    plain = {axis: of[0] for axis, of in AXES.items()} | {"loader": "multiboot1", "screen": "text"} | values
    assert obeys(plain, RULES)
    return Case(plain)


TYPED = case(serial="no-serial")
UNATTENDED = case(serial="no-serial", keyboard="no-keyboard")


@pytest.mark.parametrize("machine", [TYPED, UNATTENDED])
def test_other_names_are_seen_by_event_and_on_the_screen(images: Images, machine: Case) -> None:
    right = expected()
    assert run(machine, images, right, QEMU).failures == ()
    wrong = Expected((*right.first[:-1], "zoe"), right.answer)
    failures = run(machine, images, wrong, QEMU).failures
    by_event, on_screen = failures
    assert by_event.startswith("it generated (")
    assert on_screen.startswith("the names are not on the screen:\n")


def test_a_machine_that_is_not_what_it_is_said_to_be(images: Images) -> None:
    """The kernel is started by multiboot 1 where PVH was meant: all else is right."""
    swapped = replace(images, pvh=images.kernel)
    assert run(case(loader="pvh", cpus="2"), images, expected(), QEMU).ok
    failures = run(case(loader="pvh", cpus="2"), swapped, expected(), QEMU).failures
    assert failures == ("boot says loader 'multiboot1', not 'pvh'",)


def test_a_kernel_that_does_not_start_is_a_failure_and_no_exception(images: Images, tmp_path: Path) -> None:
    broken = tmp_path / "broken.elf"
    broken.write_bytes(images.kernel.read_bytes()[:70_000])
    result = run(UNATTENDED, replace(images, kernel=broken), expected(), QEMU)
    assert not result.ok


def test_what_raises_has_failed_and_the_others_go_on() -> None:
    def good() -> Result:
        return Result("good", (), 1.0)

    def bad() -> Result:
        raise ValueError("what is this")

    told: list[Result] = []
    results = run_all([("bad", bad), ("good", good)], 2, told.append)
    assert [(result.name, result.ok) for result in results] == [("bad", False), ("good", True)]
    assert results[0].failures == ("ValueError: what is this",)
    assert sorted(result.name for result in told) == ["bad", "good"]


def test_a_failure_shows_in_every_report() -> None:
    report = Report([TYPED], [Result(TYPED.name, ("the names are not on the screen:\nxyz",), 1.0, "screen")], [])
    assert report.summary == "0 of 1 machine passed, 1 failed, 0 not run"
    assert "**failed**: the names are not on the screen:" in markdown(report)
    data = as_data(report)
    assert (data["failed"], data["runs"][0]["ok"], data["runs"][0]["machine"]["screen"]) == (1, False, "text")


def test_the_table_takes_the_place_of_an_older_one() -> None:
    first = inserted("# A\n<!-- matrix -->\nold\n<!-- end of the matrix -->\nz\n", "| new |\n")
    assert first == "# A\n<!-- matrix -->\n| new |\n<!-- end of the matrix -->\nz\n"
    assert inserted(first, "| newer |\n") == first.replace("new", "newer")
    assert inserted("no marks", "| new |\n") == "| new |\n"
    assert all(mark in (Path(__file__).parents[2] / "docs" / "matrix.md").read_text() for mark in MARKS)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "one thing to test at a time"),
        (["--matrix", "--soak", "1"], 2, "one thing to test at a time"),
        (["--matrix", "--only", "loader=lilo"], 2, "there is no loader=lilo in the matrix"),
        (["--matrix", "--only", "nonsense"], 2, "no machine that can be run here has nonsense"),
        (["--matrix", "x.elf"], 2, "the matrix boots the model that ships"),
        (["--soak", "1", "--junit", "x"], 2, "--junit is for --matrix"),
        (["--soak", "0"], 2, "longer than 0 minutes"),
    ],
)
def test_usage(kgpt: Kgpt, words: list[str], code: int, message: str) -> None:
    done = kgpt("test", *words)
    assert done.returncode == code, done.stderr
    assert message in done.stderr


def test_the_list_of_machines_is_json_too(kgpt: Kgpt) -> None:
    listed = kgpt("test", "--matrix", "--reduced", "--list").stdout.splitlines()
    data = json.loads(kgpt("test", "--matrix", "--reduced", "--list", "--json").stdout)
    assert [item["name"] for item in data] == listed
    assert all(value in item["name"] for item in data for value in item["machine"].values() if not value.isdecimal())
