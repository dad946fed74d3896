"""kgpt.efi for aarch64: firmware starts it, and so do loaders of Linux kernels, wherever they put it."""

from __future__ import annotations

from pathlib import Path

import pytest
from boots import Boot, Kgpt, need, texts, uefi

from kgpt_build.arch import of_name
from kgpt_build.events import Boot as BootEvent
from kgpt_build.kernel import pe
from kgpt_build.kernel.build import build_cached

ARCH = of_name("aarch64")
WORDS = "samples=2 exit"
NAMES = ["genette", "bro"]


@pytest.fixture(scope="session")
def arm_efi() -> Path:
    """The default model's kernel, with kgpt.efi beside it."""
    need("qemu-system-aarch64")
    return build_cached(drivers=True, with_efi=True, arch=ARCH)


def test_firmware_starts_the_default_model(kgpt: Kgpt, arm_efi: Path) -> None:
    """As a user asks for it: the words reach the kernel by a menu on the drive."""
    done = kgpt("run", arm_efi, "--firmware", "uefi", "--accel", "tcg", "--cmdline", WORDS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("kgpt 0.1.0: booted by uefi")
    assert [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("sample")] == NAMES


def test_the_same_file_is_an_image_of_linux(boot: Boot, arm_efi: Path) -> None:
    """Its kernel lies behind the application, so it is moved: even its panics are told by the right names."""
    pe.require_efi(pe.read_pe(arm_efi.with_name("kgpt.efi")))
    guest = boot(WORDS, image=arm_efi.with_name("kgpt.efi"), arch=ARCH)
    assert guest.wait().ok
    assert texts(guest) == NAMES
    assert next(event.loader for event in guest.events if isinstance(event, BootEvent)) == "linux"


def test_a_panic_under_firmware(boot_by_uefi: Boot, arm_efi: Path) -> None:
    """At EL2, on two processors, with more memory than 4 GiB."""
    settings = {"cpus": 2, "cpu": "cortex-a72", "memory": 5120, "extra": ("-machine", "virtualization=on")}
    end = boot_by_uefi("fault=ud cpus=2", image=arm_efi, firmware=uefi(ARCH), **settings).wait()
    assert end.kind == "failed", end
    headline, *frames = end.message.splitlines()
    assert headline.startswith("panic: UNDEF")
    assert any("kg_main kernel_c/app/main.c:" in frame for frame in frames)
