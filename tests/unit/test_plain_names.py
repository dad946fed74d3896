"""Paths that make, compilers and QEMU take as they are: links stand for the others."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from odd import ALL_ODD, ODD_NAMES
from refusals import refused

from kgpt_build.boot_modules import BootModule
from kgpt_build.errors import KgptError
from kgpt_build.plain_names import is_plain, plain_name, private_folder
from kgpt_build.vm.firmware import Firmware
from kgpt_build.vm.qemu.plain import with_plain_names
from kgpt_build.vm.settings import RunSettings

ODD = [pytest.param(name, id=what) for what, name in ODD_NAMES.items() if what != "non-ASCII"]


@pytest.fixture(autouse=True)
def _own_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


@pytest.mark.parametrize("path", ["k.elf", "/a/b-c_d+e@f.1", "../ä"])
def test_a_plain_path_stays(path: str) -> None:
    assert is_plain(Path(path))
    assert plain_name(Path(path)) == Path(path)


@pytest.mark.parametrize("name", [*ODD, pytest.param(ALL_ODD, id="all")])
def test_a_link_stands_for_an_odd_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / name).write_text(name, errors="surrogateescape")
    monkeypatch.chdir(tmp_path)
    link = plain_name(Path(name))
    assert is_plain(link)
    assert link.is_absolute()
    assert link.samefile(tmp_path / name)
    assert plain_name(tmp_path / name) == link
    assert plain_name(tmp_path / "other" / name) != link


def test_a_link_that_leads_elsewhere_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a b").write_text("mine")
    link = plain_name(tmp_path / "a b")
    link.unlink()
    link.symlink_to("/etc/passwd")
    assert plain_name(tmp_path / "a b").read_text() == "mine"
    assert list(link.parent.iterdir()) == [link]


def test_the_private_folder_is_nobody_elses(tmp_path: Path) -> None:
    top = private_folder()
    assert top == tmp_path / "tmp" / f"kgpt-{os.getuid()}"
    assert top.stat().st_mode & 0o777 == 0o700
    top.chmod(0o777)
    with refused(KgptError, f"{top} folder yours"):
        private_folder("links")
    top.rmdir()
    top.symlink_to(tmp_path)
    with refused(KgptError, f"{top} folder yours") as caught:
        plain_name(tmp_path / "a b")
    assert "TMPDIR" in caught.value.hint


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder of another user")
def test_a_folder_of_another_user_is_not_taken(tmp_path: Path) -> None:
    private_folder()
    os.chown(tmp_path / "tmp" / "kgpt-0", 1234, 1234)
    with refused(KgptError, "kgpt-0 folder yours"):
        private_folder()


def test_temporary_files_in_an_odd_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a b").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "a b"))
    assert is_plain(private_folder())


@pytest.mark.parametrize("name", ODD)
def test_no_file_of_a_machine_has_an_odd_name_for_qemu(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"")
    settings = RunSettings(
        image=file, modules=(BootModule(file), BootModule(file, ("kind=file",))), firmware=Firmware(file, file)
    )
    plain = with_plain_names(settings)
    assert plain.firmware is not None
    assert plain.firmware.variables is not None
    names = [plain.image, *(module.path for module in plain.modules), plain.firmware.code, plain.firmware.variables]
    assert all(is_plain(each) and each.samefile(file) for each in names)
