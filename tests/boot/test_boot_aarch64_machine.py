"""A machine around the kernel for aarch64: its screen, keys, power button, number of processors, and what it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from boots import Boot, need, see, texts, uefi

from kgpt_build.arch import of_name
from kgpt_build.events import Boot as BootEvent
from kgpt_build.events import Cpus, Error, Exit, Keyboards
from kgpt_build.kernel.build import build_cached
from kgpt_build.pytest_plugin import Guest

ARCH = of_name("aarch64")
SCREEN = ("-device", "ramfb", "-device", "qemu-xhci", "-device", "usb-kbd")
NAMES = ["maris", "jacquelin", "rubird"]
"""Samples of the default model with seed 7, as on x86-64."""


@pytest.fixture(scope="session")
def arm_drivers() -> Path:
    """The default model's kernel with drivers, and kgpt.efi beside it."""
    need("qemu-system-aarch64")
    return build_cached(drivers=True, with_efi=True, arch=ARCH)


def reasons(guest: Guest) -> list[str]:
    return [event.reason for event in guest.events if isinstance(event, Exit)]


def test_a_screen_with_a_keyboard_and_the_power_button(boot: Boot, arm_drivers: Path) -> None:
    """QEMU's ramfb, a keyboard on USB, and a pin that the button pulls: without firmware."""
    guest = boot("samples=3 seed=7", image=arm_drivers, extra=SCREEN)
    guest.expect_event("shell")
    guest.expect_event("keyboards")
    guest.machine.type_keys("help")
    shown = see(guest, lambda screen: any(line.endswith("> help") for line in screen.lines))
    assert [line.split()[-1] for line in shown.lines if line.startswith("sample")] == NAMES
    assert "booted by linux" in shown.text
    guest.machine.execute("system_powerdown")
    end = guest.wait()
    assert end.ok, end
    assert reasons(guest) == ["halt"]
    boots = [event for event in guest.events if isinstance(event, BootEvent)]
    assert [event.display for event in boots] == ["1024x768x32"]
    assert [event.names for event in guest.events if isinstance(event, Keyboards)][-1]


@pytest.mark.parametrize("gic", [2, 3])
def test_acpi_describes_the_machine(boot_by_uefi: Boot, arm_drivers: Path, gic: int) -> None:
    """Firmware without a device tree: console, channel, processors, timer and button are those of its tables."""
    extra = ("-machine", f"gic-version={gic}")
    settings = {"cpus": 2, "cpu": "cortex-a72", "memory": 512, "extra": extra}
    guest = boot_by_uefi("samples=3 seed=7 cpus=2", image=arm_drivers, firmware=uefi(ARCH), **settings)
    guest.expect_event("shell")
    guest.machine.execute("system_powerdown")
    end = guest.wait()
    assert end.ok, end
    assert texts(guest) == NAMES
    assert reasons(guest) == ["halt"]
    found = next(event for event in guest.events if isinstance(event, Cpus))
    assert (found.found, found.started, found.by, found.note) == (2, 2, "psci", "")


@pytest.mark.parametrize(
    ("cpu", "cpus", "gic"),
    [("cortex-a72", 8, 2)]
    + [
        pytest.param(cpu, cpus, gic, marks=pytest.mark.slow)
        for cpu in ("cortex-a57", "cortex-a72", "cortex-a76", "max")
        for cpus in range(1, 9)
        for gic in (2, 3)
    ],
)
def test_up_to_eight_processors(boot: Boot, arm_drivers: Path, cpu: str, cpus: int, gic: int) -> None:
    extra = ("-machine", f"gic-version={gic}")
    guest = boot(f"samples=3 seed=7 cpus={cpus} exit", image=arm_drivers, cpu=cpu, cpus=cpus, extra=extra)
    end = guest.wait()
    assert end.ok, end
    assert texts(guest) == NAMES
    found = next(event for event in guest.events if isinstance(event, Cpus))
    assert (found.found, found.started, found.note) == (cpus, cpus, "")


def test_a_processor_without_floating_point_is_refused(boot: Boot, arm_drivers: Path) -> None:
    """On the serial port and the machine channel."""
    guest = boot("samples=1 exit", image=arm_drivers, cpu="cortex-a57,vfp=off,neon=off")
    end = guest.wait()
    assert end.kind == "refused", end
    said = [event for event in guest.events if isinstance(event, Error)]
    assert [event.message for event in said] == ["this processor has no floating-point registers"]
    assert "kgpt: error: this processor has no floating-point registers; kgpt needs Advanced SIMD" in guest.console


def test_the_smallest_memory(boot: Boot, arm_drivers: Path) -> None:
    """With less, QEMU itself finds no place for the device tree behind the kernel, and says so."""
    guest = boot("samples=3 seed=7 exit", image=arm_drivers, memory=6)
    assert guest.wait().ok
    assert texts(guest) == NAMES
    end = boot("exit", image=arm_drivers, memory=4).wait()
    assert end.kind == "refused"
    assert "Not enough space" in f"{end.message} {end.tail}"
