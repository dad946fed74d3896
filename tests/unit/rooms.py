"""The C sources as the rooms list them in room.mk: tests have no lists of their own to fall behind."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KERNEL = ROOT / "kernel_c"


def listed(*groups: str, rooms: Container[str] | None = None) -> list[str]:
    """The sources of these groups (kernel.mk describes them) in ``rooms``, or everywhere: paths below the repository's
    root, in their order.
    """
    found = set()
    for makefile in KERNEL.rglob("room.mk"):
        if rooms is None or str(makefile.parent.relative_to(KERNEL)) in rooms:
            text = makefile.read_text(encoding="utf-8").replace("\\\n", " ")
            for group, value in re.findall(r"^(\w+) \+=(.*)$", text, re.MULTILINE):
                found |= set(value.split()) if group in groups else set()
    return sorted(f"kernel_c/{name}" for name in found)
