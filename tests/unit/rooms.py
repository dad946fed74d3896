"""The C sources as the rooms list them in room.mk: tests have no lists of their own to fall behind."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KERNEL = ROOT / "kernel_c"


def _rooms_of_others(arch: str) -> set[str]:
    text = (KERNEL / "kernel.mk").read_text(encoding="utf-8").replace("\\\n", " ")
    rows = dict(re.findall(r"^ROOMS_(\w+) :=(.*)$", text, re.MULTILINE))
    return {room for name, value in rows.items() if name != arch for room in value.split()}


def listed(*groups: str, rooms: Container[str] | None = None, arch: str = "x86_64") -> list[str]:
    """The sources of these groups (kernel.mk describes them) in ``rooms``, or everywhere: paths below the repository's
    root, in their order. Everywhere is where a kernel for ``arch`` has its sources.
    """
    found = set()
    others = _rooms_of_others(arch)
    for makefile in KERNEL.rglob("room.mk"):
        room = str(makefile.parent.relative_to(KERNEL))
        if room in rooms if rooms is not None else room not in others:
            text = makefile.read_text(encoding="utf-8").replace("\\\n", " ")
            for group, value in re.findall(r"^(\w+) \+=(.*)$", text, re.MULTILINE):
                found |= set(value.split()) if group in groups else set()
    return sorted(f"kernel_c/{name}" for name in found)
