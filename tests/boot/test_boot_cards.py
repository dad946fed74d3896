"""Network cards of QEMU: frames go out and come in. The gateway of QEMU's network, 10.0.2.2, answers ARP by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from boots import Boot, Kgpt

from kgpt_build.boot_modules import BootModule
from kgpt_build.pytest_plugin import Guest
from kgpt_build.vm.nets import Net

TINY = Path(__file__).resolve().parents[1] / "fuzz" / "shell" / "plain.gguf"
NAMES = {"virtio": "virtio-net", "e1000": "e1000", "e1000e": "e1000e"}
GATEWAY = "52:55:0a:00:02:02"


def shell(boot: Boot, kernel: Path, *nets: Net, words: str = "", machine: str = "auto", **more: object) -> Guest:
    """At the prompt of its shell."""
    modules = (BootModule(TINY),)
    guest = boot(f"mode=shell {words}", kernel, nets=nets, machine=machine, modules=modules, **more)
    guest.expect("kgpt> $")
    return guest


def end(guest: Guest) -> None:
    guest.send_line("halt")
    assert guest.wait().ok


@pytest.mark.parametrize(("card", "machine"), [("virtio", "microvm"), ("virtio", "q35"), ("e1000", "pc")])
def test_frames_go_out_and_come_in(boot: Boot, kernel_without_model: Path, card: str, machine: str) -> None:
    guest = shell(boot, kernel_without_model, Net(card, restrict=True), machine=machine)
    guest.send_line("net 10.0.2.2")
    guest.expect(rf"^net0  {NAMES[card]} +52:54:00:12:34:56  MTU 1500  link up$")
    guest.expect(rf"^net0: it is at {GATEWAY}$")
    guest.send_line("devices")
    guest.expect(rf"{NAMES[card]}: works$")
    end(guest)


def test_several_cards(boot: Boot, kernel_without_model: Path) -> None:
    """Each of its own kind; a cable that is pulled is seen."""
    cards = tuple(Net(card, restrict=True, mac=f"52:54:00:00:00:0{i}") for i, card in enumerate(NAMES))
    guest = shell(boot, kernel_without_model, *cards, machine="q35")
    guest.send_line("net 10.0.2.2")
    for i, card in enumerate(NAMES):
        guest.expect(rf"^net{i}  {NAMES[card]} +52:54:00:00:00:0{i}  MTU 1500  link up$")
        guest.expect(rf"^net{i}: it is at {GATEWAY}$")
    for i in range(len(cards)):
        guest.machine.execute("set_link", name=f"net{i}", up=False)
    guest.send_line("net")
    for i in range(len(cards)):
        guest.expect(rf"^net{i} .*  no link$")
    end(guest)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["e1000-82544gc", "e1000-82545em"])
def test_older_cards_of_intel(boot: Boot, kernel_without_model: Path, model: str) -> None:
    extra = ("-netdev", "user,id=n,restrict=on", "-device", f"{model},netdev=n,romfile=")
    guest = shell(boot, kernel_without_model, machine="pc", extra=extra)
    guest.send_line("net 10.0.2.2")
    guest.expect(rf"^net0: it is at {GATEWAY}$")
    end(guest)


@pytest.mark.parametrize("words", ["net=off", "pci=off"])
def test_cards_left_alone(boot: Boot, kernel_without_model: Path, words: str) -> None:
    guest = shell(boot, kernel_without_model, Net(restrict=True), words=words)
    guest.send_line("net")
    guest.expect("^no network cards were found$")
    guest.send_line("devices")
    guest.expect("virtio-net: left alone: net=off$" if words == "net=off" else "no devices were found")
    end(guest)


def test_a_kernel_that_drives_no_cards(kgpt: Kgpt, kernel: Path) -> None:
    ran = kgpt("run", kernel, "--net", "user", "--dry-run")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "only kernels for language models drive network cards" in ran.stderr
