"""Makes QEMU's command line from RunSettings: a pure function, so that tests compare it and users can paste it."""

from __future__ import annotations

from pathlib import Path

from kgpt_build.vm.disks import disk_words
from kgpt_build.vm.firmware import Firmware
from kgpt_build.vm.nets import net_words
from kgpt_build.vm.qemu.channels import Channels
from kgpt_build.vm.settings import RunSettings

GDB_PORT = 1234


def qemu_argv(settings: RunSettings, channels: Channels, *, qemu: str = "") -> list[str]:
    """The words that start ``settings`` with its wires on ``channels``; ``qemu`` empty: the program in PATH.

    With a monitor the machine starts stopped, and continues when the monitor is connected: so no event is missed.
    ``settings.accel`` must be resolved (accel.resolve): ValueError on ``auto``.
    """
    if settings.accel == "auto":
        raise ValueError("the accelerator is not chosen yet")
    return [
        qemu or settings.arch.qemu.program,
        *_machine(settings),
        *_medium(settings),
        *_store(settings.store),
        *_serial(settings, channels),
        *_events(settings, channels),
        *_monitor(settings, channels),
        *_screen(settings),
        *_keyboard(settings),
        *disk_words(settings.disks),
        *net_words(settings.nets, small=settings.arch.qemu.is_small(settings.machine_type)),
        *settings.extra,
    ]


def _machine(settings: RunSettings) -> list[str]:
    options = settings.arch.qemu.machine_options.get(settings.machine_type)
    qemu = settings.arch.qemu
    controller = settings.keyboard in ("auto", qemu.keyboard) or qemu.is_small(settings.machine_type)
    secure = settings.firmware.secure if settings.firmware else None
    no_keyboard = None if controller else qemu.no_keyboard
    words = (settings.machine_type, options, secure.machine_options if secure else None, no_keyboard)
    machine = ",".join(word for word in words if word)
    return [
        "-no-user-config",
        "-nodefaults",
        "-no-reboot",  # a reset ends the run
        *("-machine", machine),
        *("-accel", settings.accel),
        *("-cpu", settings.cpu_model),
        *("-smp", str(settings.cpus)),
        *("-m", f"{settings.memory}M"),
        *(secure.arguments if secure else ()),
        *_firmware(settings.firmware),
    ]


def _firmware(firmware: Firmware | None) -> list[str]:
    if firmware is None:
        return []
    if firmware.variables is None:
        return ["-bios", str(firmware.code)]
    # snapshot=on drops the guest's writes to its variables: the file belongs to the system.
    return [
        *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_escaped(firmware.code)}"),
        *("-drive", f"if=pflash,unit=1,format=raw,snapshot=on,file={_escaped(firmware.variables)}"),
    ]


def _medium(settings: RunSettings) -> list[str]:
    if settings.medium == "cdrom":
        return ["-cdrom", str(settings.image)]
    if devices := settings.arch.qemu.drives.get(settings.medium):
        # snapshot=on sends writes of guest and firmware to a temporary file: the image does not change.
        # cache=writethrough: what the guest was told to be durable is in the file.
        access = "cache=writethrough" if settings.keeps else "snapshot=on"
        drive = f"if=none,id=image,format=raw,{access},file={_escaped(settings.image)}"
        return ["-drive", drive, *(word for device in devices for word in ("-device", device))]
    if settings.efi_folder:
        # Firmware passes no words to what it boots from a drive: the folder has a menu with them.
        drive = f"if=none,id=image,format=raw,readonly=on,file=fat:{_escaped(settings.efi_folder)}"
        return ["-drive", drive, "-device", "virtio-blk-pci,drive=image,bootindex=0"]
    # QEMU's multiboot loader takes several files, separated by commas, each followed by its words.
    modules = ",".join(_escaped(module.line) for module in settings.modules)
    if settings.initrd:
        modules = str(settings.initrd)
    return [
        *("-kernel", str(settings.image)),
        *(("-append", settings.cmdline) if settings.cmdline else ()),
        *(("-initrd", modules) if modules else ()),
    ]


def _store(path: Path | None) -> list[str]:
    if path is None:
        return []
    # cache=writethrough: what the guest was told to be durable is in the file.
    drive = f"if=none,id=store,format=raw,cache=writethrough,file={_escaped(path)}"
    return ["-drive", drive, "-device", "virtio-blk-pci,drive=store"]


def _escaped(path: Path | str) -> str:
    """``path`` with doubled commas, as QEMU wants them in lists of options."""
    return str(path).replace(",", ",,")


def _serial(settings: RunSettings, channels: Channels) -> list[str]:
    if not settings.serial:
        return ["-serial", "none"]
    return ["-chardev", _backend(channels.serial, "serial"), "-serial", "chardev:serial"]


def _events(settings: RunSettings, channels: Channels) -> list[str]:
    # The guest's write to the exit device ends QEMU; without the device, the guest powers its machine off.
    exit_device = settings.arch.qemu.exit_device
    end = ("-no-shutdown",) if settings.keeps_screen else ("-device", exit_device) if exit_device else ()
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
    # The card is there without a window, too, for screendump. The small machine has no bus for it.
    name = settings.shown_card
    card = ["-device", name] if name and not settings.arch.qemu.is_small(settings.machine_type) else []
    # Without -display QEMU would open a VNC port if it has no window.
    return [*card, "-display", settings.window if settings.display else "none"]


def _keyboard(settings: RunSettings) -> list[str]:
    if not settings.has_driven_keyboard:
        return []
    if settings.keyboard == "virtio":
        return ["-device", "virtio-keyboard-pci"]
    behind = ("usb-hub,bus=keys.0,port=1",) if settings.keyboard == "hub" else ()
    port = "1.1" if behind else "1"
    devices = ("qemu-xhci,id=keys", *behind, f"usb-kbd,bus=keys.0,port={port}")
    return [word for device in devices for word in ("-device", device)]


def _backend(backend: str, name: str) -> str:
    kind, _, options = backend.partition(",")
    return ",".join(part for part in (kind, f"id={name}", options) if part)
