"""``kgpt info``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.cli.shared.options import json_option, model_argument, model_or_here, read_memory_size, verbose_option
from kgpt_build.cli.shared.settings import settings_options, take_settings
from kgpt_build.cli.shared.tables import columns
from kgpt_build.errors import UsageError
from kgpt_build.settings import check_context
from kgpt_build.sizes import GB, MB, file_text, memory_text
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.models import GgufModel, Model

_OWN = ("GGUF", "JSON")


@click.command("info")
@model_argument
@settings_options("ctx", "kv")
@click.option(
    "--memory", callback=read_memory_size, metavar="SIZE", help="Find the largest context for so much memory: 4G, 512M."
)
@click.option(
    "--bandwidth", type=click.FloatRange(min=0, min_open=True), metavar="GB/S",
    help="Compute the speed that memory of this bandwidth allows.",
)  # fmt: skip
@click.option("--tensors", is_flag=True, help="List all tensors.")
@json_option("Print one JSON object; with --tensors it has a list of them.")
@verbose_option
def command(
    model: Path | None,
    default: bool,
    memory: int | None,
    bandwidth: float | None,
    tensors: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Describe MODEL: shape, types, tokenizer, chat template, and what a kernel of it needs.

    MODEL is everything that kgpt build takes. The memory is that of a kernel with this model and one conversation:
    the kernel's event `memory` has the same KV cache to the byte, and no more of the rest. A token reads all weights
    and the KV cache of the positions before it; the speed is the bandwidth divided by these bytes, so the most that
    memory allows.
    """
    from kgpt_build.kernel.facts import facts, tensor_rows
    from kgpt_build.models import DEFAULT_MODEL, load

    settings = take_settings(options)
    path = model_or_here(model, default=default) or DEFAULT_MODEL
    loaded = load(path)
    n_ctx, kv = settings.get("ctx") or 0, settings.get("kv") or ""
    _check_settings(loaded, n_ctx, kv)
    found = facts(loaded, path, n_ctx=n_ctx, kv=kv, ram=memory or 0, bandwidth=bandwidth or 0)
    rows = tensor_rows(loaded) if tensors else []
    if as_json:
        listed = [{"name": r.name, "type": r.kind, "shape": r.shape, "bytes": r.size} for r in rows]
        click.echo(json.dumps({**found, **({"tensors": listed} if tensors else {})}, indent=2, ensure_ascii=False))
        return
    click.echo("\n".join(_report(found)))
    if tensors:
        head = ("tensor", "type", "shape", "bytes")
        table = [(r.name, r.kind, " × ".join(map(str, r.shape)), f"{r.size:,}") for r in rows]
        click.echo("\n".join(["", *columns([head, *table])]))


def _check_settings(model: Model | GgufModel, n_ctx: int, kv: str) -> None:
    """Refuse options that the kernel of ``model`` does not have. Raises UsageError."""
    from kgpt_build.models import GgufModel

    if isinstance(model, GgufModel):
        check_context(n_ctx, model.name, model.hparams.n_ctx)
    elif n_ctx or kv:
        raise UsageError(
            f"--{'ctx' if n_ctx else 'kv'} is for language models, but {model.name} is a {model.arch}",
            "leave it out: a microgpt always has its whole context, in f32",
        )


def _report(found: Mapping[str, Any]) -> Iterator[str]:
    """The lines for a person."""
    sizes, tokenizer, template = found["sizes"], found["tokenizer"], found["chat_template"]
    yield f"model         {found['name']} ({found['file']}, {found['format']})"
    yield f"              sha256 {found['sha256']}{'' if found['format'] in _OWN else ' (as GGUF)'}"
    yield f"architecture  {found['architecture']}: {found['parameters']:,} parameters"
    heads = f"{counted(sizes['n_head'], 'head')} of {sizes['head_dim']}"
    keys = f" ({sizes['n_head_kv']} of keys)" if sizes["n_head_kv"] != sizes["n_head"] else ""
    yield (
        f"shape         {counted(sizes['n_layer'], 'layer')}, width {sizes['n_embd']:,}, feed-forward "
        f"{sizes['n_ff']:,}, {heads}{keys}, context {sizes['n_ctx']:,}"
    )
    types = (f"{kind}: {counted(of['tensors'], 'tensor')}, {_size(of['bytes'])}" for kind, of in found["types"].items())
    yield f"types         {'; '.join(types)}"
    pre = f" with the pre-tokenizer {tokenizer['pre']}" if tokenizer["pre"] else ""
    special = "".join(f", {name.upper()} {number}" for name, number in tokenizer["special"].items())
    yield f"tokenizer     {tokenizer['kind']}{pre}: {counted(tokenizer['tokens'], 'token')}{special}"
    fault = f": kgpt cannot use the one in the file: {template['fault']}" if template["fault"] else ""
    yield f"template      {template['family']}{fault}"
    yield from _memory_lines(found)
    yield from _speed_lines(found["memory"]["context"], found["reads"])


def _memory_lines(found: Mapping[str, Any]) -> Iterator[str]:
    of = found["memory"]
    yield (
        f"memory        {memory_text(of['total'])} with a context of {of['context']:,}: weights "
        f"{memory_text(of['weights'])}, KV cache ({of['kv_type']}) {memory_text(of['kv'])},"
    )
    yield (
        f"              activations and tables {memory_text(of['scratch'])}, kernel and what lies before it "
        f"{memory_text(of['kernel'])}"
    )
    if not of["fits_a_kernel"]:
        yield "              too large for a kernel: it comes as a boot module (kgpt build --lm)"
    if (largest := found.get("largest_context")) is None:
        return
    given = memory_text(largest["memory"])
    if not largest["context"]:
        yield f"context       none fits into {given}: the least is {memory_text(largest['least'])}"
        return
    whole = ", all that it was trained for" if largest["context"] == largest["trained"] else ""
    yield f"context       at most {largest['context']:,} with {given} of memory{whole}"


def _speed_lines(n_ctx: int, of: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"traffic       a token reads {_size(of['weights'])} of weights, and up to "
        f"{_size(of['kv_of_full_context'])} of KV cache (behind {n_ctx:,} others)"
    )
    if speeds := of.get("tokens_per_second"):
        yield (
            f"speed         at most {_rate(speeds['first'])} tokens/s at the beginning, "
            f"{_rate(speeds['at_full_context'])} at the end of the context:"
        )
        yield f"              {of['bandwidth']:g} GB/s / ({_size(of['weights'])} + the KV cache so far)"


def _size(size: int) -> str:
    """A size in powers of ten, as bandwidths count."""
    if size < MB:
        return f"{size / 1000:,.1f} KB"
    return file_text(size, 1) if size < GB else f"{size / GB:,.2f} GB"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
