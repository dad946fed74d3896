"""Makes options of commands from the rows of options.def, and takes their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from kgpt_build.settings import Option, Settings, of_groups, options

Command = TypeVar("Command", bound=Callable[..., Any])

_NO_WISH = "auto"
"""This name means the same as no option."""


def settings_options(*names: str) -> Callable[[Command], Command]:
    """Give a command the options of these names, in this order. Their values are keyword arguments."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            command = _click_option(options()[name])(command)
        return command

    return decorate


def names_of(*groups: str, without: Iterable[str] = ()) -> list[str]:
    """The names of the options of these groups that a command can have, in the order of the table."""
    return [option.name for option in of_groups(*groups) if option.unit and option.name not in without]


def take_settings(given: dict[str, Any], **more: Any) -> Settings:
    """Take out of ``given`` what settings_options put there; ``more`` are values of further options.

    Raises UsageError for a value that the kernel would refuse.
    """
    names = [name for name, option in options().items() if option.unit and name in given]
    return Settings(**more, **{name: given.pop(name) for name in names})


def _click_option(option: Option) -> Callable[[Command], Command]:
    """The option as a decorator. It has no default: the kernel has one, which the help shows."""
    text = option.help[0].upper() + option.help[1:] + "."
    if option.is_for_lm:
        text = f"Language models: {option.help}."
    if default := option.shown_default:
        text += f" [default: {default}]"
    form: dict[str, Any] = {"metavar": option.unit}
    match option.kind:
        case "FLAG":
            form = {"is_flag": True}
        case "COUNT":
            form["type"] = int
        case "DECIMAL" | "DOUBLE":
            form["type"] = float
        case "SEED":
            form["callback"] = _read_seed
        case "SYSTEM":
            text += " @FILE: the text in a file."
            form["callback"] = _read_system
        case "CHOICE" | "NAME":
            form = {"type": click.Choice([name for name in option.names if name != _NO_WISH])}
        case "TEXTS" | "BIASES":
            form["multiple"] = True
    return click.option(option.command_option, option.name, help=text, **form)


def _read_seed(_: click.Context, __: click.Parameter, value: str | None) -> int | str | None:
    """Read a whole number or ``random``. Settings checks the range."""
    if value is None or value == "random":
        return value
    try:
        return int(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither a whole number nor random") from None


def _read_system(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """The text itself, or with ``@FILE`` the text of a file without a final line feed; ``@@`` begins a text with @."""
    if value is None or not value.startswith("@"):
        return value
    if value.startswith("@@"):
        return value[1:]
    from kgpt_build.boot_modules import read_text

    return read_text(Path(value[1:])).decode().removesuffix("\n")


def literal_text(value: str) -> str:
    """``value`` as an argument that _read_system reads as this text."""
    return f"@{value}" if value.startswith("@") else value
