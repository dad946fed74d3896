"""`kgpt flash` as a command: what it lists, asks, refuses and says, with files in the place of disks."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fake_disks import FakeMachine, laptop
from faulty_disk import describe, image_file
from terminal import Terminal

from kgpt_build import paths
from kgpt_build.cli import invoke
from kgpt_build.flash import devices
from kgpt_build.flash import disk as flash_disk
from kgpt_build.flash import open as flash_open
from kgpt_build.flash import writer as flash

MIB = 1 << 20
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    image_file(tmp_path / "kgpt.img", 6 * MIB)
    describe(tmp_path / "kgpt.img")
    (tmp_path / "disk.img").write_bytes(b"\xff" * 16 * MIB)
    return tmp_path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    """The disks that kgpt sees; their nodes cannot be opened."""
    machine = laptop(tmp_path / "root")
    monkeypatch.setattr(devices, "Devices", machine.devices)
    return machine


def assert_written(folder: Path) -> None:
    data = (folder / "disk.img").read_bytes()
    assert len(data) == 16 * MIB
    assert data[: 6 * MIB] == (folder / "kgpt.img").read_bytes()
    assert not any(data[-MIB:])


def assert_untouched(folder: Path) -> None:
    assert (folder / "disk.img").read_bytes() == b"\xff" * 16 * MIB


def failure(words: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> str:
    assert invoke(["flash", *words]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    error = captured.err[captured.err.index("kgpt: error: ") :]
    assert len(error.rstrip().splitlines()) in (1, 2)
    return error


def test_a_script_writes_a_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["flash", "kgpt.img", "disk.img", "--force", "--yes"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"wrote kgpt.img to disk.img and read it back: {6 * MIB:,} bytes, sha256 ")
    assert captured.err.splitlines() == [
        "kgpt: checking kgpt.img",
        f"kgpt: writing {6 * MIB:,} bytes to disk.img",
        "kgpt: reading disk.img back",
    ]
    assert_written(here)


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ([], "IMAGE and DEVICE are needed", "kgpt flash --list"),
        (["kgpt.img"], "IMAGE and DEVICE are needed", "kgpt flash --list"),
        (["kgpt.img", "disk.img"], "standard input is no terminal", "--yes --serial SERIAL"),
        (["kgpt.img", "/dev/sdb", "--yes"], "--yes needs --serial", "see kgpt flash --list --json"),
        (["kgpt.img", "disk.img", "--yes", "--serial", "1"], "files have no serial number", "leave out --serial"),
        (["kgpt.img", "--list"], "--list takes no IMAGE", "--list --json"),
        (["--json"], "--json only goes with --list", "--list --json"),
    ],
)
@pytest.mark.usefixtures("machine")
def test_wrong_usage(words: list[str], message: str, hint: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = failure(words, 2, capsys)
    assert message in text
    assert hint in text
    assert_untouched(here)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["kgpt.img", "/dev/sda", "--serial", "S"], "/dev/sda has no serial number"),
        (["kgpt.img", "/dev/sdb", "--serial", "4C53"], "/dev/sdb has the serial number 4C530001, not 4C53"),
        (["kgpt.img", "/dev/sdb", "--serial", ""], "/dev/sdb has the serial number 4C530001, not "),
        (["kgpt.img", "/dev/sdb1", "--serial", "4C530001"], "is a partition of /dev/sdb"),
        (["kgpt.img", "disk.img"], "disk.img is a file, not a device"),
        (["none.img", "disk.img", "--force"], "cannot read none.img"),
        (["disk.img", "kgpt.img", "--force"], "disk.img is not an image of a stick"),
        (["kgpt.img", "kgpt.img", "--force"], "kgpt.img is the image itself"),
    ],
)
@pytest.mark.usefixtures("machine")
def test_refusals(words: list[str], message: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in failure([*words, "--yes"], 1, capsys)
    assert_untouched(here)


def test_the_disk_of_the_system_is_refused_with_its_own_serial(
    machine: FakeMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    (machine.root / "sys/class/block/sda/serial").write_text("S1\n")
    text = failure(["kgpt.img", "/dev/sda", "--force", "--yes", "--serial", "S1"], 1, capsys)
    assert "/dev/sda is the disk that this system runs from" in text


def test_the_list(machine: FakeMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["flash", "--list"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "device    model            size      bus   removable  mounted",
        "/dev/sda  Samsung SSD 870  500.0 GB  sata  no         /boot/efi, /  the system's disk",
        "/dev/sdb  SanDisk Ultra    16.0 GB   usb   yes        no            can be written",
    ]
    assert captured.err == ""
    machine.mount("/media/stick", "8:33", "/dev/sdb1")
    assert invoke(["flash", "--list"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[2].endswith("yes        /media/stick  mounted at /media/stick")
    assert captured.err == "kgpt: no stick is plugged in that can be written\n"


def test_the_list_as_json(machine: FakeMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["flash", "--list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[1] == {
        "device": "/dev/sdb",
        "model": "SanDisk Ultra",
        "serial": "4C530001",
        "size": 16 * 10**9,
        "bus": "usb",
        "removable": True,
        "read_only": False,
        "partitions": ["sdb1"],
        "mounted": [],
        "writable": True,
        "refused": "",
    }
    assert (rows[0]["mounted"], rows[0]["writable"]) == (["/boot/efi", "/"], False)


def test_this_machine_can_be_listed_and_its_root_is_no_candidate(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["flash", "--list", "--json"]) == 0
    for row in json.loads(capsys.readouterr().out):
        assert not (row["writable"] and "/" in row["mounted"])


def test_without_the_right_it_says_the_whole_command(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(flash_open, "OpenDisk", refuse)
    monkeypatch.setattr(sys, "argv", ["/opt/venv/bin/kgpt"])
    text = failure(["kgpt.img", "disk.img", "--force", "--yes"], 1, capsys)
    assert "you may not write to disk.img" in text
    assert "run it as root: sudo /opt/venv/bin/kgpt flash kgpt.img disk.img --force --yes" in text


def test_ctrl_c_in_a_script_is_130_and_says_what_is_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(flash_disk.OpenDisk, "settle", interrupt)
    text = failure(["kgpt.img", "disk.img", "--force", "--yes"], 130, capsys)
    assert "stopped while writing: disk.img cannot be booted now, and what was on it is lost" in text


def kgpt(here: Path, *words: str) -> Terminal:
    env = {**os.environ, "PYTHONPATH": str(paths.source_root()), "TERM": "xterm", "COLUMNS": "200"}
    return Terminal([sys.executable, "-m", "kgpt_build", "flash", *words], env, here)


def test_a_person_types_the_name(here: Path) -> None:
    with kgpt(here, "kgpt.img", "disk.img", "--force") as terminal:
        terminal.expect(r"kgpt: disk.img: a file of 16\.8 MB")
        terminal.expect(
            r"everything on it will be lost, and kgpt.img \(6\.3 MB, sha256 [0-9a-f]{12}…\) takes its place"
        )
        terminal.expect(r"Type its name, disk.img, to go on: ")
        assert_untouched(here)
        terminal.type("disk.img\n")
        terminal.expect(r"wrote kgpt.img to disk.img and read it back")
        assert terminal.wait() == 0
    assert_written(here)


@pytest.mark.parametrize("typed", ["\n", "y\n", "yes\n", "disk\n", "kgpt.img\n"])
def test_anything_else_writes_nothing(typed: str, here: Path) -> None:
    with kgpt(here, "kgpt.img", "disk.img", "--force") as terminal:
        terminal.expect("to go on: ")
        terminal.type(typed)
        terminal.expect(r"kgpt: error: nothing was written: that was not disk.img")
        assert terminal.wait() == 1
    assert_untouched(here)


def interrupt(terminal: Terminal) -> None:
    """Python's input() sleeps through a signal that comes just before it waits; a person presses the keys again."""
    for _ in range(10):
        terminal.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            terminal.process.wait(5)
            return


@pytest.mark.parametrize("key", ["\x03", "\x04"])
def test_ctrl_c_and_ctrl_d_at_the_question(key: str, here: Path) -> None:
    with kgpt(here, "kgpt.img", "disk.img", "--force") as terminal:
        terminal.expect("to go on: ")
        if key == "\x03":
            interrupt(terminal)
        else:
            terminal.type(key)
        terminal.expect("kgpt: nothing was written")
        assert terminal.wait() == 130
    assert_untouched(here)


def test_the_bar_is_only_on_a_terminal(here: Path) -> None:
    with kgpt(here, "kgpt.img", "disk.img", "--force", "--yes") as terminal:
        terminal.expect("checking kgpt.img")
        terminal.expect("writing 6,291,456 bytes to disk.img")
        terminal.expect("reading disk.img back")
        assert terminal.wait() == 0
    assert b"MB/s" in terminal.raw
    assert_written(here)


def test_the_kinds_of_progress_agree() -> None:
    """What writes reports to the same listener as what downloads."""
    from kgpt_build.cli.shared.progress import PlainAmounts

    listener: flash.Progress = PlainAmounts()
    listener.amount(1, 2)
