"""Finds the kind of window that QEMU can open."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from kgpt_build.errors import KgptError, ToolMissing

WINDOWS = ("gtk", "sdl", "cocoa")
"""Kinds of window in order of preference; all take the keyboard while they have the focus."""

INSTALL_WINDOW = "install it: apt-get install qemu-system-gui; or leave out --display, and use kgpt screenshot"
_ASK_SECONDS = 20.0


def find_window(qemu: str, environment: Mapping[str, str] = os.environ) -> str:
    """The kind of window that this QEMU can open on this desktop.

    Raises KgptError without a desktop, ToolMissing if QEMU was built without windows.
    """
    if not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")) and os.uname().sysname != "Darwin":
        raise KgptError(
            "there is no display to open a window on", "set DISPLAY, or leave out --display, and use kgpt screenshot"
        )
    known = window_kinds(qemu)
    found = next((kind for kind in WINDOWS if kind in known), None)
    if found is None:
        raise ToolMissing(f"{qemu} can open no window ({' and '.join(WINDOWS[:2])} are not in it)", INSTALL_WINDOW)
    return found


def window_kinds(qemu: str) -> tuple[str, ...]:
    """The kinds that ``-display`` accepts. Raises ToolMissing if QEMU cannot be run."""
    try:
        done = subprocess.run(
            [qemu, "-display", "help"], capture_output=True, text=True, timeout=_ASK_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolMissing(f"{qemu} does not say which windows it can open: {error}") from error
    return tuple(line.strip() for line in done.stdout.splitlines()[1:])
