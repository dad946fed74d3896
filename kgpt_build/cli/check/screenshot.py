"""``kgpt screenshot``."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.arch import Arch
from kgpt_build.cli.shared.machines import (
    boot_options,
    bootable,
    choose_medium,
    find_qemu,
    firmware_for,
    machine_options,
    memory_for,
    resolve_accel,
)
from kgpt_build.cli.shared.names import ModelName
from kgpt_build.cli.shared.options import arch_option, default_option, verbose_option
from kgpt_build.errors import KgptError, MachineLost, RunTimeout, UsageError
from kgpt_build.vm.firmware import BIOS
from kgpt_build.vm.settings import RunSettings, default_timeout
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.vm.picture import Picture
    from kgpt_build.vm.qemu.machine import Machine

DEFAULT_TIMEOUT = 60.0
DEFAULT_EVENT = "shell"
_SETTLE_SECONDS = 5.0
_LOOK_SECONDS = 0.25
_VIDEO_MB = 256  # for any resolution
_FAST_DOTS = 2560 * 1600  # that QEMU's EDID has at its usual 75 Hz
_SLOW_MHZ = 50_000
_SUFFIXES = (".png", ".ppm")


def _event(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, int] | None:
    """``NAME`` or ``NAME:COUNT``."""
    from kgpt_build.events import EVENTS

    if value is None:
        return None
    name, colon, count = value.partition(":")
    if name not in EVENTS:
        raise click.BadParameter(f"there is no event {name!r}: docs/events.md lists them")
    if colon and not (count.isdecimal() and int(count) > 0):
        raise click.BadParameter(f"{count!r} is no count of events: write for example {name}:3")
    return name, int(count or 1)


def _card(_: click.Context, __: click.Parameter, value: str | None) -> str:
    return RunSettings.card if value is None else card_of(value)


def card_of(value: str) -> str:
    """QEMU's arguments for a graphics card with this resolution. Raises BadParameter."""
    size = re.fullmatch(r"([1-9]\d{2,3})x([1-9]\d{2,3})", value)
    if size is None:
        raise click.BadParameter(f"{value!r} is no size of a screen: write for example 1920x1080")
    # Firmware takes the size from the display's EDID, which has no room for more than 655 million dots a second.
    rate = f",refresh_rate={_SLOW_MHZ}" if int(size[1]) * int(size[2]) > _FAST_DOTS else ""
    return f"bochs-display,xres={size[1]},yres={size[2]},vgamem={_VIDEO_MB}M{rate}"


@click.command("screenshot")
@click.argument("target", metavar="[KERNEL|IMAGE|MODEL]", required=False, type=ModelName())
@default_option
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="The picture to write, a .png or .ppm.",
)  # fmt: skip
@click.option("--text", is_flag=True, help="Print the text on the screen to standard output.")
@click.option(
    "--after", callback=_event, metavar="EVENT[:N]",
    help=f"Wait for an event (docs/events.md), or for its Nth time, such as sample:5. [default: {DEFAULT_EVENT}]",
)  # fmt: skip
@click.option(
    "--seconds", type=float, metavar="S", help="Wait S seconds instead of an event, for example for the boot menu."
)
@click.option(
    "--type", "typed", default="", metavar="TEXT", help="Then type TEXT on the machine's keyboard; \\n is Enter."
)
@click.option(
    "--resolution",
    callback=_card,
    metavar="WxH",
    help="With UEFI: the preferred resolution of the screen, such as 1920x1080.",
)
@arch_option
@machine_options
@boot_options
@click.option(
    "--timeout", type=float, metavar="S", help=f"Wait at most S seconds. [default: {DEFAULT_TIMEOUT:g}; TCG: ×4]"
)
@verbose_option
def command(
    target: Path | None,
    default: bool,
    output: Path | None,
    text: bool,
    after: tuple[str, int] | None,
    seconds: float | None,
    typed: str,
    timeout: float | None,
    memory: int | None,
    medium: str,
    resolution: str,
    arch: Arch | None,
    **options: Any,
) -> None:
    """Boot a kernel or image, wait, and take a picture of the screen.

    KERNEL, IMAGE and MODEL are those of kgpt run. The picture is taken as soon as the screen stops changing. Exit
    codes are those of kgpt run; 124 if the event did not come in time.
    """
    _check(output, text, after, seconds)
    settings = _settings(target, default, memory, medium, arch, {**options, "card": resolution})
    qemu = find_qemu(settings.arch)
    settings = resolve_accel(settings, qemu)
    limit = timeout or default_timeout(DEFAULT_TIMEOUT, settings.accel)
    from kgpt_build.vm.qemu.machine import Machine

    symbols = settings.image if settings.medium == "kernel" else None
    with bootable(settings) as started, Machine(started, qemu=qemu, symbols=symbols) as machine:
        if seconds is not None:
            _wait(machine, seconds)
        else:
            _expect(machine, *(after or (DEFAULT_EVENT, 1)), limit)
        if typed:
            _type(machine, typed.replace("\\n", "\n"), limit)
        picture = _settled(machine)
        _show(machine, picture, output, text)


