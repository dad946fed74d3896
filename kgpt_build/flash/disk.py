"""Reads and writes a device with O_DIRECT: an error belongs to the current block, and reads come from the device."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Protocol

from kgpt_build.sizes import rounded_up

_BLKRRPART = 0x125F
_BLKFLSBUF = 0x1261
_REREAD_TRIES = 10
_REREAD_SECONDS = 0.2


class Disk(Protocol):
    """A disk to write to. Offsets and lengths are in bytes; every method raises OSError."""

    @property
    def size(self) -> int:
        """The size that the disk claims."""

    def write(self, offset: int, data: bytes) -> None:
        """Write all of ``data``; the rest of its last sector is filled with zeros."""

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes, from the device and not from memory."""

    def settle(self) -> None:
        """Flush all writes to the device, and drop its pages from the page cache."""

    def present(self) -> bool:
        """Is the device still plugged in?"""


class OpenDisk:
    """A block device or a file, opened exclusively.

    O_EXCL fails with EBUSY for a device in use: the kernel also knows mounts in other namespaces and members of ZFS
    pools, which /sys and /proc do not show. While the device is open, nothing can mount it. If it is unplugged and
    another one takes its name, writes fail: they do not reach the other device.
    """

    def __init__(self, path: Path, size: int, sector: int, number: str) -> None:
        """``number`` is the device's major and minor, or "" for a file. Raises OSError."""
        self.size = size
        self._sector = sector
        self._number = number
        self._fd = _open_device(path) if number else os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._check_identity()
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # udev does not probe a disk with this lock
        except OSError:
            os.close(self._fd)
            raise

    def write(self, offset: int, data: bytes) -> None:
        """Write all of it."""
        length = rounded_up(len(data), self._sector) if self._number else len(data)
        with mmap.mmap(-1, max(length, 1)) as memory, memoryview(memory) as view:  # O_DIRECT wants aligned memory
            memory[: len(data)] = data
            done = 0
            while done < length:
                with view[done:length] as rest:
                    count = os.pwrite(self._fd, rest, offset + done)
                if not count:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                done += count

    def read(self, offset: int, length: int) -> bytes:
        """Read all of it."""
        whole = rounded_up(length, self._sector)
        with mmap.mmap(-1, max(whole, 1)) as memory, memoryview(memory) as view:
            done = 0
            while done < length:
                with view[done:whole] as rest:
                    count = os.preadv(self._fd, [rest], offset + done)
                if not count:
                    raise OSError(errno.EIO, "the device ends here")
                done += count
            return memory[:length]

    def settle(self) -> None:
        """Flush, and drop what is cached."""
        os.fsync(self._fd)
        if self._number:
            with contextlib.suppress(OSError):  # only for root; without it the next line does
                fcntl.ioctl(self._fd, _BLKFLSBUF)
        os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def present(self) -> bool:
        """Does the kernel still have the device?"""
        return not self._number or Path("/sys/dev/block", self._number).exists()

    def reread_partitions(self) -> bool:
        """Let the kernel read the new partition table; False if it cannot, or refuses."""
        for _ in range(_REREAD_TRIES if self._number else 0):
            try:
                fcntl.ioctl(self._fd, _BLKRRPART)
                return True
            except OSError as error:
                if error.errno != errno.EBUSY:
                    return False
                time.sleep(_REREAD_SECONDS)
        return False

    def close(self) -> None:
        """Close the device."""
        os.close(self._fd)

    def __enter__(self) -> OpenDisk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_identity(self) -> None:
        """Raise OSError if the name, such as /dev/sdb, now belongs to another device than the one that was examined."""
        status = os.fstat(self._fd)
        if self._number and f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" != self._number:
            raise OSError(errno.ENODEV, "another device has its name now")


def _open_device(path: Path) -> int:
    flags = os.O_RDWR | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_DIRECT)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a driver without direct access: settle() drops what is cached
            raise
        return os.open(path, flags | os.O_SYNC)
