"""Disks that say of themselves that they belong to something larger."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from faulty_disk import FaultyDisk
from refusals import refused

from kgpt_build.errors import KgptError
from kgpt_build.flash import members as flash_members
from kgpt_build.flash.devices import Device, Part

KIB = 1024
MIB = 1 << 20
SIZE = 32 * MIB + 512  # so that the places that count from the end are rounded
PART = Part("sdb1", MIB, 8 * MIB)

MD = bytes.fromhex("fc4e2ba9")
LVM = b"LABELONE" + struct.pack("<QII", 1, 0, 32) + b"LVM2 001"
BCACHE = bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")


def device(*parts: Part) -> Device:
    return Device(
        name="sdb",
        path=Path("/dev/sdb"),
        number="8:16",
        size=SIZE,
        sector=512,
        read_only=False,
        removable=True,
        bus="usb",
        model="",
        serial="",
        parts=parts,
    )


def disk(*marks: tuple[int, bytes]) -> FaultyDisk:
    disk = FaultyDisk(SIZE, fill=b"\0")
    disk.settled = 1
    for offset, mark in marks:
        disk.data[offset : offset + len(mark)] = mark
    return disk


MARKS = [
    (0, LVM, "a member of an LVM group"),
    (512, LVM, "a member of an LVM group"),
    (1536, LVM, "a member of an LVM group"),
    (0, MD, "a member of a RAID array (md)"),
    (4 * KIB, MD, "a member of a RAID array (md)"),
    (4 * KIB + 24, BCACHE, "a part of a bcache"),
    (128 * KIB, struct.pack("<Q", 0x00BAB10C), "a member of a ZFS pool"),
    (255 * KIB, struct.pack(">Q", 0x00BAB10C), "a member of a ZFS pool"),
]


@pytest.mark.parametrize(("offset", "mark", "words"), MARKS)
def test_marks_on_the_disk_and_on_a_partition(offset: int, mark: bytes, words: str) -> None:
    with pytest.raises(KgptError) as raised:
        flash_members.check(device(PART), disk((offset, mark)))
    assert raised.value.message == f"/dev/sdb is marked as {words}, which is not in use now"
    assert raised.value.hint.endswith("--force, or sudo wipefs --all /dev/sdb")
    with refused(KgptError, f"/dev/sdb1 {words}"):
        flash_members.check(device(PART), disk((PART.start + offset, mark)))


@pytest.mark.parametrize("offset", [32 * MIB - 64 * KIB, 32 * MIB - 8 * KIB])
def test_marks_of_raid_at_the_end(offset: int) -> None:
    with refused(KgptError, "/dev/sdb RAID"):
        flash_members.check(device(), disk((offset, MD)))


def test_other_content_is_no_mark() -> None:
    flash_members.check(device(PART), disk())
    noise = disk((0, random.Random(1).randbytes(SIZE)))
    flash_members.check(device(PART), noise)
    flash_members.check(device(PART), disk((64, MD), (2048, LVM), (8 * KIB, b"LABELONE")))


@pytest.mark.parametrize("size", [0, 512, 4096, 100 * KIB])
def test_small_partitions(size: int) -> None:
    flash_members.check(device(Part("sdb1", SIZE - size, size)), disk())


def test_a_partition_that_reaches_past_the_end() -> None:
    flash_members.check(device(Part("sdb1", SIZE - 512, 8 * MIB), Part("sdb2", SIZE + 512, MIB)), disk())
