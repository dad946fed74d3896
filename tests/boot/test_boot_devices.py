"""PCI devices and their drivers, on QEMU's machines: found by memory or by ports, behind bridges, and used."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from boots import Boot, grub_disc, uefi
from elftools.elf.elffile import ELFFile

from kgpt_build.boot_modules import BootModule
from kgpt_build.events import Config, Memory
from kgpt_build.models import DEFAULT_MODEL

BYTES = b"ABCDEFGH" * 8
"""What the entropy device gives: the first eight bytes are the seed."""
SEED = int.from_bytes(BYTES[:8], "little")
NO_RDRAND = "qemu64"
RNG = "virtio-rng-pci,rng=host"
ROOT_PORT = "pcie-root-port,id=first,bus=pcie.0,addr=4,chassis=1,slot=1"
SECOND_ROOT_PORT = "pcie-root-port,id=second,bus=pcie.0,addr=5,chassis=2,slot=2"
SWITCH = ("x3130-upstream,id=up,bus=first", "xio3130-downstream,id=down,bus=up,chassis=3,slot=3")
BRIDGE = "pci-bridge,id=bridge,chassis_nr=1,addr=5"


@pytest.fixture
def host(tmp_path: Path) -> tuple[str, ...]:
    """QEMU's words for a source of entropy whose bytes are known."""
    source = tmp_path / "bytes"
    source.write_bytes(BYTES)
    return ("-object", f"rng-random,id=host,filename={source}")


def devices(*words: str) -> tuple[str, ...]:
    return tuple(part for word in words for part in ("-device", word))


@pytest.mark.parametrize(
    ("machine", "extra"),
    [
        ("q35", (RNG,)),
        ("pc", (RNG,)),
        ("q35", (f"{RNG},disable-legacy=on",)),
        ("pc", (f"{RNG},disable-legacy=on",)),
        ("q35", (ROOT_PORT, SECOND_ROOT_PORT, f"{RNG},bus=second")),
        ("q35", (ROOT_PORT, *SWITCH, f"{RNG},bus=down")),
        ("pc", (BRIDGE, f"{RNG},bus=bridge,addr=3")),
        ("pc", ("nec-usb-xhci,addr=7.0,multifunction=on", f"{RNG},addr=7.5")),
        ("q35", ("intel-iommu", f"{RNG},iommu_platform=on,disable-legacy=on")),  # there, and off
        ("q35", ("amd-iommu", f"{RNG},iommu_platform=on,disable-legacy=on")),
    ],
    ids=["q35", "pc", "q35 modern", "pc modern", "root port", "switch", "bridge", "function", "VT-d", "AMD-Vi"],
)
def test_a_random_seed_comes_from_the_device(
    boot: Boot, training_kernel: Path, host: tuple[str, ...], machine: str, extra: tuple[str, ...]
) -> None:
    words = (*host, *devices(*extra))
    guest = boot("samples=1 seed=random exit", training_kernel, machine=machine, cpu=NO_RDRAND, extra=words)
    guest.expect_event("config", seed=SEED)
    assert guest.wait().ok


def test_a_random_seed_without_a_source(boot: Boot, training_kernel: Path) -> None:
    """Comes from the clock, and is another one each time."""
    guest = boot("mode=shell seed=random", training_kernel, machine="q35", cpu=NO_RDRAND)
    for _ in range(3):
        guest.expect("kgpt> $")
        guest.send_line("generate a")
    guest.expect("kgpt> $")
    guest.send_line("halt")
    assert guest.wait().ok
    seeds = {event.seed for event in guest.events if isinstance(event, Config)}
    assert len(seeds) == 3
    assert max(seeds) >> 32


def polls(boot: Boot, kernel: Path, n_tokens: int, log: Path) -> int:
    """How often plat_poll was called for a text of a microgpt, which has one layer, in a kernel for language models."""
    with kernel.open("rb") as file:
        table: Any = ELFFile(file).get_section_by_name(".symtab")
        (symbol,) = table.get_symbol_by_name("plat_poll")
    entered = ("-d", "exec,nochain", "-dfilter", f"{symbol['st_value']:#x}+1", "-D", str(log))
    words, modules = f"samples=1 temperature=0 max_tokens={n_tokens} exit", (BootModule(DEFAULT_MODEL),)
    assert boot(words, kernel, modules=modules, serial=False, extra=entered).wait().ok
    return log.read_text().count("Trace")


