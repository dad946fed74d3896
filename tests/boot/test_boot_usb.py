"""USB keyboards on QEMU's xHCI controllers: direct, behind hubs, unplugged and plugged in again."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import pace
import pytest
from boots import Boot, press, texts
from usb_keyboards import drivers_kernel, halt, wait_for_keyboard

from kgpt_build.errors import MachineLost
from kgpt_build.events import Keyboards
from kgpt_build.pytest_plugin import Guest

__all__ = ["drivers_kernel"]

CONTROLLER = "qemu-xhci,id=xhci"
HUB = "usb-hub,bus=xhci.0,port=1,id=hub"
NO_I8042 = "q35,i8042=off"


def devices(*words: str) -> tuple[str, ...]:
    return tuple(part for word in words for part in ("-device", word))


def shell(boot: Boot, kernel: Path, *words: str, cmdline: str = "mode=shell") -> Guest:
    """A shell without a serial port and without the old keyboard controller."""
    extra = (*devices(*words), "-machine", NO_I8042)
    guest = boot(cmdline, kernel, machine="q35", serial=False, extra=extra)
    guest.expect_event("shell")
    return guest


def monitor(guest: Guest, line: str) -> None:
    words: dict[str, Any] = {"command-line": line}
    guest.machine.execute("human-monitor-command", **words)


def expect_keyboards(guest: Guest, *routes: str) -> Keyboards:
    """Wait for the event that tells just these, each by its route behind a port of the controller."""

    def is_told(found: Keyboards) -> bool:
        return sorted(re.sub(r"^usb \d+", "", name) for name in found.names) == sorted(routes)

    return guest.machine.expect_event(Keyboards, pace.limit(60), is_told)


def expect_unknown(guest: Guest, typed: str) -> None:
    guest.expect_event("error", message=f'unknown command "{typed}"')


def test_a_shell_typed_on_a_usb_keyboard_behind_hubs(boot: Boot, drivers_kernel: Path) -> None:
    """It is pulled out and plugged in again, and so is a hub."""
    second = "usb-hub,bus=xhci.0,port=1.2,id=second"
    guest = shell(boot, drivers_kernel, "nec-usb-xhci,id=xhci", HUB, second, "usb-kbd,bus=xhci.0,port=1.2.3,id=kbd")
    wait_for_keyboard(guest)
    expect_keyboards(guest, ".2.3")
    guest.machine.type_keys("first\r")
    expect_unknown(guest, "first")
    monitor(guest, "device_del kbd")
    expect_keyboards(guest)
    monitor(guest, "device_add usb-kbd,bus=xhci.0,port=1.2.1,id=again")
    wait_for_keyboard(guest)
    press(guest, "caps_lock", "d", "caps_lock", "e", "left", "x", "ret")
    expect_unknown(guest, "Dxe")
    monitor(guest, "device_del hub")
    monitor(guest, "device_add usb-hub,bus=xhci.0,port=2,id=third")
    monitor(guest, "device_add usb-kbd,bus=xhci.0,port=2.5,id=last")
    wait_for_keyboard(guest)
    guest.machine.type_keys("third\r")
    expect_unknown(guest, "third")
    with contextlib.suppress(MachineLost):
        press(guest, "ctrl-alt-delete")
    guest.wait()
    guest.expect_event("exit", reason="reboot")


def test_two_controllers_and_the_longest_chain_of_hubs(boot: Boot, drivers_kernel: Path) -> None:
    """A keyboard on each: one behind five hubs. `devices` tells them, and how long it took to find them."""
    ports = ["1"] + ["1" + ".1" * i for i in range(1, 5)]
    hubs = [f"usb-hub,bus=far.0,port={port}" for port in ports]
    controllers = ("qemu-xhci,id=near", "qemu-xhci,id=far")
    far, near = "usb-kbd,bus=far.0,port=1.1.1.1.1.2,id=distant", "usb-kbd,bus=near.0,port=1,id=close"
    extra = devices(*controllers, *hubs, far, near)
    guest = boot("mode=shell", drivers_kernel, machine="q35", extra=(*extra, "-machine", NO_I8042))
    guest.expect("kgpt> $")
    event = expect_keyboards(guest, "", ".1.1.1.1.2")
    assert 0 < event.usb_us <= event.search_us
    assert event.found_us > 0
    guest.machine.type_keys("devices\r")
    guest.expect(r"^keyboards: usb [\d.]+, usb [\d.]+$")
    guest.expect(r"^the search took [\d.]+ ms, [\d.]+ ms of them to start USB; a USB keyboard worked [\d.]+ ms later$")
    monitor(guest, "device_del close")
    expect_keyboards(guest, ".1.1.1.1.2")
    guest.machine.type_keys("halt\r")
    assert guest.wait().ok


def test_a_machine_without_usb(boot: Boot, drivers_kernel: Path) -> None:
    """No USB controller: nothing is said of one, and nothing was waited for."""
    guest = boot("mode=shell", drivers_kernel, machine="q35", extra=("-machine", "q35,usb=off"))
    guest.expect("kgpt> $")
    guest.send_line("devices")
    guest.expect("^keyboards: i8042$")
    guest.expect(r"^the search took [\d.]+ ms$")
    guest.send_line("halt")
    assert guest.wait().ok
    assert not any(isinstance(event, Keyboards) for event in guest.events)


@pytest.mark.slow
def test_a_text_asked_for_on_a_usb_keyboard(boot: Boot, drivers_kernel: Path) -> None:
    guest = shell(boot, drivers_kernel, CONTROLLER, "usb-kbd,bus=xhci.0")
    wait_for_keyboard(guest)
    guest.machine.type_keys("set samples 2\rset seed 7\rgenerate ka\r")
    guest.expect_event("stats", samples=2)
    assert [text[:2] for text in texts(guest)] == ["ka", "ka"]
    halt(guest)


@pytest.mark.slow
def test_controllers_left_alone(boot: Boot, drivers_kernel: Path) -> None:
    extra = devices(CONTROLLER, "usb-kbd,bus=xhci.0")
    guest = boot("mode=shell usb=off", drivers_kernel, machine="q35", extra=extra)
    guest.expect("kgpt> $")
    guest.send_line("devices")
    guest.expect("class 0c0330  xhci: left alone: usb=off$")
    guest.send_line("halt")
    assert guest.wait().ok
