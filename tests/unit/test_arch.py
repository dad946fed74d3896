"""Only kgpt_build/arch knows a processor architecture by name; the rest asks a row, whichever it is."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from elves import Elf
from refusals import refused
from toy import toy_model

from kgpt_build.arch import ALL, DEFAULT, GrubPlatform, QemuTarget, Uefi, of_elf_machine
from kgpt_build.errors import KgptError, ToolMissing, UsageError
from kgpt_build.kernel.elf import parse_elf
from kgpt_build.kernel.loaders import supported
from kgpt_build.kernel.settings import BuildSettings
from kgpt_build.toolchain import GrubModules, Qemu
from kgpt_build.vm.firmware import Firmware, find_firmware
from kgpt_build.vm.qemu.argv import qemu_argv
from kgpt_build.vm.qemu.channels import STANDALONE
from kgpt_build.vm.settings import RunSettings

PACKAGE = Path(__file__).parents[2] / "kgpt_build"
NAMES = re.compile(r"x86.64|amd64|qemu-system-(?!gui)[a-z]+|OVMF|BOOTX64\.EFI|i386-pc|EM_X86|kvm_intel", re.IGNORECASE)
GENERATED = PACKAGE / "events" / "kinds.py"
"""From the kernel's table of events, which names platforms."""

OTHER = dataclasses.replace(
    DEFAULT,
    name="other",
    qemu=QemuTarget(
        program="qemu-system-other",
        install="apt-get install qemu-system-other",
        machines=("tiny", "board"),
        small_machine="tiny",
        full_machine="board",
        machine_options={"board": "its=on"},
        drives={"usb": ("other-usb,drive=image",)},
        events_device="other-events",
        exit_device="other-exit",
        keyboard="",
        no_keyboard="",
        keyboard_status=None,
        text_font=None,
        card="other-card",
        card_by_itself=False,
    ),
    uefi=Uefi("OTHERFW", "/EFI/BOOT/BOOTOTHER.EFI", 0xAA64, (("usr/share/other.fd", ""),), "get OTHERFW", (1,), (2,)),
    grub=(GrubPlatform("other-efi", "UEFI", "grub-efi-other-bin", ()),),
)


def test_no_other_module_names_an_architecture() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.parent.name != "arch" and path != GENERATED
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if NAMES.search(line)
    ]
    assert found == []


def test_rows_are_told_apart() -> None:
    for column in ("name", "title", "elf_machine"):
        assert len({getattr(row, column) for row in ALL}) == len(ALL)
    assert [of_elf_machine(row.elf_machine) for row in ALL] == list(ALL)
    assert of_elf_machine(0xFFFF) is None


def test_a_kernel_knows_its_architecture() -> None:
    data = Elf(toy_model()).build()
    image = parse_elf(Path("k.elf"), data)
    assert image.arch is DEFAULT
    assert sorted(supported(image)) == sorted(DEFAULT.loaders)
    with refused(KgptError, "ELF 243 x86-64 aarch64"):
        parse_elf(Path("k.elf"), data[:18] + (243).to_bytes(2, "little") + data[20:])


def test_builds_of_two_architectures_are_two() -> None:
    assert BuildSettings(arch=OTHER).variant != BuildSettings().variant


def argv(medium: str = "kernel", display: bool = False) -> str:
    settings = RunSettings(Path("k"), accel="tcg", medium=medium, display=display, arch=OTHER)
    return " ".join(qemu_argv(settings, STANDALONE))


def test_qemu_of_another_architecture() -> None:
    assert argv().startswith("qemu-system-other ")
    assert "-machine tiny -accel" in argv()
    assert "-device other-events,chardev=events -device other-exit" in argv()
    assert "-machine board,its=on" in argv(display=True)
    assert "-device other-usb,drive=image" in argv("usb")
    # It has no keyboard of its own, so one on USB comes with the screen.
    assert re.search(r"-device other-card .*-device qemu-xhci,id=keys -device usb-kbd", argv(display=True))
    assert not re.search(r"other-card|xhci", argv() + argv("usb"))
    for line in (argv(), argv(display=True), argv("usb")):
        assert not re.search(r"isa-|microvm|x86", line)
    assert (Qemu(OTHER).name, Qemu(OTHER).install) == (OTHER.qemu.program, OTHER.qemu.install)


@pytest.mark.parametrize("changes", [{"machine": "q35"}, {"machine": "tiny", "medium": "usb"}])
def test_machines_of_another_architecture(changes: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        RunSettings(Path("k"), arch=OTHER, **changes)  # type: ignore[arg-type]
    assert "microvm" not in f"{caught.value.message} {caught.value.hint}"


def test_firmware_of_another_architecture(tmp_path: Path) -> None:
    with refused(ToolMissing, "OTHERFW"):
        find_firmware("uefi", tmp_path, OTHER)
    file = tmp_path / OTHER.uefi.places[0][0]
    file.parent.mkdir(parents=True)
    file.write_bytes(b"")
    assert find_firmware("uefi", tmp_path, OTHER) == Firmware(file, None, True)
    assert GrubModules(OTHER.grub[0]).install.endswith(" grub-efi-other-bin")
