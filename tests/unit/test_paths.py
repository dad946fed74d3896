from __future__ import annotations

import os
from pathlib import Path

import pytest

from kgpt_build import paths
from kgpt_build.errors import KgptError


def test_source_root_holds_what_is_compiled() -> None:
    root = paths.source_root()
    assert (root / "kernel_c" / "kernel.mk").is_file()
    assert (root / "linker" / "kernel.ld").is_file()
    assert (root / "boot" / "entry.S").is_file()


def test_an_installed_package_uses_its_own_sources_not_a_neighbour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "kgpt_build"
    for folder in (package / "_source", package.parent):
        for name in paths.SOURCE_FOLDERS:
            (folder / name).mkdir(parents=True)
    monkeypatch.setattr(paths, "__file__", str(package / "paths.py"))
    assert paths.source_root() == package / "_source"


def test_missing_sources_are_an_error_with_a_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "kgpt_build" / "paths.py"))
    with pytest.raises(KgptError, match="the kernel's sources") as caught:
        paths.source_root()
    assert "pip install" in caught.value.hint


@pytest.mark.parametrize(
    ("own", "xdg", "expected"),
    [
        ("/own", "/xdg", "/own"),
        ("", "/xdg", "/xdg/kgpt"),
        ("", "", "/home/someone/.cache/kgpt"),
        ("", "relative", "/home/someone/.cache/kgpt"),
    ],
)
def test_cache_dir(monkeypatch: pytest.MonkeyPatch, own: str, xdg: str, expected: str) -> None:
    monkeypatch.setenv("KGPT_CACHE", own)
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    monkeypatch.setenv("HOME", "/home/someone")
    assert paths.cache_dir() == Path(expected)


def test_a_cache_that_cannot_be_used_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(KgptError, match="the cache cannot be used") as caught:
        paths.make_cache_dir("zig")
    assert "KGPT_CACHE" in caught.value.hint


def test_a_write_replaces_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out"
    paths.write_atomically(target, b"first", mode=0o755)
    assert target.read_bytes() == b"first"
    assert target.stat().st_mode & 0o777 == 0o755

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fchmod", full)
    with pytest.raises(KgptError, match="No space left on device") as caught:
        paths.write_atomically(target, b"second")
    assert "disk is full" in caught.value.hint
    assert target.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [target]


def test_a_write_keeps_links_and_spares_devices(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    paths.write_atomically(link, b"x")
    assert link.is_symlink()
    assert (tmp_path / "real").read_bytes() == b"x"
    with pytest.raises(KgptError, match="/dev/null"):
        paths.write_atomically(Path("/dev/null"), b"x")
    with pytest.raises(KgptError, match="Is a directory"):
        paths.write_atomically(tmp_path, b"x")


def test_make_dir_refuses_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(KgptError, match="cannot write to") as caught:
            paths.make_dir(path)
        assert "-o" in caught.value.hint
