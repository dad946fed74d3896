"""The processor architectures that kernels are built for: one row (``Arch``) for each, and how to find the right row.

All code of the host that depends on the processor uses a row. Triples and compiler flags are in kernel.mk.
"""

from __future__ import annotations

import platform

from kgpt_build.arch.aarch64 import AARCH64
from kgpt_build.arch.rows import EXIT_BASE, Arch, GrubPlatform, QemuTarget, SecureUefi, Uefi
from kgpt_build.arch.x86_64 import X86_64

__all__ = [
    "ALL",
    "DEFAULT",
    "EXIT_BASE",
    "Arch",
    "GrubPlatform",
    "QemuTarget",
    "SecureUefi",
    "Uefi",
    "of_elf_machine",
    "of_host",
    "of_name",
    "of_pe_machine",
    "runs_here",
]

ALL: tuple[Arch, ...] = (X86_64, AARCH64)
DEFAULT = X86_64
"""The architecture of builds and machines without a named one."""


def of_host() -> Arch:
    """The architecture of this machine; DEFAULT if kgpt does not build for it."""
    machine = platform.machine()
    return next((arch for arch in ALL if machine in arch.hosts), DEFAULT)


def runs_here(arch: Arch) -> bool:
    """Is this machine of ``arch``? Only then can KVM run its kernels, and Linux its programs."""
    return platform.machine() in arch.hosts


def of_name(name: str) -> Arch:
    """The architecture called ``name``. Raises KeyError."""
    return {arch.name: arch for arch in ALL}[name]


def of_pe_machine(number: int) -> Arch | None:
    """The architecture with ``Machine`` ``number`` in its UEFI programs; None: kgpt does not build for it."""
    return next((arch for arch in ALL if arch.uefi.pe_machine == number), None)


def of_elf_machine(number: int) -> Arch | None:
    """The architecture with ``e_machine`` ``number`` in its ELF files; None: kgpt does not build for it."""
    return next((arch for arch in ALL if arch.elf_machine == number), None)
