"""``kgpt pack``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.cli.shared.names import ModelName, StoredFile
from kgpt_build.cli.shared.options import (
    arch_option,
    chat_template_option,
    imported_first,
    prefill_option,
    take_prefill,
)
from kgpt_build.cli.shared.settings import settings_options
from kgpt_build.errors import UsageError

if TYPE_CHECKING:
    from kgpt_build.arch import Arch
    from kgpt_build.headers import LmBlob
    from kgpt_build.models import Model


@click.command("pack")
@click.argument("kernel", type=StoredFile())
@click.argument("model", type=ModelName())
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path),
    help="The kernel to write. [default: KERNEL-MODEL.elf beside KERNEL]",
)
@arch_option
@chat_template_option
@settings_options("system")
@prefill_option
def command(
    kernel: Path, model: Path, out: Path | None, arch: Arch | None, chat_template: str | None, **options: Any
) -> None:
    """Put MODEL into KERNEL without a compiler.

    KERNEL is a kernel of kgpt build; it stays as it is. MODEL is a file, or the name of a pulled model. A kernel for
    language models takes every language model that kgpt build takes. Another kernel takes models of its own
    architecture, of any size. The new kernel passes the same checks as one of kgpt build.
    """
    from kgpt_build.cli.shared.boot_file import require_arch
    from kgpt_build.file_hash import sha256_of
    from kgpt_build.kernel.pack import content_for, pack
    from kgpt_build.models import stem_of
    from kgpt_build.models.catalog import resolve

    prefill = take_prefill(options)
    if options["system"]:
        raise UsageError("--system cannot change the kernel's command line", "add --prefill, which brings the text")
    require_arch(kernel, arch)
    target = out or kernel.with_name(f"{kernel.stem}-{stem_of(model)}.elf")
    content = content_for(kernel, imported_first(resolve(model)), chat_template)
    if prefill is not None:
        content = _prefilled(kernel, content, prefill)
    packed = pack(kernel, content, target)
    click.echo(
        f"wrote {target}: {len(packed.data):,} bytes, sha256 {sha256_of(target)}, "
        f"model {content.name} with {content.n_parameters:,} parameters"
    )


def _prefilled(kernel: Path, content: Model | LmBlob, system: str) -> LmBlob:
    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.kernel.build import prefilled
    from kgpt_build.kernel.elf import read_elf
    from kgpt_build.kernel.memory import built_in_cmdline
    from kgpt_build.toolchain import DEFAULT

    with shown_progress() as progress:
        return prefilled(content, system, built_in_cmdline(read_elf(kernel)), DEFAULT, progress)
