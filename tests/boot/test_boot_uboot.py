"""U-Boot starts kgpt.efi in both ways that it knows: as an image of Linux (booti), and by its UEFI (bootefi).

QEMU's virt, with the U-Boot of Debian's package u-boot-qemu. A flash chip brings U-Boot its commands.
"""

from __future__ import annotations

import binascii
from pathlib import Path

import pytest
from boots import Boot, need, see, texts

from kgpt_build.arch import of_name
from kgpt_build.boot_modules import BootModule
from kgpt_build.cli import invoke
from kgpt_build.events import Boot as BootEvent
from kgpt_build.events import Panic
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import NO_MODEL
from kgpt_build.pytest_plugin import Guest
from kgpt_build.vm.firmware import Firmware
from kgpt_build.vm.linux_files import write_archive

pytestmark = pytest.mark.slow

ARCH = of_name("aarch64")
UBOOT = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")
CHAT = Path(__file__).parents[1] / "fuzz" / "shell" / "chat.gguf"
TALK = "max_tokens=12 samples=2 seed=3 mode=generate exit"
WORDS = "samples=4 seed=7 exit"

CHIP = 64 << 20
ENVIRONMENT = 0x40000
"""Bytes of the variables at the begin of the second flash chip (ENV_SIZE of qemu_arm64_defconfig)."""
KERNEL, ARCHIVE = 0x40400000, 0x44000000
"""Free memory; kernel_addr_r and ramdisk_addr_r of U-Boot's own variables."""
LOAD = f"virtio scan; load virtio 0:1 {KERNEL:#x} {ARCH.uefi.program}; "


@pytest.fixture(scope="module")
def uboot() -> Firmware:
    """U-Boot in place of a firmware."""
    need("qemu-system-aarch64")
    if not UBOOT.is_file():
        pytest.fail("the boot tests need u-boot-qemu: run them with make test-slow, which installs it")
    return Firmware(UBOOT)


@pytest.fixture(scope="module")
def efi() -> Path:
    """kgpt.efi with the default model."""
    return build_cached(drivers=True, with_efi=True, arch=ARCH).with_name("kgpt.efi")


@pytest.fixture(scope="module")
def without_model() -> Path:
    """A kernel for language models, with kgpt.efi beside it."""
    return build_cached(NO_MODEL, with_efi=True, arch=ARCH)


def chip(folder: Path, **variables: str) -> tuple[str, ...]:
    """QEMU's arguments for a flash chip with the variables of U-Boot: a CRC-32, and texts that end in NUL."""
    given = {"bootdelay": "0", "stdin": "serial", "stdout": "serial", "stderr": "serial", **variables}
    data = "".join(f"{name}={text}\0" for name, text in given.items()).encode().ljust(ENVIRONMENT - 4, b"\0")
    path = folder / "variables.flash"
    with path.open("wb") as file:
        file.write(binascii.crc32(data).to_bytes(4, "little") + data)
        file.truncate(CHIP)
    return ("-drive", f"if=pflash,unit=1,format=raw,readonly=on,file={path}")


@pytest.fixture
def drive(tmp_path: Path, efi: Path) -> Path:
    """The folder of a FAT drive with kgpt.efi where UEFI looks for it."""
    program = tmp_path / "drive" / ARCH.uefi.program.lstrip("/")
    program.parent.mkdir(parents=True)
    program.write_bytes(efi.read_bytes())
    return tmp_path / "drive"


def loader(guest: Guest) -> str:
    """Who started the kernel."""
    return next(event.loader for event in guest.events if isinstance(event, BootEvent))


@pytest.fixture
def expected(boot: Boot, efi: Path) -> list[str]:
    """The texts of a kernel that QEMU starts itself."""
    guest = boot(WORDS, image=efi.with_name("kernel.elf"), arch=ARCH)
    assert guest.wait().ok
    assert len(texts(guest)) == 4
    return texts(guest)


@pytest.mark.parametrize("machine", ["el1", "el2"])
@pytest.mark.parametrize("way", ["booti", "bootefi"])
def test_a_file_of_a_fat_disk(
    boot: Boot, uboot: Firmware, efi: Path, drive: Path, expected: list[str], tmp_path: Path, way: str, machine: str
) -> None:
    """By the commands of docs/platform.md; bootargs are the kernel's command line in both ways."""
    start = f"booti {KERNEL:#x} - ${{fdtcontroladdr}}" if way == "booti" else f"bootefi {KERNEL:#x} ${{fdtcontroladdr}}"
    variables = chip(tmp_path, bootcmd=LOAD + start, bootargs=f"{WORDS} cpus=2")
    level = ("-machine", "virtualization=on") if machine == "el2" else ()
    guest = boot(
        image=efi.with_name("kernel.elf"),
        efi_folder=drive,
        arch=ARCH,
        firmware=uboot,
        memory=512 if machine == "el1" else 5120,
        cpu="cortex-a72",
        cpus=2,
        extra=(*variables, *level),
    )
    end = guest.wait()
    assert end.ok, (end, guest.console)
    assert loader(guest) == {"booti": "linux", "bootefi": "uefi"}[way]
    assert texts(guest) == expected


