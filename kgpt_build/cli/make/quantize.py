"""``kgpt quantize``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from kgpt_build.cli.shared.names import ModelName
from kgpt_build.cli.shared.options import imported_first, json_option, verbose_option
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.sizes import file_text
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.models import GgufModel
    from kgpt_build.models.quantize import Done, Plan
    from kgpt_build.models.quantize.imatrix import ImportanceMatrix


class MixName(click.ParamType[str]):
    """The type of the argument TYPE: a mix, in any case of letters."""

    name = "type"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The mix's own name."""
        from kgpt_build.models.quantize.mix import ALIASES, MIXES

        name = ALIASES.get(str(value).upper(), str(value).upper())
        if name not in MIXES:
            self.fail(f"{value!r} is not a type; there are {', '.join(MIXES)}", param, ctx)
        return name

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        """What there is to choose from."""
        from kgpt_build.models.quantize.mix import MIXES

        return f"choose one of {', '.join(MIXES)}"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete names of mixes."""
        from kgpt_build.models.quantize.mix import MIXES

        return [CompletionItem(name) for name in MIXES if name.startswith(incomplete.upper())]


@click.command("quantize")
@click.argument("model", type=ModelName())
@click.argument("mix", metavar="TYPE", type=MixName())
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path),
    metavar="OUT.gguf",
    help="The file to write. [default: the name of MODEL with -TYPE.gguf, in this folder]",
)
@click.option("--pure", is_flag=True, help="Give every matrix the main type of TYPE, embedding and output included.")
@click.option(
    "--imatrix",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="An importance matrix of llama-imatrix: errors count by how large the inputs of a matrix are.",
)
@click.option(
    "--text",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also show the perplexity of this text, before and after (kgpt perplexity).",
)
@json_option("Print one JSON object.")
@verbose_option
def command(
    model: Path, mix: str, out: Path | None, pure: bool, imatrix: Path | None, text: Path | None, as_json: bool
) -> None:
    """Write MODEL with its matrices in a smaller TYPE, and show the error of each.

    TYPE is one of GGML's types, such as Q8_0, or a mix, such as Q4_K_M, which gives more bits to tensors that matter
    more. docs/quantize.md has the table. MODEL is a GGUF file, the name of a pulled model, or any other source that
    kgpt import reads.
    """
    from kgpt_build.boot_modules import read_text
    from kgpt_build.models import quantize, stem_of

    loaded = _load(model)
    data = read_text(text) if text else b""
    path = out or Path(f"{stem_of(model.resolve())}-{mix}.gguf")
    if path.exists() and any(path.samefile(source) for source in (loaded.path, model) if source.exists()):
        raise UsageError(f"{path} is the model itself", "choose another file with -o")
    plan = quantize.plan(loaded, mix, has_importance=imatrix is not None, pure=pure)
    importance = _read_importance(imatrix, plan) if imatrix else None
    if plan.requantized:
        _warn(
            f"{loaded.name} is quantised already ({', '.join(plan.requantized)}): quantising again loses more than "
            "quantising the original"
        )
    layout = _Layout(plan, silent=as_json)
    _write(plan, path, importance, layout.show)
    report = _report(loaded, plan, layout.done, path)
    if not as_json:
        _show_total(report)
    if text:
        report["perplexity"] = _perplexities(loaded, path, data, text, silent=as_json)
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))


def _load(name: Path) -> GgufModel:
    """Load a language model. Raises KgptError."""
    from kgpt_build.models import GgufModel, load
    from kgpt_build.models.catalog import resolve

    loaded = load(imported_first(resolve(name)))
    if not isinstance(loaded, GgufModel):
        raise KgptError(f"{name} is a microgpt, which stays F32: its engine reads nothing else", "it is small as it is")
    return loaded


def _read_importance(path: Path, plan: Plan) -> ImportanceMatrix:
    """Read an importance matrix, and warn of names that do not match. Raises KgptError for one of another model."""
    from kgpt_build.models.quantize.imatrix import read_imatrix, shown

    found = read_imatrix(path)
    columns = {item.tensor.name: item.tensor.shape[-1] for item in plan.tensors if item.is_matrix}
    try:
        found.check(columns)
    except KgptError as error:
        raise KgptError(f"{path}: {error.message}", error.hint) from error
    for names, what in (
        (found.missing(columns), f"{path} has nothing for"),
        (found.strange(columns), f"{path} has values for tensors that {plan.checkpoint.name} does not quantise:"),
    ):
        if names:
            _warn(f"{what} {shown(names)}")
    return found


def _write(plan: Plan, path: Path, importance: ImportanceMatrix | None, on_done: Callable[[Done], None]) -> None:
    """Write the quantised model to ``path``, if it is one that kgpt accepts. Raises KgptError."""
    from kgpt_build.models import load_lm, quantize
    from kgpt_build.models.gguf.write import write_gguf
    from kgpt_build.paths import replaced_atomically

    with replaced_atomically(path) as temporary:
        write_gguf(quantize.quantized(plan, importance, on_done), temporary)
        load_lm(temporary)


def _report(model: GgufModel, plan: Plan, done: list[Done], path: Path) -> dict[str, Any]:
    from kgpt_build.file_hash import cached_sha256

    return {
        "model": model.name,
        "architecture": model.arch,
        "type": plan.mix,
        "file": str(path),
        "sha256": cached_sha256(path),
        "file_size": path.stat().st_size,
        "parameters": model.n_parameters,
        "old_size": sum(item.old_size for item in plan.tensors),
        "size": sum(item.size for item in plan.tensors),
        "bits_per_weight": 8 * sum(item.size for item in plan.tensors) / model.n_parameters,
        "tensors": [asdict(item) for item in done],
    }


def _perplexities(model: GgufModel, path: Path, data: bytes, text: Path, *, silent: bool) -> dict[str, Any]:
    """The perplexities of the text ``data``, from the file ``text``, before and after. Raises KgptError."""
    from kgpt_build.cli.shared.perplexity import score
    from kgpt_build.models import load_lm

    before, after = score(model, data), score(load_lm(path), data)
    change = after.perplexity / before.perplexity - 1
    if not silent:
        click.echo(f"perplexity of {text}: {before} -> {after}, {100 * change:+.2f} %")
    return {"text": str(text), "before": before.as_json, "after": after.as_json, "change": change}


class _Layout:
    """Prints a line for each tensor when it is done, and keeps them."""

    def __init__(self, plan: Plan, *, silent: bool) -> None:
        self.done: list[Done] = []
        self._silent = silent
        self._widths = (
            max(len(item.tensor.name) for item in plan.tensors),
            max(len(_shape(item.tensor.shape)) for item in plan.tensors),
        )
        self._print("tensor", "shape", "type", "bytes", "error", "largest", "")

    def show(self, item: Done) -> None:
        """Print the line of a tensor."""
        self.done.append(item)
        size, note = f"{item.size:,}", f"{item.instead_of} does not fit" if item.instead_of else ""
        if item.new == item.old:
            self._print(item.name, _shape(item.shape), item.old, size, "", "", note)
            return
        types, errors = f"{item.old} -> {item.new}", (f"{100 * item.error:.3f} %", f"{item.largest:.2g}")
        self._print(item.name, _shape(item.shape), types, size, *errors, note)

    def _print(self, name: str, shape: str, types: str, size: str, error: str, largest: str, note: str) -> None:
        if not self._silent:
            line = f"{name:<{self._widths[0]}}  {shape:>{self._widths[1]}}  {types:<14}{size:>14}  {error:>9}  "
            click.echo(f"{line}{largest:>8}  {note}".rstrip())


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _show_total(report: dict[str, Any]) -> None:
    misfits = [item for item in report["tensors"] if item["instead_of"]]
    if misfits:
        kinds = sorted({f"{item['new']} for {item['instead_of']}" for item in misfits})
        _warn(
            f"the rows of {counted(len(misfits), 'tensor')} of {len(report['tensors'])} are no multiple of the blocks "
            f"of the type: they have {', '.join(kinds)}"
        )
    click.echo(
        f"wrote {report['file']}: {file_text(report['old_size'], 1)} -> {file_text(report['size'], 1)} of weights, "
        f"{report['bits_per_weight']:.2f} bits per weight, sha256 {report['sha256']}"
    )


def _warn(text: str) -> None:
    click.echo(f"kgpt: warning: {text}", err=True)
