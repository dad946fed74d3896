"""The block devices that the kernel describes in ``/sys``: disks, partitions, and the devices built on them.

kgpt does not run ``lsblk``: half of its columns come from udev's database, which some systems lack, and their names
differ between versions. The files in /sys are the kernel's own interface.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kgpt_build.errors import KgptError

SECTOR = 512
"""The unit of ``size`` and ``start`` in /sys, also for devices with larger sectors."""

PORTABLE_BUSES = frozenset({"usb", "sd"})
"""Buses with plugs on the outside. The flag "removable" is less reliable: some boards set it for SATA ports inside."""

_NOT_TEXT = re.compile(r"[^ -~]")
_NOTHING_TO_LIST = re.compile(r"/devices/virtual/block/|/block/(sr|fd)\d+$|/block/mmcblk\d+(boot|rpmb|gp)\d*$")


@dataclass(frozen=True)
class Device:
    """A block device: a disk, a partition, or a virtual device. ``size`` is in bytes; unknown texts are empty."""

    name: str
    """The kernel's name, such as ``sdb``."""
    path: Path
    number: str
    """Major and minor number, such as ``8:16``."""
    size: int
    sector: int
    """Bytes of a logical sector, the unit of reads and writes."""
    read_only: bool
    removable: bool
    bus: str
    """usb, sd, mmc, sata, nvme, scsi, virtio, loop …; ``virtual`` for a device built on others."""
    model: str
    serial: str
    parts: tuple[Part, ...] = ()
    disk: str = ""
    """For a partition, the name of its disk."""

    @property
    def is_stick(self) -> bool:
        """Is it a USB stick or a memory card?"""
        return self.removable and self.bus in PORTABLE_BUSES


@dataclass(frozen=True)
class Part:
    """A partition: its name, and its offset and size on the disk in bytes."""

    name: str
    start: int
    size: int


def number_of(path: Path) -> str:
    """The number of the block device ``path``; "" for another kind of file. Raises OSError."""
    status = path.stat()
    if not stat.S_ISBLK(status.st_mode):
        return ""
    return _number(status.st_rdev)


def number_below(path: Path) -> str:
    """st_dev of the file ``path``; some file systems have a number that belongs to no device."""
    return _number(path.stat().st_dev)


def _number(device: int) -> str:
    return f"{os.major(device)}:{os.minor(device)}"


