"""``kgpt netboot``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kgpt_build.arch import ALL, Arch, of_host, of_name
from kgpt_build.cli.make.image import wanted_of
from kgpt_build.cli.shared.names import ModelName
from kgpt_build.cli.shared.options import (
    chat_template_option,
    prefill_option,
    sign_option,
    toolchain_option,
    verbose_option,
)
from kgpt_build.cli.shared.settings import settings_options


@click.command("netboot")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=ModelName())
@click.option("--address", required=True, metavar="IP", help="This server's address on the network of the machines.")
@click.option("--interface", required=True, metavar="NAME", help="Its network interface there, for dnsmasq.")
@click.option("--port", type=click.IntRange(1, 65535), default=80, show_default=True, help="The TCP port for nginx.")
@click.option(
    "--cmdline",
    default="mode=serve slots=4",
    show_default=True,
    metavar="TEXT",
    help="What the kernel does that PXE boots, besides model=.",
)
@click.option(
    "--arch",
    "archs",
    multiple=True,
    type=click.Choice([arch.name for arch in ALL]),
    callback=lambda _, __, names: tuple(of_name(name) for name in names) or (of_host(),),
    help="The processor architecture of the machines that boot; repeatable. [default: that of this machine]",
)
@sign_option
@chat_template_option
@settings_options("system")
@prefill_option
@toolchain_option
@verbose_option
def command(
    folder: Path,
    models: tuple[Path, ...],
    address: str,
    interface: str,
    port: int,
    cmdline: str,
    archs: tuple[Arch, ...],
    pair: tuple[Path, Path] | None,
    **options: Any,
) -> None:
    """Write a folder for dnsmasq and nginx, from which machines without a disk boot.

    By PXE a machine gets a kernel that reads the first MODEL from nginx, and serves. By UEFI's HTTP boot it gets the
    menu of kgpt image net. With several --arch, each machine gets what runs on it, and all get the same models. DIR is
    new or empty; its README.txt tells how to start both.
    """
    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.image.make import ImageSettings
    from kgpt_build.image.menu import MenuSettings
    from kgpt_build.image.netboot import Place, make_netboot
    from kgpt_build.signing.sign import find_signer

    place = Place(address, interface, port)
    wanted = wanted_of(models, None, **options)
    settings = ImageSettings("net", folder, wanted, MenuSettings(), signer=find_signer(*pair) if pair else None)
    with shown_progress() as progress:
        files = make_netboot(settings, archs, place, cmdline, progress)
    click.echo(f"wrote {folder}: {len(files)} files; {folder / 'README.txt'} tells how to start dnsmasq and nginx")
