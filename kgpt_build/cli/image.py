"""``kgpt image``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kgpt_build.cli.options import chat_template_option, model_or_here, toolchain_option, verbose_option

if TYPE_CHECKING:
    from kgpt_build.image.contents import Wanted

Command = TypeVar("Command", bound=Callable[..., Any])

SHIPPED = "default"
"""What stands for the model that ships, in the place of a MODEL."""


@click.group("image")
def command() -> None:
    """Make images that PCs boot: from a disc or a USB stick, by BIOS or by UEFI.

    \b
    kgpt image iso -o kgpt.iso                  the default model
    kgpt image usb smollm2-135m -o kgpt.img     a language model
    kgpt flash kgpt.img /dev/sdX                onto a stick
    """


def image_options(command: Command) -> Command:
    """``[MODEL…]`` and what both kinds of image take."""
    options = (
        click.argument("models", metavar="[MODEL]...", nargs=-1, type=click.Path(path_type=Path)),
        click.option(
            "-o", "--output", "out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The image."
        ),
        click.option("--cmdline", default="", metavar="TEXT", help="More words for the kernel, in every entry."),
        click.option(
            "--timeout",
            type=int,
            default=5,
            show_default=True,
            metavar="SECONDS",
            help="How long the menu waits; 0: not at all, -1: until somebody chooses.",
        ),
        click.option(
            "--default", default="", metavar="ENTRY", help="The entry that boots by itself. [default: the first]"
        ),
        click.option(
            "--corpus",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="What is trained on. [default: first names]",
        ),
        chat_template_option,
        toolchain_option,
        verbose_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@command.command("iso")
@image_options
def iso(**options: Any) -> None:
    """Write a hybrid image: a disc that is also a disk, for BIOS and UEFI.

    MODEL is as in kgpt build, or `default` for the one that ships; there may be several. Language models lie beside one
    kernel, and their SHA-256 is checked at each boot.
    """
    _make("iso", **options)


def _make(
    kind: str,
    models: Sequence[Path],
    out: Path,
    cmdline: str,
    timeout: int,
    default: str,
    **options: Any,
) -> None:
    from kgpt_build.cli.progress import shown_progress
    from kgpt_build.image.make import ImageSettings, make
    from kgpt_build.image.menu import MenuSettings

    menu = MenuSettings(cmdline, timeout, default)
    settings = ImageSettings(kind, out, _wanted(models, **options), menu)
    start = time.monotonic()
    with shown_progress() as progress:
        result = make(settings, progress)
    click.echo(
        f"wrote {out}: {result.size:,} bytes, sha256 {result.sha256}, "
        f"{len(result.described['entries'])} entries, in {time.monotonic() - start:.1f} s"
    )


def _wanted(models: Sequence[Path], corpus: Path | None, toolchain: str, chat_template: str | None) -> Wanted:
    from kgpt_build.image.contents import Wanted, load_models
    from kgpt_build.training.corpus import read_corpus

    return Wanted(load_models(_named(models)), read_corpus(corpus).embedded(), toolchain, chat_template)


def _named(models: Sequence[Path]) -> list[Path | None]:
    """The files that are meant; None is the model that ships."""
    if not models:
        return [model_or_here(None, default=False)]
    return [None if str(name) == SHIPPED else model_or_here(name, default=False) for name in models]
