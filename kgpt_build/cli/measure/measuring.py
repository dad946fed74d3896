"""Runs of a language model that are measured: a kernel in QEMU, or the hosted program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.arch import of_host
from kgpt_build.cli.shared.options import Command, arch_option, imported_first
from kgpt_build.errors import KgptError

if TYPE_CHECKING:
    from kgpt_build.events import Event
    from kgpt_build.models import GgufModel


def measured_on_options(command: Command) -> Command:
    """Add ``--arch --cpus --target --accel --cpu``: what a model is measured on."""
    for option in reversed(_MEASURED_ON):
        command = option(command)
    return arch_option(command)


_MEASURED_ON = (
    click.option("--cpus", default=1, show_default=True, metavar="N",
                 help="Processors; with --target hosted: threads."),
    click.option(
        "--target", type=click.Choice(["bare", "hosted"]), default="bare", show_default=True,
        help="bare: the kernel in QEMU. hosted: the same engine as a Linux process.",
    ),
    click.option("--accel", type=click.Choice(["auto", "kvm", "tcg"]), default="auto", show_default=True,
                 help="QEMU's accelerator."),
    click.option("--cpu", default="", metavar="MODEL",
                 help="QEMU's processor, such as qemu64. [default: all features]"),
)  # fmt: skip


def load_for(command: str, name: Path) -> GgufModel:
    """The language model that ``command`` measures. Raises KgptError for a microgpt."""
    from kgpt_build.models import GgufModel, load
    from kgpt_build.models.catalog import resolve

    loaded = load(imported_first(resolve(name)))
    if not isinstance(loaded, GgufModel):
        raise KgptError(
            f"{name} is a microgpt, and {command} measures language models", "the kernel's shell measures it: bench"
        )
    return loaded


def measure_hosted(
    model: GgufModel, words: str, *, cpus: int, toolchain: str, machine: dict[str, Any]
) -> tuple[list[Event], str]:
    """Run the tests in a process; its events and a name for the backend."""
    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.events import parse_event
    from kgpt_build.kernel.build import build_cached
    from kgpt_build.kernel.hosted import MEMORY_MB, run_hosted

    with shown_progress() as progress:
        program = build_cached(
            model, toolchain=toolchain, target="hosted", arch=machine["arch"] or of_host(), progress=progress
        )
    return [parse_event(line) for line in run_hosted(program, words, timeout=3600, memory=MEMORY_MB)], "hosted"


def measure_bare(
    model: GgufModel, words: str, *, cpus: int, toolchain: str, machine: dict[str, Any]
) -> tuple[list[Event], str]:
    """Run the tests in QEMU; its events and a name for the backend. ``machine["extra"]``: further QEMU arguments."""
    from kgpt_build.cli.shared.machines import find_qemu, memory_for, resolve_accel
    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.kernel.build import build_cached
    from kgpt_build.vm.qemu.machine import Machine
    from kgpt_build.vm.settings import RunSettings

    arch = machine["arch"] or of_host()
    qemu = find_qemu(arch)
    with shown_progress() as progress:
        image = build_cached(model, toolchain=toolchain, arch=arch, progress=progress)
    said = {name: int(value) for name, value in re.findall(r"\b(ctx|slots)=(\d+)", words)}
    memory = memory_for(image, None, ctx=said.get("ctx"), slots=said.get("slots"))
    settings = RunSettings(
        image=image,
        cmdline=words,
        arch=arch,
        cpus=cpus,
        memory=memory,
        accel=machine["accel"],
        cpu=machine["cpu"],
        extra=tuple(machine.get("extra", ())),
    )
    settings = resolve_accel(settings, qemu)
    with Machine(settings, qemu=qemu, symbols=image) as vm:
        failure = vm.wait().error()
        if failure is not None:
            raise failure
        return list(vm.events), f"QEMU {settings.accel}"
