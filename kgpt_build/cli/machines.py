"""What `run` and `smoke` share: the options of a virtual machine, and the way from them to one that can start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from kgpt_build.errors import KgptError, ToolMissing
from kgpt_build.vm.settings import ACCELS, MACHINES, RunSettings

LEAST_MEMORY = RunSettings.memory
"""MiB: what a machine has, unless its image needs more."""

Command = TypeVar("Command", bound=Callable[..., Any])


def machine_options(command: Command) -> Command:
    """``--cpus`` to ``--no-serial``; a command takes them all as ``**machine`` for RunSettings."""
    options = (
        click.option("--cpus", type=int, default=1, show_default=True, metavar="N", help="Processors."),
        click.option(
            "--memory", type=int, metavar="MB", help="Memory. [default: 128, or what the model in the image needs]"
        ),
        click.option(
            "--accel",
            type=click.Choice(ACCELS),
            default="auto",
            show_default=True,
            help="auto: KVM if a short test boot under it succeeds, else TCG.",
        ),
        click.option(
            "--cpu", default="", metavar="MODEL", help="QEMU's processor, such as qemu64. [default: the most]"
        ),
        click.option(
            "--machine",
            type=click.Choice(MACHINES),
            default="auto",
            show_default=True,
            help="QEMU's machine. auto: microvm, or pc where a screen or a disc is needed.",
        ),
        click.option("--no-serial", "serial", flag_value=False, default=True, type=bool, help="No serial port."),
        click.option("--cmdline", default="", metavar="TEXT", help="More words for the kernel's command line."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def find_qemu() -> str:
    """QEMU's path. Raises ToolMissing, with how to install it."""
    from kgpt_build.toolchain.qemu import Qemu

    qemu = Qemu()
    try:
        return str(qemu.find())
    except ToolMissing as error:
        raise ToolMissing(error.message, f"install it: {qemu.install}") from error


def resolve_accel(settings: RunSettings, qemu: str) -> RunSettings:
    """``settings`` with a definite accelerator; if ``auto`` had to be TCG, one line on standard error says why."""
    from kgpt_build.vm.accel import resolve

    return resolve(settings, qemu, lambda line: click.echo(f"kgpt: {line}", err=True))


def medium_of(image: Path) -> str:
    """``kernel``, or ``cdrom`` for an ISO 9660 image."""
    with image.open("rb") as file:
        file.seek(0x8001)
        return "cdrom" if file.read(5) == b"CD001" else "kernel"


def check_image(
    path: Path,
    memory: int | None,
    *,
    modules: Sequence[Path] = (),
    ctx: int | None = None,
    kv: str | None = None,
) -> int:
    """The memory, in MiB, of a machine for the image ``path``: ``memory``, or with None as much as it needs.

    ``modules`` are boot modules for language models, ``ctx`` and ``kv`` their context and the type of its cache, as
    LmSettings has them. Refuses a damaged image, or one that cannot fit. A disc is for its own loader to judge.
    Raises KgptError.
    """
    from kgpt_build.kernel.elf import read_image
    from kgpt_build.kernel.memory import memory_needs

    try:
        if medium_of(path) == "cdrom":
            return memory or LEAST_MEMORY
    except OSError as error:
        raise KgptError(
            f"cannot read {path}: {error.strerror}", "give the path of an image that kgpt build made"
        ) from error
    needs = memory_needs(read_image(path), modules=modules, ctx=ctx, kv=kv)
    if memory is None:
        return needs.chosen(LEAST_MEMORY)
    needs.check(memory)
    return memory