class Devices:
    """The block devices of this machine, or those that a test provides below another root."""

    def __init__(
        self,
        root: Path = Path("/"),
        number_of: Callable[[Path], str] = number_of,
        number_below: Callable[[Path], str] = number_below,
    ) -> None:
        self.root = root
        self.number_of = number_of
        self.number_below = number_below
        self._block = root / "sys/class/block"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All devices and partitions. Raises KgptError if /sys shows none."""
        try:
            return tuple(sorted(entry.name for entry in self._block.iterdir()))
        except OSError as error:
            raise KgptError(
                f"cannot read {self._block}: {error.strerror}",
                "kgpt flash asks the Linux kernel about disks; docs/hardware.md says how to write an image elsewhere",
            ) from error

    @cached_property
    def _by_number(self) -> dict[str, str]:
        return {number: name for name in self.names if (number := self._read(name, "dev"))}

    def with_number(self, number: str) -> str:
        """The name of the device with this number; "" without one."""
        return self._by_number.get(number, "")

    def at(self, path: Path) -> str:
        """The name of the device with the node ``path``; "" if ``path`` is no device node."""
        try:
            return self.with_number(self.number_of(path))
        except OSError:
            return ""

    def disks(self) -> Iterator[Device]:
        """The drives with a medium, without optical drives and without devices built on others."""
        for name in self.names:
            if self._is_part(name) or _NOTHING_TO_LIST.search(str(self._folder(name))):
                continue
            device = self.device(name)
            # An empty card reader has size 0. A further path to the same disk (multipath) has no device number.
            if device.size and device.number:
                yield device

    def device(self, name: str) -> Device:
        """The device ``name``."""
        folder = self._folder(name)
        is_part = self._is_part(name)
        disk = folder.parent.name if is_part else ""
        bus = self._bus(disk or name)
        return Device(
            name=name,
            path=Path("/dev") / name.replace("!", "/"),  # /sys writes cciss/c0d0 with a "!"
            number=self._read(name, "dev"),
            size=self._int(name, "size") * SECTOR,
            sector=self._int(disk or name, "queue/logical_block_size") or SECTOR,
            read_only=self._read(name, "ro") == "1",
            removable=self._read(disk or name, "removable") == "1" or bus == "sd",
            bus=bus,
            model=self._model(disk or name, bus),
            serial=self._serial(disk or name, bus),
            parts=() if is_part else tuple(self._parts(name)),
            disk=disk,
        )

    def holders(self, name: str) -> tuple[str, ...]:
        """The names of the devices built on ``name``: RAID, LVM, encrypted volumes, bcache."""
        return self._entries(name, "holders")

    def below(self, name: str) -> frozenset[str]:
        """``name`` and every device below it: the disk of a partition, the disks and partitions of a volume."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            found.add(name)
            waiting += self._entries(name, "slaves")
            if self._is_part(name):
                waiting.append(self._folder(name).parent.name)
            if backing := self.backing_file(name):
                waiting += self._under_file(Path(backing))
        return frozenset(found)

    def backing_file(self, name: str) -> str:
        """The file behind a loop device, or ""."""
        return self._read(name, "loop/backing_file")

    def volume(self, name: str) -> tuple[str, str]:
        """The device mapper's name of ``name``, and the kind of its creator, such as LVM or CRYPT; else two ""."""
        return self._read(name, "dm/name"), self._read(name, "dm/uuid").partition("-")[0]

    def is_raid(self, name: str) -> bool:
        """Is it an md array (Linux software RAID)?"""
        return (self._block / name / "md").is_dir()

    def _under_file(self, path: Path) -> list[str]:
        try:
            name = self.with_number(self.number_below(path))
        except OSError:
            return []
        return [name] if name else []

    def _parts(self, name: str) -> Iterator[Part]:
        for entry in self._entries(name, ""):
            if self._is_part(entry) and self._folder(entry).parent.name == name:
                yield Part(entry, self._int(entry, "start") * SECTOR, self._int(entry, "size") * SECTOR)

    def _bus(self, name: str) -> str:
        folder = str(self._folder(name))
        if name.startswith("loop"):
            return "loop"
        if "/devices/virtual/block/" in folder:
            return "virtual"
        if "/mmc_host/" in folder:
            return "sd" if self._read(name, "device/type") == "SD" else "mmc"
        for pattern, bus in ((r"/usb\d+/", "usb"), (r"/fw\d+", "firewire"), (r"/ata\d+/", "sata"), (r"/nvme", "nvme")):
            if re.search(pattern, folder):
                return bus
        return "virtio" if re.search(r"/virtio\d+/", folder) else "scsi"

    def _model(self, name: str, bus: str) -> str:
        if bus == "loop":
            return self.backing_file(name)
        if bus == "virtual":
            return self.volume(name)[0]
        if bus in ("sd", "mmc"):
            return self._text(name, "device/name")
        words = (self._text(name, "device/vendor"), self._text(name, "device/model"))
        if words[1]:
            return " ".join(filter(None, words)) if words[0] not in ("ATA", "0x1af4") else words[1]
        usb = self._usb(name)
        return " ".join(filter(None, (_clean(usb, "manufacturer"), _clean(usb, "product")))) if usb else ""

    def _serial(self, name: str, bus: str) -> str:
        """The serial number that ``lsblk -o SERIAL`` shows: for USB that of the plug, not of the disk behind it."""
        usb = self._usb(name) if bus == "usb" else None
        if usb and (serial := _clean(usb, "serial")):
            return serial
        for file in ("serial", "device/serial"):
            if serial := self._text(name, file):
                return serial
        return self._unit_serial(name)

    def _unit_serial(self, name: str) -> str:
        """The serial number of a SCSI disk, or of an ATA disk by libata: page 0x80, behind a header of four bytes."""
        try:
            page = (self._block / name / "device/vpd_pg80").read_bytes()
        except OSError:
            return ""
        return _NOT_TEXT.sub("", page[4:].decode("latin-1")).strip()

    def _usb(self, name: str) -> Path | None:
        """The folder in /sys of the USB device that contains the disk ``name``."""
        for folder in self._folder(name).parents:
            if (folder / "idVendor").exists():
                return folder
        return None

    def _folder(self, name: str) -> Path:
        return (self._block / name).resolve()

    def _is_part(self, name: str) -> bool:
        return (self._block / name / "partition").exists()

    def _entries(self, name: str, folder: str) -> tuple[str, ...]:
        try:
            return tuple(sorted(entry.name for entry in (self._block / name / folder).iterdir()))
        except OSError:
            return ()

    def _read(self, name: str, file: str) -> str:
        try:
            return (self._block / name / file).read_text(errors="replace").strip()
        except OSError:
            return ""

    def _text(self, name: str, file: str) -> str:
        return _clean(self._block / name, file)

    def _int(self, name: str, file: str) -> int:
        text = self._read(name, file)
        return int(text) if text.isdecimal() else 0


def _clean(folder: Path, file: str) -> str:
    """The printable characters of a text from a device: a stick could send control sequences to the terminal."""
    try:
        return " ".join(_NOT_TEXT.sub(" ", (folder / file).read_text(errors="replace")).split())
    except OSError:
        return ""
