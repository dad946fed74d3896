"""Finds members of RAID arrays, LVM groups and pools that are not assembled now, by the marks in their data.

Overwriting one member can destroy the data of the whole array. So kgpt flash refuses such a disk like one in use; but
--force overwrites it, because a stale mark looks the same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from kgpt_build.errors import KgptError
from kgpt_build.flash.devices import Device
from kgpt_build.flash.disk import Disk

_KIB = 1024
_SECTOR = 512
_MD = struct.pack("<I", 0xA92B4EFC)
_ZFS = 0x00BAB10C
_ZFS_LABEL = 256 * _KIB
_ZFS_RING = 128 * _KIB
"""The first half of a label describes the pool; the second half is a ring of uberblocks with a magic number each."""
_BCACHE = bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")


def check(device: Device, disk: Disk) -> None:
    """Raise KgptError if ``device`` or one of its partitions is marked as a member. Raises OSError."""
    places = [(device.path.name, 0, device.size), *((part.name, part.start, part.size) for part in device.parts)]
    for name, start, size in places:
        if size and (what := next(_marks(disk, start, min(size, disk.size - start)), "")):
            raise KgptError(
                f"/dev/{name} is marked as {what}, which is not in use now",
                f"if that is gone for good: --force, or sudo wipefs --all /dev/{name}",
            )


def _marks(disk: Disk, start: int, size: int) -> Iterator[str]:
    def read(offset: int, length: int) -> bytes:
        """Read from the device; zeros for an offset that it does not have."""
        if offset < 0 or offset + length > size:
            return bytes(length)
        return disk.read(start + offset, length)

    head = read(0, min(size, 8 * _KIB))
    if any(head[at : at + 8] == b"LABELONE" and head[at + 24 : at + 32] == b"LVM2 001" for at in range(0, 2048, 512)):
        yield "a member of an LVM group"
    if head[4 * _KIB + 24 : 4 * _KIB + 40] == _BCACHE:
        yield "a part of a bcache"
    if _is_md(head[:4], head[4 * _KIB : 4 * _KIB + 4], read(_md_end(size), 4), read(_md_old_end(size), 4)):
        yield "a member of a RAID array (md)"
    if _has_uberblock(read(_ZFS_RING, _ZFS_LABEL - _ZFS_RING)):
        yield "a member of a ZFS pool"


def _is_md(*magics: bytes) -> bool:
    return _MD in magics


def _md_end(size: int) -> int:
    """Offset of an md superblock, version 1.0: at least 8 KiB before the end, aligned to 4 KiB."""
    return ((size // _SECTOR - 16) & ~7) * _SECTOR


def _md_old_end(size: int) -> int:
    """Offset of an md superblock, version 0.90: the last aligned 64 KiB."""
    return size // (64 * _KIB) * (64 * _KIB) - 64 * _KIB


def _has_uberblock(ring: bytes) -> bool:
    """Is there a ZFS uberblock? They are 1 KiB or more apart, in either byte order."""
    magics = {struct.pack("<Q", _ZFS), struct.pack(">Q", _ZFS)}
    return any(ring[at : at + 8] in magics for at in range(0, len(ring), _KIB))
