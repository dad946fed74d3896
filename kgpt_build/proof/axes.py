"""The axes of the matrix of machines, and the rules for their combinations: of machines with many loaders and
processors, of PCs with devices, and of QEMU's virt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar, TypeVar

from kgpt_build.arch import DEFAULT
from kgpt_build.errors import UsageError
from kgpt_build.proof.pairwise import Axes, Rule, rows_covering_pairs, rows_covering_values

AXES: Axes = {
    "loader": ("pvh", "multiboot1", "grub-bios", "grub-uefi"),
    "machine": ("pc", "q35", "microvm"),
    "cpu": ("qemu64", "Nehalem", "Haswell", "max"),
    "cpus": ("1", "2", "4", "8"),
    "memory": ("128", "512", "3072", "6144"),
    "serial": ("serial", "no-serial"),
    "screen": ("pixels", "text", "no-screen"),
    "keyboard": ("ps2", "no-keyboard"),
    "special": ("plain", "la57", "no-hpet", "no-pit", "no-hpet-no-pit", "x2apic"),
}
"""``memory`` in MiB. ``screen``: the kind that the kernel finds. ``special``: another unusual property."""

RULES: tuple[Rule, ...] = (
    # microvm boots kernels only, and has no bus for a card, no keyboard controller and no HPET.
    Rule(("machine", "loader"), lambda machine, loader: machine != "microvm" or not loader.startswith("grub")),
    Rule(("machine", "screen"), lambda machine, screen: machine != "microvm" or screen == "no-screen"),
    Rule(("machine", "keyboard"), lambda machine, keyboard: machine != "microvm" or keyboard == "no-keyboard"),
    Rule(("machine", "special"), lambda machine, special: machine != "microvm" or "no-hpet" not in special),
    # QEMU's own loaders leave the card in text mode; GRUB under UEFI has pixels only.
    Rule(("loader", "screen"), lambda loader, screen: loader.startswith("grub") or screen != "pixels"),
    Rule(("loader", "screen"), lambda loader, screen: loader != "grub-uefi" or screen != "text"),
    # Only the processor "max" has five levels of page tables.
    Rule(("cpu", "special"), lambda cpu, special: special != "la57" or cpu == "max"),
)

DEVICE_AXES: Axes = {
    "start": ("grub-bios", "grub-uefi", "direct-uefi"),
    "secure": ("off", "on"),
    "keyboard": (DEFAULT.qemu.keyboard, "usb", "hub", "none"),
    "disk": ("none", "usb", "nvme", "ahci", "virtio", "cd"),
    "memory": ("1024", "6144", "20480"),
}
"""``memory`` in MiB. ``disk``: the one with random bytes, beside the one that the machine starts from."""

DEVICE_RULES: tuple[Rule, ...] = (
    # GRUB is signed by nobody that firmware trusts here, and BIOS checks no signature.
    Rule(("start", "secure"), lambda start, secure: secure == "off" or start == "direct-uefi"),
)

VIRT_AXES: Axes = {
    "start": ("linux", "uefi"),
    "cpu": ("cortex-a72", "cortex-a76", "max"),
    "cpus": ("1", "2", "4", "8"),
    "gic": ("2", "3"),
}
"""Of virt: every combination is a machine. ``start``: by ``-kernel``, or kgpt.efi by firmware from a drive. ``gic``:
the version of the interrupt controller.
"""

_REDUCED = 10
X2APIC_SINCE = (9, 0)
"""The first QEMU whose TCG has an x2APIC."""


@dataclass(frozen=True)
class Case:
    """One machine: a value of each axis."""

    values: Mapping[str, str]
    axes: ClassVar[Axes] = AXES

    @property
    def name(self) -> str:
        """``grub-bios q35 max 4cpu 512MB serial text ps2 plain``."""
        v = self.values
        return (
            f"{v['loader']} {v['machine']} {v['cpu']} {v['cpus']}cpu {v['memory']}MB"
            f" {v['serial']} {v['screen']} {v['keyboard']} {v['special']}"
        )

    def __getitem__(self, axis: str) -> str:
        return self.values[axis]

    @property
    def has_screen(self) -> bool:
        """Has the machine a screen, with pixels or text?"""
        return self["screen"] != "no-screen"

    @property
    def can_be_typed_to(self) -> bool:
        """Has the machine a keyboard or a serial port?"""
        return self["keyboard"] == "ps2" or self["serial"] == "serial"


@dataclass(frozen=True)
class DeviceCase(Case):
    """One PC with devices: a value of each axis."""

    axes: ClassVar[Axes] = DEVICE_AXES

    @property
    def name(self) -> str:
        """``direct-uefi secure-on keyboard-usb disk-nvme 1024MB``."""
        v = self.values
        return f"{v['start']} secure-{v['secure']} keyboard-{v['keyboard']} disk-{v['disk']} {v['memory']}MB"


@dataclass(frozen=True)
class VirtCase(Case):
    """A machine virt: a value of each axis. What all of them have alike is here, by the axes of other machines."""

    axes: ClassVar[Axes] = VIRT_AXES
    _alike: ClassVar[Mapping[str, str]] = {
        "memory": "512",
        "serial": "serial",
        "screen": "no-screen",
        "keyboard": "no-keyboard",
    }

    @property
    def name(self) -> str:
        """``virt cortex-a76 4cpu gicv3 linux``."""
        v = self.values
        return f"virt {v['cpu']} {v['cpus']}cpu gicv{v['gic']} {v['start']}"

    def __getitem__(self, axis: str) -> str:
        return {**self._alike, "loader": self.values["start"], **self.values}[axis]


@dataclass(frozen=True)
class NotRun:
    """Machines that this host cannot make, and the reason; they never count as passed."""

    name: str
    reason: str


def cases(qemu_version: tuple[int, ...]) -> tuple[list[Case], list[NotRun]]:
    """The machines, covering all pairs of values, that this QEMU makes under TCG; and those that it cannot make."""
    axes, missing = AXES, []
    if qemu_version < X2APIC_SINCE:
        axes = {**AXES, "special": tuple(value for value in AXES["special"] if value != "x2apic")}
        version = ".".join(map(str, qemu_version))
        missing.append(NotRun("special=x2apic", f"TCG of QEMU {version} has no x2APIC (9.0 has); Bochs' row has one"))
    return [Case(row) for row in rows_covering_pairs(axes, RULES)], missing


def device_cases() -> list[DeviceCase]:
    """The PCs, covering all pairs of values that can occur together."""
    return [DeviceCase(row) for row in rows_covering_pairs(DEVICE_AXES, DEVICE_RULES)]


def virt_cases() -> list[VirtCase]:
    """Every machine virt."""
    return [VirtCase(dict(zip(VIRT_AXES, row, strict=True))) for row in product(*VIRT_AXES.values())]


def virt_reduced(every: list[VirtCase]) -> list[VirtCase]:
    """A few of the cases, with every value of every axis."""
    return [VirtCase(row) for row in rows_covering_values([case.values for case in every], at_least=1)]


def reduced(every: list[Case]) -> list[Case]:
    """About ten of the cases, with every value of every axis."""
    return [Case(row) for row in rows_covering_values([case.values for case in every], at_least=_REDUCED)]


def check_words(words: Sequence[str]) -> None:
    """Raises UsageError for an ``axis=value`` that no machine of the matrix has."""
    families = (AXES, DEVICE_AXES, VIRT_AXES)
    for word in words:
        axis, equals, value = word.partition("=")
        values = [each for axes in families for each in axes.get(axis, ())]
        if equals and value not in values:
            names = dict.fromkeys(name for axes in families for name in axes)
            known = ", ".join(dict.fromkeys(values) if values else [f"{name}=…" for name in names])
            raise UsageError(f"there is no {word} in the matrix", f"there is: {known}")


C = TypeVar("C", bound=Case)


def only(every: Sequence[C], words: Sequence[str]) -> list[C]:
    """The cases that match all ``words``: ``axis=value``, or a part of a name."""
    return [case for case in every if all(_fits(case, word) for word in words)]


def _fits(case: Case, word: str) -> bool:
    axis, equals, value = word.partition("=")
    return case.values.get(axis) == value if equals else word in case.name
