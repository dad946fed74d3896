"""Chooses the device to write to, and refuses devices: each refusal is one line, and a hint."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.flash.devices import Device, Devices
from kgpt_build.flash.usage import Usage, Use

LIST_HINT = "kgpt flash --list shows what can be written"


@dataclass(frozen=True)
class Target:
    """A disk to write to, or a file in its place, such as the disk of a virtual machine."""

    path: Path
    device: Device | None
    size: int

    @property
    def name(self) -> str:
        """The name that the user must type to confirm."""
        return self.device.name if self.device else self.path.name


@dataclass(frozen=True)
class Refusal:
    """Why a disk is not written. ``forced``: --force overrides the refusal. ``short`` is the text for a table."""

    message: str
    hint: str
    short: str
    forced: bool = False


def target_at(path: Path, devices: Devices) -> Target:
    """The disk or file at ``path``. Raises KgptError if it cannot be written, or is a partition."""
    try:
        if number := devices.number_of(path):
            return _disk(path, number, devices)
        status = path.stat()
    except OSError as error:
        raise KgptError(f"cannot use {path}: {error.strerror}", _maybe_in_dev(path, devices)) from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no block device"
        raise KgptError(f"{path} is {kind}", LIST_HINT)
    return Target(path, None, status.st_size)


def check(target: Target, devices: Devices, usage: Usage, image: Path, size: int, *, force: bool) -> None:
    """Raise KgptError if the image at ``image``, of ``size`` bytes, must not be written to ``target``."""
    reasons = _disk_reasons(target.device, devices, usage, image) if target.device else _file_reasons(target, image)
    for refusal in chain(reasons, _too_small(target, size)):
        if not (force and refusal.forced):
            raise KgptError(refusal.message, refusal.hint)


def first_refusal(device: Device, devices: Devices, usage: Usage) -> Refusal | None:
    """The refusal of ``device`` for any image, or None."""
    return next(_disk_reasons(device, devices, usage, None), None)


def _maybe_in_dev(path: Path, devices: Devices) -> str:
    if len(path.parts) == 1 and path.name in devices.names:
        return f"did you mean /dev/{path.name}?"
    return f"is it plugged in? {LIST_HINT}"


def _disk(path: Path, number: str, devices: Devices) -> Target:
    name = devices.with_number(number)
    if not name:
        raise KgptError(f"{path} is a block device that the kernel does not know", LIST_HINT)
    device = devices.device(name)
    if device.disk:
        whole = devices.device(device.disk)
        raise KgptError(f"{path} is a partition of {whole.path}", f"name the whole disk: {whole.path}")
    if not device.size:
        raise KgptError(f"{device.path} has no medium in it", f"put one in; {LIST_HINT}")
    return Target(device.path, device, device.size)


def _disk_reasons(device: Device, devices: Devices, usage: Usage, image: Path | None) -> Iterator[Refusal]:
    """All refusals of a device, the most serious first: only the first is shown."""
    uses = usage.of(device)
    system = [use for use in uses if use.system]
    if system:
        text = _said(system[0], device, devices)
        yield Refusal(f"{device.path} is the disk that this system runs from: {text}", LIST_HINT, "the system's disk")
    if image is not None and device.name in usage.disk_names_of(image):
        yield Refusal(
            f"{image} lies on {device.path} itself", "copy the image to another disk first", "holds the image"
        )
    if uses:
        text = _said(uses[0], device, devices)
        yield Refusal(f"{device.path} is in use: {text}", _undo(uses), uses[0].text.removeprefix("is "))
    if device.read_only:
        hint = "a card, and its adapter, has a lock switch; a stick that became read-only is worn out"
        yield Refusal(f"{device.path} is read-only", hint, "read-only")
    if not device.is_stick:
        yield Refusal(
            f"{device.path} is not a removable USB disk, nor a card ({_kind(device)})",
            f"if it is the right one all the same: --force; {LIST_HINT}",
            "no stick or card: --force",
            forced=True,
        )


def _said(use: Use, device: Device, devices: Devices) -> str:
    """``/dev/sdb1 is mounted at /mnt``; with a device in between: ``/dev/sdb2 … /dev/dm-0, which lies on it, …``."""
    inside = {device.name, *(part.name for part in device.parts)}
    used = devices.device(use.device).path
    return f"{used} {use.text}" if use.device in inside else f"{used}, which lies on it, {use.text}"


def _undo(uses: tuple[Use, ...]) -> str:
    commands = list(dict.fromkeys(use.undo for use in reversed(uses) if use.undo))
    # Unmount inner file systems before outer ones, and devices after the file systems on them.
    commands.sort(key=lambda command: (not command.startswith("umount"), -len(command)))
    if not commands:
        return "stop what uses it, then try again"
    return "if you are done with it: " + " && ".join(f"sudo {command}" for command in commands)


def _kind(device: Device) -> str:
    return " ".join(filter(None, (device.bus, device.model)))


def _file_reasons(target: Target, image: Path) -> Iterator[Refusal]:
    if target.path.samefile(image):
        yield Refusal(f"{target.path} is the image itself", LIST_HINT, "the image")
    yield Refusal(
        f"{target.path} is a file, not a device",
        "to write over the file's content all the same, for the disk of a virtual machine: --force",
        "a file",
        forced=True,
    )


def _too_small(target: Target, size: int) -> Iterator[Refusal]:
    if target.size < size:
        yield Refusal(
            f"{target.path} is too small: it has {target.size:,} bytes, and the image {size:,}",
            "take a larger one, or make an image with a smaller model",
            "too small",
        )
