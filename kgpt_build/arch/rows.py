"""The columns of the table in ``arch``: the properties of a processor architecture, as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EXIT_BASE = 32
"""A kernel writes this plus its exit code to QEMU's exit device (KG_EXIT_PORT_BASE)."""


@dataclass(frozen=True)
class QemuTarget:
    """QEMU for the architecture: the program, its machines, and the devices that the kernel expects in them."""

    program: str
    install: str
    """The command that installs ``program``."""
    machines: tuple[str, ...]
    """The values of ``--machine`` besides auto."""
    small_machine: str
    """The machine that boots a kernel fastest; it has no screen and boots no images."""
    full_machine: str
    """The machine with a screen, and with drives for images."""
    machine_options: Mapping[str, str]
    """Machine -> options that its name always carries."""
    drives: Mapping[str, tuple[str, ...]]
    """Medium (usb, disk) -> the devices through which the firmware boots the drive ``image``."""
    events_device: str
    """The device of the machine channel; ``chardev=`` is appended."""
    exit_device: str
    """The device that ends QEMU when the kernel writes its verdict to it; empty: the kernel powers the machine off."""
    keyboard: str
    """The keyboard that machines have by themselves."""
    no_keyboard: str
    """The option of a machine that leaves out this keyboard."""
    keyboard_status: tuple[int, int] | None
    """I/O port and mask of "the keyboard controller holds a byte"; None: the monitor cannot tell."""
    text_font: tuple[int, int] | None
    """Physical address and size of the ROM with the font of the text mode; None: there is no text mode."""
    card: str = "VGA"
    """The graphics card; empty: the kernel drives none."""
    card_by_itself: bool = True
    """Does a machine have it even if nobody looks at the screen?"""
    resolutions: bool = True
    """Can firmware be asked for another resolution?"""
    most_cpus: int = 255
    """Processors that its machines can have."""
    narrow_cpus: frozenset[str] = frozenset()
    """Processors that its machines take, and that have no 64-bit mode: no kernel can say so on them."""

    def is_small(self, machine: str) -> bool:
        """Is it the machine that lacks what the full one has?"""
        return machine == self.small_machine != self.full_machine


@dataclass(frozen=True)
class SecureUefi:
    """A UEFI firmware with Secure Boot for QEMU."""

    places: tuple[tuple[str, str], ...]
    """Paths below / in order of preference: code, and the template of its variables without any keys."""
    machine: str
    """The machine, which protects the variables against the guest if the architecture has a way."""
    machine_options: str
    arguments: tuple[str, ...]
    """QEMU's arguments for the protection."""
    block_size: int = 0
    """For templates that are blank: the firmware gives its variables, its log and its spare area as many bytes each."""


@dataclass(frozen=True)
class Uefi:
    """UEFI for the architecture: the program that it boots from removable media, and paths of a firmware for QEMU."""

    name: str
    """The name of the free implementation, for messages."""
    program: str
    """Path of the program that UEFI starts from a removable medium (UEFI Specification 2.10, section 3.5.1.1)."""
    pe_machine: int
    """``Machine`` of its PE files."""
    places: tuple[tuple[str, str], ...]
    """Paths below / in order of preference: code, and the template of its variables ("": both are in one file)."""
    install: str
    pxe_clients: tuple[int, ...]
    """What it says of itself to DHCP when it boots by PXE (option 93; IANA, *Processor Architecture Types*)."""
    http_clients: tuple[int, ...]
    """The same for HTTP boot."""
    secure: SecureUefi | None = None
    """None: kgpt knows no firmware with Secure Boot."""


@dataclass(frozen=True)
class GrubPlatform:
    """GRUB for one kind of firmware."""

    name: str
    """GRUB's name of the platform: the folder of its modules, and the format of ``grub-mkimage -O``."""
    firmware: str
    """BIOS or UEFI."""
    package: str
    modules: tuple[str, ...]
    """Modules that only this platform has."""
    disc_format: str = ""
    """The format of a core for El Torito, if it differs from a disk's; empty: it is the same."""


@dataclass(frozen=True)
class UserEmulator:
    """QEMU for programs of Linux, which runs them on a host of another architecture."""

    program: str
    install: str


@dataclass(frozen=True)
class Relocations:
    """Types of ELF relocations in a program that is linked completely."""

    relative: frozenset[int]
    """The difference of two places in the program: true wherever it lies."""
    narrow: frozenset[int]
    """An address of 32 bits."""
    wide: int
    """An address of 64 bits."""


@dataclass(frozen=True)
class Arch:
    """One processor architecture."""

    name: str
    """``ARCH`` of kernel.mk, and ``arch`` of the event ``boot``."""
    title: str
    """The name in messages."""
    elf_machine: int
    """``e_machine`` of its ELF files."""
    hosts: tuple[str, ...]
    """What operating systems call it (``platform.machine()``)."""
    user_emulator: UserEmulator
    toolchains: tuple[str, ...]
    """The toolchains that build for it, whatever the host is."""
    relocations: Relocations
    page_size: int
    """Bytes of the smallest page: segments of a kernel start at a multiple of it."""
    loaders: tuple[str, ...]
    """The boot protocols by their names in the event ``boot``; a kernel has a header for each (kernel.loaders).

    Without any there are no kernels, only programs for Linux.
    """
    qemu: QemuTarget
    uefi: Uefi
    grub: tuple[GrubPlatform, ...]
    """GRUB's platforms for images, BIOS first."""
    gnu_prefix: str
    """Begins the names of GNU's compiler and linker for it on a host of another architecture."""
    gnu_install: str
    """The command that installs those."""
    kvm_start: str
    """How Linux gets its device of KVM, for a hint."""
    kvm_probe: bytes
    """A kernel for ``-kernel`` that gives the verdict 0 (docs/events.md) if the processor computes."""
    memory_base: int = 0
    """Where the memory of QEMU's machines begins."""
    moves_itself: bool = False
    """Does the entry code move a kernel that lies elsewhere than where it is linked?"""

    @property
    def has_bios(self) -> bool:
        """Can its machines start by a BIOS, with GRUB? Otherwise only by UEFI."""
        return any(platform.firmware == "BIOS" for platform in self.grub)

    @property
    def boots_linux_images(self) -> bool:
        """Do loaders take a kernel as Linux's: an image without ELF headers, and one file with all boot modules?"""
        return self.loaders == ("linux",)
