"""Further disks of a virtual machine: files that the kernel finds behind a virtio, NVMe, AHCI or USB controller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kgpt_build.errors import KgptError, UsageError


@dataclass(frozen=True)
class _Kind:
    controller: str
    """The device that the disks of this kind share; empty: each disk is a device of its own."""
    disk: str
    """The disk; ``{i}`` is its number among all disks, ``{n}`` its number behind its controller."""
    most: int
    """Disks behind one controller."""
    takes_read_only: bool = True
    """False: QEMU's device wants to write. Then writes go to a temporary file."""


_KINDS = {
    "virtio": _Kind("", "virtio-blk-pci,drive=disk{i}", 16),
    "nvme": _Kind("", "nvme,serial=disk{i},drive=disk{i}", 16),
    "ahci": _Kind("ich9-ahci,id=disks-ahci", "ide-hd,drive=disk{i},bus=disks-ahci.{n}", 6, takes_read_only=False),
    "usb": _Kind("qemu-xhci,id=disks-usb", "usb-storage,drive=disk{i},bus=disks-usb.0", 4),
}
DISK_KINDS = tuple(_KINDS)


@dataclass(frozen=True)
class Disk:
    """A file as a disk. ``kind``: one of DISK_KINDS. The guest cannot change the file unless it is ``writable``."""

    path: Path
    kind: str = "virtio"
    writable: bool = False


def parse_disk(text: str) -> Disk:
    """``FILE[,kind=KIND][,rw]``. Raises UsageError for words it does not know, KgptError without the file."""
    path, kind, writable = text, "virtio", False
    while "," in path and not Path(path).exists():
        path, _, word = path.rpartition(",")
        if word == "rw":
            writable = True
        elif word.removeprefix("kind=") in DISK_KINDS and word.startswith("kind="):
            kind = word.removeprefix("kind=")
        elif word != "ro":
            known = ", ".join(f"kind={name}" for name in DISK_KINDS)
            raise UsageError(f"--disk {text}: there is no {word}", f"behind the file: {known}, ro or rw")
    if not Path(path).is_file():
        raise KgptError(f"the disk {path} is not there", "give a file, such as one that kgpt image usb wrote")
    return Disk(Path(path), kind, writable)


def check_disks(disks: Sequence[Disk]) -> None:
    """Raise UsageError for more disks of a kind than fit."""
    for name, kind in _KINDS.items():
        if (n := sum(disk.kind == name for disk in disks)) > kind.most:
            raise UsageError(f"there are {n} disks of kind {name}", f"at most {kind.most} fit")


def disk_words(disks: Sequence[Disk]) -> list[str]:
    """QEMU's words for ``disks``."""
    words: list[str] = []
    behind = dict.fromkeys(DISK_KINDS, 0)
    for i, disk in enumerate(disks):
        kind = _KINDS[disk.kind]
        access = "" if disk.writable else ",readonly=on" if kind.takes_read_only else ",snapshot=on"
        words += ["-drive", f"if=none,id=disk{i},format=raw{access},file={str(disk.path).replace(',', ',,')}"]
        if kind.controller and not behind[disk.kind]:
            words += ["-device", kind.controller]
        words += ["-device", kind.disk.format(i=i, n=behind[disk.kind])]
        behind[disk.kind] += 1
    return words
