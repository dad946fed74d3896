"""Keys, typed through QEMU's monitor on a machine that has nothing else to type on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from boots import Boot, texts

from kgpt_build.pytest_plugin import Guest
from kgpt_build.vm.events import Boot as BootEvent

NAMES = {" ": "spc", "=": "equal", ".": "dot", "-": "minus", "_": "shift-minus", "\r": "ret", "\b": "backspace"}
"""QEMU's names of keys, where they are not the character itself."""

Keys = Callable[[Guest, Iterable[str]], None]


def press(guest: Guest, *combinations: str) -> None:
    """``ctrl-c`` is two keys, held together."""
    for combination in combinations:
        keys = [{"type": "qcode", "data": key} for key in combination.split("-")]
        # The keyboard forgets keys beyond the sixteenth byte: these come one by one, each let go before the next.
        guest.machine.execute("send-key", keys=keys, **{"hold-time": 1})


def type_line(guest: Guest, text: str) -> None:
    press(guest, *(NAMES.get(c, f"shift-{c.lower()}" if c.isupper() else c) for c in text + "\r"))


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_a_shell_without_a_serial_port(boot: Boot, machine: str) -> None:
    guest = boot("mode=shell", machine=machine, serial=False)
    guest.expect_event("shell")
    start = guest.expect_event("boot")
    assert isinstance(start, BootEvent)
    assert (start.serial, start.keyboard) == (False, True)
    type_line(guest, "set samples 2")
    type_line(guest, "generate ka")
    guest.expect_event("stats", samples=2)
    assert all(text.startswith("ka") for text in texts(guest))
    type_line(guest, "halt")
    assert guest.wait().ok
