"""``kgpt run``."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from kgpt_build.arch import Arch
from kgpt_build.boot_modules import staged
from kgpt_build.cli.shared.boot_file import arch_meant, runs_hosted
from kgpt_build.cli.shared.hosted import refuse_qemu_options
from kgpt_build.cli.shared.lm import Draft, is_language_model, load_brought, modules_of
from kgpt_build.cli.shared.machines import (
    boot_options,
    bootable,
    choose_medium,
    device_options,
    find_qemu,
    firmware_for,
    kernel_of_efi,
    machine_options,
    memory_for,
)
from kgpt_build.cli.shared.names import ModelName, pull_first
from kgpt_build.cli.shared.options import (
    accept_option,
    arch_option,
    default_option,
    prefill_option,
    take_prefill,
    verbose_option,
)
from kgpt_build.cli.shared.settings import names_of, settings_options
from kgpt_build.cli.talk.request import Request, Wishes, take_request
from kgpt_build.cli.talk.watch import boot, run_hosted
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.kernel.hosted import MEMORY_MB
from kgpt_build.vm.qemu.display import find_window
from kgpt_build.vm.settings import RunSettings

if TYPE_CHECKING:
    from kgpt_build.models import GgufModel, Model, NoModel

MOST_CPUS = 8
"""The processors that a language model gets without --cpus."""


@click.command("run")
@click.argument("named", metavar="[KERNEL|IMAGE|MODEL]", required=False, type=ModelName())
@default_option
@click.option(
    "--target", type=click.Choice(["bare", "hosted"]),
    help="bare: the kernel in QEMU. hosted: the same engine as a faster Linux process. [default: by KERNEL, else bare]",
)  # fmt: skip
@click.option(
    "--prompt", metavar="TEXT",
    help="Begin every text with TEXT, or send it to a language model. Print only the answer, then end. -: read stdin.",
)  # fmt: skip
@settings_options(*names_of("RUN", "SAMPLING"), "mode", *names_of("LM", "LM_SAMPLING", "LM_BIASES"))
@click.option(
    "--model", "models", multiple=True, type=ModelName(), metavar="MODEL",
    help="Load a language model as a boot module; repeatable. In the shell, `models` lists them, `use N` takes one.",
)  # fmt: skip
@click.option(
    "--draft", type=ModelName(), metavar="MODEL",
    help="Load a smaller language model with the same vocabulary, which drafts tokens: the text stays the same.",
)  # fmt: skip
@click.option(
    "--file", "files", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
    help="Load a text file as a boot module, for /read in a chat; repeatable.",
)  # fmt: skip
@click.option(
    "--grammar", "grammar_file", type=click.Path(path_type=Path), metavar="FILE",
    help="Restrict what a language model says to the grammar in FILE, in GBNF (docs/constrained.md).",
)  # fmt: skip
@click.option(
    "--json-schema", type=click.Path(path_type=Path), metavar="FILE",
    help="Restrict what a language model says to JSON that is valid for the schema in FILE.",
)  # fmt: skip
@click.option(
    "--memory-file", "store", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
    callback=lambda _, __, path: path and _checked_store(path),
    help="Keep conversations in FILE, which kgpt memory make has made: /save, /load and /forget in a chat.",
)  # fmt: skip
@click.option(
    "--keep", "keeps", is_flag=True,
    help="Let the guest write to IMAGE, a stick: what a chat keeps with /save stays. Otherwise IMAGE does not change.",
)  # fmt: skip
@arch_option
@machine_options
@boot_options
@device_options
@prefill_option
@click.option("--display", is_flag=True, help="Show the machine's screen in a window, where you can type too.")
@click.option("--timeout", type=float, metavar="S", help="End the run after S seconds, with exit code 124.")
@click.option("--json", "as_json", is_flag=True, help="Print only the machine channel, as JSON lines (docs/events.md).")
@click.option("--gdb", is_flag=True, help="Wait for gdb before the first instruction.")
@click.option("--dry-run", is_flag=True, help="Print the command line of QEMU or the process, and do not run it.")
@accept_option
@verbose_option
def command(
    named: Path | None,
    default: bool,
    target: str | None,
    prompt: str | None,
    mode: str | None,
    models: tuple[Path, ...],
    draft: Path | None,
    files: tuple[Path, ...],
    as_json: bool,
    dry_run: bool,
    accept_license: bool,
    arch: Arch | None,
    **options: Any,
) -> None:
    """Boot a kernel, which generates texts or chats.

    KERNEL is a kernel of kgpt build (kgpt.efi boots by UEFI), IMAGE a disc or stick of kgpt image. MODEL is a file
    or a name (kgpt pull lists them): it is downloaded if needed, and a kernel is built of it. Without any, kgpt run
    takes the kernel in ./build, else the model.gguf in this folder, else the default model.

    On a terminal or with --display, a microgpt generates 20 texts and enters the kernel's shell, and a language model
    chats; Ctrl-] leaves. Without a terminal, the run ends after the texts, or after the answer to --prompt. A language
    model gets all processors (at most 8) unless --cpus is given. --verbose also tells the speed of each reply.

    Exit codes: 0 good, 1 refused, 2 usage, 3 a tool is missing, 4 panic or failed self-test, 5 the machine reset or
    was lost, 124 timeout.
    """
    wishes = Wishes(
        mode=mode,
        one_shot=prompt is not None,
        as_json=as_json,
        serial=options["serial"],
        terminal=sys.stdin.isatty() and sys.stdout.isatty(),
        window=options["display"],
    )
    named, options["firmware"] = kernel_of_efi(named, options["firmware"])
    hosted = target == "hosted" or (target is None and runs_hosted(named, default=default))
    if hosted:
        refuse_qemu_options()
    prefill = take_prefill(options)
    request = take_request(_read_prompt(prompt), files, wishes, options)
    memory, medium = options.pop("memory"), options.pop("medium")
    meant = arch_meant(named, default, arch)
    options |= {"arch": meant, "firmware": firmware_for(options["firmware"], meant, named)}
    settings = _settings(named, request, memory, options)
    qemu, settings = _find_machine(settings, hosted=hosted)
    brought = [load_brought(pull_first(name, accepted=accept_license)) for name in models]
    drafting = Draft(load_brought(pull_first(draft, accepted=accept_license)) if draft else None)
    named = named and pull_first(named, accepted=accept_license)
    own = None if models and named is None else prefill  # of the kernel's own model
    target = "hosted" if hosted else "bare"
    parts = {
        "efi": not hosted and settings.firmware is not None and settings.firmware.is_uefi,
        "drivers": not hosted and settings.has_driven_keyboard,
    }
    found = _find_boot_file(named, default, request, brought, drafting, own, parts, target=target, arch=arch)
    medium = "kernel" if hosted else choose_medium(found, medium, settings.firmware)
    settings = dataclasses.replace(settings, image=found, medium=medium)
    settings = _instruct(settings, request, brings=bool(brought or drafting.modules))
    with staged(request.texts, keep=dry_run) as texts:
        modules = (*modules_of(brought, prefill, request.cmdline), *drafting.modules, *texts)
        settings = dataclasses.replace(settings, modules=modules)
        if hosted:
            run_hosted(dataclasses.replace(settings, memory=memory or MEMORY_MB), wishes, dry_run=dry_run)
        else:
            wanted = request.settings
            said = {name: wanted.get(name) for name in ("ctx", "kv", "rng", "speculate", "slots")}
            memory = memory_for(
                found,
                memory,
                modules=settings.modules,
                keeps=settings.store is not None,
                serves=mode == "serve",
                **said,
            )
            with bootable(dataclasses.replace(settings, memory=memory), keep=dry_run) as machine:
                boot(machine, qemu, wishes, dry_run=dry_run)


def _checked_store(path: Path) -> Path:
    """``path``, a memory or the image of a stick that may hold one. Raises KgptError for another file."""
    from kgpt_build.media import medium_of
    from kgpt_build.memory.store import begins_as_store

    try:
        with path.open("rb") as file:
            is_store = begins_as_store(file.read(16))
        if is_store or medium_of(path) == "usb":
            return path
    except OSError as error:
        raise KgptError(f"cannot read {path}: {error.strerror}", "check the permissions") from error
    raise KgptError(f"{path} is no memory of conversations", "kgpt memory make FILE makes one")


def _settings(named: Path | None, request: Request, memory: int | None, options: dict[str, Any]) -> RunSettings:
    """The machine that the command line asks for. The image and its modules are not known yet."""
    given: dict[str, Any] = {} if memory is None else {"memory": memory}
    return RunSettings(image=named or Path(), cmdline=request.cmdline, **given, **options)


def _find_machine(settings: RunSettings, *, hosted: bool) -> tuple[str, RunSettings]:
    """QEMU's path, "" for a process, and the settings with QEMU's kind of window. Raises UsageError, ToolMissing."""
    if hosted:
        return "", settings
    qemu = find_qemu(settings.arch)
    return qemu, dataclasses.replace(settings, window=find_window(qemu)) if settings.display else settings


def _find_boot_file(
    named: Path | None,
    default: bool,
    request: Request,
    brought: list[GgufModel],
    draft: Draft,
    prefill: str | None,
    parts: Mapping[str, bool],
    *,
    target: str,
    arch: Arch | None,
) -> Path:
    """``parts``: what a kernel that is built needs beside the model, ``efi`` and ``drivers`` of boot_file_for."""
    from kgpt_build.cli.shared.boot_file import Beginning, boot_file_for, kernel_without_model

    def check(model: Model | GgufModel | NoModel) -> None:
        request.check_model(model)
        if not brought:  # otherwise that one is used first
            draft.check(model)

    for model in brought[:1]:
        draft.check(model)
    if brought and named is None:
        return kernel_without_model(target, efi=parts["efi"], arch=arch)
    begins = None if prefill is None else Beginning(prefill, request.cache_words)
    return boot_file_for(named, default=default, target=target, check=check, begins=begins, arch=arch, **parts)


def _instruct(settings: RunSettings, request: Request, *, brings: bool) -> RunSettings:
    """The settings with what the kernel is told, and its processors. Raises UsageError for what it cannot do."""
    if settings.keeps and settings.medium not in ("usb", "disk"):
        raise UsageError("--keep is for the image of a stick", "leave it out; a kernel keeps with --memory-file FILE")
    if settings.medium == "kernel":
        request.check_kernel(settings.image, brings=brings)
        if settings.nets and not is_language_model(settings.image):
            raise UsageError("only kernels for language models drive network cards", "leave out --net")
        settings = dataclasses.replace(settings, cmdline=request.cmdline_for(settings.image))
    else:
        request.refuse_for_image(settings.image)
    if _wants_all_cpus(settings):
        settings = dataclasses.replace(settings, cpus=min(os.cpu_count() or 1, MOST_CPUS))
    return settings


def _wants_all_cpus(settings: RunSettings) -> bool:
    """True without --cpus for a language model: it divides the rows of its matrices among processors."""
    if click.get_current_context().get_parameter_source("cpus") is not ParameterSource.DEFAULT:
        return False
    if settings.medium == "kernel":
        return is_language_model(settings.image)
    from kgpt_build.image.inspect import boots_language_model

    return boots_language_model(settings.image)


def _read_prompt(prompt: str | None) -> str | None:
    """The prompt; for ``-`` all of standard input, without a final line feed. Raises UsageError."""
    if prompt != "-":
        return prompt
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise UsageError("standard input is not UTF-8", "convert it, for example with iconv") from None
