"""Off and on again without QEMU's debug exit, as a real machine does it: by ACPI, and by what is left without it."""

from __future__ import annotations

import contextlib
import re
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from boots import Boot, grub_disc, press, see, uefi, wait_until_asleep

from kgpt_build.boot_modules import BootModule
from kgpt_build.errors import MachineLost
from kgpt_build.pytest_plugin import Guest
from kgpt_build.vm.qemu import machine as vm_machine
from kgpt_build.vm.qemu.argv import qemu_argv
from kgpt_build.vm.qemu.channels import Channels
from kgpt_build.vm.settings import RunSettings

MACHINES = ["pc", "q35", "microvm"]
HALTED = "^kgpt: halted; the machine can be switched off$"
REAL = "max,hypervisor=off"


@pytest.fixture
def real(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> Boot:
    """``real(cmdline, **settings)``: a machine that does not say it is QEMU's: no debug exit, no machine channel."""

    def argv(settings: RunSettings, channels: Channels, *, qemu: str) -> list[str]:
        words = qemu_argv(settings, channels, qemu=qemu)
        for device in ("isa-debug-exit", "isa-debugcon"):
            at = next(i for i, word in enumerate(words) if word.startswith(device))
            del words[at - 1 : at + 1]
        return words

    monkeypatch.setattr(vm_machine, "qemu_argv", argv)

    def start(cmdline: str, **settings: Any) -> Guest:
        return boot(cmdline, **{"cpu": REAL, **settings})

    return start


def shutdown(guest: Guest) -> Mapping[str, Any] | None:
    """QEMU's event of this name, once it has ended."""
    guest.wait()
    return next((event["data"] for event in guest.machine.qmp_events if event.get("event") == "SHUTDOWN"), None)


@pytest.mark.parametrize("machine", MACHINES)
def test_off_after_exit(real: Boot, machine: str) -> None:
    guest = real("samples=1 exit", machine=machine)
    assert shutdown(guest) == {"guest": True, "reason": "guest-shutdown"}
    assert "kgpt: 1 sample," in guest.console
    assert "kgpt: halted" not in guest.console


@pytest.mark.parametrize("machine", MACHINES)
def test_a_virtual_machine_without_acpi_ends_too(real: Boot, machine: str) -> None:
    """q35 has the registers all the same; the others end by the reset that QEMU's -no-reboot makes an end."""
    guest = real("samples=1 exit", machine=machine, cpu="max", extra=("-machine", "acpi=off"))
    reason = "guest-shutdown" if machine == "q35" else "guest-reset"
    assert shutdown(guest) == {"guest": True, "reason": reason}
    assert "kgpt: halted" not in guest.console


TRACE = ("-trace", "memory_region_ops_write")


def writes(trace: Path) -> list[tuple[str, str]]:
    """Addresses and values of what was written to devices, in order."""
    return re.findall(r"addr (\w+) value (\w+)", trace.read_text(errors="replace"))


@pytest.mark.parametrize(("machine", "enable"), [("pc", "0xf1"), ("q35", "0x2")])
def test_how_it_is_switched_off(real: Boot, tmp_path: Path, machine: str, enable: str) -> None:
    """ACPI mode, in which firmware leaves it to us; wake-ups cleared; the type; the type and the bit that does it."""
    guest = real("samples=1 exit", machine=machine, serial=False, extra=(*TRACE, "-D", str(tmp_path / "trace")))
    assert shutdown(guest) == {"guest": True, "reason": "guest-shutdown"}
    done = writes(tmp_path / "trace")
    assert ("0xb2", enable) in done[:-3]  # at the end, or when the power button was looked at first
    assert done[-3][0] == "0x600"
    assert done[-2:] == [("0x604", "0x1"), ("0x604", "0x2001")]


def test_off_after_pvh(real: Boot, kernel: Path, tmp_path: Path) -> None:
    """QEMU starts what has no multiboot 1 header by its PVH note; then the root pointer comes from the loader."""
    image = tmp_path / "pvh.elf"
    image.write_bytes(kernel.read_bytes().replace(struct.pack("<II", 0x1BADB002, 0x00010003), bytes(8)))
    guest = real("samples=1 exit", image=image, machine="q35", memory=256)
    assert shutdown(guest) == {"guest": True, "reason": "guest-shutdown"}
    assert "booted by pvh" in guest.console


def test_off_after_halt(real: Boot) -> None:
    guest = real("mode=shell", machine="q35")
    guest.expect("kgpt> ")
    guest.send_line("halt")
    assert shutdown(guest) == {"guest": True, "reason": "guest-shutdown"}


@pytest.mark.parametrize("words", ["mode=selftest test=crc32", "seed=nonsense exit", "fault=panic exit"])
def test_what_is_to_be_read_stays(real: Boot, words: str) -> None:
    guest = real(words, machine="pc")
    guest.expect(HALTED)
    assert guest.machine.running
    assert guest.machine.execute("query-status")["status"] == "running"


@pytest.mark.parametrize("words", ["mode=selftest test=crc32", "fault=panic"])
def test_a_virtual_machine_ends_by_its_ports_without_being_asked(real: Boot, words: str) -> None:
    assert shutdown(real(words, machine="q35", cpu="max")) == {"guest": True, "reason": "guest-shutdown"}


def test_without_tables_it_stays(real: Boot) -> None:
    guest = real("samples=1 exit", machine="pc", extra=("-machine", "acpi=off"))
    guest.expect(HALTED)
    assert guest.machine.running


def test_other_processors_do_not_keep_it_on(real: Boot) -> None:
    guest = real("samples=1 cpus=4 exit", machine="q35", cpus=4)
    assert shutdown(guest) == {"guest": True, "reason": "guest-shutdown"}
    assert "kgpt: cpus: 4 found, 4 started" in guest.console


def test_off_under_uefi(real: Boot, kernel: Path, tmp_path: Path) -> None:
    disc = grub_disc(tmp_path, kernel, "multiboot2", "samples=1 exit")
    guest = real("", image=disc, medium="cdrom", machine="q35", memory=256, firmware=uefi())
    assert shutdown(guest) == {"guest": True, "reason": "guest-shutdown"}
    assert "kgpt: 1 sample," in guest.console
    assert "kgpt: halted" not in guest.console


LAST_WRITE = {
    "q35": ("0xcf9", "0xf"),  # the FADT's value
    "microvm": ("0xfea00202", "0x42"),  # a register in memory
    "pc": ("0xcf9", "0x6"),  # its FADT is too old to have a reset register
}


@pytest.mark.parametrize("machine", MACHINES)
def test_reboot(real: Boot, tmp_path: Path, machine: str) -> None:
    guest = real("mode=shell", machine=machine, extra=(*TRACE, "-D", str(tmp_path / "trace")))
    guest.expect("kgpt> ")
    guest.send_line("reboot")
    assert shutdown(guest) == {"guest": True, "reason": "guest-reset"}
    assert writes(tmp_path / "trace")[-1] == LAST_WRITE[machine]


@pytest.mark.parametrize("machine", MACHINES)
def test_reboot_without_tables(real: Boot, machine: str) -> None:
    guest = real("mode=shell", machine=machine, extra=("-machine", "acpi=off"))
    guest.expect("kgpt> ")
    guest.send_line("reboot")
    assert shutdown(guest) == {"guest": True, "reason": "guest-reset"}


def press_power(guest: Guest) -> None:
    """Until the machine is off: before the kernel has first looked for input the button is not its own."""
    assert guest.machine.deadline is not None
    with contextlib.suppress(MachineLost):
        while guest.machine.running:
            assert time.monotonic() < guest.machine.deadline, "the power button does nothing"
            guest.machine.execute("system_powerdown")
            time.sleep(0.1)


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_the_power_button_at_the_prompt(real: Boot, machine: str) -> None:
    """What stands on the line is not done."""
    guest = real("mode=shell", machine=machine)
    guest.expect("kgpt> ")
    guest.send("reboot")
    guest.expect("reboot$")
    press_power(guest)
    assert shutdown(guest) == {"guest": True, "reason": "guest-shutdown"}


@pytest.mark.parametrize("words", ["samples=1000000", "samples=1000000 exit"])
def test_the_power_button_stops_what_runs(boot: Boot, words: str) -> None:
    guest = boot(words, machine="q35")
    guest.expect_event("sample", index=30)
    press_power(guest)
    assert guest.wait().ok
    guest.expect_event("sample", reason="stopped")
    guest.expect_event("exit", code=0)


def test_the_power_button_stops_a_training_that_keeps_what_it_learned(
    boot: Boot, training_kernel: Path, tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus"
    corpus.write_text("anna\nbob\ncarla\n")
    words = "mode=train exit steps=1000000 n_embd=8 n_head=2"
    guest = boot(words, image=training_kernel, machine="q35", modules=(BootModule(corpus),))
    guest.expect_event("step", step=3)
    press_power(guest)
    assert guest.wait().ok
    guest.expect_event("exit", code=0, reason="stopped")
    assert {"last", "state"} <= {blob.name for blob in guest.machine.blobs}


@pytest.mark.parametrize("words", ["seed=nonsense exit", "mode=selftest test=crc32"])
def test_the_power_button_after_the_end(real: Boot, words: str) -> None:
    guest = real(words, machine="pc")
    guest.expect(HALTED)
    press_power(guest)
    assert shutdown(guest) == {"guest": True, "reason": "guest-shutdown"}


@pytest.mark.parametrize("cpu", ["Haswell,-hypervisor", "qemu64,-hypervisor,-apic"])
def test_a_machine_that_has_halted_is_asleep(real: Boot, cpu: str) -> None:
    """With a timer that looks at the button, and without one."""
    guest = real("seed=nonsense", machine="pc", cpu=cpu)
    guest.expect(HALTED)
    wait_until_asleep(guest)


def test_ctrl_alt_del_after_the_end(real: Boot) -> None:
    guest = real("seed=nonsense", machine="pc")
    guest.expect(HALTED)
    with contextlib.suppress(MachineLost):
        press(guest, "ctrl-alt-delete")
    assert shutdown(guest) == {"guest": True, "reason": "guest-reset"}


def test_where_only_a_screen_tells_what_happened_it_stays_on(real: Boot) -> None:
    """Under a hypervisor too: somebody with a USB keyboard reads why there is no prompt, and what to do."""
    guest = real("mode=shell", machine="pc", cpu="max", serial=False, extra=("-machine", "pc,i8042=off"))
    shown = see(guest, lambda screen: "kgpt: halted" in screen.text)
    text = shown.text.replace("\n", " ")
    assert "no keyboard and no serial port answered" in text
    assert "press e in the boot menu" in text
    press_power(guest)
    assert shutdown(guest) == {"guest": True, "reason": "guest-shutdown"}


def test_a_generation_that_nobody_can_type_to_says_so_and_stays(real: Boot) -> None:
    guest = real("samples=1", machine="pc", cpu="max", serial=False, extra=("-machine", "pc,i8042=off"))
    shown = see(guest, lambda screen: "kgpt: halted" in screen.text)
    assert "keyboard: none found; serial: none" in shown.text
    assert guest.machine.running
