"""A kernel with drivers, and keyboards on USB in QEMU."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pace
import pytest
from boots import press

from kgpt_build.errors import MachineLost
from kgpt_build.events import Shell
from kgpt_build.kernel.build import build_cached
from kgpt_build.pytest_plugin import Guest


@pytest.fixture(scope="session")
def drivers_kernel() -> Path:
    """The default model's kernel, with drivers."""
    return build_cached(drivers=True)


def wait_for_keyboard(guest: Guest) -> None:
    """Until Enter gives another prompt: keys that are pressed before the keyboard is known are lost."""

    def prompts() -> int:
        return sum(isinstance(event, Shell) for event in guest.events)

    before, deadline = prompts(), time.monotonic() + pace.limit(60)
    while prompts() == before:
        assert time.monotonic() < deadline, "no USB keyboard came"
        press(guest, "ret")
        time.sleep(0.2)


def halt(guest: Guest) -> None:
    """Type halt, which ends the machine."""
    with contextlib.suppress(MachineLost):
        guest.machine.type_text("halt\r")
    assert guest.wait().ok
