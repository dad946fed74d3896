"""``kgpt flash``."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.cli.shared.options import json_option, verbose_option
from kgpt_build.cli.shared.progress import shown_amounts
from kgpt_build.cli.shared.tables import columns
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.sizes import GB, file_text
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.flash.devices import Device, Devices
    from kgpt_build.flash.target import Target
    from kgpt_build.flash.usage import Usage
    from kgpt_build.flash.writer import Image


@click.command("flash")
@click.argument("image", required=False, type=click.Path(path_type=Path))
@click.argument("device", required=False, type=click.Path(path_type=Path))
@click.option("--list", "listing", is_flag=True, help="List the disks of this machine, and say which can be written.")
@click.option("--force", is_flag=True, help="Allow a disk that is not removable, or a file.")
@click.option("--serial", metavar="TEXT", help="Refuse a device with another serial number.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation; a device then needs --serial.")
@json_option("Print what --list shows as a JSON list.")
@verbose_option
def command(
    image: Path | None, device: Path | None, listing: bool, force: bool, serial: str | None, yes: bool, as_json: bool
) -> None:
    """Write IMAGE to DEVICE, such as /dev/sdb, then read it back and compare.

    Everything on DEVICE is lost. kgpt flash refuses a device that is mounted or otherwise in use, and the disk that
    the system runs from. First it compares IMAGE with its manifest: IMAGE.manifest.json, or the manifest in the image.
    """
    from kgpt_build.flash.devices import Devices
    from kgpt_build.flash.usage import Usage

    if listing or as_json:
        if image or not listing:
            raise UsageError("--list takes no IMAGE, and --json only goes with --list", "kgpt flash --list --json")
        _list(Devices(), as_json)
        return
    if image is None or device is None:
        raise UsageError(
            "IMAGE and DEVICE are needed", "kgpt flash kgpt.img /dev/sdX; kgpt flash --list shows the devices"
        )
    if not yes and not sys.stdin.isatty():
        raise UsageError(
            "nobody is there to be asked: standard input is no terminal", "for scripts: --yes --serial SERIAL"
        )
    devices = Devices()
    _flash(image, device, devices, Usage(devices), force=force, serial=serial, yes=yes)


def _flash(
    path: Path, device: Path, devices: Devices, usage: Usage, *, force: bool, serial: str | None, yes: bool
) -> None:
    from kgpt_build.flash import target as flash_target
    from kgpt_build.flash import writer as flash
    from kgpt_build.flash.open import open_target

    target = flash_target.target_at(device, devices)
    _check_serial(target, serial, yes=yes)
    image = _checked(path)
    flash_target.check(target, devices, usage, path, image.size, force=force)
    with open_target(target, force=force, as_root=_as_root(path, device, force, serial, yes)) as disk:
        if not yes:
            _ask(image, target)
        began = time.monotonic()
        try:
            with shown_amounts() as progress:
                done = flash.flash(image, disk, str(target.path), progress)
        except flash.Interrupted as stopped:
            from kgpt_build.cli import show_error

            show_error(stopped.message, stopped.hint)
            raise
        disk.reread_partitions()
    seconds = time.monotonic() - began
    click.echo(
        f"wrote {path} to {target.path} and read it back: {image.size:,} bytes, sha256 {done.sha256}, {seconds:.1f} s"
    )
    if done.doubt:
        click.echo(f"kgpt: warning: {done.doubt}", err=True)
    if target.device:
        click.echo(f"kgpt: {target.path} can be unplugged now", err=True)


def _check_serial(target: Target, serial: str | None, *, yes: bool) -> None:
    """Refuse --yes without --serial: after a reboot, /dev/sdb can be another disk."""
    if target.device is None:
        if serial is not None:
            raise UsageError(f"{target.path} is a file, and files have no serial number", "leave out --serial")
        return
    has = target.device.serial
    if yes and serial is None:
        known = "see kgpt flash --list --json for it" if has else "it has none: leave out --yes, and be asked"
        raise UsageError("--yes needs --serial, the serial number of the device", known)
    if serial is not None and (not has or serial != has):
        found = f"the serial number {has}, not {serial}" if has else "no serial number"
        raise KgptError(f"{target.path} has {found}", "kgpt flash --list --json shows which device has it")


def _checked(path: Path) -> Image:
    from kgpt_build.flash import image as flash_image

    with shown_amounts() as progress:
        progress.stage(f"checking {path}")
        return flash_image.check(path, progress.amount)


def _ask(image: Image, target: Target) -> None:
    """Ask the user to confirm. Raises KgptError for no, click.Abort on Ctrl-C."""
    click.echo(f"kgpt: {target.path}: {_described(target)}", err=True)
    click.echo(
        f"kgpt: everything on it will be lost, and {image.path} ({_size(image.size)}, sha256 {image.sha256[:12]}…) "
        "takes its place",
        err=True,
    )
    try:
        typed = click.prompt(
            f"Type its name, {target.name}, to go on", default="", show_default=False, prompt_suffix=": ", err=True
        )
    except click.Abort:
        click.echo("\nkgpt: nothing was written", err=True)
        raise
    if typed.strip() not in (target.name, str(target.path)):
        raise KgptError(f"nothing was written: that was not {target.name}")


def _described(target: Target) -> str:
    device = target.device
    if device is None:
        return f"a file of {_size(target.size)}"
    return ", ".join(
        (
            device.model or "unknown model",
            f"serial {device.serial}" if device.serial else "no serial number",
            _size(device.size),
            device.bus,
            "removable" if device.removable else "not removable",
            counted(len(device.parts), "partition"),
        )
    )


def _as_root(image: Path, device: Path, force: bool, serial: str | None, yes: bool) -> str:
    """This command with sudo and its full path: sudo searches only its own folders."""
    program = Path(sys.argv[0]).absolute()
    words = ["sudo", str(program)] if program.stem == "kgpt" else ["sudo", sys.executable, "-m", "kgpt_build"]
    words += ["flash", str(image), str(device)]
    words += ["--force"] if force else []
    words += ["--serial", serial] if serial is not None else []
    words += ["--yes"] if yes else []
    return shlex.join(words)


def _list(devices: Devices, as_json: bool) -> None:
    from kgpt_build.flash.usage import Usage

    usage = Usage(devices)
    rows = [_row(device, devices, usage) for device in devices.disks()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo("\n".join(_table(rows)) if rows else "there are no disks here")
    if not any(row["writable"] for row in rows):
        click.echo("kgpt: no stick is plugged in that can be written", err=True)


def _row(device: Device, devices: Devices, usage: Usage) -> dict[str, Any]:
    from kgpt_build.flash.target import first_refusal

    refusal = first_refusal(device, devices, usage)
    return {
        "device": str(device.path),
        "model": device.model,
        "serial": device.serial,
        "size": device.size,
        "bus": device.bus,
        "removable": device.removable,
        "read_only": device.read_only,
        "partitions": [part.name for part in device.parts],
        "mounted": list(dict.fromkeys(use.mounted for use in usage.of(device) if use.mounted)),
        "writable": refusal is None,
        "refused": refusal.short if refusal else "",
    }


def _table(rows: Iterable[dict[str, Any]]) -> Iterable[str]:
    head = ("device", "model", "size", "bus", "removable", "mounted", "")
    return columns(
        [
            head,
            *(
                (
                    row["device"],
                    row["model"] or "unknown",
                    _size(row["size"]),
                    row["bus"],
                    "yes" if row["removable"] else "no",
                    ", ".join(row["mounted"]) or "no",
                    row["refused"] or "can be written",
                )
                for row in rows
            ),
        ]
    )


def _size(size: int) -> str:
    """The size in powers of ten, as printed on sticks."""
    return f"{size / GB:,.1f} GB" if size >= GB else file_text(size, 1)
