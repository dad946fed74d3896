"""Fixtures and helpers for real QEMU and real kernels. TCG, so that a failure here is the same failure everywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pace
import pytest

import kgpt_build
from kgpt_build.arch import DEFAULT, Arch
from kgpt_build.arch.x86_64_probe import multiboot_image
from kgpt_build.cli.shared.machines import bootable
from kgpt_build.events import Sample
from kgpt_build.headers import BROUGHT
from kgpt_build.kernel.build import build_cached
from kgpt_build.media import arch_of_kernel
from kgpt_build.models import NO_MODEL
from kgpt_build.pytest_plugin import Guest
from kgpt_build.vm.firmware import Firmware, find_firmware
from kgpt_build.vm.screen import Screen
from kgpt_build.vm.settings import RunSettings

Boot = Callable[..., Guest]
Kgpt = Callable[..., "subprocess.CompletedProcess[str]"]

SECONDS = 120.0
"""For a whole run of a machine, unless a test says otherwise."""

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(kgpt_build.__file__).parents[1])}
"""For processes that run this very package, installed or not."""


STAYS = (
    *(
        "-chardev",
        "null,id=sink",
        "-device",
        "isa-serial,chardev=sink,iobase=0xf4,irq=10",
    ),  # in front of the debug exit
    "-no-shutdown",
)
"""Arguments of a machine that does not go away when the kernel ends, so that its last picture can be taken."""


def need(*programs: str) -> None:
    """`make test` installs these: a machine without them must not pass by skipping."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        pytest.fail(f"the boot tests need {', '.join(missing)}: run them with make test, which installs them")


def texts(guest: Guest) -> list[str]:
    """What it generated."""
    return [event.text for event in guest.events if isinstance(event, Sample)]


def press(guest: Guest, *combinations: str) -> None:
    """``ctrl-c`` is two keys, held together; by QEMU's names."""
    for combination in combinations:
        keys = [{"type": "qcode", "data": key} for key in combination.split("-")]
        guest.machine.execute("send-key", keys=keys)


def registers(guest: Guest) -> str:
    """Of the first processor, and whether it is halted."""
    words: dict[str, Any] = {"command-line": "info registers"}
    return str(guest.machine.execute("human-monitor-command", **words))


def see(guest: Guest, good: Callable[[Screen], bool], seconds: float = 60.0) -> Screen:
    """Its screen, once it is good and every cell can be read.

    The screen follows the serial port a little later, and a picture may be taken in the middle of a drawing, which on
    a busy machine can rest for a while. ``good`` therefore asks for what is drawn last.
    """
    end = time.monotonic() + pace.limit(seconds)
    while not (good(screen := guest.screen()) and screen.unknown == 0):
        assert time.monotonic() < end, (screen.unknown, screen.lines)
        time.sleep(0.1)
    return screen


def wait_until_asleep(guest: Guest) -> None:
    """Until the machine's own deadline, which grows with the accelerator's slowness."""
    assert guest.machine.deadline is not None
    while "HLT=1" not in registers(guest):
        assert time.monotonic() < guest.machine.deadline, "the processor never sleeps"


def uefi(arch: Arch = DEFAULT) -> Firmware | None:
    """OVMF or AAVMF, for `firmware`. `make test` installs them: without one this fails."""
    return find_firmware("uefi", arch=arch)


def grub_disc(folder: Path, kernel: Path, command: str, words: str, mode: str = "", *, then: str = "") -> Path:
    """A disc on which GRUB boots ``kernel`` by ``command`` (multiboot, multiboot2), under BIOS and UEFI.

    ``mode``: of the screen, as GRUB names them. What the kernel's header asks for comes first unless it is set behind.
    ``then``: further commands of GRUB's, after the kernel was read.
    """
    need("grub-mkrescue", "xorriso", "mformat")
    for platform in ("i386-pc", "x86_64-efi"):
        if not Path("/usr/lib/grub", platform).is_dir():
            pytest.fail(f"GRUB has no {platform}: run the tests with make test, which installs it")
    grub = folder / "disc" / "boot" / "grub"
    grub.mkdir(parents=True)
    (folder / "disc" / "kernel.elf").write_bytes(kernel.read_bytes())
    screen = f"insmod all_video\n  set gfxpayload={mode}\n" if mode else ""
    entry = f"  {command} /kernel.elf {words}\n  {screen}{then}  boot\n"
    (grub / "grub.cfg").write_text(f"set timeout=0\nmenuentry kgpt {{\n{entry}}}\n")
    disc = folder / "kgpt.iso"
    subprocess.run(["grub-mkrescue", "-o", disc, folder / "disc"], check=True, capture_output=True)
    return disc


@pytest.fixture(scope="session")
def kernel() -> Path:
    """The default model's image."""
    need("qemu-system-x86_64")
    return build_cached()


@pytest.fixture(scope="session")
def training_kernel() -> Path:
    """The default model's image that can also train."""
    need("qemu-system-x86_64")
    return build_cached(corpus=BROUGHT)


@pytest.fixture(scope="session")
def kernel_without_model() -> Path:
    """An image for language models that come as boot modules."""
    need("qemu-system-x86_64")
    return build_cached(NO_MODEL)


@pytest.fixture
def boot(kernel: Path, kgpt_machine: Boot) -> Boot:
    """``boot(cmdline, **settings)``: the default image under TCG."""

    def start(cmdline: str = "", image: Path = kernel, timeout: float | None = SECONDS, **settings: object) -> Guest:
        limit = pace.limit(timeout) if timeout is not None else None
        return kgpt_machine(image, cmdline=cmdline, timeout=limit, **{"accel": "tcg", **settings})

    return start


@pytest.fixture
def boot_by_uefi(boot: Boot) -> Iterator[Boot]:
    """``boot_by_uefi(cmdline, image, firmware=…, **settings)``: the kgpt.efi beside a kernel, from a drive."""
    with ExitStack() as stack:

        def start(cmdline: str, image: Path, **settings: Any) -> Guest:
            asked = RunSettings(image, cmdline=cmdline, **{"arch": arch_of_kernel(image), **settings})
            made = stack.enter_context(bootable(asked))
            return boot(cmdline, image=image, **{**settings, "efi_folder": made.efi_folder, "memory": made.memory})

        yield start


@pytest.fixture
def boot_code(boot: Boot, tmp_path: Path) -> Boot:
    """``boot_code(code, **settings)``: a kernel of a few i386 instructions (kgpt_build.arch.x86_64_probe)."""

    def start(code: bytes, **settings: object) -> Guest:
        image = tmp_path / "code.bin"
        image.write_bytes(multiboot_image(code))
        return boot(image=image, **settings)

    return start


@pytest.fixture
def kgpt(tmp_path: Path) -> Kgpt:
    """``kgpt(*words)``: the command as a process without a terminal, in an empty directory."""

    def run(
        *words: str | Path, env: Mapping[str, str] | None = None, cwd: Path = tmp_path
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kgpt_build", *map(str, words)],
            cwd=cwd,
            env={**ENVIRONMENT, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",  # a path may be anything
            timeout=pace.limit(120),
            check=False,
        )

    return run
