"""kgpt.efi: firmware starts it without a boot loader, and multiboot loaders start the same file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from boots import Boot, Kgpt, need, texts, uefi
from tiny_lm import write_lm

from kgpt_build.arch import DEFAULT
from kgpt_build.errors import UsageError
from kgpt_build.events import Boot as BootEvent
from kgpt_build.events import Sample, parse_event
from kgpt_build.kernel import pe
from kgpt_build.kernel.build import build_cached
from kgpt_build.vm.firmware import Firmware

NAMES = ["genette", "bro"]
WORDS = "samples=2 exit"
_OVMF = Path("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd")
KEEPS_16_MIB = Firmware(_OVMF, _OVMF.with_name("OVMF_VARS_4M.fd"), True, DEFAULT.uefi.secure)
"""With SMM and S3 it keeps the kernel's place as ACPI NVS, for its resume. No key is enrolled: it starts any file."""


@pytest.fixture(scope="session")
def efi_kernel() -> Path:
    """The default model's kernel, with kgpt.efi beside it."""
    need("qemu-system-x86_64")
    return build_cached(drivers=True, with_efi=True)


def test_the_same_file_is_a_multiboot_kernel(boot: Boot, efi_kernel: Path) -> None:
    pe.require_efi(pe.read_pe(efi_kernel.with_name("kgpt.efi")))
    guest = boot(f"{WORDS} prompt=m", image=efi_kernel.with_name("kgpt.efi"), machine="pc")
    assert guest.wait().ok
    assert len(texts(guest)) == 2


def test_firmware_starts_the_default_model(kgpt: Kgpt, efi_kernel: Path) -> None:
    """As a user asks for it: the words reach the kernel, and firmware's drawing does not reach the terminal."""
    words = ("--firmware", "uefi", "--machine", "q35", "--memory", "1024", "--accel", "tcg", "--cmdline", WORDS)
    done = kgpt("run", efi_kernel, *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("kgpt 0.1.0: booted by uefi")
    assert [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("sample")] == NAMES


def test_firmware_starts_a_model_beside_the_kernel(kgpt: Kgpt, tmp_path: Path) -> None:
    """The model and a file for the chat are modules, which kgpt.efi reads from a menu of its own."""
    notes = tmp_path / "notes.txt"
    notes.write_text("ab")
    words = ("--firmware", "uefi", "--machine", "q35", "--accel", "tcg", "--json", "--file", notes)
    done = kgpt("run", "--model", write_lm(tmp_path / "tiny.gguf"), *words, "--prompt", "ab", "--mode", "chat")
    assert done.returncode == 0, done.stderr
    events = [parse_event(line.encode()) for line in done.stdout.splitlines()]
    assert [event.loader for event in events if isinstance(event, BootEvent)] == ["uefi"]
    assert [event.index for event in events if isinstance(event, Sample)] == [0]


def test_kgpt_efi_is_run_by_firmware(kgpt: Kgpt, efi_kernel: Path, tmp_path: Path) -> None:
    done = kgpt("run", efi_kernel.with_name("kgpt.efi"), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "fat:" in done.stdout
    alone = shutil.copy(efi_kernel.with_name("kgpt.efi"), tmp_path)
    done = kgpt("run", alone)
    assert done.returncode == UsageError.exit_code
    assert "has no kernel.elf beside it" in done.stderr


def test_a_model_that_is_too_large_for_the_drive(kgpt: Kgpt, tmp_path: Path) -> None:
    large = write_lm(tmp_path / "tiny.gguf")
    with large.open("r+b") as file:
        file.truncate(600 << 20)
    done = kgpt("run", "--model", large, "--firmware", "uefi", "--machine", "q35", "--accel", "tcg", "--dry-run")
    assert done.returncode == UsageError.exit_code
    assert "more than fit a folder that QEMU shows as a drive" in done.stderr


def test_a_panic_of_a_kernel_that_was_moved(boot_by_uefi: Boot, efi_kernel: Path) -> None:
    settings = {"machine": "q35", "memory": 1024, "firmware": KEEPS_16_MIB}
    end = boot_by_uefi("fault=ud", image=efi_kernel, **settings).wait()
    assert end.panic is not None
    assert end.panic.base not in (0, 16 << 20)
    headline, *frames = end.message.splitlines()
    assert "kernel_c/platform/x86_64/fault.c:" in headline
    assert any("kg_main kernel_c/app/main.c:" in frame for frame in frames)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"machine": "q35", "memory": 1024, "cpu": "max,la57=on"},
        {"machine": "q35", "memory": 6144, "cpus": 2},
        {"machine": "pc", "memory": 256, "cpus": 2},
        {"machine": "q35", "memory": 1024, "card": ""},
        {"machine": "q35", "memory": 1024, "cpus": 2, "firmware": KEEPS_16_MIB},
    ],
    ids=["la57", "6 GB", "pc", "text only", "16 MiB is taken"],
)
def test_machines(boot_by_uefi: Boot, efi_kernel: Path, settings: dict[str, object]) -> None:
    guest = boot_by_uefi(WORDS, image=efi_kernel, **{"firmware": uefi(), **settings})
    assert guest.wait().ok
    assert texts(guest) == NAMES
    assert isinstance(guest.events[0], BootEvent)
    assert guest.events[0].loader == "uefi"
