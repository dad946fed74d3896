from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest
from refusals import refused

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
    with refused(KgptError, "kernel's sources") as caught:
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
    with refused(KgptError, "cache file/cache Not a directory") as caught:
        paths.make_cache_dir("zig")
    assert "KGPT_CACHE" in caught.value.hint


def test_a_write_replaces_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out"
    paths.write_atomically(target, b"first", mode=0o755)
    assert target.read_bytes() == b"first"
    assert target.stat().st_mode & 0o777 == 0o755

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with refused(KgptError, "No space left on device") as caught:
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
    with refused(KgptError, "cannot write /dev/null:"):
        paths.write_atomically(Path("/dev/null"), b"x")
    with refused(KgptError, "Is a directory"):
        paths.write_atomically(tmp_path, b"x")


def test_make_dir_refuses_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with refused(KgptError, f"write {path}") as caught:
            paths.make_dir(path)
        assert "-o" in caught.value.hint


def test_the_bytes_are_on_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def noted_replace(source: Path, target: Path) -> Path:
        done.append("rename")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    paths.write_atomically(tmp_path / "a", b"x")
    paths.move_atomically(tmp_path / "a", tmp_path / "b")
    assert done == ["file", "rename", "folder"] * 2
    paths.write_atomically(tmp_path / "a", b"x", durable=False)
    assert done[6:] == ["rename"]


def test_a_name_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    target = tmp_path / ("x" * 255)
    paths.write_atomically(target, b"x")
    assert target.read_bytes() == b"x"


def test_a_cache_that_everybody_may_write_to_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path))
    for mode in (0o777, 0o1777):
        tmp_path.chmod(mode)
        for use in (paths.cache_dir, paths.make_cache_dir):
            with refused(KgptError, f"cache {tmp_path} every user") as caught:
                use()
            assert "KGPT_CACHE" in caught.value.hint
    tmp_path.chmod(0o775)
    assert paths.cache_dir() == tmp_path


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder of another user")
@pytest.mark.parametrize("theirs", ["tmp/cache", "tmp", "tmp/link"])
def test_a_cache_that_another_user_has_put_there_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: str
) -> None:
    """Also one within a folder of theirs: the place where it lies is open to all, as /tmp is."""
    tmp_path.chmod(0o1777)
    cache = tmp_path / "tmp" / "cache"
    cache.mkdir(parents=True)
    (tmp_path / "tmp").chmod(0o1777)
    (tmp_path / "tmp" / "link").symlink_to(cache)
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / theirs if theirs == "tmp/link" else cache))
    paths.cache_dir()
    os.chown(tmp_path / theirs, 1234, 1234, follow_symlinks=False)
    with refused(KgptError, f"cache {tmp_path / theirs} another user") as caught:
        paths.cache_dir()
    assert "KGPT_CACHE" in caught.value.hint


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_whose_cache_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root works in the home of a user, but no user in that of another."""
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    os.chown(tmp_path / "cache", 1234, 1234)
    assert paths.cache_dir() == tmp_path / "cache"
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    assert paths.cache_dir() == tmp_path / "cache"
    monkeypatch.setattr(os, "geteuid", lambda: 1235)
    with refused(KgptError, f"{tmp_path / 'cache'} another user"):
        paths.cache_dir()


def test_a_user_without_a_home_has_a_private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", none)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("KGPT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    own = tmp_path / f"kgpt-{os.getuid()}"
    assert paths.make_cache_dir("a") == own / ".cache" / "kgpt" / "a"
    assert own.stat().st_mode & 0o777 == 0o700
    own.chmod(0o777)
    with refused(KgptError, f"{own} folder yours"):
        paths.cache_dir()
