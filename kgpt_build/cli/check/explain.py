"""``kgpt explain``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from kgpt_build.arch import Arch, of_host
from kgpt_build.cli.shared.options import (
    arch_option,
    model_argument,
    model_or_here,
    toolchain_option,
    verbose_option,
)
from kgpt_build.cli.shared.settings import settings_options, take_settings
from kgpt_build.errors import GuestFailed, KgptError, UsageError
from kgpt_build.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kgpt_build.explain.trace import Trace
    from kgpt_build.kernel.settings import Progress
    from kgpt_build.models import FloatArray, GgufModel

TIMEOUT = 900.0  # seconds for one run: a model of billions takes minutes in an emulator
_SAMPLING = ("max_tokens", "seed", "temperature", "top_k", "top_p", "min_p", "typical_p", "repeat_penalty")
_MICROGPT = {"temperature": 0.5, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0}
"""The defaults of a microgpt's own kernel; its trace comes from a kernel for language models, to the same bits."""


@dataclass(frozen=True)
class Ran:
    """A run: the lines of its machine channel, the SHA-256 of what ran, and its instruction set."""

    lines: list[bytes]
    sha256: str
    isa: str


@dataclass(frozen=True)
class _Build:
    """How what runs is built. ``arch``: of the kernel; the program that it is compared with is one of this machine."""

    toolchain: str
    arch: Arch
    target: str


@click.command("explain")
@model_argument
@click.option("--prompt", default="", metavar="TEXT", help="How the text begins.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("explain.html"),
    show_default=True,
    metavar="FILE",
    help="The page; FILE.json: its numbers alone.",
)
@click.option(
    "--tokens",
    type=click.IntRange(1),
    metavar="N",
    help="Show at most N tokens, those of the prompt too. [default: 64, or the model's context]",
)
@click.option(
    "--train",
    type=click.Path(path_type=Path),
    metavar="RUN.json",
    help="Show a training that kgpt train --record RUN.json recorded; --prompt: the text that attention reads.",
)
@click.option("--layers", metavar="LIST", help="The layers to show, such as 0,3-5. [default: as many as a page holds]")
@click.option(
    "--target",
    type=click.Choice(["bare", "hosted"]),
    default="bare",
    show_default=True,
    help="bare: the kernel in QEMU. hosted: the same engine as a Linux process.",
)
@arch_option
@settings_options(*_SAMPLING)
@toolchain_option
@verbose_option
def command(
    model: Path | None,
    default: bool,
    prompt: str,
    output: Path,
    tokens: int | None,
    train: Path | None,
    layers: str | None,
    target: str,
    arch: Arch | None,
    toolchain: str,
    **given: Any,
) -> None:
    """Show every step from a text to its next tokens, in one page.

    kgpt explain boots MODEL (by default, the model that kgpt build would take), and takes each number that the kernel
    computes: tokens, attention, the MLP, the residual stream, the logits, and the draw. The hosted program must give
    the same bits. The page needs no network.
    """
    from kgpt_build.explain.choose import TOKENS, choose, list_words
    from kgpt_build.paths import check_place, write_atomically

    check_place(output)
    if train:
        if model:
            raise UsageError("--train shows a training, and no MODEL", f"leave out {model}")
        _refuse_ignored()
        _show_training(train, prompt, output)
        return
    with _opened(model_or_here(model, default=default)) as (loaded, weights):
        positions = min(tokens or TOKENS, loaded.hparams.n_ctx)
        if tokens and tokens > loaded.hparams.n_ctx:
            raise UsageError(
                f"--tokens {tokens} is more than the model's context", f"it has {loaded.hparams.n_ctx} positions"
            )
        choice = choose(loaded, positions, layers)
        if weights:
            given = {**given, **{name: value for name, value in _MICROGPT.items() if given.get(name) is None}}
        settings = take_settings(given, prompt=prompt, samples=1, ctx=positions)
        words = ["mode=explain", *settings.cmdline_words(), "exit"]
        words += [f"explain_layers={list_words(choice.layers)}", f"explain_vectors={list_words(choice.vectors)}"]
        build = _Build(toolchain, arch or of_host(), target)
        trace = _trace(loaded, weights, words, positions, build)
    write_atomically(output, _rendered(trace, output))
    click.echo(_told(trace, output))
    if trace.source.same_bits is False:
        raise GuestFailed("the kernel and the hosted program differ", "kgpt verify compares them step by step")


def _refuse_ignored() -> None:
    """Options that ask for a run of a model say nothing of a training. Raises UsageError."""
    context = click.get_current_context()
    for name in context.params.keys() - {"train", "prompt", "output", "verbose"}:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"--train shows a training, for which {option} says nothing", f"leave out {option}")


def _show_training(record: Path, prompt: str, output: Path) -> None:
    from importlib.metadata import version

    from kgpt_build.explain.recording import from_json
    from kgpt_build.explain.training_page import render_training
    from kgpt_build.paths import write_atomically
    from kgpt_build.sizes import memory_text

    try:
        text = record.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise KgptError(f"cannot read {record}: {reason}", "kgpt train --record FILE makes a recording") from error
    try:
        found = from_json(text)
    except KgptError as error:
        raise KgptError(f"{record}: {error.message}", error.hint) from error
    write_atomically(output, render_training(found, prompt, version("kgpt")).encode())
    size = memory_text(output.stat().st_size)
    click.echo(f"wrote {output}: {size}, {counted(len(found.checkpoints), 'checkpoint')} of {found.name}")


