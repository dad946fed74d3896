"""`kgpt flash` on block devices of the Linux kernel: loop devices, and, where there is one, the device mapper.

Only root can make them, so these are skipped elsewhere; everything but the kernel itself is tested without them in
tests/unit.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pace
import pytest
from faulty_disk import Heard, describe, image_file
from terminal import Terminal

from kgpt_build import paths
from kgpt_build.errors import KgptError
from kgpt_build.flash import target as flash_target
from kgpt_build.flash import writer as flash
from kgpt_build.flash.devices import Devices
from kgpt_build.flash.disk import OpenDisk
from kgpt_build.flash.open import open_target
from kgpt_build.flash.usage import Usage

MIB = 1 << 20
SIZE = 16 * MIB
SECONDS = 60


def command(*words: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=pace.limit(SECONDS), check=False
    )
    if done.returncode:
        raise OSError(f"{words[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


@contextlib.contextmanager
def loop_device(file: Path, *options: str) -> Iterator[Path]:
    """A loop device of ``file``; a machine that has none skips the test."""
    if os.geteuid() != 0:
        pytest.skip("only root can make loop devices")
    try:
        path = Path(command("losetup", "--show", "--find", *options, file))
    except OSError as error:
        pytest.skip(f"this machine makes no loop devices: {error}")
    try:
        yield path
    finally:
        command("losetup", "--detach", path)


@contextlib.contextmanager
def mounted(kind: str, source: Path | str, folder: Path, *options: str) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    try:
        command("mount", "-t", kind, *options, str(source), folder)
    except OSError as error:
        pytest.skip(f"this machine mounts no {kind}: {error}")
    try:
        yield
    finally:
        command("umount", folder)


@pytest.fixture
def image(tmp_path: Path) -> flash.Image:
    image = image_file(tmp_path / "kgpt.img", 6 * MIB + 512)
    describe(image.path)
    return image


@pytest.fixture
def backing(tmp_path: Path) -> Path:
    path = tmp_path / "backing"
    path.write_bytes(b"\xff" * SIZE)
    return path


@pytest.fixture
def loop(backing: Path) -> Iterator[Path]:
    with loop_device(backing) as path:
        yield path


def write(image: flash.Image, path: Path) -> flash.Flashed:
    devices = Devices()
    target = flash_target.target_at(path, devices)
    flash_target.check(target, devices, Usage(devices), image.path, image.size, force=True)
    with open_target(target, force=False, as_root="") as disk:
        return flash.flash(image, disk, str(path), Heard())


def refusal(image: flash.Image, path: Path) -> str:
    with pytest.raises(KgptError) as raised:
        write(image, path)
    return f"{raised.value.message} | {raised.value.hint}"


def kgpt(here: Path, *words: str | Path) -> Terminal:
    env = {**os.environ, "PYTHONPATH": str(paths.source_root()), "TERM": "xterm", "COLUMNS": "200"}
    return Terminal([sys.executable, "-m", "kgpt_build", "flash", *map(str, words)], env, here)


def test_a_device_is_written_and_read_back(image: flash.Image, loop: Path, backing: Path) -> None:
    assert write(image, loop) == flash.Flashed(image.sha256, "")
    data = backing.read_bytes()
    assert data[: image.size] == image.path.read_bytes()
    assert data[image.size : -MIB] == b"\xff" * (SIZE - MIB - image.size)
    assert not any(data[-MIB:])


def test_the_whole_way_at_a_terminal(image: flash.Image, loop: Path, backing: Path, tmp_path: Path) -> None:
    with kgpt(tmp_path, image.path, loop) as terminal:
        terminal.expect(f"kgpt: error: {loop} is not a removable USB disk")
        assert terminal.wait() == 1
    with kgpt(tmp_path, image.path, loop, "--force") as terminal:
        terminal.expect(f"kgpt: {loop}: {backing}, no serial number, 16.8 MB, loop, not removable, 0 partitions")
        terminal.expect(f"Type its name, {loop.name}, to go on: ")
        with pytest.raises(OSError, match="busy"):  # nobody else gets the device while it asks
            os.open(loop, os.O_RDWR | os.O_EXCL)
        terminal.type(f"{loop.name}\n")
        terminal.expect(f"wrote {image.path} to {loop} and read it back")
        terminal.expect(f"kgpt: {loop} can be unplugged now")
        assert terminal.wait() == 0
    assert backing.read_bytes()[: image.size] == image.path.read_bytes()


def test_partitions_are_refused_and_old_ones_forgotten(
    image: flash.Image, loop: Path, backing: Path, tmp_path: Path
) -> None:
    try:
        command("addpart", loop, "1", "2048", "2048")
    except OSError as error:
        pytest.skip(f"this kernel makes no partitions of loop devices: {error}")
    part = Devices().device(f"{loop.name}p1")
    assert (part.disk, part.size) == (loop.name, MIB)
    assert Devices().below(part.name) == Devices().below(loop.name) | {part.name}
    assert [(p.start, p.size) for p in Devices().device(loop.name).parts] == [(MIB, MIB)]
    assert refusal(image, part.path) == f"{part.path} is a partition of {loop} | name the whole disk: {loop}"
    with kgpt(tmp_path, image.path, loop, "--force") as terminal:
        terminal.expect("not removable, 1 partition$")
        terminal.expect("to go on: ")
        terminal.type(f"{loop}\n")
        assert terminal.wait() == 0
    assert backing.read_bytes()[: image.size] == image.path.read_bytes()
    if Devices().device(loop.name).parts:  # EINVAL: the kernel looks for partitions where --partscan was given only
        command("delpart", loop, "1")


def test_what_is_compared_comes_from_the_device_and_not_from_memory(loop: Path, backing: Path) -> None:
    """The kernel keeps pages of a block device: a buffered reader goes on seeing the old content."""
    with loop.open("rb") as buffered, OpenDisk(loop, SIZE, 512, Devices().device(loop.name).number) as disk:
        assert buffered.read(MIB) == b"\xff" * MIB
        disk.write(0, b"\x11" * MIB)
        disk.settle()
        with backing.open("r+b") as file:
            file.write(b"\x22" * MIB)
            file.flush()
            os.fsync(file.fileno())
        assert disk.read(0, MIB) == b"\x22" * MIB


def test_a_mounted_device_is_refused(image: flash.Image, backing: Path, tmp_path: Path) -> None:
    if not shutil.which("mkfs.ext4"):
        pytest.skip("mkfs.ext4 is not there")
    command("mkfs.ext4", "-q", "-F", backing)
    place = tmp_path / "mount point"
    with loop_device(backing) as path, mounted("ext4", path, place):
        assert refusal(image, path) == (
            f"{path} is in use: {path} is mounted at {place} | if you are done with it: sudo umount '{place}'"
        )
        inside = image_file(place / "kgpt.img", MIB)
        assert refusal(inside, path).startswith(f"{place}/kgpt.img lies on {path} itself")


def test_a_mount_in_another_namespace_is_refused_by_the_kernel(
    image: flash.Image, backing: Path, tmp_path: Path
) -> None:
    if not shutil.which("mkfs.ext4") or not shutil.which("unshare"):
        pytest.skip("mkfs.ext4 or unshare is not there")
    command("mkfs.ext4", "-q", "-F", backing)
    with loop_device(backing) as path:
        script = f"mount -t ext4 {path} /mnt && echo mounted && read _"
        holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with holder:
            assert holder.stdout is not None
            if holder.stdout.readline() != "mounted\n":
                pytest.skip("this machine makes no mount namespaces")
            assert Usage(Devices()).of(Devices().device(path.name)) == ()
            text = refusal(image, path)
            assert holder.stdin is not None
            holder.stdin.write("\n")
        assert text.startswith(f"{path} is in use, though nothing in /proc/self/mountinfo and /sys says by what")


def test_a_read_only_device_is_refused(image: flash.Image, backing: Path) -> None:
    with loop_device(backing, "--read-only") as path:
        assert refusal(image, path).startswith(f"{path} is read-only")


def test_the_disk_below_a_loop_device_is_known(loop: Path) -> None:
    """Or none, where the file system of temporary files has no disk."""
    below = Devices().below(loop.name)
    assert loop.name in below
    assert {Devices().device(name).number for name in below} - {""}


def test_a_device_that_fails_midway(image: flash.Image, tmp_path: Path) -> None:
    """A loop device of a file that is larger than its file system: the kernel finds out while it writes."""
    with mounted("tmpfs", "none", tmp_path / "small", "-o", "size=5m"):
        file = tmp_path / "small/backing"
        file.touch()
        os.truncate(file, SIZE)
        with loop_device(file) as path:
            text = refusal(image, path)
            assert f"{path} " in text
            assert "it cannot be booted now" in text
            with OpenDisk(path, SIZE, 512, Devices().device(path.name).number) as disk:
                assert not any(disk.read(0, 512))


def test_a_locked_device_is_refused(image: flash.Image, loop: Path) -> None:
    import fcntl

    with loop.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert refusal(image, loop).startswith("another program is using ")


def _mapped_names() -> Iterator[Path]:
    return Path("/sys/class/block").glob("dm-*/dm/name")


@contextlib.contextmanager
def mapped(name: str, table: str) -> Iterator[Path]:
    """A device of the device mapper."""
    try:
        command("dmsetup", "create", name, "--table", table)
    except OSError as error:
        pytest.skip(f"this machine has no device mapper: {str(error).splitlines()[0]}")
    try:
        # Not /dev/mapper/NAME: that is udev's to make.
        yield next(Path("/dev", file.parts[4]) for file in _mapped_names() if file.read_text().strip() == name)
    finally:
        for _ in pace.attempts(20, 0.2):  # udev looks at it after it was closed
            with contextlib.suppress(OSError):
                command("dmsetup", "remove", name)
                break


def test_a_fake_stick_of_the_device_mapper_begins_again(image: flash.Image, loop: Path) -> None:
    half = 4 * MIB // 512
    table = "".join(f"{start * half} {half} linear {loop} 0\n" for start in range(4))
    with mapped(f"kgpt-wrap-{os.getpid()}", table) as path:
        text = refusal(image, path)
        assert " no more than 4,194,304 of the 16,777,216 bytes" in text
        assert "holds the volume" not in text
        assert "is used by the device mapper for kgpt-wrap" in refusal(image, loop)


def test_a_fake_stick_of_the_device_mapper_forgets(image: flash.Image, loop: Path) -> None:
    real = 4 * MIB // 512
    table = f"0 {real} linear {loop} 0\n{real} {SIZE // 512 - real} zero\n"
    with mapped(f"kgpt-drop-{os.getpid()}", table) as path:
        assert "nothing after that was kept, so it holds about 4,194,304 bytes" in refusal(image, path)


def test_a_stick_of_the_device_mapper_that_breaks(image: flash.Image, loop: Path) -> None:
    real = 5 * MIB // 512
    table = f"0 {real} linear {loop} 0\n{real} 8 error\n{real + 8} {SIZE // 512 - real - 8} linear {loop} {real + 8}\n"
    with mapped(f"kgpt-error-{os.getpid()}", table) as path:
        text = refusal(image, path)
        assert (
            f"writing to {path} failed in the block at byte 4,194,304 (Input/output error): it cannot be booted now"
            in text
        )
