"""``kgpt run``."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from kgpt_build.boot_modules import PROMPT, Text, read_files, staged, take_out
from kgpt_build.cli.shared.hosted import HostedMachine, refuse_qemu_options
from kgpt_build.cli.shared.images import runs_hosted
from kgpt_build.cli.shared.lm import is_language_model, lm_options, load_brought, modules_of, take_settings
from kgpt_build.cli.shared.machines import (
    boot_options,
    check_image,
    choose_medium,
    find_qemu,
    machine_options,
    resolve_accel,
)
from kgpt_build.cli.shared.names import ModelName, pull_first
from kgpt_build.cli.shared.options import accept_option, default_option, is_verbose, verbose_option
from kgpt_build.cli.shared.printers import EventPrinter, LinePrinter
from kgpt_build.errors import UsageError
from kgpt_build.kernel.hosted import MEMORY_MB, hosted_argv
from kgpt_build.settings import GenerateSettings
from kgpt_build.settings.lm import MAX_SYSTEM, check_context
from kgpt_build.vm.qemu.display import find_window
from kgpt_build.vm.settings import RunSettings
from kgpt_build.vm.terminal import kernel_words

if TYPE_CHECKING:
    from kgpt_build.cli.shared.images import Check
    from kgpt_build.models import GgufModel, Model, NoModel
    from kgpt_build.settings.lm import LmSettings
    from kgpt_build.vm.guest_run import GuestRun
    from kgpt_build.vm.verdict import Verdict


MOST_CPUS = 8
"""That a language model is given where nobody says how many."""


@dataclass(frozen=True)
class Wishes:
    """How the run is to look: what decides between a console, plain text, texts alone, and events."""

    mode: str | None
    one_shot: bool
    as_json: bool
    serial: bool
    terminal: bool
    window: bool

    @property
    def interactive(self) -> bool:
        """The user types to the guest on our terminal."""
        return self.terminal and self.serial and not self._alone

    @property
    def typed_to(self) -> bool:
        """… or in the window that shows its screen: the guest is to go on after what it was asked for."""
        return self.interactive or (self.window and not self._alone)

    @property
    def shows_console(self) -> bool:
        """What the guest writes on its serial port is what is printed."""
        return self.serial and not (self.one_shot or self.as_json)

    @property
    def _alone(self) -> bool:
        return self.one_shot or self.as_json or self.mode in ("bench", "selftest")


def _seed(_: click.Context, __: click.Parameter, value: str | None) -> int | str | None:
    """A whole number, whose range GenerateSettings checks, or ``random``."""
    if value is None or value == "random":
        return value
    try:
        return int(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither a whole number nor random") from None


@click.command("run")
@click.argument("named", metavar="[IMAGE|MODEL]", required=False, type=ModelName())
@default_option
@click.option(
    "--target", type=click.Choice(["bare", "hosted"]),
    help="The kernel in QEMU, or the same engine as a Linux process, at full speed. [default: bare, or what IMAGE is]",
)  # fmt: skip
@click.option(
    "--prompt", metavar="TEXT",
    help="Begin every text with TEXT, or say it to a language model; print the answer alone, and end. -: from stdin.",
)  # fmt: skip
@click.option("--samples", type=int, metavar="N", help="How many texts. [default: 20; of a language model 1]")
@click.option(
    "--seed", callback=_seed, metavar="S", help="The same seed gives the same texts; or: random. [default: 42]"
)
@click.option(
    "--temperature", type=float, metavar="T",
    help="0 takes the likeliest token. [default: 0.5; of a language model 0.8]",
)  # fmt: skip
@click.option(
    "--top-k", type=int, metavar="K",
    help="Choose among the K likeliest tokens. [default: all; of a language model 40]",
)  # fmt: skip
@click.option(
    "--top-p", type=float, metavar="P",
    help="Choose among the likeliest that make up P together. [default: all; of a language model 0.95]",
)  # fmt: skip
@click.option(
    "--min-p", type=float, metavar="P",
    help="Choose among those at least P times as likely as the likeliest. [default: all; of a language model 0.05]",
)  # fmt: skip
@click.option("--max-tokens", type=int, metavar="N", help="End each text after N tokens. [default: never]")
@click.option(
    "--mode", type=click.Choice(["generate", "chat", "shell", "train", "bench", "selftest"]),
    help="What the kernel does. [default: chat with a language model that has a template, else generate]",
)  # fmt: skip
@lm_options
@click.option(
    "--model", "models", multiple=True, type=ModelName(), metavar="MODEL",
    help="Bring a language model to an image as a boot module; repeatable (in the shell: models, use N).",
)  # fmt: skip
@click.option(
    "--file", "files", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
    help="Bring a text file to a language model, whose chat can /read it; repeatable.",
)  # fmt: skip
@machine_options
@boot_options
@click.option("--display", is_flag=True, help="Show the screen in a window, and type there too.")
@click.option("--timeout", type=float, metavar="S", help="End the machine after S seconds, with exit code 124.")
@click.option("--json", "as_json", is_flag=True, help="Print the machine channel (docs/events.md), nothing else.")
@click.option("--gdb", is_flag=True, help="Wait for gdb before the first instruction.")
@click.option("--dry-run", is_flag=True, help="Print QEMU's command line, and do not run it.")
@accept_option
@verbose_option
def command(
    named: Path | None,
    default: bool,
    target: str | None,
    prompt: str | None,
    mode: str | None,
    models: tuple[Path, ...],
    files: tuple[Path, ...],
    as_json: bool,
    dry_run: bool,
    accept_license: bool,
    **options: Any,
) -> None:
    """Boot an image and let it generate, or chat; with --target hosted as a Linux process.

    IMAGE is what kgpt build made, or a disc or stick (kgpt image); a MODEL (a file, or a name: kgpt pull lists them) is
    got if it is not here, and built first; without either, the image in ./build, or else the model.gguf in this folder,
    or else the default model. On a terminal, or with --display: 20 texts, then the kernel's shell; of a language model,
    a chat; Ctrl-] leaves. Elsewhere: 20 texts, or the answer to --prompt, and the end. A language model gets all
    processors (at most 8) unless --cpus says how many. --verbose also tells what each reply took.

    Exit codes: 0 good, 1 refused, 2 usage, 3 a tool is missing, 4 panic or failed self-test, 5 the machine reset or
    was lost, 124 timeout.
    """
    one_shot = prompt is not None
    prompt, options["system"], texts = take_out(_read_prompt(prompt), options["system"], most_system=MAX_SYSTEM)
    texts += read_files(files)
    lm = take_settings(options)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    wishes = Wishes(mode, one_shot, as_json, options["serial"], terminal, options["display"])
    generate = GenerateSettings(prompt=prompt, **_taken(options, GenerateSettings))
    asked = _asked([*generate.cmdline_words(), *lm.cmdline_words()], wishes, options.pop("cmdline"))
    words = " ".join([*asked, *([] if wishes.typed_to else ["exit"])])
    memory, medium = options.pop("memory"), options.pop("medium")
    settings = RunSettings(
        image=named or Path(), cmdline=words, **({} if memory is None else {"memory": memory}), **options
    )
    hosted = target == "hosted" or (target is None and runs_hosted(named, default=default))
    if hosted:
        refuse_qemu_options()
    qemu = "" if hosted else find_qemu()
    if settings.display:
        settings = dataclasses.replace(settings, window=find_window(qemu))
    brought = [load_brought(pull_first(name, accepted=accept_license)) for name in models]
    target = "hosted" if hosted else "bare"
    named = named and pull_first(named, accepted=accept_license)
    image = _find_image(
        named, default, lambda model: _check_model(model, lm, wishes, texts), brings=bool(models), target=target
    )
    medium = "kernel" if hosted else choose_medium(image, medium, settings.firmware)
    if medium == "kernel":
        _check_kind(image, lm, wishes, texts, brings=bool(models))
        if wishes.shows_console:
            told = kernel_words(1, interactive=wishes.interactive)
            told += ["stats=on"] if is_verbose() and is_language_model(image) else []
            words = " ".join([*told, words]).strip()
            settings = dataclasses.replace(settings, cmdline=words)
    elif asked or texts:
        raise UsageError(
            f"{image} brings its own command line: it cannot be told {(*asked, *(text.kind for text in texts))[0]}",
            "make it anew: kgpt image --cmdline, --file",
        )
    with staged(texts, keep=dry_run) as brought_texts:
        modules = (*modules_of(brought), *brought_texts)
        settings = dataclasses.replace(settings, image=image, medium=medium, modules=modules)
        if _wants_all_cpus(settings):
            settings = dataclasses.replace(settings, cpus=min(os.cpu_count() or 1, MOST_CPUS))
        if hosted:
            _run_hosted(dataclasses.replace(settings, memory=memory or MEMORY_MB), wishes, dry_run=dry_run)
        else:
            memory = check_image(image, memory, modules=modules, ctx=lm.ctx, kv=lm.kv)
            _boot(dataclasses.replace(settings, memory=memory), qemu, wishes, dry_run=dry_run)


def _run_hosted(settings: RunSettings, wishes: Wishes, *, dry_run: bool) -> None:
    """As _boot, of the engine as a process, which is told how many threads it may start."""
    if settings.cpus > 1 or is_language_model(settings.image):
        settings = dataclasses.replace(settings, cmdline=f"cpus={settings.cpus} {settings.cmdline}".rstrip())
    if dry_run:
        line = hosted_argv(settings.image, settings.cmdline, modules=settings.modules, memory=settings.memory)
        click.echo(shlex.join(line))
        return
    with HostedMachine(settings, symbols=settings.image) as program:
        verdict = _watch(program, wishes, "program")
    _raise_failure(verdict)


def _boot(settings: RunSettings, qemu: str, wishes: Wishes, *, dry_run: bool) -> None:
    is_slow = settings.accel == "auto"
    settings = resolve_accel(settings, qemu)
    is_slow = is_slow and settings.accel == "tcg" and settings.medium == "kernel"
    if is_slow and wishes.interactive and is_language_model(settings.image):
        click.echo("kgpt: without KVM this is slow; kgpt chat is the same engine at full speed, without QEMU", err=True)
    if dry_run:
        from kgpt_build.vm.qemu.argv import qemu_argv
        from kgpt_build.vm.qemu.channels import STANDALONE
        from kgpt_build.vm.qemu.plain import with_plain_names

        click.echo(shlex.join(qemu_argv(with_plain_names(settings), STANDALONE, qemu=qemu)))
        return
    _run(settings, qemu, wishes)


def _wants_all_cpus(settings: RunSettings) -> bool:
    """Nobody has said how many, and the image holds a language model, whose rows they share."""
    if click.get_current_context().get_parameter_source("cpus") is not ParameterSource.DEFAULT:
        return False
    if settings.medium == "kernel":
        return is_language_model(settings.image)
    from kgpt_build.image.inspect import boots_language_model

    return boots_language_model(settings.image)


def _read_prompt(prompt: str | None) -> str | None:
    """``-`` is all of standard input, without the line feed at its end."""
    if prompt != "-":
        return prompt
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise UsageError("what standard input brought is not UTF-8", "convert it, for example with iconv") from None


def _find_image(named: Path | None, default: bool, check: Check, *, brings: bool, target: str) -> Path:
    from kgpt_build.cli.shared.images import image_for, image_without_model

    if brings and named is None:
        return image_without_model(target)
    return image_for(named, default=default, target=target, check=check)


def _check_kind(image: Path, lm: LmSettings, wishes: Wishes, texts: Sequence[Text], *, brings: bool) -> None:
    """Refuse what an image of this kind cannot do, before it is booted. Raises UsageError."""
    if not is_language_model(image):
        if brings:
            raise UsageError(f"{image} holds a microgpt, and takes no models", "build one that does: kgpt build --lm")
        _refuse_lm_settings(f"{image} holds a microgpt", lm, wishes, texts)


def _check_model(model: Model | GgufModel | NoModel, lm: LmSettings, wishes: Wishes, texts: Sequence[Text]) -> None:
    """The same of a model whose image is yet to be built. Raises UsageError."""
    from kgpt_build.models import GgufModel, Model

    if isinstance(model, Model):
        _refuse_lm_settings(f"{model.name} is a microgpt", lm, wishes, texts)
    elif isinstance(model, GgufModel):
        check_context(lm.ctx, model.name, model.hparams.n_ctx)


def _refuse_lm_settings(what: str, lm: LmSettings, wishes: Wishes, texts: Sequence[Text]) -> None:
    given = [*lm.given, *(text.kind for text in texts if text.kind != PROMPT)]
    if given or wishes.mode in ("chat", "bench"):
        word = given[0].replace("_", "-") if given else f"mode {wishes.mode}"
        raise UsageError(f"--{word} is for language models, and {what}", "leave it out")


def _taken(options: dict[str, Any], kind: type[GenerateSettings]) -> dict[str, Any]:
    """Take the fields of ``kind`` out of ``options``."""
    return {field.name: options.pop(field.name) for field in dataclasses.fields(kind) if field.name in options}


def _asked(settings: list[str], wishes: Wishes, extra: str) -> list[str]:
    """What the user wants the kernel's command line to say."""
    if wishes.mode == "shell" and not wishes.typed_to:
        raise UsageError("the shell needs a terminal to type on", "leave out --mode shell, or run it on a terminal")
    words = [f"mode={wishes.mode}"] if wishes.mode else []
    return [*words, *settings, *([extra] if extra else [])]


