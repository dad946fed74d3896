"""Options and arguments that several commands share."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from kgpt_build import toolchain
from kgpt_build.arch import ALL, of_name
from kgpt_build.cli.shared.names import ModelName, StoredFile
from kgpt_build.errors import UsageError
from kgpt_build.sizes import MIB

Command = TypeVar("Command", bound=Callable[..., Any])

MODEL_HERE = Path("model.gguf")
"""The file that kgpt train writes and other commands take if no model is named."""


def _set_verbose(_: click.Context, __: click.Parameter, value: bool) -> None:
    if not value:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("+ %(message)s"))
    log = logging.getLogger("kgpt")
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)


def is_verbose() -> bool:
    """Is ``--verbose`` given?"""
    return logging.getLogger("kgpt").isEnabledFor(logging.INFO)


def verbose_option(command: Command) -> Command:
    """``-v``: print each command that kgpt runs on standard error, quoted for a shell."""
    decorate = click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_set_verbose,
        help="Print the commands that kgpt runs.",
    )
    return decorate(command)


def arch_option(command: Command) -> Command:
    """``--arch``, passed as an Arch, or None if it is not given: the file decides then, else of_host()."""
    return click.option(
        "--arch",
        type=click.Choice([arch.name for arch in ALL]),
        callback=lambda _, __, name: of_name(name) if name else None,
        help="The processor architecture. [default: that of the file, else of this machine]",
    )(command)


def model_argument(command: Command) -> Command:
    """``[MODEL]``, a path or None, and ``--default``. model_or_here chooses the model."""
    return click.argument("model", required=False, type=ModelName())(default_option(command))


def default_option(command: Command) -> Command:
    """``--default``."""
    return click.option(
        "--default", is_flag=True, help=f"Take the model that ships with kgpt, even if this folder has a {MODEL_HERE}."
    )(command)


def model_or_here(model: Path | None, *, default: bool) -> Path | None:
    """The path of the model: the named one, else MODEL_HERE if it exists, else None for the model that ships.

    A name may be that of a pulled model, or "default". If MODEL_HERE is taken, one line on standard error says so.
    Raises UsageError for a name and ``default`` together.
    """
    if model and default:
        raise UsageError(f"{model} and --default are given, but there can be one model only", "leave out one of them")
    if model:
        from kgpt_build.models.catalog import is_shipped, resolve

        return None if is_shipped(model) else imported_first(resolve(model))
    if default or not MODEL_HERE.exists():
        return None
    click.echo(f"kgpt: taking {MODEL_HERE}, which is in this folder (--default: the model that ships)", err=True)
    return MODEL_HERE


def imported_first(model: Path) -> Path:
    """``model``, after it was imported into the cache if its format needs that; a line on standard error says so.

    Raises KgptError.
    """
    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.models import imported

    with shown_progress() as progress:
        return imported(model, progress.stage)


def chat_template_option(command: Command) -> Command:
    """``--chat-template``."""
    return click.option(
        "--chat-template",
        metavar="NAME",
        help="Replace the language model's chat template by a family, such as chatml, or by none.",
    )(command)


def prefill_option(command: Command) -> Command:
    """``--prefill``; take_prefill reads it together with ``--system``."""
    return click.option(
        "--prefill", is_flag=True,
        help="Language models: compute how every chat begins now, up to the first message, and keep it in the result.",
    )(command)  # fmt: skip


def take_prefill(options: dict[str, Any]) -> str | None:
    """Take ``prefill`` out of ``options``: the system prompt to compute, "" for the template's own, or None.

    With it ``system`` becomes None, since the prefill brings the text.
    """
    if not options.pop("prefill"):
        return None
    system = options["system"] or ""
    options["system"] = None
    return system


def accept_option(command: Command) -> Command:
    """``--accept-license``."""
    return click.option(
        "--accept-license", is_flag=True, help="Accept the license terms of the model without a question."
    )(command)


def boot_file_argument(command: Command) -> Command:
    """``KERNEL|IMAGE``, a path."""
    return click.argument("boot_file", metavar="KERNEL|IMAGE", type=StoredFile())(command)


def toolchain_option(command: Command) -> Command:
    """``--toolchain``."""
    return click.option(
        "--toolchain",
        type=click.Choice(toolchain.NAMES),
        default=toolchain.DEFAULT,
        show_default=True,
        help="The compiler and linker. zig has a fixed version and gives the same bytes on every host.",
    )(command)


def sign_option(command: Command) -> Command:
    """``--sign KEY CERT``, passed as ``pair``."""
    return click.option(
        "--sign",
        "pair",
        nargs=2,
        type=click.Path(path_type=Path),
        metavar="KEY CERT",
        help="Sign the UEFI programs for Secure Boot, with files of kgpt keys make.",
    )(command)


def json_option(help_text: str) -> Callable[[Command], Command]:
    """``--json``, passed as ``as_json``."""

    def decorate(command: Command) -> Command:
        return click.option("--json", "as_json", is_flag=True, help=help_text)(command)

    return decorate


_SIZE_UNITS = {"": MIB, "m": MIB, "g": MIB << 10}


def read_memory_mb(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """A number of MiB, as it is, or a size such as ``2G`` -> MiB. A part of a MiB is refused."""
    if value is None:
        return None
    if re.fullmatch(r"[+-]?\d+", value, re.ASCII):
        return int(value)
    size = read_memory_size(ctx, parameter, value) or 0
    if size % MIB:
        raise click.BadParameter(f"{value!r} is no whole number of MiB: give one such as 512, or 2G")
    return size // MIB


def read_memory_size(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """``4G``, ``512M``, or a number of MiB -> bytes."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*([mg]?)(?:i?b)?", value.lower(), re.ASCII)
    if match is None or not float(match[1]):
        raise click.BadParameter(f"{value!r} is no size of memory: give one such as 4G, 512M, or 512")
    return int(float(match[1]) * _SIZE_UNITS[match[2]])
