"""What `run` and `smoke` share: the options of a virtual machine, and the way from them to one that can start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kgpt_build.errors import KgptError, ToolMissing
from kgpt_build.vm.settings import ACCELS, MACHINES, RunSettings

if TYPE_CHECKING:
    from kgpt_build.kernel.elf import Image

Command = TypeVar("Command", bound=Callable[..., Any])

_MB = 1 << 20


@dataclass(frozen=True)
class Needs:
    """The memory that an image is known to need, in bytes; the kernel works out the rest to the byte."""

    image_end: int
    weights: int
    kv: int
    scratch: int

    @property
    def total(self) -> int:
        """All of it; the weights are within the image."""
        return self.image_end + self.kv + self.scratch


def machine_options(command: Command) -> Command:
    """``--cpus`` to ``--no-serial``; a command takes them all as ``**machine`` for settings_of."""
    options = (
        click.option("--cpus", type=int, default=1, show_default=True, metavar="N", help="Processors."),
        click.option("--memory", type=int, default=128, show_default=True, metavar="MB", help="Memory."),
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


def check_image(path: Path, memory: int) -> None:
    """Refuse a damaged image, or one that cannot fit ``memory`` MiB. A disc is for its own loader to judge."""
    from kgpt_build.kernel.elf import read_image

    try:
        if medium_of(path) == "cdrom":
            return
    except OSError as error:
        raise KgptError(
            f"cannot read {path}: {error.strerror}", "give the path of an image that kgpt build made"
        ) from error
    needs = memory_needs(read_image(path))
    if needs.total > memory * _MB:
        least = -(-needs.total // _MB)
        raise KgptError(
            f"{memory} MB of memory are too little: the image reaches up to {_amount(needs.image_end)} "
            f"(weights {_amount(needs.weights)}), kv takes {_amount(needs.kv)}, scratch {_amount(needs.scratch)}",
            f"give --memory {least}",
        )


def memory_needs(image: Image) -> Needs:
    """What ``image`` needs, from its segments and the header of its model. Raises KgptError if the model is damaged.

    The sums are those of kernel_c/engine/session.c without its rounding.
    """
    from kgpt_build.headers.blob import read_blob

    end = max((segment.paddr + segment.memsz for segment in image.loads), default=0)
    blob = image.model_bytes()
    if blob is None:
        return Needs(end, 0, 0, 0)
    try:
        model = read_blob(blob)
    except KgptError as error:
        raise KgptError(f"{image.path}: {error.message}", error.hint) from error
    sizes = model.hparams
    kv = 2 * 4 * sizes.n_layer * sizes.n_ctx * sizes.n_head_kv * (sizes.n_embd // sizes.n_head)
    scratch = 4 * (5 * sizes.n_embd + sizes.n_ff + sizes.n_ctx + sizes.n_vocab)
    return Needs(end, model.weights_size, kv, scratch)


def _amount(size: int) -> str:
    return f"{size / _MB:.1f} MB" if size >= _MB else f"{-(-size // 1024)} KB"
