"""Firmware of aarch64 boots kgpt.efi over the network, as test_boot_tftp.py and test_boot_network.py show at length."""

from __future__ import annotations

from pathlib import Path

from boots import need
from netboots import ARM, CARD, said_by
from tiny_lm import write_lm

from kgpt_build.cli import invoke


def test_pxe_boots_a_menu_and_a_model(tmp_path: Path) -> None:
    """All that UEFI's TFTP client does: program, menu, model, and chat template."""
    need(ARM.arch.qemu.program)
    assert ARM.code.is_file(), "install qemu-efi-aarch64: make test does"
    served, serial = tmp_path / "served", tmp_path / "serial"
    model = write_lm(tmp_path / "tiny.gguf", fields={"general.name": "Tiny"})
    words = ("--timeout", "0", "--default", "tiny-generate", "--cmdline", "exit max_tokens=4", "-o", str(served))
    assert invoke(["image", "net", "--arch", ARM.arch.name, str(model), *words]) == 0
    net = ("-netdev", f"user,id=n,tftp={served},bootfile=kgpt.efi", "-device", CARD)
    text = said_by([*ARM.argv(serial), *net], serial, "memory: weights")
    assert "Start PXE over IPv4" in text
    assert "booted by uefi" in text, text[-2000:]
    assert "tiny.gguf: 24 KB, SHA-256 as expected (checked while it was read)" in text
    assert "no answer" not in text
