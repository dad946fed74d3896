"""kgpt.efi for aarch64: firmware starts it, and so do loaders of Linux kernels, wherever they put it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from boots import Boot, Kgpt, need, see, texts, uefi

from kgpt_build.arch import of_name
from kgpt_build.boot_modules import BootModule
from kgpt_build.cli import invoke
from kgpt_build.errors import UsageError
from kgpt_build.events import Boot as BootEvent
from kgpt_build.image.inspect import arch_of_image, inspect
from kgpt_build.kernel import pe
from kgpt_build.kernel.build import build_cached

ARCH = of_name("aarch64")
WORDS = "samples=2 exit"
NAMES = ["genette", "bro"]


NVME = "nvme,drive=image,serial=image,bootindex=0"
CHAT = Path(__file__).parents[1] / "fuzz" / "shell" / "chat.gguf"
TALK = "max_tokens=12 samples=2 seed=3"


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
    """At EL2, on two processors, with more memory than 4 GiB; the firmware has a device tree and no ACPI."""
    settings = {"cpus": 2, "cpu": "cortex-a72", "memory": 5120, "extra": ("-machine", "virtualization=on,acpi=off")}
    end = boot_by_uefi("fault=ud cpus=2", image=arm_efi, firmware=uefi(ARCH), **settings).wait()
    assert end.kind == "failed", end
    headline, *frames = end.message.splitlines()
    assert headline.startswith("panic: UNDEF")
    assert any("kg_main kernel_c/app/main.c:" in frame for frame in frames)


@pytest.mark.parametrize(
    ("card", "words", "size"),
    [
        ("ramfb", "screen=safe", "800x600x32"),
        pytest.param("ramfb", "", "1024x768x32", marks=pytest.mark.slow),
        pytest.param("virtio-gpu-pci", "", "", marks=pytest.mark.slow),
    ],
)
def test_the_screen_is_that_of_gop(boot_by_uefi: Boot, arm_efi: Path, card: str, words: str, size: str) -> None:
    """The kernel's own ramfb has 1024x768 always: 800x600 is a mode that the loader set. A virtio-gpu has no
    framebuffer (PixelBltOnly), and then there is no screen."""
    guest = boot_by_uefi(f"samples=2 {words}", image=arm_efi, firmware=uefi(ARCH), card=card)
    guest.expect(r"^kgpt> $")
    assert [event.display for event in guest.events if isinstance(event, BootEvent)] == [size]
    if not size:
        assert "no screen: the loader gave no framebuffer" in guest.console
        return
    shown = see(guest, lambda screen: screen.text.rstrip().endswith("kgpt>"))
    assert [line.split()[-1] for line in shown.lines if line.startswith("sample")] == NAMES
    assert "booted by uefi" in shown.text
    assert shown.status.lstrip().startswith("default | ")


@pytest.mark.slow
def test_a_picture_of_the_firmwares_screen(kgpt: Kgpt, arm_efi: Path, tmp_path: Path) -> None:
    done = kgpt(
        *("screenshot", arm_efi, "--firmware", "uefi", "--accel", "tcg", "--cmdline", "samples=2 screen=safe"),
        *("--text", "-o", tmp_path / "screen.png"),
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("sample")] == NAMES
    size = (tmp_path / "screen.png").read_bytes()[16:24]
    assert (int.from_bytes(size[:4]), int.from_bytes(size[4:])) == (800, 600)


@pytest.fixture(scope="module")
def stick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image of a stick with a language model, which its menu starts at once."""
    need("mtools", "qemu-system-aarch64")
    out = tmp_path_factory.mktemp("stick") / "stick.img"
    words = ("--timeout", "0", "--default", "chat-generate", "--cmdline", f"{TALK} exit", "--chat-template", "chatml")
    assert invoke(["image", "usb", "--arch", ARCH.name, str(CHAT), *words, "-o", str(out)]) == 0
    return out


def test_a_stick_has_nothing_for_a_bios(stick: Path) -> None:
    found = inspect(stick)
    assert found.problems == ()
    assert [(boot.firmware, boot.what) for boot in found.boots] == [("UEFI", "/EFI/BOOT/BOOTAA64.EFI")]
    assert arch_of_image(stick) is ARCH
    assert not [path for path in found.files if "grub" in path]
    assert not any(stick.read_bytes()[:440])
    assert {tuple(entry["firmware"]) for entry in found.manifest["entries"]} == {("UEFI",)}


@pytest.mark.parametrize(
    "drive",
    [
        ARCH.qemu.drives["usb"],
        pytest.param(ARCH.qemu.drives["disk"], marks=pytest.mark.slow),
        pytest.param((NVME,), marks=pytest.mark.slow),
    ],
    ids=["usb", "virtio", "nvme"],
)
def test_a_stick_boots(boot: Boot, kernel_without_model: Path, stick: Path, drive: tuple[str, ...]) -> None:
    """The model comes from a file of the stick, with the words of x86-64."""
    arch = dataclasses.replace(ARCH, qemu=dataclasses.replace(ARCH.qemu, drives={"usb": drive}))
    guest = boot(image=stick, medium="usb", arch=arch, firmware=uefi(ARCH), memory=512)
    end = guest.wait()
    assert end.ok, end
    assert [event.loader for event in guest.events if isinstance(event, BootEvent)] == ["uefi"]
    modules = (BootModule(CHAT),)
    other = boot(f"mode=generate {TALK} exit", image=kernel_without_model, modules=modules, machine="pc", memory=384)
    assert other.wait().ok
    assert texts(guest) == texts(other)
    assert len(texts(guest)) == 2


def test_a_stick_chooses_its_machine(kgpt: Kgpt, stick: Path) -> None:
    """Nobody has to say that it is for aarch64, and boots by UEFI."""
    done = kgpt("run", stick, "--dry-run", "--accel", "tcg")
    assert done.returncode == 0, done.stderr
    assert "qemu-system-aarch64" in done.stdout
    assert "AAVMF" in done.stdout
    done = kgpt("run", stick, "--dry-run", "--arch", "x86_64")
    assert done.returncode == UsageError.exit_code
    assert "is for aarch64, not for x86-64" in done.stderr


def test_discs_are_for_pcs(kgpt: Kgpt, tmp_path: Path) -> None:
    done = kgpt("image", "iso", "--arch", ARCH.name, "-o", tmp_path / "kgpt.iso")
    assert done.returncode == UsageError.exit_code
    assert "kgpt image usb" in done.stderr
