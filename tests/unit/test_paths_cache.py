"""The cache stays small."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kgpt_build import paths


def _entries(folder: Path, ages: list[int]) -> list[Path]:
    """Files and folders of 100 bytes, used so many hours ago."""
    entries = []
    for i, age in enumerate(ages):
        entry = folder / str(i)
        if i % 2:
            entry.mkdir()
            (entry / "file").write_bytes(bytes(100))
        else:
            entry.write_bytes(bytes(100))
        then = time.time() - 3600 * age - 60
        os.utime(entry, (then, then))
        entries.append(entry)
    return entries


def test_the_oldest_go_first_by_number_and_by_size(tmp_path: Path) -> None:
    entries = _entries(tmp_path, [5, 3, 4, 2])
    paths.prune(entries, most=3, most_bytes=1000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "3"]
    paths.prune(entries[1:], most=3, most_bytes=250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "3"]


def test_what_was_used_lately_stays(tmp_path: Path) -> None:
    paths.prune(_entries(tmp_path, [0, 0, 0]), most=1, most_bytes=100)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_move_replaces_the_target(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "old").write_bytes(b"old")
    paths.move_atomically(tmp_path / "new", tmp_path / "old", mode=0o755)
    assert (tmp_path / "old").read_bytes() == b"new"
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o755
    assert not (tmp_path / "new").exists()


def test_what_another_process_removes_meanwhile_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = _entries(tmp_path, [5, 4, 3, 2])
    entries[0].unlink()
    listed = os.walk

    def walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        for where, folders, names in listed(folder):
            (Path(where) / "file").unlink()
            yield where, folders, names

    monkeypatch.setattr(os, "walk", walk)
    paths.prune(entries, most=2, most_bytes=1000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3"]
