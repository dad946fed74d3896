"""RunSettings -> QEMU's command line: a pure function, so that it can be compared, printed and pasted."""

from __future__ import annotations

from pathlib import Path

from kgpt_build.vm.firmware import Firmware
from kgpt_build.vm.qemu.channels import Channels
from kgpt_build.vm.settings import RunSettings

GDB_PORT = 1234


def qemu_argv(settings: RunSettings, channels: Channels, *, qemu: str = "") -> list[str]:
    """The words that start ``settings`` with its wires on ``channels``; ``qemu`` empty: the program in PATH.

    With a monitor the machine starts stopped, to be continued once the monitor listens: so no event is missed.
    ``settings.accel`` must be resolved (accel.resolve): ValueError on ``auto``.
    """
    if settings.accel == "auto":
        raise ValueError("the accelerator is not chosen yet")
    return [
        qemu or settings.arch.qemu.program,
        *_machine(settings),
        *_medium(settings),
        *_serial(settings, channels),
        *_events(settings, channels),
        *_monitor(settings, channels),
        *_screen(settings),
        *settings.extra,
    ]


def _machine(settings: RunSettings) -> list[str]:
    options = settings.arch.qemu.machine_options.get(settings.machine_type)
    machine = f"{settings.machine_type},{options}" if options else settings.machine_type
    return [
        "-no-user-config",
        "-nodefaults",
        "-no-reboot",  # a reset is the end of a run, not the start of another
        *("-machine", machine),
        *("-accel", settings.accel),
        *("-cpu", settings.cpu_model),
        *("-smp", str(settings.cpus)),
        *("-m", f"{settings.memory}M"),
        *_firmware(settings.firmware),
    ]


def _firmware(firmware: Firmware | None) -> list[str]:
    if firmware is None:
        return []
    if firmware.variables is None:
        return ["-bios", str(firmware.code)]
    # What the guest writes into its variables is dropped with it: the file is everybody's.
    return [
        *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_escaped(firmware.code)}"),
        *("-drive", f"if=pflash,unit=1,format=raw,snapshot=on,file={_escaped(firmware.variables)}"),
    ]


def _medium(settings: RunSettings) -> list[str]:
    if settings.medium == "cdrom":
        return ["-cdrom", str(settings.image)]
    if devices := settings.arch.qemu.drives.get(settings.medium):
        # What the guest or its firmware writes goes elsewhere: the image stays as it is.
        drive = f"if=none,id=image,format=raw,snapshot=on,file={_escaped(settings.image)}"
        return ["-drive", drive, *(word for device in devices for word in ("-device", device))]
    # QEMU's multiboot loader takes several files, and words behind the name of each.
    modules = ",".join(_escaped(module.line) for module in settings.modules)
    return [
        *("-kernel", str(settings.image)),
        *(("-append", settings.cmdline) if settings.cmdline else ()),
        *(("-initrd", modules) if modules else ()),
    ]


def _escaped(path: Path | str) -> str:
    """A comma in a list of options is written twice."""
    return str(path).replace(",", ",,")


def _serial(settings: RunSettings, channels: Channels) -> list[str]:
    if not settings.serial:
        return ["-serial", "none"]
    return ["-chardev", _backend(channels.serial, "serial"), "-serial", "chardev:serial"]


def _events(settings: RunSettings, channels: Channels) -> list[str]:
    # What the guest writes to the exit port ends QEMU; without it, the guest switches its machine off.
    end = ("-no-shutdown",) if settings.keeps_screen else ("-device", settings.arch.qemu.exit_device)
    return [
        *("-chardev", _backend(channels.events, "events")),
        *("-device", f"{settings.arch.qemu.events_device},chardev=events"),
        *end,
    ]


def _monitor(settings: RunSettings, channels: Channels) -> list[str]:
    words: list[str] = []
    if channels.qmp:
        words += ["-chardev", _backend(channels.qmp, "qmp"), "-mon", "chardev=qmp,mode=control"]
    if settings.gdb:
        words += ["-gdb", f"tcp:localhost:{GDB_PORT}"]
    if channels.qmp or settings.gdb:
        words += ["-S"]
    return words


def _screen(settings: RunSettings) -> list[str]:
    # The card is there without a window too: screendump shows what it holds. The small machine has no bus for it.
    has_card = settings.card and settings.machine_type != settings.arch.qemu.small_machine
    card = ["-device", settings.card] if has_card else []
    # Named, since QEMU left to choose would open a VNC port where it has no window.
    return [*card, "-display", settings.window if settings.display else "none"]


def _backend(backend: str, name: str) -> str:
    kind, _, options = backend.partition(",")
    return ",".join(part for part in (kind, f"id={name}", options) if part)