def test_drivers_are_polled_between_layers(boot: Boot, kernel_without_model: Path, tmp_path: Path) -> None:
    """And between tokens: twice for each token of a model with one layer."""
    four, eight = (polls(boot, kernel_without_model, n, tmp_path / f"{n}.log") for n in (4, 8))
    assert eight - four >= 2 * 4


def test_devices_that_are_found(boot: Boot, training_kernel: Path, host: tuple[str, ...]) -> None:
    extra = (*host, *devices("nvme,serial=kgpt,addr=3", f"{RNG},addr=4"))
    guest = boot("mode=shell", training_kernel, machine="q35", cpu=NO_RDRAND, extra=extra)
    guest.expect("kgpt> $")
    guest.send_line("devices")
    guest.expect(r"^0000:00:00\.0  8086:29c0  class 060000$")
    guest.expect(r"^0000:00:03\.0  1b36:0010  class 010802  nvme: works$")
    guest.expect(r"^0000:00:04\.0  1af4:1005  class 00ff00  virtio-rng: works$")
    guest.send_line("mem")
    guest.expect(r"^outside +1\d MB, \d+ KB of it used$")
    guest.send_line("halt")
    assert guest.wait().ok
    (memory,) = [event for event in guest.events if isinstance(event, Memory)]
    assert 10 << 20 < memory.outside < 16 << 20  # below the kernel, which is at 16 MiB


def test_a_machine_without_pci(boot: Boot, training_kernel: Path) -> None:
    guest = boot("mode=shell", training_kernel, machine="microvm", cpu=NO_RDRAND)
    guest.expect("kgpt> $")
    guest.send_line("devices")
    guest.expect("^no devices were found")
    guest.send_line("halt")
    assert guest.wait().ok


def test_pci_switched_off(boot: Boot, training_kernel: Path, host: tuple[str, ...]) -> None:
    guest = boot("mode=shell pci=off", training_kernel, machine="q35", cpu=NO_RDRAND, extra=(*host, *devices(RNG)))
    guest.expect("kgpt> $")
    guest.send_line("devices")
    guest.expect("^no devices were found")
    guest.send_line("halt")
    assert guest.wait().ok


@pytest.mark.parametrize("words", ["", "pci=all"])
def test_a_bus_that_no_bridge_leads_to(boot: Boot, training_kernel: Path, host: tuple[str, ...], words: str) -> None:
    """As large servers have. In a virtual machine it is looked for only on demand."""
    extra = (*host, *devices("pxb-pcie,id=root,bus_nr=128", "pcie-root-port,id=first,bus=root", f"{RNG},bus=first"))
    guest = boot(f"samples=1 seed=random exit {words}", training_kernel, machine="q35", cpu=NO_RDRAND, extra=extra)
    assert guest.wait().ok
    (config,) = [event for event in guest.events if isinstance(event, Config)]
    assert (config.seed == SEED) == (words == "pci=all")


def test_registers_above_4_gib(boot: Boot, training_kernel: Path, host: tuple[str, ...], tmp_path: Path) -> None:
    """Where UEFI puts them, beyond the memory that is mapped at boot."""
    disc = grub_disc(tmp_path, training_kernel, "multiboot2", "mode=shell")
    extra = (*host, *devices(ROOT_PORT, f"{RNG},bus=first"))
    guest = boot(image=disc, medium="cdrom", machine="q35", cpu=NO_RDRAND, firmware=uefi(), extra=extra)
    guest.expect("kgpt> $")
    words: dict[str, Any] = {"command-line": "info pci"}
    pci = guest.machine.execute("human-monitor-command", **words)
    bars = [int(bar, 16) for bar in re.findall(r"BAR4: 64 bit prefetchable memory at (0x[0-9a-f]+)", str(pci))]
    assert max(bars) > 1 << 32
    guest.send_line("devices")
    guest.expect(r"1af4:1044  class 00ff00  virtio-rng: works$")
    guest.send_line("set seed random")
    guest.send_line("generate a")
    guest.expect_event("config", seed=SEED)
    guest.send_line("halt")
    assert guest.wait().ok
