"""Bochs has what TCG has not: AVX-512, a processor (tigerlake) that says nothing of a hypervisor, a slow serial port.

Needs Debian's bochs and GRUB's tools.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kgpt_build.kernel.build import build_cached

SECONDS = 300

CONFIGURATION = """
display_library: rfb, options="timeout=0"
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=tigerlake, count=1, ips=100000000, reset_on_triple_fault=0
memory: guest=256, host=256
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path={disc}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={serial}
port_e9_hack: enabled=1
log: {log}
panic: action=fatal
error: action=report
info: action=ignore
"""


def boot(folder: Path, cmdline: str) -> tuple[str, list[dict[str, Any]]]:
    """The serial port's text and the events of one boot, by GRUB's multiboot2."""
    assert shutil.which("bochs"), "bochs is missing: apt-get install bochs"
    tree, disc, serial = folder / "tree", folder / "disc.iso", folder / "serial"
    (tree / "boot" / "grub").mkdir(parents=True)
    shutil.copy(build_cached(), tree / "boot" / "kernel.elf")
    entry = f"set timeout=0\nmenuentry kgpt {{\n multiboot2 /boot/kernel.elf {cmdline}\n}}\n"
    (tree / "boot" / "grub" / "grub.cfg").write_text(entry)
    subprocess.run(["grub-mkrescue", "-o", str(disc), str(tree)], check=True, capture_output=True)
    (folder / "bochsrc").write_text(CONFIGURATION.format(disc=disc, serial=serial, log=folder / "log"))
    (folder / "debugger").write_text("c\n")  # Debian's Bochs waits in its debugger: continue
    bochs = ["bochs", "-q", "-f", str(folder / "bochsrc"), "-rc", str(folder / "debugger")]
    done = subprocess.run(bochs, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    lines = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.startswith('{"event"')]
    return serial.read_text(), [json.loads(line) for line in lines]


@pytest.mark.slow
def test_avx512_state_is_enabled_and_every_self_test_passes(tmp_path: Path) -> None:
    text, events = boot(tmp_path, "mode=selftest")
    cpu = next(event for event in events if event["event"] == "cpu")
    assert (cpu["xcr0"], cpu["isa"]) == (0xE7, "avx512")
    assert "hypervisor" not in cpu["features"]
    tests = [event for event in events if event["event"] == "test"]
    assert tests
    assert [test["name"] for test in tests if not test["ok"]] == []
    assert events[-1] == {"event": "exit", "code": 0, "reason": "selftest"}
    assert text.endswith(f"kgpt: {len(tests)} tests passed, 0 failed\n")


@pytest.mark.slow
def test_avx512_generates_the_same_texts(tmp_path: Path) -> None:
    def samples(name: str, words: str) -> list[str]:
        (tmp_path / name).mkdir()
        return [event["text"] for event in boot(tmp_path / name, words)[1] if event["event"] == "sample"]

    with_avx512 = samples("avx512", "exit samples=10 seed=3")
    assert len(with_avx512) == 10
    assert with_avx512 == samples("c", "exit samples=10 seed=3 cpumask=c")
