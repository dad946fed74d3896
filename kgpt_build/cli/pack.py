"""``kgpt pack``."""

from __future__ import annotations

from pathlib import Path

import click

from kgpt_build.cli.options import image_argument


@click.command("pack")
@image_argument
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path),
    help="The new image. [default: IMAGE-MODEL.elf beside IMAGE]",
)
def command(image: Path, model: Path, out: Path | None) -> None:
    """Put MODEL into IMAGE without a compiler.

    MODEL (GGUF or JSON) must be of the architecture that IMAGE was built for; its sizes may differ. IMAGE stays as
    it is, and the new image passes the same checks as a built one.
    """
    from kgpt_build import models
    from kgpt_build.kernel.pack import pack
    from kgpt_build.kernel.sources import file_sha256

    target = out or image.with_name(f"{image.stem}-{model.stem}.elf")
    loaded = models.load(model)
    packed = pack(image, loaded, target)
    click.echo(
        f"wrote {target}: {len(packed.data):,} bytes, sha256 {file_sha256(target)}, "
        f"model {loaded.name} with {loaded.n_parameters:,} parameters"
    )