def _check(output: Path | None, text: bool, after: tuple[str, int] | None, seconds: float | None) -> None:
    if output is None and not text:
        raise UsageError("there is nothing to do with the picture", "give -o FILE.png, or --text")
    if output is not None and output.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{output} is neither a .png nor a .ppm", "give -o FILE.png")
    if after is not None and seconds is not None:
        raise UsageError("--after and --seconds are two moments", "give one of them")
    if seconds is not None and not seconds >= 0:
        raise UsageError(f"{counted(seconds, 'second')} cannot be waited for", "give --seconds 5")


def _settings(
    target: Path | None, default: bool, memory: int | None, medium: str, asked: Arch | None, options: dict[str, Any]
) -> RunSettings:
    from kgpt_build.cli.shared.boot_file import arch_meant, boot_file_for

    if options["card"] != RunSettings.card and options["firmware"] == BIOS:
        raise UsageError("only UEFI asks a screen for its resolution", "add --firmware uefi")
    arch = arch_meant(target, default, asked)
    qemu = arch.qemu
    if options["card"] == RunSettings.card:
        options["card"] = qemu.card
    elif not qemu.resolutions:
        raise UsageError(f"the screen of a machine for {arch.title} has one size", "leave out --resolution")
    if qemu.is_small(options["machine"]):
        others = " or ".join(name for name in qemu.machines if name != qemu.small_machine)
        raise UsageError(f"{qemu.small_machine} has no screen", f"give --machine {others}")
    if options["machine"] == "auto":
        options["machine"] = qemu.full_machine
    # A machine without a keyboard of its own has one on USB, which needs a driver.
    image = boot_file_for(target, default=default, arch=arch, drivers=not qemu.keyboard)
    options["firmware"] = firmware_for(options["firmware"], arch, image)
    chosen = choose_medium(image, medium, options["firmware"])
    if chosen != "kernel" and options["cmdline"]:
        raise UsageError(f"{image} brings its own command line", "leave out --cmdline")
    return RunSettings(image=image, memory=memory_for(image, memory), medium=chosen, arch=arch, **options)


def _expect(machine: Machine, name: str, count: int, limit: float) -> None:
    """Wait until the guest has sent ``count`` events ``name``. Raises the error of its verdict if it ends before."""
    from kgpt_build.events import event_name

    def arrived() -> bool:
        return sum(event_name(event) == name for event in machine.events) >= count

    with machine.changed:
        machine.changed.wait_for(lambda: arrived() or not machine.running, limit)
    if arrived() and machine.running:
        return
    if machine.running:
        hint = "the console's last lines:\n" + machine.console.tail()
        raise RunTimeout(f"there was no event {name} within {counted(limit, 'second')}", hint)
    _ended(machine, f"event {name}" if not arrived() else "picture")


def _ended(machine: Machine, what: str) -> None:
    verdict = machine.wait()
    error = verdict.error()
    raise error or MachineLost(
        f"the guest ended before the {what}: {verdict.message}", "leave the word exit out of its command line"
    )


def _wait(machine: Machine, seconds: float) -> None:
    with machine.changed:
        machine.changed.wait_for(lambda: not machine.running, seconds)
    if not machine.running:
        _ended(machine, "picture")


def _type(machine: Machine, typed: str, limit: float) -> None:
    """Type the text. If it has line ends, wait until the shell waits for the next line."""
    from kgpt_build.events import Keyboards, Shell

    if machine.settings.has_driven_keyboard:
        _expect(machine, Keyboards.event, 1, limit)  # firmware's search may take a second
    before = sum(isinstance(event, Shell) for event in machine.events)
    machine.type_keys(typed)
    if typed.endswith("\n") and before:
        _expect(machine, Shell.event, before + typed.count("\n"), limit)


def _settled(machine: Machine) -> Picture:
    """The screen as soon as two pictures are equal. If the screen never rests (a cursor blinks), its last picture."""
    end = time.monotonic() + _SETTLE_SECONDS
    picture = None
    while True:
        before, picture = picture, machine.picture()
        if picture.same_as(before) or time.monotonic() > end:
            return picture
        time.sleep(_LOOK_SECONDS)


def _show(machine: Machine, picture: Picture, output: Path | None, text: bool) -> None:
    from kgpt_build.vm.picture import write_picture

    if output is not None:
        write_picture(output, picture)
        click.echo(f"kgpt: {output}: {picture.width}x{picture.height}", err=True)
    if text:
        from kgpt_build.headers.font import readable

        screen = machine.screen(readable())
        click.echo("\n".join(screen.lines).rstrip("\n"))
        if screen.unknown and not screen.shown:
            raise KgptError("nothing on the screen can be read: it is not one of kgpt's")
