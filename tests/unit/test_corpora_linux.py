"""`kgpt corpus linux`: the source is found, downloaded once, and read as a stream; each fault has a fix."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import fake_program
from refusals import refused

from kgpt_build import cli
from kgpt_build.corpora import linux
from kgpt_build.corpora.archives import files_in
from kgpt_build.errors import KgptError, ToolMissing, UsageError

TEXTS = {
    "COPYING": "GPL",
    "kernel/module/main.c": "/* doc */\nint main;\n",
    "kernel/module/internal.h": "#pragma once\n",
    "kernel/module/Makefile": "obj-y\n",
    "kernel/fork.c": "int fork;\n",
    "mm/slab.c": "int slab;\n",
}
MODULE = "#pragma once\n\nint main;\n"


class Said:
    """The stages of a run."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, text: str) -> None:
        self.stages.append(text)


def tar_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        folder = tarfile.TarInfo("linux-source-6.1/kernel")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def source_tar() -> bytes:
    return tar_of({f"linux-source-6.1/{name}": text.encode() for name, text in TEXTS.items()})


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Debian whose apt has one package. Returns the folder of its programs, in which apt-get keeps a log."""
    bin_dir = tmp_path / "bin"
    inner = lzma.compress(source_tar())
    package = b"!<arch>\n" + tar_of({"./usr/src/README": b"", "./usr/src/linux-source-6.1.tar.xz": inner})
    bin_dir.mkdir()
    (bin_dir / "package").write_bytes(package)
    cat = "/bin/cat"
    fake_program(
        bin_dir, "apt-get",
        f'[ "$1" = --version ] && {{ echo "apt 2.6.1 (amd64)"; exit; }}\necho "$@" >> {bin_dir}/log\n'
        f'{cat} {bin_dir}/package > linux-source.deb',
    )  # fmt: skip
    fake_program(
        bin_dir, "apt-cache",
        'case "$1 $2 $3" in --version*) echo "apt 2.6.1 (amd64)";;\n'
        '"depends linux-source "*) echo "  Depends: linux-source-6.1";;\n'
        'show*linux-source-6.1*) printf "Package: x\\nVersion: 6.1.9-1\\nSize: 139330232\\n";;\n'
        '*) echo "E: No packages found" >&2; exit 100;; esac',
    )  # fmt: skip
    fake_program(
        bin_dir, "dpkg-deb",
        '[ "$1" = --version ] && { echo "package archive backend version 1.21.22 (amd64)."; exit; }\n'
        '/usr/bin/tail -c +9 "$2"',
    )  # fmt: skip
    monkeypatch.setenv("PATH", str(bin_dir))
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(linux, "_INSTALLED", tmp_path / "usr-src")
    return bin_dir


def corpus(tmp_path: Path, *words: str) -> str:
    out = tmp_path / "out.txt"
    assert cli.invoke(["corpus", "linux", "-o", str(out), *words]) == 0
    return out.read_text()


def test_the_source_is_downloaded_once(debian: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert corpus(tmp_path) == MODULE
    said = capsys.readouterr()
    assert "linux-source-6.1 6.1.9-1" in said.out
    assert "downloading linux-source-6.1 6.1.9-1 (139 MB) with apt-get" in said.err
    assert "GPL-2.0" in said.err
    assert corpus(tmp_path, "--part", "kernel/") == "int fork;\n\n" + MODULE
    assert corpus(tmp_path, "--part", "kernel/*.c", "--source", "linux-source-6.1") == "int fork;\n"
    assert "(from the cache)" in capsys.readouterr().out
    assert (debian / "log").read_text() == "-q download linux-source-6.1=6.1.9-1\n"
    assert corpus(tmp_path, "--part", "mm", "--source", "linux-source-6.1=6.1.9-1") == "int slab;\n"
    assert len((debian / "log").read_text().splitlines()) == 2
    assert not list((tmp_path / "cache" / "corpora").glob(".get-*"))


def test_the_cache_needs_no_tools(debian: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert corpus(tmp_path) == MODULE


def test_a_damaged_cache_is_downloaded_again(debian: Path, tmp_path: Path) -> None:
    corpus(tmp_path)
    (kept,) = (tmp_path / "cache" / "corpora").iterdir()
    kept.write_bytes(kept.read_bytes()[:-40])
    assert corpus(tmp_path) == MODULE
    assert len((debian / "log").read_text().splitlines()) == 2


def test_an_installed_source_is_taken_first(debian: Path, tmp_path: Path) -> None:
    folder = tmp_path / "usr-src"
    folder.mkdir()
    (folder / "linux-source-6.1.tar.xz").write_bytes(lzma.compress(source_tar()))
    assert linux.linux_source("kernel/module", "", Said()).name.endswith("linux-source-6.1.tar.xz")


@pytest.mark.parametrize("compress", [lzma.compress, bz2.compress, gzip.compress, bytes])
def test_archives_are_read_whole_or_refused(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    data = compress(source_tar().rstrip(b"\0") + bytes(10240))
    archive = tmp_path / "linux.tar"
    archive.write_bytes(data)
    assert corpus(tmp_path, "--source", str(archive)) == MODULE
    for end in (len(data) * 3 // 4, 100, 0) if compress is not bytes else (5 * 512 + 10, 4 * 512, 0):
        archive.write_bytes(data[:end])
        with refused(KgptError, f"{archive} damaged"):
            linux.linux_source("kernel/module", str(archive), Said())


def test_an_unpacked_source_will_do(tmp_path: Path) -> None:
    for name, text in TEXTS.items():
        (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / name).write_text(text)
    assert corpus(tmp_path, "--source", str(tmp_path / "src")) == MODULE


@pytest.mark.parametrize("program", ["apt-get", "apt-cache", "dpkg-deb"])
def test_a_missing_tool_is_named(debian: Path, program: str) -> None:
    (debian / program).unlink()
    with refused(ToolMissing, program) as caught:
        linux.linux_source("kernel", "", Said())
    assert "--source FILE" in caught.value.hint


def test_what_apt_cannot_do_is_said(debian: Path, tmp_path: Path) -> None:
    with refused(KgptError, "apt linux-source-9") as caught:
        linux.linux_source("kernel", "linux-source-9", Said())
    assert "apt-get update" in caught.value.hint
    fake_program(debian, "apt-get", '[ "$1" = --version ] && echo "apt 2.6.1 (amd64)" && exit; echo "404"; exit 100')
    with refused(KgptError, "apt-get download linux-source-6.1=6.1.9-1") as caught:
        linux.linux_source("kernel", "", Said())
    assert "404" in caught.value.hint
    assert not list((tmp_path / "cache" / "corpora").iterdir())


def test_another_package_is_refused(debian: Path, tmp_path: Path) -> None:
    (debian / "package").write_bytes(b"!<arch>\n" + tar_of({"./usr/src/README": b""}))
    with refused(KgptError, "holds no kernel source"):
        linux.linux_source("kernel", "", Said())
    other = tmp_path / "other.deb"
    other.write_bytes(b"!<arch>\n")
    fake_program(
        debian, "dpkg-deb", '[ "$1" = --version ] && echo "package archive backend version 1.2" && exit; exit 2'
    )
    with refused(KgptError, f"{other}"):
        files_in(other, lambda name: True, lambda name: True)


@pytest.mark.parametrize("part", ["", "/kernel", "../kernel", "*"])
def test_a_part_is_a_folder_of_the_source(debian: Path, part: str) -> None:
    with refused(UsageError, "part"):
        linux.linux_source(part, "", Said())


def test_an_unknown_part_is_named(debian: Path) -> None:
    with refused(KgptError, "kernel/modul linux-source-6.1"):
        linux.linux_source("kernel/modul", "", Said())


@pytest.mark.slow
def test_the_source_that_debian_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Downloads 139 MB."""
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    words = ["corpus", "linux", "-o", str(tmp_path / "kernel.txt"), "--source", "linux-source"]
    if cli.invoke(words) and "apt" in (said := capsys.readouterr().err):
        pytest.skip(f"apt has no kernel source here: {said.splitlines()[0]}")
    text = (tmp_path / "kernel.txt").read_text()
    assert 100_000 < len(text) < 150_000
    assert "struct module *" in text
    assert "/*" not in text
    assert cli.invoke(words) == 0
    assert "(from the cache)" in capsys.readouterr().out
    assert (tmp_path / "kernel.txt").read_text() == text
