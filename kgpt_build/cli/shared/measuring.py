"""Runs of a language model that are measured: a kernel in QEMU, or the hosted program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgpt_build.cli.shared.options import imported_first
from kgpt_build.errors import KgptError

if TYPE_CHECKING:
    from kgpt_build.events import Event
    from kgpt_build.models import GgufModel


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
        program = build_cached(model, toolchain=toolchain, target="hosted", progress=progress)
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

    qemu = find_qemu()
    with shown_progress() as progress:
        image = build_cached(model, toolchain=toolchain, progress=progress)
    said = {name: int(value) for name, value in re.findall(r"\b(ctx|slots)=(\d+)", words)}
    memory = memory_for(image, None, ctx=said.get("ctx"), slots=said.get("slots"))
    settings = RunSettings(
        image=image,
        cmdline=words,
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
