"""``kgpt perplexity``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kgpt_build.cli.shared.names import ModelName
from kgpt_build.cli.shared.options import arch_option, imported_first, json_option, verbose_option
from kgpt_build.errors import KgptError
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.arch import Arch
    from kgpt_build.events import Perplexity


@click.command("perplexity")
@click.argument("model", type=ModelName())
@click.argument("text", type=click.Path(path_type=Path))
@click.option("--ctx", type=click.IntRange(4), metavar="N", help="Tokens of a window. [default: 512]")
@click.option("--windows", type=click.IntRange(1), metavar="N", help="At most so many windows. [default: all]")
@click.option("--cpus", type=click.IntRange(1, 255), metavar="N", help="Threads. [default: all processors]")
@arch_option
@json_option("Print one JSON object.")
@verbose_option
def command(
    model: Path,
    text: Path,
    ctx: int | None,
    windows: int | None,
    cpus: int | None,
    arch: Arch | None,
    as_json: bool,
) -> None:
    """Compute how well MODEL predicts TEXT, a file: the less, the better.

    The text is cut into windows, and the tokens of each window's second half are scored, as llama-perplexity does. The
    engine runs as a Linux process.
    """
    from kgpt_build.boot_modules import read_text
    from kgpt_build.cli.shared.perplexity import score
    from kgpt_build.models import load_lm
    from kgpt_build.models.catalog import resolve

    loaded = load_lm(imported_first(resolve(model)))
    if ctx is not None and ctx > loaded.hparams.n_ctx:
        raise KgptError(
            f"--ctx {ctx} is more than the {loaded.hparams.n_ctx} positions of {loaded.name}", "choose less"
        )
    found = score(
        loaded,
        read_text(text),
        ctx=ctx or 0,
        windows=windows or 0,
        cpus=cpus or 0,
        arch=arch,
        on_window=_show_window,
    )
    if as_json:
        click.echo(json.dumps({"model": loaded.name, "sha256": loaded.sha256, "text": str(text), **found.as_json}))
    else:
        click.echo(
            f"{loaded.name} {loaded.type_text}: perplexity {found} over {counted(found.tokens, 'token')} in "
            f"{counted(found.windows, 'window')}"
        )


def _show_window(event: Perplexity) -> None:
    import math

    click.echo(f"kgpt: window {event.window + 1} of {event.windows}: perplexity {math.exp(event.nll):.4f}", err=True)
