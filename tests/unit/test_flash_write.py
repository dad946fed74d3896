"""Writing an image and reading it back, on disks that work and on disks that do not."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from faulty_disk import FaultyDisk, Heard, image_file

from kgpt_build.errors import KgptError
from kgpt_build.flash.writer import BLOCK, TAIL, Flashed, Image, Interrupted, flash

MIB = 1 << 20
SIZE = 10 * MIB + 512
NAME = "/dev/sdb"


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return image_file(tmp_path / "kgpt.img", SIZE)


def run(image: Image, disk: FaultyDisk) -> Flashed:
    return flash(image, disk, NAME, Heard())


def failure(image: Image, disk: FaultyDisk) -> str:
    with pytest.raises(KgptError) as raised:
        run(image, disk)
    assert "\n" not in raised.value.message
    assert raised.value.hint
    return f"{raised.value.message} | {raised.value.hint}"


def fail_at(disk: FaultyDisk, number: int, code: int) -> None:
    def at_write(_: int, count: int) -> None:
        if count == number:
            raise OSError(code, os.strerror(code))

    disk.at_write = at_write


def test_the_image_is_on_the_disk_and_nothing_else_changed(image: Image) -> None:
    disk = FaultyDisk(32 * MIB)
    done = run(image, disk)
    assert done == Flashed(image.sha256, "")
    assert disk.data[:SIZE] == image.path.read_bytes()
    assert disk.data[SIZE : 31 * MIB] == b"\xff" * (31 * MIB - SIZE)
    assert disk.data[31 * MIB :] == bytes(TAIL), "what marked the old disk at its end is still there"


def test_the_boot_sector_is_written_last_over_zeros(image: Image) -> None:
    disk = FaultyDisk(32 * MIB)
    run(image, disk)
    offsets = [offset for offset, _ in disk.writes]
    assert offsets[:2] == [31 * MIB, 0]
    assert offsets[2:] == [BLOCK, 2 * BLOCK, 0]


@pytest.mark.parametrize("stop", [2, 3, 4])
def test_a_disk_that_was_written_in_part_has_no_boot_sector(image: Image, stop: int) -> None:
    disk = FaultyDisk(32 * MIB, fill=image.path.read_bytes()[:512])
    fail_at(disk, stop, errno.EIO)
    assert "cannot be booted now" in failure(image, disk)
    assert not any(disk.data[:MIB])


@pytest.mark.parametrize("stop", range(6))
def test_a_power_cut_leaves_the_old_disk_or_none_that_boots_in_part(image: Image, stop: int) -> None:
    """Whatever the disk has kept of the writes since its last flush."""
    old = bytes(range(1, 256)) + b"\x01"
    disk = FaultyDisk(32 * MIB, fill=old)
    fail_at(disk, stop, errno.EIO)
    if stop < 5:
        failure(image, disk)
    else:
        run(image, disk)
    disk.cut_power()
    boots_the_image = disk.data[:512] == image.path.read_bytes()[:512]
    is_the_old_one = disk.data[:512] == (old * 2)[:512]
    if boots_the_image:
        assert disk.data[:SIZE] == image.path.read_bytes()
    elif is_the_old_one:
        assert disk.data[BLOCK : 31 * MIB] == (old * (32 * MIB // len(old)))[BLOCK : 31 * MIB]
    else:
        assert not any(disk.data[:512])


def test_what_goes_before_the_boot_sector_is_flushed_before_it(image: Image) -> None:
    disk = FaultyDisk(32 * MIB)
    order: list[str] = []
    disk.at_write = lambda offset, number: order.append(f"write {offset // BLOCK}, flushed {disk.settled}")
    run(image, disk)
    assert order[1:] == ["write 0, flushed 0", "write 1, flushed 1", "write 2, flushed 1", "write 0, flushed 2"]
    assert disk.settled == 3


@pytest.mark.parametrize("size", [SIZE, SIZE + 512, SIZE + 4096, SIZE + TAIL, SIZE + TAIL + 512])
def test_disks_that_barely_fit(image: Image, size: int) -> None:
    disk = FaultyDisk(size)
    assert run(image, disk).doubt == ""
    assert disk.data[:SIZE] == image.path.read_bytes()


@pytest.mark.parametrize("size", [512, BLOCK - 512, BLOCK, BLOCK + 512, 2 * BLOCK])
def test_images_of_any_number_of_blocks(size: int, tmp_path: Path) -> None:
    image = image_file(tmp_path / "kgpt.img", size)
    disk = FaultyDisk(32 * MIB)
    run(image, disk)
    assert disk.data[:size] == image.path.read_bytes()


def test_progress_grows_to_the_whole(image: Image) -> None:
    heard = Heard()
    flash(image, FaultyDisk(32 * MIB), NAME, heard)
    assert heard.stages == [f"writing {SIZE:,} bytes to {NAME}", f"reading {NAME} back"]
    assert all(total == SIZE for _, total in heard.amounts)
    done = [done for done, _ in heard.amounts]
    assert done.count(SIZE) == 2
    first = done[: done.index(SIZE) + 1]
    assert first == sorted(first)


@pytest.mark.parametrize("real", [4 * MIB, 8 * MIB])
def test_a_stick_that_begins_again_at_its_real_end(image: Image, real: int) -> None:
    text = failure(image, FaultyDisk(64 * MIB, real, "wrap"))
    assert f"{NAME} does not hold what was written to it, from byte " in text
    assert f" no more than {real:,} of the 67,108,864 bytes" in text
    assert "take another one" in text


@pytest.mark.parametrize("real", [4 * MIB, 8 * MIB, 9 * MIB])
def test_a_stick_that_forgets_what_is_past_its_real_end(image: Image, real: int) -> None:
    text = failure(image, FaultyDisk(64 * MIB, real, "drop"))
    assert f"from byte {real:,} on: " in text
    assert f" about {real:,} bytes, not the 67,108,864 " in text


def test_a_stick_whose_lie_does_not_concern_the_image_is_doubted_only(image: Image) -> None:
    """The end is written before the image, so what wraps around cannot harm it."""
    for beyond in ("drop", "wrap"):
        disk = FaultyDisk(64 * MIB, 16 * MIB, beyond)
        if beyond == "drop":
            disk.spoil = {64 * MIB - 5: 0xFF}  # what such a stick reads as is anything
        doubt = run(image, disk).doubt
        assert disk.data[:SIZE] == image.path.read_bytes()
        assert (beyond == "wrap") == (doubt == "")
        if doubt:
            assert doubt.startswith(f"{NAME} does not keep ")


def test_an_end_that_wraps_into_the_image_is_doubted(image: Image) -> None:
    doubt = run(image, FaultyDisk(63 * MIB, 16 * MIB, "wrap")).doubt
    assert doubt == "" or "does not keep" in doubt
    doubt = run(image, FaultyDisk(40 * MIB, 30 * MIB, "wrap")).doubt
    assert " less than the 41,943,040 bytes" in doubt


def test_an_end_that_cannot_be_written_says_what_the_disk_really_has(image: Image) -> None:
    text = failure(image, FaultyDisk(64 * MIB, 16 * MIB, "fail"))
    assert f"{NAME} ends soon after byte 66,060,288, " in text
    assert " 67,108,864 bytes: " in text
    assert "nothing of the image was written" in text


def test_one_bad_cell_is_not_called_a_lie(image: Image) -> None:
    disk = FaultyDisk(32 * MIB)
    disk.spoil = {5 * MIB + 17: 0x04}
    text = failure(image, disk)
    assert f"from byte {5 * MIB + 17:,} on: 1 pages of 4,096 bytes differ" in text
    assert "faulty" in text


def test_many_bad_pages_with_good_ones_behind_them_are_not_called_a_lie(image: Image) -> None:
    disk = FaultyDisk(32 * MIB)
    disk.spoil = {5 * MIB + page * 4096: 0x01 for page in range(40)}
    assert f"from byte {5 * MIB:,} on: 40 pages of 4,096 bytes differ" in failure(image, disk)


def test_a_bad_cell_on_the_last_page_is_not_called_a_lie(image: Image) -> None:
    disk = FaultyDisk(32 * MIB)
    disk.spoil = {SIZE - 1: 0x80}
    assert "is faulty" in failure(image, disk)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            errno.EIO,
            "writing to /dev/sdb failed in the block at byte 4,194,304 (Input/output error): it cannot be booted now",
        ),
        (errno.ENOSPC, "/dev/sdb ends soon after byte 4,194,304"),
        (errno.ENODEV, "/dev/sdb was unplugged while it was written"),
        (errno.ENXIO, "/dev/sdb was unplugged while it was written"),
        (errno.EROFS, "/dev/sdb became read-only at byte 4,194,304"),
        (errno.EPERM, "/dev/sdb became read-only at byte 4,194,304"),
    ],
)
def test_errors_of_writing(code: int, words: str, image: Image) -> None:
    disk = FaultyDisk(32 * MIB)
    fail_at(disk, 2, code)
    assert words in failure(image, disk)


def test_an_error_of_a_stick_that_is_gone_is_that(image: Image) -> None:
    disk = FaultyDisk(32 * MIB)

    def pull(_: int, number: int) -> None:
        if number == 3:
            disk.plugged = False
            raise OSError(errno.EIO, "Input/output error")

    disk.at_write = pull
    assert "was unplugged while it was written: it cannot be booted now | plug it in again" in failure(image, disk)


def test_an_error_of_the_last_flush(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FaultyDisk(32 * MIB)

    def settle() -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(disk, "settle", settle)
    assert "writing to /dev/sdb failed" in failure(image, disk)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            errno.EIO,
            "reading /dev/sdb back failed in the block at byte 4,194,304 (Input/output error): do not trust it",
        ),
        (errno.ENODEV, "/dev/sdb was unplugged before it was checked; it was written"),
    ],
)
def test_errors_of_reading_back(code: int, words: str, image: Image) -> None:
    disk = FaultyDisk(32 * MIB)

    def at_read(offset: int, _: int) -> None:
        if offset == BLOCK:
            raise OSError(code, os.strerror(code))

    disk.at_read = at_read
    assert words in failure(image, disk)


@pytest.mark.parametrize("number", [0, 1, 2, 4])
def test_ctrl_c_while_writing_says_that_the_stick_is_not_usable(number: int, image: Image) -> None:
    disk = FaultyDisk(32 * MIB)

    def at_write(_: int, count: int) -> None:
        if count == number:
            raise KeyboardInterrupt

    disk.at_write = at_write
    with pytest.raises(Interrupted) as raised:
        run(image, disk)
    assert raised.value.message.startswith(f"stopped while writing: {NAME} cannot be booted now")


def test_ctrl_c_while_reading_back_says_that_it_was_not_checked(image: Image) -> None:
    disk = FaultyDisk(32 * MIB)

    def at_read(_: int, __: int) -> None:
        raise KeyboardInterrupt

    disk.at_read = at_read
    with pytest.raises(Interrupted) as raised:
        run(image, disk)
    assert raised.value.message == f"stopped while reading back: {NAME} was written, but not checked"


def test_an_image_that_changes_meanwhile(image: Image) -> None:
    disk = FaultyDisk(32 * MIB)

    def change(_: int, number: int) -> None:
        if number == 2:
            with image.path.open("r+b") as file:
                file.seek(9 * MIB)
                file.write(b"other")

    disk.at_write = change
    assert "kgpt.img changed while it was written" in failure(image, disk)
    assert not any(disk.data[:512])


def test_an_image_that_goes_away_meanwhile(image: Image) -> None:
    disk = FaultyDisk(32 * MIB)
    disk.at_write = lambda _, number: os.truncate(image.path, BLOCK) if number == 0 else None
    assert "changed while it was written" in failure(image, disk)
