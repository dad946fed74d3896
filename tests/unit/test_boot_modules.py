"""Texts that become boot modules: what fits the command line stays there, and what is no text is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusals import refused

from kgpt_build.boot_modules import (
    FILE,
    MAX_MODULES,
    BootModule,
    Text,
    check_modules,
    checked_text,
    read_files,
    staged,
    take_out,
)
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.plain_names import safe_name
from kgpt_build.settings import options

SYSTEM_BYTES = options()["system"].most


@pytest.mark.parametrize(
    ("prompt", "system", "kinds"),
    [
        (None, None, []),
        ("", "", []),
        ("short\n\ttext", "s", []),
        ("x" * 3583, None, []),
        ("x" * 3584, None, ["prompt"]),
        ('"' * 1800, None, ["prompt"]),  # each has a backslash on the command line
        ("a\r\nb", None, ["prompt"]),
        (None, "x" * SYSTEM_BYTES, []),
        ("short", "x" * (SYSTEM_BYTES + 1), ["system"]),
        ("x" * 3000, "x" * 2000, ["prompt"]),
        ("x" * 5000, "x" * 5000, ["system", "prompt"]),
    ],
)
def test_what_is_taken_out(prompt: str | None, system: str | None, kinds: list[str]) -> None:
    left, left_system, texts = take_out(prompt, system)
    assert [text.kind for text in texts] == kinds
    assert left == (None if "prompt" in kinds else prompt)
    assert left_system == (None if "system" in kinds else system)
    for text in texts:
        assert text.data.decode() == (prompt if text.kind == "prompt" else system)


@pytest.mark.parametrize(("prompt", "message"), [("a\0b" * 3000, "prompt text 1 NUL"), ("\udc80", "prompt UTF-8")])
def test_prompts_that_are_no_text(prompt: str, message: str) -> None:
    with refused(UsageError, message):
        take_out(prompt, None)


def test_files(tmp_path: Path) -> None:
    (tmp_path / "a b,c.txt").write_text("text\r\n")
    (text,) = read_files([tmp_path / "a b,c.txt"])
    assert text == Text(FILE, "a_b_c.txt", b"text\r\n", tmp_path / "a b,c.txt")
    with staged([text, Text("prompt", "prompt", b"p")]) as modules:
        assert [module.path.read_bytes() for module in modules] == [b"text\r\n", b"p"]
        assert [module.path.name for module in modules] == ["a_b_c.txt", "prompt"]
        assert modules[1].line == f"{modules[1].path} kind=prompt"
        assert all(module.is_text for module in modules)
    assert not modules[0].path.exists()
    with staged([text], keep=True) as kept:
        pass
    assert kept[0].path.read_bytes() == b"text\r\n"
    with staged([]) as none:
        assert none == ()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with refused(KgptError, "none No such file"):
        read_files([tmp_path / "none"])
    with refused(KgptError, "Is a directory"):
        read_files([tmp_path])
    for name in ("a b", "a,b"):
        (tmp_path / name).write_text("x")
    with refused(UsageError, "two files a_b"):
        read_files([tmp_path / "a b", tmp_path / "a,b"])


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "X empty"), (b"ab\0", "X text 2 NUL"), (b"ab\xff", "X UTF-8 2 0xff")],
)
def test_bytes_that_are_no_text(data: bytes, message: str) -> None:
    with refused(UsageError, message):
        checked_text(data, "X")


def test_names() -> None:
    assert safe_name("README.md") == "README.md"
    assert safe_name("a b'c\"d=e") == "a_b_c_d_e"
    assert safe_name("é.txt") == "é.txt"


def test_more_modules_than_a_kernel_takes() -> None:
    check_modules([BootModule(Path("m"))] * MAX_MODULES)
    with refused(UsageError, "65 boot modules"):
        check_modules([BootModule(Path("m"))] * 65)
    with refused(UsageError, "paths modules 8,202 bytes"):
        check_modules([BootModule(Path("m" * 4100))] * 2)
