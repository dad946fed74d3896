"""What commands share that run a language model: its options, and the modules that bring one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kgpt_build.boot_modules import BootModule
from kgpt_build.settings.lm import KV_TYPES, OVERFLOWS, THINK, LmSettings

if TYPE_CHECKING:
    from kgpt_build.models import GgufModel

Command = TypeVar("Command", bound=Callable[..., Any])


def lm_options(command: Command) -> Command:
    """``--system`` to ``--stop``; a command takes them all as ``**options`` for LmSettings."""
    options = (
        click.option("--system", metavar="TEXT", help="Language models: the system prompt. [default: the template's]"),
        click.option(
            "--ctx",
            type=int,
            metavar="N",
            help="… the context, in tokens. [default: 4096, more for a long text, or what fits]",
        ),
        click.option(
            "--kv", type=click.Choice(KV_TYPES), help="… the type of the KV cache. [default: f16; of a microgpt f32]"
        ),
        click.option(
            "--on-overflow",
            type=click.Choice(OVERFLOWS),
            help="… a full context is an error, or forgets its older half. [default: error]",
        ),
        click.option("--think", type=click.Choice(THINK), help="… where the template can: think aloud. [default: on]"),
        click.option("--typical-p", type=float, metavar="P", help="… locally typical sampling. [default: off]"),
        click.option("--repeat-penalty", type=float, metavar="F", help="… of tokens that were there. [default: off]"),
        click.option("--repeat-last-n", type=int, metavar="N", help="… among the last N. [default: 64]"),
        click.option(
            "--frequency-penalty", type=float, metavar="F", help="… for each time it was there. [default: off]"
        ),
        click.option("--presence-penalty", type=float, metavar="F", help="… if it was there at all. [default: off]"),
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


def is_language_model(image: Path) -> bool:
    """Is the image one for language models, with or without a model in it? Raises KgptError if it is damaged."""
    from kgpt_build.headers.blob import read_blob
    from kgpt_build.kernel.elf import read_image

    blob = read_image(image).model_bytes()
    return blob is not None and read_blob(blob).is_lm


def load_brought(name: Path) -> GgufModel:
    """A model that is to come as a boot module, by its file or its pulled name. Raises KgptError."""
    from kgpt_build.models import load_lm
    from kgpt_build.models.catalog import resolve

    return load_lm(resolve(name))


def modules_of(models: Sequence[GgufModel]) -> tuple[BootModule, ...]:
    """The boot modules that bring these models: each file, and behind it its chat template if it has one."""
    from kgpt_build.paths import make_cache_dir, write_atomically

    modules: list[BootModule] = []
    for model in models:
        modules.append(BootModule(model.path))
        if blob := model.chat_blob():
            path = make_cache_dir("chat") / f"{model.sha256}.kgct"
            write_atomically(path, blob)
            modules.append(BootModule(path))
    return tuple(modules)
