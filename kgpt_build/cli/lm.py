"""What commands share that run a language model: its options, and the modules that bring one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from kgpt_build.settings_lm import KV_TYPES, OVERFLOWS, LmSettings

Command = TypeVar("Command", bound=Callable[..., Any])


def lm_options(command: Command) -> Command:
    """``--system`` to ``--stop``; a command takes them all as ``**options`` for LmSettings."""
    options = (
        click.option("--system", metavar="TEXT", help="Language models: the system prompt. [default: the template's]"),
        click.option("--ctx", type=int, metavar="N", help="… the context, in tokens. [default: 4096, or what fits]"),
        click.option("--kv", type=click.Choice(KV_TYPES), help="… the type of the KV cache. [default: f16]"),
        click.option(
            "--on-overflow", type=click.Choice(OVERFLOWS),
            help="… a full context is an error, or forgets its older half. [default: error]",
        ),  # fmt: skip
        click.option("--typical-p", type=float, metavar="P", help="… locally typical sampling. [default: 1, off]"),
        click.option(
            "--repeat-penalty", type=float, metavar="F", help="… of tokens that were there. [default: 1, off]"
        ),
        click.option("--repeat-last-n", type=int, metavar="N", help="… among the last N. [default: 64]"),
        click.option("--frequency-penalty", type=float, metavar="F", help="… for each time a token was there. [0]"),
        click.option("--presence-penalty", type=float, metavar="F", help="… if a token was there at all. [0]"),
        click.option("--logit-bias", multiple=True, metavar="ID±B", help="… more or less of a token; repeatable."),
        click.option("--stop", multiple=True, metavar="TEXT", help="… end the reply before TEXT; repeatable."),
        click.option("--logprobs", type=int, metavar="N", help="… tell the N likeliest of each token (with --json)."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def take_settings(options: dict[str, Any]) -> LmSettings:
    """Take the fields of LmSettings out of ``options``. Raises UsageError."""
    names = list(LmSettings.__dataclass_fields__)
    return LmSettings(**{name: options.pop(name) for name in names})


def modules_of(models: tuple[Path, ...]) -> tuple[Path, ...]:
    """The boot modules that bring these models: each file, and its chat template if it has one.

    Raises KgptError for a file that is no supported model.
    """
    from kgpt_build.models import GgufModel, load, resolve
    from kgpt_build.paths import make_cache_dir, write_atomically

    modules: list[Path] = []
    for name in models:
        model = load(resolve(name))
        assert model is not None
        modules.append(model.path if isinstance(model, GgufModel) else name)
        if isinstance(model, GgufModel) and (blob := model.chat_blob()):
            path = make_cache_dir("chat") / f"{model.sha256}.kgct"
            write_atomically(path, blob)
            modules.append(path)
    return tuple(modules)
