"""``kgpt pack``."""

from __future__ import annotations

from pathlib import Path

import click

from kgpt_build.cli.shared.names import ModelName
from kgpt_build.cli.shared.options import chat_template_option, imported_first


@click.command("pack")
@click.argument("kernel", type=click.Path(path_type=Path))
@click.argument("model", type=ModelName())
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path),
    help="The kernel to write. [default: KERNEL-MODEL.elf beside KERNEL]",
)
@chat_template_option
def command(kernel: Path, model: Path, out: Path | None, chat_template: str | None) -> None:
    """Put MODEL into KERNEL without a compiler.

    KERNEL is a kernel of kgpt build; it stays as it is. MODEL is a file, or the name of a pulled model. A kernel for
    language models takes every language model that kgpt build takes. Another kernel takes models of its own
    architecture, of any size. The new kernel passes the same checks as one of kgpt build.
    """
    from kgpt_build.file_hash import sha256_of
    from kgpt_build.kernel.pack import content_for, pack
    from kgpt_build.models import stem_of
    from kgpt_build.models.catalog import resolve

    target = out or kernel.with_name(f"{kernel.stem}-{stem_of(model)}.elf")
    content = content_for(kernel, imported_first(resolve(model)), chat_template)
    packed = pack(kernel, content, target)
    click.echo(
        f"wrote {target}: {len(packed.data):,} bytes, sha256 {sha256_of(target)}, "
        f"model {content.name} with {content.n_parameters:,} parameters"
    )
