"""``kgpt chat``: `kgpt run --target hosted` with a language model as the default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kgpt_build.cli.shared.hosted import QEMU_ONLY
from kgpt_build.cli.talk import run

MODEL = "smollm2-135m"
"""The model without an argument, if ./build has none."""


def _chat(named: Path | None, default: bool, **options: Any) -> None:
    """Chat with a language model on this machine: the kernel's engine runs as a Linux process, at full speed.

    MODEL is a file, a name (kgpt pull lists them; it is downloaded if needed), or a program of kgpt build --target
    hosted. Without it, kgpt chat takes the language model in ./build, else smollm2-135m. The command is kgpt run
    --target hosted: keys, options, exit codes and the text of a seed are the same as in QEMU.
    """
    if named is None and not default and not is_in_build():
        named = Path(MODEL)
    assert run.command.callback is not None
    run.command.callback(named=named, default=default, target="hosted", **QEMU_ONLY, **options)


def is_in_build() -> bool:
    """Does ./build hold a kernel for language models?"""
    from kgpt_build.cli.shared.boot_file import BUILD_FOLDER
    from kgpt_build.kernel import manifest

    if not (BUILD_FOLDER / manifest.NAME).is_file():
        return False
    described = manifest.read(BUILD_FOLDER)
    return bool(described.get("lm") or described["model"]["arch"] != "microgpt")


command = click.Command(
    "chat",
    callback=_chat,
    params=[
        parameter for parameter in run.command.params if parameter.name not in {*QEMU_ONLY, "secure_boot", "target"}
    ],
    help=_chat.__doc__,
)