def test_booti_with_boot_modules(
    boot: Boot, uboot: Firmware, without_model: Path, kernel_without_model: Path, tmp_path: Path
) -> None:
    """A language model in an archive; its line in the archive has words."""
    other = boot(TALK, image=kernel_without_model, modules=(BootModule(CHAT),), machine="pc", memory=384)
    assert other.wait().ok
    folder = tmp_path / "drive"
    folder.mkdir()
    (folder / "kgpt.img").write_bytes(without_model.with_name("kgpt.efi").read_bytes())
    write_archive((BootModule(CHAT),), folder / "modules")
    load = f"virtio scan; load virtio 0:1 {KERNEL:#x} kgpt.img; load virtio 0:1 {ARCHIVE:#x} modules; "
    start = f"booti {KERNEL:#x} {ARCHIVE:#x}:${{filesize}} ${{fdtcontroladdr}}"
    extra = chip(tmp_path, bootcmd=load + start, bootargs=TALK)
    guest = boot(image=without_model, efi_folder=folder, arch=ARCH, firmware=uboot, memory=512, extra=extra)
    end = guest.wait()
    assert end.ok, (end, guest.console)
    assert texts(guest) == texts(other)


@pytest.fixture(scope="module")
def stick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image of a stick with a language model and the default model, whose menu waits for a key."""
    need("mtools")
    out = tmp_path_factory.mktemp("stick") / "stick.img"
    words = ("--timeout", "600", "--cmdline", f"{TALK}", "--chat-template", "chatml")
    assert invoke(["image", "usb", "--arch", ARCH.name, str(CHAT), "default", *words, "-o", str(out)]) == 0
    return out


def test_the_distributions_boot_finds_a_stick(
    boot: Boot, uboot: Firmware, kernel_without_model: Path, stick: Path
) -> None:
    """U-Boot's own variables look for BOOTAA64.EFI on all disks. Its text console shows the menu, and reads keys."""
    guest = boot(image=stick, medium="disk", arch=ARCH, firmware=uboot, memory=512)
    guest.expect("safe graphics")
    guest.send("\x1b[B")  # down: the second entry, chat: generate
    guest.send("\r")
    end = guest.wait()
    assert end.ok, (end, guest.console)
    assert loader(guest) == "uefi"
    other = boot(TALK, image=kernel_without_model, modules=(BootModule(CHAT),), machine="pc", memory=384)
    assert other.wait().ok
    assert texts(guest) == texts(other)


def test_the_kernel_that_qemu_holds(
    boot: Boot, uboot: Firmware, without_model: Path, kernel_without_model: Path
) -> None:
    """U-Boot's own variables start -kernel by booti, with the archive of -initrd."""
    modules = (BootModule(CHAT),)
    guest = boot(TALK, image=without_model, modules=modules, arch=ARCH, firmware=uboot, memory=256)
    end = guest.wait()
    assert end.ok, (end, guest.console)
    assert "Starting kernel" in guest.console
    other = boot(TALK, image=kernel_without_model, modules=modules, machine="pc", memory=384)
    assert other.wait().ok
    assert texts(guest) == texts(other)


def test_a_panic_tells_its_place(boot: Boot, uboot: Firmware, efi: Path, drive: Path, tmp_path: Path) -> None:
    extra = chip(tmp_path, bootcmd=LOAD + f"booti {KERNEL:#x} - ${{fdtcontroladdr}}", bootargs="fault=ud")
    guest = boot(
        image=efi.with_name("kernel.elf"), efi_folder=drive, arch=ARCH, firmware=uboot, memory=512, extra=extra
    )
    assert guest.wait().kind == "failed"
    assert any(isinstance(event, Panic) for event in guest.events)


@pytest.mark.parametrize("way", ["booti", "bootefi"])
def test_a_screen(boot: Boot, uboot: Firmware, efi: Path, drive: Path, tmp_path: Path, way: str) -> None:
    """This U-Boot has no driver for a screen, so there is no GOP: the kernel starts QEMU's ramfb itself."""
    commands = LOAD + f"{way} {KERNEL:#x} " + ("- " if way == "booti" else "") + "${fdtcontroladdr}"
    variables = chip(tmp_path, bootcmd=commands, bootargs="samples=2 seed=7")
    guest = boot(
        image=efi.with_name("kernel.elf"),
        efi_folder=drive,
        arch=ARCH,
        card="ramfb",
        firmware=uboot,
        memory=512,
        extra=variables,
    )
    guest.expect(r"^kgpt> $")
    samples = [line for line in guest.console.splitlines() if line.startswith("sample")]
    assert len(samples) == 2
    see(guest, lambda screen: [line for line in screen.lines if line.startswith("sample")] == samples)