def _run(settings: RunSettings, qemu: str, wishes: Wishes) -> None:
    from kgpt_build.vm.qemu.machine import Machine

    symbols = settings.image if settings.medium == "kernel" else None
    with Machine(settings, qemu=qemu, symbols=symbols) as machine:
        if settings.gdb:
            from kgpt_build.vm.qemu.argv import GDB_PORT

            line = shlex.join(["gdb", str(settings.image), "-ex", f"target remote localhost:{GDB_PORT}"])
            click.echo(f"kgpt: the machine waits for: {line}", err=True)
        verdict = _watch(machine, wishes, "machine")
    _raise_failure(verdict)


def _raise_failure(verdict: Verdict) -> None:
    error = verdict.error()
    if error is not None:
        raise error


def _watch(machine: GuestRun, wishes: Wishes, what: str) -> Verdict:
    """Show the run as it was wished for. The verdict has no console tail where the console was shown anyway."""
    if wishes.interactive:
        from kgpt_build.vm.console import LEAVE_NAME, interact

        menu = "" if machine.settings.medium == "kernel" else "; until the kernel speaks, any key shows the boot menu"
        click.echo(f"kgpt: {LEAVE_NAME} leaves the {what}{menu}", err=True)
        return interact(machine)
    from kgpt_build.vm.console import all_of, leaver, stream

    leave = None if wishes.typed_to else leaver(machine)
    if wishes.as_json or wishes.one_shot or not wishes.serial:
        printer = (
            LinePrinter(machine) if wishes.as_json else EventPrinter(machine, short=wishes.one_shot, stats=is_verbose())
        )
        return machine.wait(all_of(printer.poll, leave))
    return stream(machine, lambda text: click.echo(text, nl=False), leave)
