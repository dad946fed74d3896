"""``kgpt build``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kgpt_build.cli.options import model_argument, model_or_here, toolchain_option, verbose_option

if TYPE_CHECKING:
    from kgpt_build.headers import Corpus


@click.command("build")
@model_argument
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path),
    default=Path("build"),
    show_default=True,
    help="Folder for the image, its manifest, headers and objects.",
)
@toolchain_option
@click.option(
    "--target",
    type=click.Choice(["bare", "hosted"]),
    default="bare",
    show_default=True,
    help="A kernel, or the same engine as a Linux process.",
)
@click.option("--debug", is_flag=True, help="Compile without optimisation.")
@click.option(
    "--cmdline", default="", metavar="TEXT", help="Command line built into the kernel, read before the loader's."
)
@click.option(
    "--sanitize", default="", metavar="LIST", help="With --target hosted: for -fsanitize=, e.g. address,undefined."
)
@click.option(
    "--train", is_flag=True, help="An image that can also train (mode=train): on first names, or on --corpus."
)
@click.option(
    "--corpus", type=click.Path(path_type=Path), metavar="FILE",
    help="The text it trains on, one document a line; none: what the loader brings. Implies --train.",
)  # fmt: skip
@verbose_option
def command(
    model: Path | None,
    default: bool,
    out: Path,
    toolchain: str,
    target: str,
    debug: bool,
    cmdline: str,
    sanitize: str,
    train: bool,
    corpus: Path | None,
) -> None:
    """Build an image from MODEL.

    MODEL is a GGUF file, or a JSON of microgpt's state_dict with its characters; without it the model.gguf in
    this folder, which kgpt train writes, is taken, or else the default model. Writes kernel.elf (or kgpt-hosted) and
    manifest.json, which says how to repeat the build.
    """
    from kgpt_build.cli.progress import shown_progress
    from kgpt_build.kernel.build import BuildSettings, build

    model = model_or_here(model, default=default)
    training = _corpus(corpus) if train or corpus else None
    settings = BuildSettings(model, out, toolchain, target, debug, cmdline, sanitize, training)
    start = time.monotonic()
    with shown_progress() as progress:
        result = build(settings, progress)
    seconds = time.monotonic() - start
    click.echo(
        f"wrote {_shown(result.image)}: {result.size:,} bytes, sha256 {result.sha256}, "
        f"{len(result.compiled)} files compiled in {seconds:.1f} s"
    )


def _corpus(path: Path | None) -> Corpus:
    """The text to build in, checked as kgpt train checks it."""
    from kgpt_build.headers import BROUGHT
    from kgpt_build.kernel.manifest import NO_CORPUS
    from kgpt_build.training.corpus import read_corpus

    return BROUGHT if path == Path(NO_CORPUS) else read_corpus(path).embedded()


def _shown(path: Path) -> Path:
    """``path`` as a person would write it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
