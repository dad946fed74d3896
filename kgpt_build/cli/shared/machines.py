"""The options of a virtual machine, and what commands do with them until the machine can start."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from kgpt_build.arch import ALL, DEFAULT, Arch
from kgpt_build.boot_modules import BootModule
from kgpt_build.cli.shared.options import read_memory_mb
from kgpt_build.errors import KgptError, ToolMissing, UsageError
from kgpt_build.media import EFI_NAME, KERNEL_NAME, is_pe, medium_of
from kgpt_build.paths import write_errors
from kgpt_build.plain_names import temporary_root
from kgpt_build.vm.disks import DISK_KINDS, Disk, parse_disk
from kgpt_build.vm.firmware import BIOS, UEFI, Firmware
from kgpt_build.vm.nets import CARDS, Net, parse_net
from kgpt_build.vm.settings import ACCELS, KEYBOARDS, MACHINES, MEDIA, RunSettings

LEAST_MEMORY = RunSettings.memory
"""The memory of a machine in MiB, unless its kernel needs more."""

UEFI_MEMORY = 256
"""The memory in MiB of a machine that boots kgpt.efi, besides two copies of the file."""

DISC_MEMORY = 512
"""The memory in MiB of a machine that boots a disc or stick: UEFI and GRUB need some too."""

_QEMU = DEFAULT.qemu

_CERTIFICATE = "kgpt.secure-boot"
"""Key of ``click.Context.meta``: the certificate of --secure-boot."""

Command = TypeVar("Command", bound=Callable[..., Any])


def machine_options(command: Command) -> Command:
    """``--cpus`` to ``--no-serial``; a command takes them all as ``**machine`` for RunSettings."""
    options = (
        click.option("--cpus", type=int, default=1, show_default=True, metavar="N", help="Processors."),
        click.option(
            "--memory",
            callback=read_memory_mb,
            metavar="SIZE",
            help="Memory in MiB, or such as 2G. [default: 128, or what the model needs]",
        ),
        click.option(
            "--accel",
            type=click.Choice(ACCELS),
            default="auto",
            show_default=True,
            help="QEMU's accelerator. auto: KVM if a short test boot succeeds, else TCG.",
        ),
        click.option(
            "--cpu", default="", metavar="MODEL", help="QEMU's processor, such as qemu64. [default: all features]"
        ),
        click.option(
            "--machine",
            type=click.Choice(MACHINES),
            default="auto",
            show_default=True,
            help=f"QEMU's machine. auto: {_QEMU.small_machine}, or {_QEMU.full_machine} where a screen or a disc "
            "is needed.",
        ),
        click.option(
            "--no-serial", "serial", flag_value=False, default=True, type=bool, help="Leave out the serial port."
        ),
        click.option("--cmdline", default="", metavar="TEXT", help="More words for the kernel's command line."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def boot_options(command: Command) -> Command:
    """``--firmware``, for firmware_for, and ``--medium``, for choose_medium."""
    firmware = click.option(
        "--firmware",
        default=BIOS,
        show_default=True,
        metavar=f"{BIOS}|{UEFI}|FILE",
        is_eager=True,
        help=f"The firmware: QEMU's BIOS, the system's UEFI ({', '.join(arch.uefi.name for arch in ALL)}), which boots "
        f"a kernel by its {EFI_NAME}, or a file.",
    )
    medium = click.option(
        "--medium",
        type=click.Choice(("auto", *MEDIA)),
        default="auto",
        show_default=True,
        help="How the machine gets IMAGE. auto: by its content; a hybrid image is a disc.",
    )
    secure = click.option(
        "--secure-boot",
        type=click.Path(path_type=Path),
        metavar="CERT",
        expose_value=False,
        callback=_wish_secure_firmware,
        help="Boot by UEFI with Secure Boot on, which trusts only CERT, a .crt file of kgpt keys make.",
    )
    return firmware(secure(medium(command)))


def device_options(command: Command) -> Command:
    """``--disk``, passed as ``disks`` for RunSettings, and ``--keyboard``."""
    keyboard = click.option(
        "--keyboard",
        type=click.Choice(KEYBOARDS),
        default=KEYBOARDS[0],
        show_default=True,
        help="The machine's keyboard: at the keyboard controller, on USB, on USB behind a hub, none, or a virtio "
        "device. Kernels for language models and trainings know USB and virtio. auto: at the controller if the machine "
        "has one.",
    )
    disk = click.option(
        "--disk",
        "disks",
        multiple=True,
        metavar="FILE",
        callback=_parse_disks,
        help=f"Give the machine FILE as a disk; repeatable. Behind it: ,kind={'|'.join(DISK_KINDS)} [default: virtio], "
        "and ,rw if the guest may change FILE.",
    )
    net = click.option(
        "--net",
        "nets",
        multiple=True,
        metavar="user",
        callback=_parse_nets,
        help="Give the machine a network card on a network inside QEMU; repeatable. Behind user: "
        f",card={'|'.join(CARDS)} [default: virtio], ,hostfwd=[ADDRESS:]PORT:GUESTPORT, ,mac=MAC, "
        "and ,restrict: it reaches nothing outside.",
    )
    return keyboard(disk(net(command)))


def _parse_nets(_: click.Context, __: click.Parameter, words: tuple[str, ...]) -> tuple[Net, ...]:
    return tuple(parse_net(word) for word in words)


def _parse_disks(_: click.Context, __: click.Parameter, words: tuple[str, ...]) -> tuple[Disk, ...]:
    return tuple(parse_disk(word) for word in words)


def _wish_secure_firmware(ctx: click.Context, _: click.Parameter, certificate: Path | None) -> None:
    """Keep the certificate for firmware_for, and ask for UEFI. --firmware is parsed before (``is_eager``)."""
    ctx.meta[_CERTIFICATE] = certificate
    if certificate is None:
        return
    if ctx.params.get("firmware") not in (BIOS, UEFI):
        raise UsageError("--secure-boot brings its own firmware", "leave out --firmware")
    ctx.params["firmware"] = UEFI


def firmware_for(word: str, arch: Arch, named: Path | None) -> Firmware | None:
    """The firmware that ``--firmware`` and ``--secure-boot`` ask for, in a machine of ``arch``.

    ``named``: what it shall boot. An image boots by UEFI where there is no BIOS. Raises UsageError, ToolMissing,
    KgptError.
    """
    from kgpt_build.signing.keys import read_certificate
    from kgpt_build.vm.firmware import find_firmware, find_secure_firmware

    certificate = click.get_current_context().meta.get(_CERTIFICATE)
    if word == BIOS and not arch.has_bios and named is not None and named.is_file() and medium_of(named) != "kernel":
        word = UEFI
    if certificate is None:
        return find_firmware(word, arch=arch)
    return find_secure_firmware(read_certificate(certificate), arch=arch)


def choose_medium(path: Path, medium: str, firmware: Firmware | None) -> str:
    """``medium``, or for ``auto`` what the content of ``path`` says. Raises UsageError for what cannot start."""
    found = medium_of(path)
    chosen = found if medium == "auto" else medium
    if chosen == "kernel" and found != "kernel":
        raise UsageError(f"{path} is an image, not a kernel", "leave out --medium kernel")
    if chosen != "kernel" and found == "kernel":
        raise UsageError(
            f"{path} is not an image of a disc or stick", "leave out --medium, or make an image: kgpt image iso"
        )
    if chosen == "kernel" and firmware is not None and firmware.is_uefi and not path.with_name(EFI_NAME).is_file():
        raise UsageError(
            f"UEFI does not start the kernel {path}: there is no {EFI_NAME} beside it", "build it again: kgpt build"
        )
    return chosen


def kernel_of_efi(named: Path | None, firmware: str) -> tuple[Path | None, str]:
    """For a kgpt.efi the kernel beside it, and the word for a UEFI that starts it; else what is given.

    Raises UsageError.
    """
    if named is None or not named.is_file() or not is_pe(named):
        return named, firmware
    kernel = named.with_name(KERNEL_NAME)
    if named.name != EFI_NAME or not kernel.is_file():
        raise UsageError(f"{named} has no {KERNEL_NAME} beside it", f"give the {EFI_NAME} where kgpt build wrote it")
    return kernel, UEFI if firmware == BIOS else firmware


@contextmanager
def bootable(settings: RunSettings, *, keep: bool = False) -> Iterator[RunSettings]:
    """``settings``; under UEFI with a folder that boots the kgpt.efi beside the kernel, for the time of the block.

    With ``keep`` the folder stays. Raises KgptError.
    """
    from kgpt_build.image.efi_folder import write_efi_folder

    firmware = settings.firmware
    if settings.medium != "kernel" or firmware is None or not firmware.is_uefi:
        yield settings
        return
    with write_errors("a temporary file"):
        folder = Path(tempfile.mkdtemp(prefix="kgpt-", dir=temporary_root()))
    try:
        program = settings.image.with_name(EFI_NAME)
        write_efi_folder(folder, program, settings.arch, settings.cmdline, settings.modules)
        memory = max(settings.memory, UEFI_MEMORY) + 2 * program.stat().st_size // (1 << 20)
        yield replace(settings, efi_folder=folder, memory=memory)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def find_qemu(arch: Arch = DEFAULT) -> str:
    """The path of QEMU for machines of ``arch``. Raises ToolMissing, with how to install it."""
    from kgpt_build.toolchain.qemu import Qemu

    qemu = Qemu(arch)
    try:
        return str(qemu.find())
    except ToolMissing as error:
        raise ToolMissing(error.message, f"install it: {qemu.install}") from error


def resolve_accel(settings: RunSettings, qemu: str) -> RunSettings:
    """``settings`` with a definite accelerator; if ``auto`` had to be TCG, one line on standard error says why."""
    from kgpt_build.vm.qemu.accel import resolve

    return resolve(settings, qemu, lambda line: click.echo(f"kgpt: {line}", err=True))


def _memory_of_medium(path: Path) -> int:
    """The memory in MiB that the manifest of kgpt image asks for, at least DISC_MEMORY."""
    from kgpt_build.image.inspect import memory_wanted

    return max(DISC_MEMORY, memory_wanted(path) or 0)


def memory_for(
    path: Path,
    memory: int | None,
    *,
    modules: Sequence[BootModule] = (),
    ctx: int | None = None,
    kv: str | None = None,
    rng: str | None = None,
    speculate: str | None = None,
    slots: int | None = None,
    serves: bool = False,
    keeps: bool = False,
) -> int:
    """The memory, in MiB, of a machine for the kernel or image ``path``: ``memory``, or with None as much as it needs.

    ``modules`` are the boot modules; ``ctx``, ``kv``, ``rng``, ``speculate`` and ``slots`` are values of these options;
    ``keeps``: conversations are kept; ``serves``: clients are served.
    A damaged kernel is refused, and a kernel that cannot fit. An image gets what its manifest asks for: its own loader
    judges it. Raises KgptError.
    """
    from kgpt_build.kernel.elf import read_elf
    from kgpt_build.kernel.memory import memory_needs

    try:
        if medium_of(path) != "kernel":
            return memory or _memory_of_medium(path)
    except OSError as error:
        raise KgptError(
            f"cannot read {path}: {error.strerror}", "give the path of a kernel that kgpt build made"
        ) from error
    asked: dict[str, Any] = {"ctx": ctx, "kv": kv, "rng": rng, "speculate": speculate, "slots": slots}
    needs = memory_needs(
        read_elf(path), modules=modules, keeps=keeps and memory is None, serves=serves and memory is None, **asked
    )
    if memory is None:
        return needs.chosen(LEAST_MEMORY)
    needs.check(memory)
    return memory
