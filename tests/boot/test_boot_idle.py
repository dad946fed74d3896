"""Waiting for input: asleep where something can wake the processor, and whatever firmware has left behind."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from boots import Boot, grub_disc, registers, wait_until_asleep

from kgpt_build.errors import MachineLost
from kgpt_build.events import Error
from kgpt_build.pytest_plugin import Guest

HPET, IOAPIC = 0xFED00000, 0xFEC00000
HPET_PIN, HPET_TICKS = 2, 100_000
HPET_LEVEL, HPET_ON, HPET_PERIODIC, HPET_SET = 2, 4, 8, 0x40
IOAPIC_LEVEL = 0x8000
NOT_HELD_BACK = 0xF0


def halt(guest: Guest) -> None:
    """Type so; the machine may be gone before QEMU has said that it pressed the last key."""
    with contextlib.suppress(MachineLost):
        guest.machine.type_text("halt\r")
    assert guest.wait().ok


@pytest.mark.parametrize(
    "settings",
    [
        {"machine": "pc"},
        {"machine": "q35", "serial": False},
        {"machine": "microvm"},
        {"machine": "q35", "cpus": 4, "cmdline": "mode=shell cpus=4"},
        {"machine": "pc", "extra": ("-machine", "pc,pit=off,hpet=off")},
    ],
    ids=str,
)
def test_a_processor_that_waits_is_asleep(boot: Boot, settings: dict[str, object]) -> None:
    guest = boot(**{"cmdline": "mode=shell", **settings})
    guest.expect_event("shell")
    wait_until_asleep(guest)
    guest.machine.type_text("nonsense\r")
    guest.expect_event("error")
    halt(guest)


def test_without_a_timer_to_wake_it_it_does_not_sleep(boot: Boot) -> None:
    guest = boot("mode=shell", machine="pc", cpu="qemu64,-apic")
    guest.expect_event("shell")
    assert all("HLT=0" in registers(guest) for _ in range(20))
    halt(guest)


@pytest.mark.parametrize("settings", [{"machine": "pc"}, {"machine": "microvm"}], ids=str)
def test_a_paste_is_read_whole(boot: Boot, settings: dict[str, object]) -> None:
    guest = boot("mode=shell", **settings)
    guest.expect_event("shell")
    lines = [f"x{i}" + "y" * 400 for i in range(10)]
    guest.send("\r".join(lines) + "\rhalt\r")
    assert guest.wait().ok
    errors = [event.message for event in guest.events if isinstance(event, Error)]
    assert errors == [f'unknown command "{line[:64]}"' for line in lines]


def timer_left_running(vector: int, *, level: bool) -> str:
    """GRUB's commands for an HPET that interrupts the processor every millisecond, if not answered without end."""
    config = HPET_ON | HPET_PERIODIC | HPET_SET | HPET_PIN << 9 | (HPET_LEVEL if level else 0)
    entry = vector | (IOAPIC_LEVEL if level else 0)
    writes = (
        *((IOAPIC, 0x11 + 2 * HPET_PIN), (IOAPIC + 0x10, 0), (IOAPIC, 0x10 + 2 * HPET_PIN), (IOAPIC + 0x10, entry)),
        *((HPET + 0x100, config), (HPET + 0x108, HPET_TICKS), (HPET + 0x108, HPET_TICKS), (HPET + 0x10, 1)),
    )
    return "insmod memrw\n" + "".join(f"write_dword {address:#x} {value:#x}\n" for address, value in writes)


@pytest.mark.parametrize(("vector", "level"), [(0x70, False), (0x70, True), (0xF0, True)])
def test_a_device_that_firmware_left_running(
    boot: Boot, kernel: Path, tmp_path: Path, vector: int, level: bool
) -> None:
    """0x70 is the clock's in a BIOS, which knows no local APIC, and leaves it waiting for the end of that interrupt.

    It is below our priority, and so held back; 0xF0 is not.
    """
    then = timer_left_running(vector, level=level)
    disc = grub_disc(tmp_path, kernel, "multiboot", "mode=shell", then=then)
    guest = boot(image=disc, medium="cdrom", memory=256, machine="pc")
    guest.expect_event("shell")
    if vector < NOT_HELD_BACK:
        wait_until_asleep(guest)
    guest.send_line("generate ka")
    guest.expect_event("stats")
    halt(guest)
