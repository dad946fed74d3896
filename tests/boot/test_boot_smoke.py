"""`kgpt smoke`: pass, fail, and what a CI system reads of it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from boots import Kgpt


def cases(path: Path) -> dict[str, str]:
    """Test case -> its failure, empty for a pass."""
    found = {}
    for case in ElementTree.parse(path).iter("testcase"):
        failure = case.find("failure")
        found[case.attrib["name"]] = "" if failure is None else failure.attrib["message"]
    return found


def test_pass(kgpt: Kgpt, kernel: Path, tmp_path: Path) -> None:
    words = ["--expect", r"^sample 20: \w+$", "--expect", "booted by multiboot1", "--junit", "j.xml"]
    done = kgpt("smoke", kernel, "--accel", "tcg", *words)
    assert done.returncode == 0, done.stderr
    assert "sample  1: " in done.stdout
    assert "passed: 3 checks" in done.stderr
    assert cases(tmp_path / "j.xml") == {"boot": "", r"expect ^sample 20: \w+$": "", "expect booted by multiboot1": ""}
    suite = ElementTree.parse(tmp_path / "j.xml").getroot()[0]
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("3", "0")
    output = suite.find("system-out")
    assert output is not None
    assert output.text is not None
    assert "sample 20: " in output.text


def test_an_expectation_that_is_not_met(kgpt: Kgpt, kernel: Path, tmp_path: Path) -> None:
    words = ["--expect", "sample", "--expect", "hello, world", "--junit", "j.xml"]
    done = kgpt("smoke", kernel, "--accel", "tcg", *words)
    assert done.returncode == 4
    assert "hello, world: not seen" in done.stderr
    assert cases(tmp_path / "j.xml") == {
        "boot": "",
        "expect sample": "",
        "expect hello, world": "not seen on the console",
    }


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--cmdline", "fault=div"], 4, "panic: #DE"),
        (["--cmdline", "fault=reset"], 5, "the guest reset"),
        (["--cmdline", "fault=hang", "--timeout", "2"], 124, "did not end within 2 seconds"),
        (["--cmdline", "nokey=1"], 1, "nokey"),
    ],
)
def test_a_broken_guest_fails_even_if_all_was_seen(
    kgpt: Kgpt, kernel: Path, tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    done = kgpt("smoke", kernel, "--accel", "tcg", "--expect", "kgpt", "--junit", "j.xml", *words)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    found = cases(tmp_path / "j.xml")
    assert message in found["boot"]
    assert found["expect kgpt"] == ""


def test_selftests_are_cases(kgpt: Kgpt, kernel: Path, tmp_path: Path) -> None:
    done = kgpt("smoke", kernel, "--accel", "tcg", "--cmdline", "mode=selftest", "--junit", "j.xml")
    assert done.returncode == 0, done.stderr
    found = cases(tmp_path / "j.xml")
    assert found["test crc32.known_answers"] == ""
    assert len(found) > 40


def test_usage(kgpt: Kgpt, kernel: Path, tmp_path: Path) -> None:
    done = kgpt("smoke", kernel, "--expect", "(")
    assert done.returncode == 2
    assert "no regular expression" in done.stderr
    assert kgpt("smoke").returncode == 2
    done = kgpt("smoke", kernel, "--accel", "tcg", "--junit", "no/such/folder/j.xml")
    assert done.returncode == 1
    assert "no/such/folder/j.xml" in done.stderr
