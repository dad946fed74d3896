"""keymap=: umlauts, AltGr and dead keys, typed in QEMU on a USB keyboard and at the keyboard controller."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from boots import Boot
from usb_keyboards import drivers_kernel, halt, wait_for_keyboard

from kgpt_build.pytest_plugin import Guest

__all__ = ["drivers_kernel"]

GERMAN = (
    *(("g", "g"), ("r", "r"), ("bracket_left", "ü"), ("n", "n"), ("grave_accent", ""), ("e", "ê"), ("y", "z")),
    *(("minus", "ß"), ("alt_r-q", "@"), ("alt_r-e", "€"), ("shift-apostrophe", "Ä"), ("equal", ""), ("x", "´x")),
    *(("equal", ""), ("equal", "´"), ("alt_r-less", "|")),
)
SPANISH = (
    *(("semicolon", "ñ"), ("apostrophe", ""), ("u", "ú"), ("shift-apostrophe", ""), ("u", "ü"), ("grave_accent", "º")),
    ("alt_r-1", "|"),
)
FRENCH = (
    *(("q", "a"), ("a", "q"), ("2", "é"), ("shift-bracket_left", ""), ("i", "ï"), ("bracket_left", ""), ("o", "ô")),
    *(("alt_r-0", "@"), ("shift-1", "1")),
)
BRITISH = (("shift-2", '"'), ("shift-3", "£"), ("alt_r-4", "€"), ("backslash", "#"), ("shift-less", "|"))


def event(key: str, *, down: bool) -> dict[str, object]:
    return {"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": key}}}


def type_strokes(guest: Guest, strokes: tuple[tuple[str, str], ...]) -> None:
    """Key and echo, each: the next key waits for the echo. ``alt_r-q``: AltGr is down while q goes down and up."""
    typed = ""
    for stroke, echo in strokes:
        *held, last = stroke.split("-")
        for key in (*held, last):
            guest.machine.execute("input-send-event", events=[event(key, down=True)])
        for key in (last, *reversed(held)):
            guest.machine.execute("input-send-event", events=[event(key, down=False)])
        typed += echo
        if echo:
            guest.expect(re.escape(echo) + "$")
    guest.send_line("")
    guest.expect_event("error", message=f'unknown command "{typed}"')


def test_german_on_a_usb_keyboard_behind_a_hub(boot: Boot, drivers_kernel: Path) -> None:
    guest = boot("mode=shell keymap=de", drivers_kernel, machine="q35", keyboard="hub")
    guest.expect_event("shell")
    wait_for_keyboard(guest)
    type_strokes(guest, GERMAN)
    halt(guest)


@pytest.mark.slow
@pytest.mark.parametrize(("layout", "strokes"), [("es", SPANISH), ("fr", FRENCH), ("uk", BRITISH)])
def test_other_layouts_at_the_keyboard_controller(
    boot: Boot, drivers_kernel: Path, layout: str, strokes: tuple[tuple[str, str], ...]
) -> None:
    guest = boot(f"mode=shell keymap={layout}", drivers_kernel, machine="pc")
    guest.expect_event("shell")
    type_strokes(guest, strokes)
    halt(guest)


def test_a_kernel_without_layouts_says_so(boot: Boot, kernel: Path) -> None:
    guest = boot("samples=1 keymap=fr exit", kernel)
    assert guest.wait().exit_code == 1
    guest.expect_event("error", message="this kernel has no keymap=fr")
