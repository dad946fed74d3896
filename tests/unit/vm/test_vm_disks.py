"""``--disk``: the file, then words behind it; a file with commas in its name stays whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusals import refused

from kgpt_build.errors import KgptError, UsageError
from kgpt_build.vm.disks import DISK_KINDS, Disk, parse_disk


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a,rw"
    path.write_bytes(bytes(512))
    return path


def test_a_file_alone_is_read_only_behind_virtio(file: Path) -> None:
    assert parse_disk(str(file)) == Disk(file, "virtio", writable=False)


@pytest.mark.parametrize("kind", DISK_KINDS)
def test_words_in_any_order(file: Path, kind: str) -> None:
    assert parse_disk(f"{file},kind={kind},rw") == Disk(file, kind, writable=True)
    assert parse_disk(f"{file},rw,kind={kind}") == Disk(file, kind, writable=True)
    assert parse_disk(f"{file},ro,kind={kind}") == Disk(file, kind, writable=False)


@pytest.mark.parametrize("word", ["kind=floppy", "kind=", "virtio", "", "rw "])
def test_other_words_are_refused(file: Path, word: str) -> None:
    with refused(UsageError, "--disk no"):
        parse_disk(f"{file},{word}")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with refused(KgptError, "disk not there"):
        parse_disk(f"{tmp_path / 'none'},kind=nvme")
