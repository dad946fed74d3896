"""Finds the uses of a disk: mounted file systems, swap, and devices built on it (RAID, LVM, dm-crypt).

The kernel decides: opening with ``O_EXCL`` fails for a device that any mount namespace or file system uses. The uses
found here explain the refusal to the user before that.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.flash.devices import Device, Devices

SYSTEM_PLACES = frozenset(
    (
        *("/", "/boot", "/boot/efi", "/boot/firmware", "/efi", "/esp", "/usr", "/etc", "/var", "/opt", "/srv"),
        *("/home", "/root", "/nix", "/nix/store", "/gnu/store", "/sysroot"),
    )
)
"""A disk with a file system mounted at one of these folders is the system disk."""

_MOUNT_TABLES = ("proc/self/mountinfo", "proc/1/mountinfo")
"""This process's mounts, which must be readable, and the system's: a container or a sandbox sees a part of them."""


@dataclass(frozen=True)
class Use:
    """One use of a device. ``text`` follows the device's name: ``is mounted at /mnt``."""

    device: str
    text: str
    undo: str
    """The command that ends the use; empty: none is known."""
    system: bool = False
    mounted: str = ""
    """The folder where a file system is mounted."""


@dataclass(frozen=True)
class Mount:
    """A line of mountinfo: mount id, folder, device number, and source."""

    ident: str
    folder: str
    number: str
    source: str


class Usage:
    """All uses of all devices of this machine, read once."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self.mounts = tuple(_mounts(devices.root))
        self._uses = (*self._of_mounts(), *self._of_swaps())

    def of(self, device: Device) -> tuple[Use, ...]:
        """The uses of ``device`` and its partitions, those of the system first."""
        names = {device.name, *(part.name for part in device.parts)}
        found = [use for use in self._uses if names & self._devices.below(use.device)]
        found += [use for name in sorted(names) for use in self._of_holders(name)]
        return tuple(sorted(dict.fromkeys(found), key=lambda use: not use.system))

    def disk_names_of(self, path: Path) -> frozenset[str]:
        """Every device below the file system of ``path``; none for a file system without a device, such as tmpfs."""
        names = {self._devices.with_number(self._devices.number_below(path))}
        # A file system on several devices reports a st_dev of its own; the mount's source then names one device.
        place = path.resolve()
        inside = [mount for mount in self.mounts if place.is_relative_to(mount.folder)]
        if inside:
            names |= set(self._names_of(max(inside, key=lambda mount: len(mount.folder))))
        return frozenset().union(*(self._devices.below(name) for name in names if name))

    def _of_mounts(self) -> Iterator[Use]:
        for mount in self.mounts:
            for name in self._names_of(mount):
                yield Use(
                    name,
                    f"is mounted at {mount.folder}",
                    f"umount {shlex.quote(mount.folder)}",
                    mount.folder in SYSTEM_PLACES,
                    mount.folder,
                )

    def _of_swaps(self) -> Iterator[Use]:
        for path in _swaps(self._devices.root):
            # The disk of a swap file is mounted, so it is found as a mount.
            if name := self._devices.at(path):
                yield Use(name, "is swap space", f"swapoff {shlex.quote(str(path))}", system=True)

    def _of_holders(self, name: str) -> Iterator[Use]:
        for holder in self._devices.holders(name):
            volume, maker = self._devices.volume(holder)
            if self._devices.is_raid(holder):
                yield Use(name, f"is part of the RAID array {holder}", f"mdadm --stop /dev/{holder}")
            elif maker == "LVM":
                yield Use(name, f"holds the LVM volume {volume}", f"dmsetup remove {shlex.quote(volume)}")
            elif maker == "CRYPT":
                yield Use(name, f"holds the open encrypted volume {volume}", f"cryptsetup close {shlex.quote(volume)}")
            elif volume:
                yield Use(name, f"is used by the device mapper for {volume}", f"dmsetup remove {shlex.quote(volume)}")
            else:
                yield Use(name, f"is used by {holder}", "")

    def _names_of(self, mount: Mount) -> list[str]:
        """The devices below a mount: by its number, by its source, and for btrfs all devices of the file system."""
        names = [self._devices.with_number(mount.number)]
        if mount.source.startswith("/"):
            names.append(self._devices.at(Path(mount.source)))
        names += self._btrfs_siblings([name for name in names if name])
        return list(dict.fromkeys(name for name in names if name))

    def _btrfs_siblings(self, names: list[str]) -> list[str]:
        found: list[str] = []
        for folder in (self._devices.root / "sys/fs/btrfs").glob("*/devices"):
            members = [entry.name for entry in folder.iterdir()]
            if any(name in members for name in names):
                found += members
        return found


def _mounts(root: Path) -> Iterator[Mount]:
    own, *others = (root / table for table in _MOUNT_TABLES)
    try:
        text = own.read_text(errors="surrogateescape")
    except OSError as error:
        raise KgptError(
            f"cannot read {own}: {error.strerror}", "without it nothing tells which disk this system runs from"
        ) from error
    for table in others:
        try:
            text += table.read_text(errors="surrogateescape")
        except OSError:  # The file belongs to another user: this process may not write to disks either.
            continue
    seen: set[str] = set()
    for line in text.splitlines():
        mount = _mount(line)
        # The id of a mount is the same in both files; its path differs if the process has another root directory.
        if mount and mount.ident not in seen:
            seen.add(mount.ident)
            yield mount


def _mount(line: str) -> Mount | None:
    """``36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue``."""
    left, dash, right = line.partition(" - ")
    words, after = left.split(" "), right.split(" ")
    if not dash or len(words) < 5 or len(after) < 2:
        return None
    return Mount(words[0], _unescaped(words[4]), words[2], _unescaped(after[1]))


def _swaps(root: Path) -> Iterator[Path]:
    try:
        lines = (root / "proc/swaps").read_text(errors="surrogateescape").splitlines()[1:]
    except OSError:  # The kernel has no swap.
        return
    for line in lines:
        if words := line.split():
            yield Path(_unescaped(words[0]))


def _unescaped(text: str) -> str:
    """Decode the octal escapes that /proc writes for spaces and some other characters."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