@contextmanager
def _opened(path: Path | None) -> Iterator[tuple[GgufModel, Mapping[str, FloatArray]]]:
    """The model for a kernel for language models, and a microgpt's weights, which are empty for other models."""
    from kgpt_build import models

    path = path or models.DEFAULT_MODEL
    found = models.load(path)
    if not isinstance(found, models.Model):
        yield found, {}
        return
    with tempfile.TemporaryDirectory(prefix="kgpt-") as folder:
        if not models.is_gguf(path):
            path = Path(folder) / f"{path.stem}.gguf"
            models.save_gguf(found, path)
        yield models.load_lm(path), found.tensors


def _trace(model: GgufModel, weights: Mapping[str, FloatArray], words: list[str], ctx: int, build: _Build) -> Trace:
    """Run the model, and compare the kernel with the hosted program."""
    from importlib.metadata import version

    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.explain.collect import collect, told_lines
    from kgpt_build.explain.trace import Source
    from kgpt_build.kernel.hosted import same_instructions

    with shown_progress() as progress:
        ran = _boot(model, words, ctx, build, progress) if build.target == "bare" else None
        if ran is None or not _refused(ran.lines):
            mask = same_instructions(build.arch, ran.isa) if ran else []
            hosted = _run_hosted(model, [*words, *mask], build, progress)
        else:
            hosted = ran
        shown = ran or hosted
        same = told_lines(ran.lines) == told_lines(hosted.lines) if ran else None
        source = Source("kernel" if ran else "hosted", shown.sha256, shown.isa, version("kgpt"), same)
        try:
            return collect(shown.lines, model, source, weights)
        except KgptError as error:
            raise _in_options(error) from None


def _boot(model: GgufModel, words: list[str], ctx: int, build: _Build, progress: Progress) -> Ran:
    from kgpt_build.cli.shared.machines import find_qemu, memory_for
    from kgpt_build.kernel.build import build_cached
    from kgpt_build.vm.qemu.machine import Machine
    from kgpt_build.vm.settings import RunSettings

    qemu = find_qemu(build.arch)
    kernel = build_cached(model, toolchain=build.toolchain, arch=build.arch, progress=progress)
    memory = memory_for(kernel, None, ctx=ctx)
    settings = RunSettings(
        image=kernel, arch=build.arch, cmdline=" ".join(words), accel="tcg", memory=memory, timeout=TIMEOUT
    )
    progress.stage("running the kernel in QEMU")
    with Machine(settings, qemu=qemu, symbols=kernel) as machine:
        failure = machine.wait().error()
        if failure is not None and not _refused(machine.lines):
            raise failure
        return _ran(list(machine.lines), kernel)


def _run_hosted(model: GgufModel, words: list[str], build: _Build, progress: Progress) -> Ran:
    from kgpt_build.kernel.build import build_cached
    from kgpt_build.kernel.hosted import MEMORY_MB, run_hosted

    arch = of_host() if build.target == "bare" else build.arch
    program = build_cached(model, toolchain=build.toolchain, target="hosted", arch=arch, progress=progress)
    progress.stage("running the hosted program")
    return _ran(run_hosted(program, " ".join(words), timeout=TIMEOUT, memory=MEMORY_MB), program)


def _ran(lines: list[bytes], image: Path) -> Ran:
    import json

    from kgpt_build.file_hash import sha256_of

    isa = next((json.loads(line)["isa"] for line in lines if line.startswith(b'{"event":"cpu"')), "")
    return Ran(lines, sha256_of(image), isa)


def _refused(lines: list[bytes]) -> bool:
    """Has the kernel said why it does not do this? Its words are better than those about its exit code."""
    return any(line.startswith(b'{"event":"error"') for line in lines)


def _in_options(error: KgptError) -> KgptError:
    """A refusal of the kernel, with the names of options in place of the words of its command line."""
    hint = error.hint
    for word, option in (
        ("boot with a larger ctx=: at most", "give more --tokens, at most"),
        ("explain_layers=", "--layers "),
        ("vectors (explain_vectors=none), ", ""),
        ("ctx=", "--tokens "),
    ):
        hint = hint.replace(word, option)
    message = error.message.replace("and the context ", "and the trace shows ")
    return type(error)(message, hint)


def _rendered(trace: Trace, output: Path) -> bytes:
    from kgpt_build.explain.encode import to_json

    if output.suffix == ".json":
        return to_json(trace).encode() + b"\n"
    from kgpt_build.explain.page import render

    return render(trace).encode()


def _told(trace: Trace, output: Path) -> str:
    """One line that says what was written, and what was left out."""
    from kgpt_build.sizes import memory_text

    source = trace.source
    by = "from the kernel in QEMU" if source.made_by == "kernel" else "from the hosted program"
    same = {True: "; the hosted program gave the same bits", False: "; the hosted program gave OTHER bits", None: ""}
    left = f" (left out: {'; '.join(trace.left_out)})" if trace.left_out else ""
    shown = f"{counted(trace.n_steps, 'token')} of {trace.model.name}, {counted(len(trace.layers), 'layer')}"
    return f"wrote {output}: {memory_text(output.stat().st_size)}, {shown}, {by}{same[source.same_bits]}{left}"
