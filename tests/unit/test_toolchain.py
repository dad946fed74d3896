"""Finding programs: only the right one will do, and every failure says how to mend it."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path

import pytest
from fakes import fake_program
from refusals import refused

from kgpt_build import toolchain
from kgpt_build.arch import DEFAULT, of_name
from kgpt_build.errors import ToolMissing, UsageError
from kgpt_build.toolchain.gnu import Gcc, GnuLd
from kgpt_build.toolchain.llvm import Clang, Lld
from kgpt_build.toolchain.program import Program, version_tuple
from kgpt_build.toolchain.zig import Zig

SAYS = {
    Clang: ("echo 'Debian clang version 14.0.6'", "14.0.6"),
    Lld: ("echo 'Debian LLD 14.0.6 (compatible with GNU linkers)'", "14.0.6"),
    Gcc: ("echo 'gcc (Debian 12.2.0-14+deb12u1) 12.2.0'; echo 'Copyright (C) 2022 Free Software Foundation'", "12.2.0"),
    GnuLd: ("echo 'GNU ld (GNU Binutils for Debian) 2.40'", "2.40"),
    toolchain.Make: ("echo 'GNU Make 4.3'", "4.3"),
    toolchain.Qemu: ("echo 'QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)'", "7.2.22"),
}


@pytest.fixture
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.parametrize("kind", list(SAYS))
def test_right_program_is_found_with_its_version(bin_dir: Path, kind: type[Program]) -> None:
    script, version = SAYS[kind]
    tool = kind()
    path = fake_program(bin_dir, tool.name, script)
    assert tool.version() == version
    assert tool.require() == path


@pytest.mark.parametrize("kind", list(SAYS))
def test_missing_program_says_how_to_install_it(bin_dir: Path, kind: type[Program]) -> None:
    with refused(ToolMissing, f"{kind().name} there") as caught:
        kind().require()
    assert caught.value.hint.startswith("apt-get install ")


@pytest.mark.parametrize(
    ("kind", "script", "words"),
    [
        (Gcc, "echo 'Apple clang version 15.0.0'", "is not gcc"),
        (GnuLd, "echo 'LLD 16.0.0 (compatible with GNU linkers)'", "is not ld"),
        (Clang, "echo 'clang version 11.0.1'", "is version 11.0.1: 14 or newer is needed"),
        (toolchain.Make, "echo 'bmake 1'", "is not make"),
        (toolchain.Make, "echo 'GNU Make 3.81'", "4.0 or newer"),
        (
            toolchain.Qemu,
            "echo 'error while loading shared libraries: libx.so' >&2; exit 127",
            "does not work: error while",
        ),
        (toolchain.Qemu, "kill -SEGV $$", "does not work: qemu-system-x86_64 failed (killed by SIGSEGV)"),
        (Lld, ":", "it says: nothing"),
    ],
)
def test_wrong_old_and_broken_programs_are_refused(bin_dir: Path, kind: type[Program], script: str, words: str) -> None:
    tool = kind()
    fake_program(bin_dir, tool.name, script)
    with pytest.raises(ToolMissing) as caught:
        tool.require()
    assert words in caught.value.message
    assert caught.value.hint


def test_make_has_the_fix_of_its_distribution(bin_dir: Path) -> None:
    with pytest.raises(ToolMissing) as caught:
        toolchain.Make().require()
    assert caught.value.hint == "apt-get install make"


def test_zig_on_path_is_never_taken(bin_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program(bin_dir, "zig", "echo 0.17.0")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with refused(ToolMissing, "package ziglang installed") as caught:
        Zig().require()
    assert caught.value.hint == "pip install ziglang==0.17.0"


def test_only_the_pinned_zig_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = fake_program(tmp_path, "zig", "echo 0.16.0")
    monkeypatch.setattr(Zig, "find", lambda self: other)
    with refused(ToolMissing, "zig version 0.16.0: 0.17.0"):
        Zig().require()


def test_the_pin_is_the_package_s_requirement() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert f"ziglang=={Zig.pinned}" in project["project"]["dependencies"]


def test_toolchains_by_name(bin_dir: Path) -> None:
    for kind in (Clang, Lld):
        fake_program(bin_dir, kind.name, SAYS[kind][0])
    clang = toolchain.get("clang")
    assert clang.cc() == [str(bin_dir / "clang")]
    assert clang.cc_folder() == bin_dir
    assert clang.ld() == [str(bin_dir / "ld.lld")]
    assert clang.versions() == {"clang": "14.0.6", "ld.lld": "14.0.6"}
    with refused(UsageError, "toolchain 'tcc'"):
        toolchain.get("tcc")


def test_version_tuple() -> None:
    assert version_tuple("14.0.6") > version_tuple("14")
    assert version_tuple("10.1") > version_tuple("9.9")


@pytest.mark.parametrize(
    ("host", "other", "linker"),
    [("x86_64", "aarch64", "ld.lld"), ("aarch64", "x86_64", "x86_64-linux-gnu-ld"), ("arm64", "x86_64", "")],
)
def test_gcc_for_another_architecture_is_a_cross_compiler(
    host: str, other: str, linker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """clang and zig are one program for all. Kernels that move themselves are linked by lld."""
    monkeypatch.setattr("platform.machine", lambda: host)
    monkeypatch.setenv("PATH", str(tmp_path))
    foreign = toolchain.get("gcc", of_name(other))
    assert toolchain.get("gcc").compiler.name == "gcc"
    assert foreign.compiler.name == f"{other}-linux-gnu-gcc"
    assert foreign.linker.name == (linker or f"{other}-linux-gnu-ld")
    assert toolchain.get("clang", of_name(other)).compiler.name == "clang"
    with refused(ToolMissing, f"{other}-linux-gnu-gcc") as caught:
        foreign.versions()
    assert caught.value.hint == of_name(other).gnu_install
    says, _ = SAYS[Gcc]
    fake_program(tmp_path, foreign.compiler.name, says.replace("gcc (", f"{foreign.compiler.name} ("))
    assert foreign.compiler.version() == "12.2.0"


def test_the_linker_of_gcc_here() -> None:
    assert toolchain.get("gcc", DEFAULT).linker.name.endswith("ld")
    assert toolchain.get("gcc", of_name("aarch64")).linker.name == "ld.lld"
