"""GRUB on a disc, under SeaBIOS and under UEFI, by multiboot 1 and by multiboot 2."""

from __future__ import annotations

from pathlib import Path

import pace
import pytest
from boots import Boot, Kgpt, grub_disc, texts, uefi

from kgpt_build.events import Sample
from kgpt_build.pytest_plugin import Guest

WORDS = "samples=3 seed=7 cpus=2 exit"
PROTOCOLS = {"multiboot1": "multiboot", "multiboot2": "multiboot2"}
NAMES = {"multiboot1": "tftp://10.0.2.2/kernel.elf?a=b ", "multiboot2": ""}
"""What PXELINUX and iPXE put before the words, and GRUB Legacy's users by habit: only multiboot 1 asks for it."""


@pytest.fixture(scope="module", params=PROTOCOLS)
def disc(request: pytest.FixtureRequest, kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The loader's name and a disc that boots the default kernel by it, under BIOS and UEFI."""
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, grub_disc(folder, kernel, PROTOCOLS[request.param], NAMES[request.param] + WORDS)


def check(boot: Boot, disc: tuple[str, Path], *, cpus: int = 2, **settings: object) -> Guest:
    loader, image = disc
    expected = boot(WORDS)
    assert expected.wait().ok
    guest = boot(image=image, medium="cdrom", memory=256, cpus=2, **settings)
    end = guest.wait()
    assert end.ok, end
    guest.expect_event("boot", loader=loader)
    guest.expect_event("cpus", found=cpus, started=cpus)
    assert texts(guest) == texts(expected)
    assert len(texts(guest)) == 3
    return guest


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_bios(boot: Boot, disc: tuple[str, Path], machine: str) -> None:
    check(boot, disc, machine=machine)


def test_uefi(boot: Boot, disc: tuple[str, Path]) -> None:
    # Multiboot 1 cannot pass on where the ACPI tables are, nor GRUB's the framebuffer, and UEFI leaves neither where a
    # BIOS does.
    guest = check(boot, disc, cpus=2 if disc[0] == "multiboot2" else 1, machine="q35", firmware=uefi())
    # This menu loads no driver of GRUB's for the screen.
    assert "kgpt: no screen: the loader gave no framebuffer; in GRUB: insmod all_video, multiboot2; " in guest.console


@pytest.mark.parametrize(("medium", "firmware"), [("usb", "bios"), ("disk", "bios"), ("usb", "uefi")])
def test_kgpt_run_boots_it_as_a_stick_and_as_a_disk(
    kgpt: Kgpt, disc: tuple[str, Path], medium: str, firmware: str
) -> None:
    before = disc[1].read_bytes()
    words = ("--medium", medium, "--firmware", firmware, "--accel", "tcg", "--timeout", pace.limit(100))
    done = kgpt("run", disc[1], *words)
    assert done.returncode == 0, done.stderr
    assert "sample  3: " in done.stdout
    assert disc[1].read_bytes() == before


def test_what_a_disc_cannot_be(kgpt: Kgpt, disc: tuple[str, Path], kernel: Path) -> None:
    for words, message in (
        ((disc[1], "--samples", 3), "brings its own command line: it cannot be told samples=3"),
        ((disc[1], "--medium", "kernel"), "leave out --medium kernel"),
        ((disc[1], "--machine", "microvm"), "microvm boots kernels only"),
        ((kernel, "--medium", "usb"), "leave out --medium, or"),
        ((kernel, "--firmware", "uefi"), "UEFI does not start"),
        ((kernel, "--firmware", "/no/such.fd"), "there is no firmware /no/such.fd"),
    ):
        done = kgpt("run", *words, "--accel", "tcg")
        assert done.returncode == 2, done.stderr
        assert message in done.stderr


def test_kgpt_run_boots_a_disc(kgpt: Kgpt, disc: tuple[str, Path]) -> None:
    done = kgpt("run", disc[1], "--accel", "tcg", "--timeout", 60)
    assert done.returncode == 0, done.stderr
    assert "sample  3: " in done.stdout
    assert Sample.event not in done.stdout.splitlines()[0]
