"""Options and arguments that several commands share."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from kgpt_build import toolchain

Command = TypeVar("Command", bound=Callable[..., Any])


def _set_verbose(_: click.Context, __: click.Parameter, value: bool) -> None:
    if not value:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("+ %(message)s"))
    log = logging.getLogger("kgpt")
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)


def verbose_option(command: Command) -> Command:
    """``-v``: print the commands that are run, as lines for a shell, on standard error."""
    decorate = click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_set_verbose,
        help="Print the commands that are run.",
    )
    return decorate(command)


def model_argument(command: Command) -> Command:
    """``[MODEL]``, a path or None for the default model."""
    return click.argument("model", required=False, type=click.Path(path_type=Path))(command)


def image_argument(command: Command) -> Command:
    """``IMAGE``, a path."""
    return click.argument("image", type=click.Path(path_type=Path))(command)


def toolchain_option(command: Command) -> Command:
    """``--toolchain``."""
    return click.option(
        "--toolchain",
        type=click.Choice(toolchain.NAMES),
        default=toolchain.DEFAULT,
        show_default=True,
        help="Compiler and linker: zig is pinned and gives the same bytes on every host.",
    )(command)


def json_option(help_text: str) -> Callable[[Command], Command]:
    """``--json``, passed as ``as_json``."""

    def decorate(command: Command) -> Command:
        return click.option("--json", "as_json", is_flag=True, help=help_text)(command)

    return decorate
