"""A machine whose disks are folders: /sys and /proc below a temporary root, in the shape that Linux gives them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from kgpt_build.flash.devices import Devices
from kgpt_build.flash.usage import Usage

GB = 10**9
USB = "pci0000:00/0000:00:14.0/usb2/2-1"
SATA = "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0"


@dataclass
class FakeMachine:
    """``numbers``: the node or file of a path to the number that stat would find there."""

    root: Path
    numbers: dict[str, str] = field(default_factory=dict)
    mounts: list[str] = field(default_factory=list)
    swaps: list[str] = field(default_factory=list)
    minor: int = 0

    def disk(
        self,
        name: str,
        folder: str = SATA,
        size: int = 500 * GB,
        *,
        removable: bool = False,
        files: dict[str, str | bytes] | None = None,
    ) -> str:
        """Add a disk whose device is ``folder``; returns its number."""
        self.minor += 16
        number = f"8:{self.minor}"
        place = self.root / "sys/devices" / folder / "block" / name
        self._device(place, number, size)
        (place / "removable").write_text(f"{int(removable)}\n")
        (place / "queue").mkdir()
        (place / "queue/logical_block_size").write_text("512\n")
        (place / "device").symlink_to(os.path.relpath(place.parent.parent, place))
        for file, content in (files or {}).items():
            path = place / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return number

    def stick(self, name: str = "sdb", size: int = 16 * GB, serial: str = "4C530001", port: str = USB) -> str:
        """Add a USB stick."""
        usb = self.root / "sys/devices" / port
        usb.mkdir(parents=True, exist_ok=True)
        for file, text in {"idVendor": "0781", "serial": serial, "manufacturer": "SanDisk", "product": "Ultra"}.items():
            (usb / file).write_text(text + "\n")
        return self.disk(
            name,
            f"{port}/2-1:1.0/host6/target6:0:0/6:0:0:0",
            size,
            removable=True,
            files={"device/vendor": "SanDisk \n", "device/model": "Ultra           \n"},
        )

    def part(self, disk: str, index: int, size: int = GB) -> str:
        """Add a partition; returns its number."""
        name = f"{disk}{'p' if disk[-1].isdigit() else ''}{index}"
        parent = (self.root / "sys/class/block" / disk).resolve()
        major, minor = (parent / "dev").read_text().strip().split(":")
        number = f"{major}:{int(minor) + index}"
        self._device(parent / name, number, size)
        (parent / name / "partition").write_text(f"{index}\n")
        (parent / name / "start").write_text(f"{2048 + (index - 1) * size // 512}\n")
        return number

    def virtual(self, name: str, below: list[str], files: dict[str, str] | None = None, size: int = GB) -> str:
        """Add a device that is made of others."""
        self.minor += 16
        number = f"253:{self.minor}"
        place = self.root / "sys/devices/virtual/block" / name
        self._device(place, number, size)
        for file, text in (files or {}).items():
            (place / file).parent.mkdir(exist_ok=True)
            (place / file).write_text(text + "\n")
        for lower in below:
            self.link(name, lower)
        return number

    def link(self, upper: str, lower: str) -> None:
        """``upper`` is made of ``lower``."""
        above, under = ((self.root / "sys/class/block" / name).resolve() for name in (upper, lower))
        (above / "slaves" / lower).symlink_to(os.path.relpath(under, above / "slaves"))
        (under / "holders" / upper).symlink_to(os.path.relpath(above, under / "holders"))

    def mount(self, folder: str, number: str, source: str, kind: str = "ext4") -> None:
        """Add a line of mountinfo."""
        escaped = folder.replace(" ", "\\040")
        self.mounts.append(f"{30 + len(self.mounts)} 1 {number} / {escaped} rw shared:1 - {kind} {source} rw")

    def devices(self) -> Devices:
        """What kgpt sees of it."""
        (self.root / "proc/self").mkdir(parents=True, exist_ok=True)
        (self.root / "proc/self/mountinfo").write_text("".join(line + "\n" for line in self.mounts))
        swaps = "".join(f"{path} partition 1 0 -2\n" for path in self.swaps)
        (self.root / "proc/swaps").write_text("Filename Type Size Used Priority\n" + swaps)
        (self.root / "sys/class/block").mkdir(parents=True, exist_ok=True)
        return Devices(self.root, self._number_of, self._number_below)

    def usage(self) -> Usage:
        """What its disks are used for."""
        return Usage(self.devices())

    def _device(self, place: Path, number: str, size: int) -> None:
        for folder in ("holders", "slaves"):
            (place / folder).mkdir(parents=True)
        for file, text in {"dev": number, "size": str(size // 512), "ro": "0"}.items():
            (place / file).write_text(text + "\n")
        entry = self.root / "sys/class/block" / place.name
        entry.parent.mkdir(parents=True, exist_ok=True)
        entry.symlink_to(place)
        self.numbers[f"/dev/{place.name}"] = number

    def _number_of(self, path: Path) -> str:
        if number := self.numbers.get(str(path)):
            return number
        path.stat()
        return ""

    def _number_below(self, path: Path) -> str:
        for place in (path, *path.parents):
            if number := self.numbers.get(f"{place}/" if str(place) != "/" else "/"):
                return number
        return "0:1"  # as of a file system in memory


def laptop(root: Path) -> FakeMachine:
    """A system on a SATA disk with swap, and a stick that is not mounted."""
    machine = FakeMachine(root)
    machine.disk("sda", files={"device/vendor": "ATA     \n", "device/model": "Samsung SSD 870\n"})
    machine.mount("/boot/efi", machine.part("sda", 1), "/dev/sda1", "vfat")
    machine.mount("/", machine.part("sda", 2), "/dev/sda2")
    machine.part("sda", 3)
    machine.swaps.append("/dev/sda3")
    machine.stick()
    machine.part("sdb", 1)
    return machine
