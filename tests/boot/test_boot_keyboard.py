"""Keys, pressed through QEMU's monitor, where there is nothing else to type on; and machines without a keyboard."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from boots import Boot, grub_disc, press, see, texts, uefi

from kgpt_build.errors import MachineLost
from kgpt_build.events import Boot as BootEvent
from kgpt_build.events import Error, Event, Sample
from kgpt_build.pytest_plugin import Guest
from kgpt_build.vm.qemu.keys import keys_of


def last_keys(guest: Guest, text: str) -> None:
    """These end the machine: perhaps before QEMU has said that it pressed them."""
    with contextlib.suppress(MachineLost):
        guest.machine.type_text(text)


def errors_of(guest: Guest) -> list[str]:
    return [event.message for event in guest.events if isinstance(event, Error)]


def start(guest: Guest) -> BootEvent:
    event: Event = guest.expect_event("boot")
    assert isinstance(event, BootEvent)
    return event


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_a_shell_without_a_serial_port(boot: Boot, machine: str) -> None:
    guest = boot("mode=shell", machine=machine, serial=False)
    guest.expect_event("shell")
    assert (start(guest).serial, start(guest).keyboard) == (False, True)
    guest.machine.type_keys("set samples 2\rset seed 7\rgenerate ka\r")
    guest.expect_event("stats", samples=2)
    guest.expect_event("config", seed=7, prompt="ka")
    assert [text[:2] for text in texts(guest)] == ["ka", "ka"]
    last_keys(guest, "halt\r")
    assert guest.wait().ok


def test_line_editing_with_keys(boot: Boot) -> None:
    """Arrows, Home, End, Delete, Backspace, history, Caps Lock, Ctrl with a letter: all that the line editor knows."""
    guest = boot("mode=shell", machine="pc", serial=False)
    guest.expect_event("shell")
    guest.machine.type_keys("xbc\x7f\x1b[D\x1b[3~d\x1b[Ha\x1b[Fe\r")
    guest.expect_event("error", message='unknown command "axde"')
    guest.machine.type_keys("second\r\x1b[A\x1b[A\x1b[Bx\x15\x1b[A\x1b[A!\r")  # and Ctrl-U
    guest.expect_event("error", message='unknown command "axde!"')
    press(guest, "caps_lock", "a", "shift-b", "caps_lock", "c", "num_lock", "kp_4", "num_lock", "kp_7", "d", "ret")
    guest.expect_event("error", message='unknown command "dAbc4"')
    press(guest, "pause", "print", "f1", "f5", "alt-f5", "meta_l", "menu", "esc", "x", "y", "kp_enter")
    guest.expect_event("error", message='unknown command "y"')  # Esc and x are one key of a terminal: Alt-x
    last_keys(guest, "\x04")
    assert guest.wait().ok


@pytest.mark.parametrize("keys", ["ctrl-c", "ctrl-pause"])
def test_ctrl_c_stops_a_generation(boot: Boot, keys: str) -> None:
    guest = boot("samples=1000000", machine="pc", serial=False)
    guest.expect_event("sample", index=30)
    press(guest, keys)
    guest.expect_event("sample", reason="stopped")
    guest.expect_event("shell")
    assert len([event for event in guest.events if isinstance(event, Sample)]) < 1_000_000
    last_keys(guest, "halt\r")
    assert guest.wait().ok


AHEAD = "TypedAheadWhileItComputes, And Nothing Of It Is Lost"


def type_ahead(guest: Guest) -> None:
    """Self-tests look for no keys: those that a keyboard does not keep itself, 16 bytes, come by interrupts."""
    guest.expect_event("shell")
    guest.machine.type_keys("selftest\r")
    guest.expect_event("test")
    for keys in keys_of(AHEAD + "\r"):
        press(guest, "-".join(keys))
    guest.expect_event("error", message=f'unknown command "{AHEAD.split()[0]}"')
    guest.machine.type_keys("abc\r")  # and Shift is up
    guest.expect_event("error", message='unknown command "abc"')
    last_keys(guest, "halt\r")
    assert guest.wait().ok


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_what_is_typed_while_it_computes_is_there_afterwards(boot: Boot, machine: str) -> None:
    type_ahead(boot("mode=shell", machine=machine, serial=False))


def test_what_is_typed_while_it_computes_under_uefi(boot: Boot, kernel: Path, tmp_path: Path) -> None:
    disc = grub_disc(tmp_path, kernel, "multiboot2", "mode=shell")
    type_ahead(boot(image=disc, medium="cdrom", machine="q35", memory=256, firmware=uefi(), serial=False))


def test_what_is_typed_while_it_computes_where_the_timer_alone_interrupts(boot: Boot) -> None:
    type_ahead(boot("mode=shell", machine="q35", serial=False, extra=("-machine", "q35,pic=off")))


def test_ctrl_alt_del_starts_the_machine_again(boot: Boot) -> None:
    """In order: what runs is stopped, the last event says so."""
    guest = boot("samples=1000000", machine="pc", serial=False)
    guest.expect_event("sample", index=30)
    with contextlib.suppress(MachineLost):
        press(guest, "ctrl-alt-delete")
    guest.expect_event("sample", reason="stopped")
    guest.expect_event("exit", code=0, reason="reboot")
    guest.wait()
    shutdown = [event["data"] for event in guest.machine.qmp_events if event.get("event") == "SHUTDOWN"]
    assert shutdown == [{"guest": True, "reason": "guest-reset"}]


@pytest.mark.parametrize(
    ("machine", "extra"),
    [("pc", ("-machine", "pc,i8042=off")), ("q35", ("-machine", "q35,i8042=off")), ("microvm", ())],
)
def test_without_a_keyboard_it_does_what_it_was_told(boot: Boot, machine: str, extra: tuple[str, ...]) -> None:
    guest = boot("samples=2", machine=machine, serial=False, extra=extra)  # no `exit`: there is nobody to wait for
    assert guest.wait().ok
    assert (start(guest).serial, start(guest).keyboard) == (False, False)
    assert len(texts(guest)) == 2
    guest.expect_event("exit", code=0, reason="done")


NO_KEYBOARD = "kgpt: keyboard: none found; serial: {}\n      press e in the boot menu"


def test_a_prompt_that_only_the_serial_port_can_answer_says_so(boot: Boot) -> None:
    """On the serial line and on the screen, where somebody with a USB keyboard sits."""
    guest = boot("mode=shell", machine="pc", extra=("-machine", "pc,i8042=off"))
    guest.expect_event("shell")
    assert NO_KEYBOARD.format("COM1") in guest.console
    shown = see(guest, lambda screen: screen.text.endswith("\nkgpt>"))
    assert NO_KEYBOARD.format("COM1") in shown.text
    guest.send_line("halt")
    assert guest.wait().ok


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ("samples=1", {"machine": "pc"}),
        ("samples=1 exit", {"machine": "pc", "extra": ("-machine", "pc,i8042=off")}),
        ("samples=1", {"machine": "microvm"}),
    ],
)
def test_who_has_a_keyboard_or_no_screen_or_will_not_type_is_told_nothing(
    boot: Boot, words: str, settings: dict[str, Any]
) -> None:
    guest = boot(words, **settings)
    if "exit" not in words:
        guest.expect_event("shell")
        guest.send_line("halt")
    assert guest.wait().ok
    assert "keyboard" not in guest.console


def test_a_shell_that_nobody_can_type_to_is_refused(boot: Boot) -> None:
    guest = boot("mode=shell", machine="pc", serial=False, extra=("-machine", "pc,i8042=off"))
    assert guest.wait().exit_code == 1
    (message,) = errors_of(guest)
    assert message == "mode=shell needs something to type on: no keyboard and no serial port answered"


def test_keyboard_and_serial_port_together(boot: Boot) -> None:
    guest = boot("mode=shell", machine="pc")
    guest.expect_event("shell")
    guest.send("on")
    guest.expect("on$")
    press(guest, "e")
    guest.expect("e$")
    guest.send_line("")
    guest.expect_event("error", message='unknown command "one"')
    with contextlib.suppress(MachineLost):
        press(guest, "ctrl-d")
    assert guest.wait().ok
