"""``kgpt image``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kgpt_build.arch import Arch, of_host
from kgpt_build.cli.shared.corpora import read_shown
from kgpt_build.cli.shared.lm import load_brought
from kgpt_build.cli.shared.names import ModelName
from kgpt_build.cli.shared.options import (
    arch_option,
    chat_template_option,
    model_or_here,
    prefill_option,
    read_memory_size,
    sign_option,
    take_prefill,
    toolchain_option,
    verbose_option,
)
from kgpt_build.cli.shared.settings import settings_options
from kgpt_build.errors import UsageError
from kgpt_build.sizes import MB
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.image.contents import Wanted

Command = TypeVar("Command", bound=Callable[..., Any])

draft_option = click.option(
    "--draft",
    type=ModelName(),
    metavar="MODEL",
    help="Add a smaller language model with the same vocabulary, which drafts tokens.",
)
_MOST_ROOM = 30_000  # MB; FAT32 takes more, but nobody flashes that much nothing


@click.group("image")
def command() -> None:
    """Make images that machines boot from a disc or a USB stick, through BIOS or UEFI.

    \b
    kgpt image iso -o kgpt.iso                  the default model
    kgpt image usb smollm2-135m -o kgpt.img     a language model
    kgpt flash kgpt.img /dev/sdX                onto a stick
    """


def image_options(command: Command) -> Command:
    """``[MODEL…]`` and the options of both kinds of image."""
    options = (
        click.argument("models", metavar="[MODEL]...", nargs=-1, type=ModelName()),
        click.option(
            "-o",
            "--output",
            "out",
            required=True,
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The image to write; of kgpt image net the folder.",
        ),
        click.option(
            "--cmdline",
            default="",
            metavar="TEXT",
            help="More words for the kernel's command line, in every entry of the menu.",
        ),
        click.option(
            "--timeout",
            type=int,
            default=5,
            show_default=True,
            metavar="SECONDS",
            help="How long the menu waits; 0: it does not, -1: until somebody chooses.",
        ),
        click.option(
            "--default",
            default="",
            metavar="ENTRY",
            help="The entry that boots after the timeout. [default: the first]",
        ),
        click.option(
            "--corpus",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The text that the kernel trains on. [default: first names]",
        ),
        click.option(
            "--file",
            "files",
            multiple=True,
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Add a text file, for /read in a chat; repeatable.",
        ),
        draft_option,
        chat_template_option,
        settings_options("system"),
        prefill_option,
        toolchain_option,
        arch_option,
        verbose_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@command.command("iso")
@image_options
def iso(**options: Any) -> None:
    """Write a hybrid image for discs and USB sticks, for BIOS and UEFI.

    MODEL is as in kgpt build, or `default` for the model that ships; repeatable. Language models lie beside
    one kernel, which checks their SHA-256 at each boot.
    """
    _make("iso", **options)


@command.command("usb")
@image_options
@click.option(
    "--room",
    type=int,
    default=0,
    metavar="MB",
    help="Keep this much free for models that are added later. [default: none]",
)
@click.option(
    "--memory",
    callback=read_memory_size,
    metavar="SIZE",
    help="Keep so much, such as 256M, for conversations that a chat keeps beyond the end of a run (docs/memory.md).",
)
@sign_option
def usb(room: int, memory: int | None, pair: tuple[Path, Path] | None, **options: Any) -> None:
    """Write the image of a USB stick with one FAT partition, for BIOS and UEFI (aarch64: UEFI).

    MODEL is as in kgpt build, or `default` for the model that ships; repeatable. Other systems can
    read the stick, and change its menus: kgpt/menu.cfg for UEFI, boot/grub/grub.cfg for BIOS. A model that
    is too large for GRUB is only in the menu for UEFI.
    """
    _make("usb", room=room, memory=memory or 0, pair=pair, **options)


@command.command("net")
@image_options
@sign_option
def net(pair: tuple[Path, Path] | None, **options: Any) -> None:
    """Write a folder for a server, from which machines without a disk boot by UEFI (HTTP boot, PXE).

    MODEL is as in kgpt build, or `default` for the model that ships; repeatable. The machine starts kgpt.efi, which
    reads its menu and the models from the same folder of the server. FILE is the folder, which is new or empty.
    """
    _make("net", pair=pair, **options)


@command.command("add")
@click.argument("model", type=ModelName())
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@draft_option
@chat_template_option
@settings_options("system")
@prefill_option
@toolchain_option
@verbose_option
def add(model: Path, folder: Path, **options: Any) -> None:
    """Copy MODEL to the stick that is mounted at FOLDER, and add entries to its menu.

    The stick is one of kgpt image usb, with enough --room. Its kernels, models and menu stay as they are.
    """
    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.image.add import add

    with shown_progress() as progress:
        added = add(wanted_of([model], None, **options), folder, progress)
    click.echo(
        f"added {', '.join(added.entries)} to {folder}: {added.size:,} bytes; unmount it before it is pulled out"
    )


def _make(
    kind: str,
    models: Sequence[Path],
    out: Path,
    cmdline: str,
    timeout: int,
    default: str,
    room: int = 0,
    memory: int = 0,
    pair: tuple[Path, Path] | None = None,
    **options: Any,
) -> None:
    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.image.make import ImageSettings, make
    from kgpt_build.image.menu import MenuSettings
    from kgpt_build.image.served import make_served
    from kgpt_build.signing.sign import find_signer

    menu = MenuSettings(cmdline, timeout, default)
    signer = find_signer(*pair) if pair else None
    settings = ImageSettings(kind, out, wanted_of(models, **options), menu, _bytes(room), signer, memory)
    start = time.monotonic()
    with shown_progress() as progress:
        if kind == "net":
            served = make_served(settings, progress)
            click.echo(f"wrote {out}: {counted(len(served.files), 'file')}, {served.size:,} bytes, for a server")
            return
        result = make(settings, progress)
    click.echo(
        f"wrote {out}: {result.size:,} bytes, sha256 {result.sha256}, "
        f"{counted(len(result.described['entries']), 'entry', 'entries')}, in {time.monotonic() - start:.1f} s"
    )


def _bytes(megabytes: int) -> int:
    if not 0 <= megabytes <= _MOST_ROOM:
        raise UsageError(f"a room of {megabytes} MB is not possible", f"give 0 to {_MOST_ROOM}")
    return megabytes * MB


def wanted_of(
    models: Sequence[Path],
    corpus: Path | None,
    toolchain: str,
    chat_template: str | None,
    files: Sequence[Path] = (),
    draft: Path | None = None,
    arch: Arch | None = None,
    **options: Any,
) -> Wanted:
    """What an image shall contain, of the options of a command."""
    from kgpt_build.boot_modules import read_files
    from kgpt_build.image.contents import Wanted, load_models

    prefill = take_prefill(options)
    if options["system"]:
        raise UsageError("--system comes without --prefill", "add it, or give --cmdline 'system=\"TEXT\"'")
    texts = tuple(read_files(files))
    drafting = load_brought(draft) if draft else None
    loaded, text = load_models(_named(models)), read_shown(corpus).embedded()
    return Wanted(loaded, text, toolchain, chat_template, texts, drafting, prefill, arch=arch or of_host())


def _named(models: Sequence[Path]) -> list[Path | None]:
    """The files of the named models; None is the model that ships."""
    return [model_or_here(name, default=False) for name in models or (None,)]
