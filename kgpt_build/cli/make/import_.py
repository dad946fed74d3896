"""``kgpt import``."""

from __future__ import annotations

from pathlib import Path

import click

from kgpt_build.cli.shared.names import StoredFile
from kgpt_build.cli.shared.options import verbose_option


@click.command("import")
@click.argument("source", metavar="SRC", type=StoredFile())
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path),
    metavar="MODEL.gguf",
    help="The file to write. [default: the name of SRC with .gguf, in this folder]",
)
@click.option(
    "--tokenizer",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The tokenizer, if it is not beside SRC: a tokenizer.bin, a tokenizer.json, or characters (JSON, meta.pkl).",
)
@click.option("--name", default="", help="The model's name. [default: the one in SRC, or the name of SRC]")
@verbose_option
def command(source: Path, out: Path | None, tokenizer: Path | None, name: str) -> None:
    """Make a GGUF file of a model in another format.

    SRC is a file or a folder; docs/models.md lists the formats. Other commands take SRC as MODEL, too, and import it
    into the cache.
    """
    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.models import import_model, load, stem_of
    from kgpt_build.models.importing import ImportOptions

    path = out or Path(f"{stem_of(source.resolve()) if source.is_file() else source.resolve().name}.gguf")
    with shown_progress() as progress:
        import_model(source, path, ImportOptions(name, tokenizer), progress.stage)
    model = load(path)
    click.echo(
        f"wrote {path}: {path.stat().st_size:,} bytes, {model.name}, {model.arch}, "
        f"{model.n_parameters:,} parameters, sha256 {model.sha256}"
    )
