"""Computes the memory that each entry of a menu needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kgpt_build.boot_modules import BootModule
from kgpt_build.image.contents import Item
from kgpt_build.image.fs.volumes import Slice, Source
from kgpt_build.image.menu import Entry
from kgpt_build.kernel.elf import read_elf
from kgpt_build.kernel.memory import memory_needs

FIRMWARE = 128
"""MiB that firmware and GRUB may occupy when the kernel starts; UEFI needs more than a BIOS."""


def memory_of(entries: Iterable[Entry], items: Sequence[Item], *, keeps: bool = False) -> Mapping[str, int]:
    """Id of each entry -> MiB, computed by kernel.memory; ``keeps``: chats keep conversations. Raises KgptError."""
    files: dict[str, Source] = {item.path: item.source for item in items}
    for item in items:
        if isinstance(item.source, Slice):
            files[item.path.rpartition(".")[0]] = item.source.path
    kernels = {entry.kernel for entry in entries}
    images = {path: read_elf(source) for path in kernels if isinstance(source := files[path], Path)}
    found = {}
    for entry in entries:
        modules = [
            BootModule(source, module.words[1:])
            for module in entry.modules
            if isinstance(source := files[module.path], Path)
        ]
        kv, rng, speculate = (_last(entry, rf"{name}=(\w+)") for name in ("kv", "rng", "speculate"))
        ctx, slots = (_last(entry, rf"{name}=(\d{{1,9}})") for name in ("ctx", "slots"))
        mode = _last(entry, r"mode=(\w+)")
        needs = memory_needs(
            images[entry.kernel],
            modules=modules,
            ctx=int(ctx) if ctx else None,
            kv=kv,
            rng=rng,
            speculate=speculate,
            slots=int(slots) if slots else None,
            keeps=keeps,
            serves=mode == "serve",
        )
        found[entry.id] = needs.least
    return found


def _last(entry: Entry, pattern: str) -> str | None:
    said = [match[1] for word in entry.words if (match := re.fullmatch(pattern, word))]
    return said[-1] if said else None
