"""``kgpt models``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.cli.shared.names import ModelName
from kgpt_build.cli.shared.options import json_option
from kgpt_build.cli.shared.tables import columns
from kgpt_build.sizes import file_text

if TYPE_CHECKING:
    from kgpt_build.models.catalog import Pulled


@click.command("models")
@click.option("--remove", type=ModelName("pulled"), metavar="NAME", help="Remove this model.")
@json_option("Print the models as a JSON list; with --remove, the removed model.")
def command(remove: Path | None, as_json: bool) -> None:
    """List the pulled language models. Commands such as build, run and pack take each name as MODEL."""
    from kgpt_build.models import catalog

    if remove is not None:
        gone = catalog.remove(str(remove))
        click.echo(
            json.dumps({"name": gone.name, "size": gone.size})
            if as_json
            else f"removed {gone.name}: {gone.size:,} bytes"
        )
        return
    rows = [_described(model) for model in catalog.pulled()]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    click.echo("\n".join(_table(rows)) if rows else "no models are here yet")
    here = {row["name"] for row in rows}
    others = [
        f"{name} ({file_text(known.download_size)}, {known.license})"
        for name, known in catalog.KNOWN.items()
        if name not in here
    ]
    if others:
        click.echo(f"kgpt: kgpt pull can get: {', '.join(others)}", err=True)


def _described(pulled: Pulled) -> dict[str, Any]:
    """A row of the table. A model that cannot be read has an ``error`` instead of its properties."""
    from kgpt_build.errors import KgptError
    from kgpt_build.models import load_lm

    row: dict[str, Any] = {
        "name": pulled.name,
        "size": pulled.size,
        "sha256": pulled.sha256,
        "source": pulled.source,
        "date": pulled.date,
        "file": str(pulled.path),
    }
    try:
        model = load_lm(pulled.path)
    except KgptError as error:
        return {**row, "error": error.message}
    return {
        **row,
        "arch": model.arch,
        "types": dict(model.types),
        "type_text": model.type_text,
        "parameters": model.n_parameters,
        "context": model.hparams.n_ctx,
        "tokens": model.hparams.n_vocab,
        "tokenizer": model.vocabulary.model,
        "pre_tokenizer": model.vocabulary.pre,
        "chat_template": model.chat_template is not None,
    }


def _table(rows: Sequence[dict[str, Any]]) -> Iterable[str]:
    head = ("name", "size", "arch", "types", "context", "sha256", "from")
    return columns([head, *(_cells(row) for row in rows)])


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    size, digest = file_text(row["size"]), row["sha256"][:12]
    if "error" in row:
        return (row["name"], size, "damaged", "", "", digest, f"{row['source']}; pull it again: {row['error']}")
    return (row["name"], size, row["arch"], row["type_text"], f"{row['context']:,}", digest, row["source"])
