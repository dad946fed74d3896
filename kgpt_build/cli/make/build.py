"""``kgpt build``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.arch import of_host
from kgpt_build.cli.shared.corpora import read_shown
from kgpt_build.cli.shared.options import (
    arch_option,
    chat_template_option,
    model_argument,
    model_or_here,
    prefill_option,
    take_prefill,
    toolchain_option,
    verbose_option,
)
from kgpt_build.cli.shared.settings import settings_options, take_settings
from kgpt_build.errors import UsageError
from kgpt_build.settings import Settings, check_context
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.headers import Corpus
    from kgpt_build.models import GgufModel, NoModel


def _refuse_draft(_: click.Context, __: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise UsageError(
            "a kernel holds one model, and the draft model comes beside it, as a boot module",
            f"give it to the run or the image: kgpt run KERNEL --draft {value}, kgpt image iso MODEL --draft {value}",
        )


@click.command("build")
@model_argument
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path),
    default=Path("build"),
    show_default=True,
    help="The folder for the kernel, its manifest and the generated headers.",
)
@toolchain_option
@arch_option
@click.option(
    "--target",
    type=click.Choice(["bare", "hosted"]),
    default="bare",
    show_default=True,
    help="bare: a kernel. hosted: the same engine as a Linux process.",
)
@click.option("--debug", is_flag=True, help="Compile without optimization.")
@click.option("--drivers", is_flag=True, help="Drivers (USB keyboards) in a kernel with a microgpt; others have them.")
@click.option(
    "--cmdline",
    default="",
    metavar="TEXT",
    help="Build a command line into the kernel, which reads it before the loader's.",
)
@click.option(
    "--sanitize",
    default="",
    metavar="LIST",
    help="With --target hosted: the sanitizers for -fsanitize=, such as address,undefined.",
)
@click.option("--train", is_flag=True, help="A kernel that can also train (mode=train), on first names or on --corpus.")
@click.option(
    "--corpus", type=click.Path(path_type=Path), metavar="FILE",
    help="The text to train on, one document a line; none: the text that the loader brings. Implies --train.",
)  # fmt: skip
@click.option(
    "--lm", is_flag=True,
    help="A kernel for language models. Without MODEL, the loader brings them (kgpt run KERNEL --model FILE).",
)  # fmt: skip
@settings_options("system", "ctx", "speculate", "speculate_tokens")
@click.option("--draft", metavar="MODEL", expose_value=False, callback=_refuse_draft, hidden=True,
              help="Refused: a draft model comes beside a kernel.")  # fmt: skip
@chat_template_option
@prefill_option
@verbose_option
def command(
    model: Path | None,
    default: bool,
    out: Path,
    train: bool,
    corpus: Path | None,
    lm: bool,
    cmdline: str,
    **options: Any,
) -> None:
    """Build a bootable kernel from MODEL.

    MODEL is a GGUF file, the name of a pulled language model, or a JSON file of microgpt's state_dict with its
    characters. Without it, kgpt build takes the model.gguf in this folder, which kgpt train writes, else the default
    model. It writes kernel.elf (or kgpt-hosted), kgpt.efi, which UEFI starts without a boot loader, and manifest.json,
    which says how to repeat the build.
    """
    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.kernel.build import BuildSettings, build

    given = _model(model, default, lm)
    training = _corpus(corpus) if train or corpus else None
    prefill = take_prefill(options)
    words = _lm_words(given, take_settings(options))
    cmdline = " ".join([*words, *([cmdline] if cmdline else [])])
    options["arch"] = options["arch"] or of_host()
    options["efi"] = options["target"] == "bare"
    settings = BuildSettings(given, out, corpus=training, cmdline=cmdline, prefill=prefill, **options)
    start = time.monotonic()
    with shown_progress() as progress:
        result = build(settings, progress)
    seconds = time.monotonic() - start
    click.echo(
        f"wrote {_shown(result.output)}: {result.size:,} bytes, sha256 {result.sha256}, "
        f"{counted(len(result.compiled), 'file')} compiled in {seconds:.1f} s"
    )
    if result.efi:
        others = "images of Linux" if settings.arch.boots_linux_images else "multiboot 1"
        click.echo(f"wrote {_shown(result.efi)}: {result.efi.stat().st_size:,} bytes, for UEFI and {others}")


def _model(model: Path | None, default: bool, lm: bool) -> Path | GgufModel | NoModel | None:
    from kgpt_build.models import DEFAULT_MODEL, NO_MODEL, load_lm

    if lm and not (model or default):
        return NO_MODEL
    found = model_or_here(model, default=default)
    return load_lm(found or DEFAULT_MODEL) if lm else found


def _lm_words(model: Path | GgufModel | NoModel | None, settings: Settings) -> list[str]:
    """The words that only a language model takes. Raises UsageError for a microgpt."""
    from kgpt_build.models import GgufModel, Model, load

    words = settings.cmdline_words()
    if not words:
        return []
    loaded = load(model) if model is None or isinstance(model, Path) else model
    if isinstance(loaded, Model):
        raise UsageError(
            f"{loaded.name} is a {loaded.arch}", "--system, --ctx and --speculate are for language models (GGUF)"
        )
    if isinstance(loaded, GgufModel):
        check_context(settings.get("ctx"), loaded.name, loaded.hparams.n_ctx)
    return words


def _corpus(path: Path | None) -> Corpus:
    """The text to build into the kernel. It passes the checks of kgpt train."""
    from kgpt_build.headers import BROUGHT
    from kgpt_build.kernel.manifest import NO_CORPUS

    return BROUGHT if path == Path(NO_CORPUS) else read_shown(path).embedded()


def _shown(path: Path) -> Path:
    """``path`` as a person would write it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
