"""The settings of a virtual machine: an immutable value, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kgpt_build.arch import ALL, DEFAULT, Arch
from kgpt_build.boot_modules import BootModule, check_modules
from kgpt_build.errors import UsageError
from kgpt_build.settings import MAX_CMDLINE, text_size
from kgpt_build.vm.disks import Disk, check_disks
from kgpt_build.vm.firmware import Firmware
from kgpt_build.vm.nets import SMALL_CARDS, Net, check_nets
from kgpt_build.words import counted

ACCELS = ("auto", "kvm", "tcg")
MACHINES = ("auto", *(machine for arch in ALL for machine in arch.qemu.machines))
MEDIA = ("kernel", "cdrom", "usb", "disk")
KEYBOARDS = ("auto", DEFAULT.qemu.keyboard, "usb", "hub", "none", "virtio")

TCG_TIMEOUT_FACTOR = 4.0
"""Factor for default time limits under TCG. A limit that the user gives is not multiplied."""


@dataclass(frozen=True)
class RunSettings:
    """A virtual machine, and the kernel or image that it boots.

    ``machine`` auto is the architecture's small machine, which boots fastest, and its full one where a screen or
    a drive is needed. ``cpu`` empty means the most that the accelerator offers. Raises UsageError on values that no
    machine can have.
    """

    image: Path
    cmdline: str = ""
    cpus: int = 1
    memory: int = 128
    """In MiB."""
    accel: str = "auto"
    cpu: str = ""
    machine: str = "auto"
    display: bool = False
    """Show the screen in a window."""
    window: str = "gtk"
    """QEMU's kind of window (display.find_window)."""
    keyboard: str = "auto"
    """The machine's own, by its name; one on USB, or behind a hub there; none; a virtio device. auto: its own if it has
    one, else one on USB beside a screen."""
    card: str = "VGA"
    """QEMU's graphics card; empty: none; by default that of the architecture. The small machine has none."""
    serial: bool = True
    gdb: bool = False
    timeout: float | None = None
    """Seconds of wall time from the start of QEMU to its end; None: no limit."""
    medium: str = "kernel"
    """The kind of ``image``: a kernel, a disc (``cdrom``), a stick (``usb``), or an internal ``disk``."""
    firmware: Firmware | None = None
    """None: the BIOS that QEMU has."""
    modules: tuple[BootModule, ...] = ()
    """Boot modules: files that the loader puts into memory beside the kernel, in this order."""
    initrd: Path | None = None
    """An archive of the modules, for a loader that takes one file (linux_files.py)."""
    disks: tuple[Disk, ...] = ()
    """Disks beside the image, which the kernel finds."""
    nets: tuple[Net, ...] = ()
    """Network cards, in the order in which the kernel finds them."""
    store: Path | None = None
    """A disk with the memory that lasts (kgpt memory make): the guest writes to this file."""
    keeps: bool = False
    """The guest may write to ``image``, a stick or a disk; otherwise its writes go to a temporary file."""
    listen: str = ""
    """The address of this host where a process serves clients."""
    efi_folder: Path | None = None
    """A folder that firmware boots as a drive instead of loading the kernel ``image``, which kgpt.efi in it holds."""
    keeps_screen: bool = False
    """QEMU stays after the guest's end until quit(), so that the screen can be read."""
    extra: tuple[str, ...] = ()
    """Further QEMU arguments."""
    arch: Arch = DEFAULT

    def __post_init__(self) -> None:
        _one_of("accelerator", self.accel, ACCELS)
        _one_of("machine", self.machine, ("auto", *self.arch.qemu.machines), self.arch)
        _one_of("medium", self.medium, MEDIA)
        _one_of("keyboard", self.keyboard, KEYBOARDS)
        if self.keyboard == DEFAULT.qemu.keyboard != self.arch.qemu.keyboard:
            machine = self.arch.qemu.full_machine
            raise UsageError(f"{machine} has no keyboard controller ({self.keyboard})", "give --keyboard usb")
        self._check_processors()
        if not 1 <= self.memory <= 1 << 20:
            raise UsageError(f"{self.memory} MB of memory: there can be 1 to {1 << 20}", "give --memory 128")
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"the time limit is {counted(self.timeout, 'second')}", "give a number above 0")
        small, full = self.arch.qemu.small_machine, self.arch.qemu.full_machine
        small = small if small != full else ""
        if self.display and self.machine == small:
            raise UsageError(f"{small} has no screen to show", f"leave out --display, or give --machine {full}")
        if self.medium != "kernel" and self.machine == small:
            raise UsageError(f"{small} boots kernels only", f"give --machine {full}")
        if self.disks and self.machine == small:
            raise UsageError(f"{small} has no disks", f"leave out --disk, or give --machine {full}")
        if self.has_driven_keyboard and self.machine == small:
            raise UsageError(f"{small} has no bus for a keyboard", f"leave out --keyboard, or give --machine {full}")
        check_disks(self.disks)
        check_nets(self.nets, small=self.arch.qemu.is_small(self.machine_type), machine=small)
        if self.display and not self.card:
            raise UsageError("without a graphics card there is no screen to show", "leave out --display")
        secure = self.firmware.secure if self.firmware else None
        if secure and self.machine_type != secure.machine:
            raise UsageError(f"{self.machine} has no Secure Boot", f"leave out --machine, or give {secure.machine}")
        self._check_modules()
        if "\0" in self.cmdline or "\n" in self.cmdline:
            raise UsageError("the kernel's command line is one line of text", "write \\n inside quotes for a new line")
        if (size := text_size("the kernel's command line", self.cmdline)) > MAX_CMDLINE:
            raise UsageError(f"the kernel's command line has {size:,} bytes", f"at most {MAX_CMDLINE:,} are possible")

    def _check_processors(self) -> None:
        qemu = self.arch.qemu
        if not 1 <= self.cpus <= qemu.most_cpus:
            raise UsageError(f"{counted(self.cpus, 'processor')}: there can be 1 to {qemu.most_cpus}", "give --cpus 1")
        if self.cpu.partition(",")[0] in qemu.narrow_cpus:
            raise UsageError(
                f"the processor {self.cpu} has no 64-bit mode, which a kernel for {self.arch.title} needs",
                "leave out --cpu",
            )

    def _check_modules(self) -> None:
        if self.modules and self.medium != "kernel":
            raise UsageError("a disc or stick brings its own modules", "give an image that kgpt build made")
        check_modules(self.modules)

    @property
    def shown_card(self) -> str:
        """The graphics card of a machine that can have one; empty: none."""
        qemu = self.arch.qemu
        if self.card != RunSettings.card:
            return self.card
        return qemu.card if qemu.card_by_itself or self.display else ""

    @property
    def has_driven_keyboard(self) -> bool:
        """Does the keyboard need a driver? On USB, as that of a machine with a screen which has no other, or virtio."""
        if self.keyboard == "auto":
            return not self.arch.qemu.keyboard and self.shown_card != ""
        return self.keyboard in ("usb", "hub", "virtio")

    @property
    def machine_type(self) -> str:
        """QEMU's name of the machine."""
        if self.machine != "auto":
            return self.machine
        if self.firmware is not None and self.firmware.secure:
            return self.firmware.secure.machine
        drives = bool(self.disks) or self.store is not None or self.has_driven_keyboard
        cards = any(net.card not in SMALL_CARDS for net in self.nets)
        needs_full = self.display or self.medium != "kernel" or self.firmware is not None or drives or cards
        return self.arch.qemu.full_machine if needs_full else self.arch.qemu.small_machine

    @property
    def cpu_model(self) -> str:
        """QEMU's name of the processor: ``cpu``, else the model with all features of the (resolved) accelerator."""
        return self.cpu or ("host" if self.accel == "kvm" else "max")


def default_timeout(seconds: float, accel: str) -> float:
    """A default time limit in seconds, for the chosen accelerator."""
    return seconds * TCG_TIMEOUT_FACTOR if accel == "tcg" else seconds


def _one_of(what: str, value: str, known: tuple[str, ...], arch: Arch | None = None) -> None:
    if value not in known:
        where = f" for {arch.title}" if arch else ""
        raise UsageError(f"there is no {what} {value}{where}", f"one of: {', '.join(known)}")
