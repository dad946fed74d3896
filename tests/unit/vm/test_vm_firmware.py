"""What --firmware names, on systems of several kinds; what a file is to a machine that boots it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import fake_program
from refusals import refused

from kgpt_build.errors import KgptError, ToolMissing, UsageError
from kgpt_build.media import medium_of
from kgpt_build.vm.firmware import Firmware, find_firmware
from kgpt_build.vm.qemu.display import find_window


@pytest.mark.parametrize(
    ("files", "code", "variables"),
    [
        (["ovmf/OVMF.fd", "OVMF/OVMF_CODE.fd", "OVMF/OVMF_VARS.fd"], "ovmf/OVMF.fd", None),
        (["OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd"], "OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd"),
        (["edk2/ovmf/OVMF_CODE.fd", "edk2/ovmf/OVMF_VARS.fd"], "edk2/ovmf/OVMF_CODE.fd", "edk2/ovmf/OVMF_VARS.fd"),
        (["edk2/x64/OVMF_CODE.4m.fd", "edk2/x64/OVMF.4m.fd"], "edk2/x64/OVMF.4m.fd", None),
        (
            ["OVMF/OVMF_CODE_4M.fd", "qemu/edk2-x86_64-code.fd", "qemu/edk2-i386-vars.fd"],
            "qemu/edk2-x86_64-code.fd",
            "qemu/edk2-i386-vars.fd",
        ),
    ],
)
def test_uefi_is_found_where_systems_have_it(
    files: list[str], code: str, variables: str | None, tmp_path: Path
) -> None:
    share = tmp_path / "usr" / "share"
    for name in files:
        (share / name).parent.mkdir(parents=True, exist_ok=True)
        (share / name).write_bytes(b"firmware")
    expected = Firmware(share / code, share / variables if variables else None, is_uefi=True)
    assert find_firmware("uefi", tmp_path) == expected


def test_no_uefi_says_what_to_install(tmp_path: Path) -> None:
    with refused(ToolMissing, "UEFI firmware OVMF") as caught:
        find_firmware("uefi", tmp_path)
    for system in ("apt-get install ovmf", "dnf install edk2-ovmf", "pacman -S edk2-ovmf"):
        assert system in caught.value.hint


def test_bios_and_a_path(tmp_path: Path) -> None:
    assert find_firmware("bios") is None
    own = tmp_path / "own.fd"
    own.touch()
    assert find_firmware(str(own)) == Firmware(own)
    with refused(UsageError, "firmware nothing"):
        find_firmware(str(tmp_path / "nothing"))


def _sector(*entries: tuple[int, int], signature: bytes = b"\x55\xaa") -> bytes:
    table = b"".join(bytes([flag, 0, 0, 0, kind]) + bytes(11) for flag, kind in entries)
    return bytes(446) + table.ljust(64, b"\0") + signature


ISO = bytes(0x8001) + b"CD001" + bytes(4096)


@pytest.mark.parametrize(
    ("content", "medium"),
    [
        (ISO, "cdrom"),
        (_sector((0x80, 0x17)) + ISO[512:], "cdrom"),
        (_sector((0x80, 0x0C)) + bytes(4096), "usb"),
        (_sector((0, 0xEE)), "usb"),
        (_sector(), "kernel"),
        (_sector((0x80, 0x0C), signature=b"\x55\xab"), "kernel"),
        (_sector((0x7F, 0x0C)), "kernel"),
        (b"\x7fELF" + bytes(100), "kernel"),
        (b"", "kernel"),
    ],
)
def test_the_content_tells_the_medium(content: bytes, medium: str, tmp_path: Path) -> None:
    image = tmp_path / "image.anything"
    image.write_bytes(content)
    assert medium_of(image) == medium


def qemu_with(folder: Path, *kinds: str) -> str:
    lines = "\\n".join(("Available display backend types:", "none", *kinds))
    return str(fake_program(folder, "qemu", f"printf '{lines}\\n'; echo 'module ui-gtk not found' >&2"))


@pytest.mark.parametrize(("kinds", "window"), [(("sdl", "gtk"), "gtk"), (("sdl", "curses"), "sdl")])
@pytest.mark.parametrize("variable", ["DISPLAY", "WAYLAND_DISPLAY"])
def test_the_window_that_qemu_has(kinds: tuple[str, ...], window: str, variable: str, tmp_path: Path) -> None:
    assert find_window(qemu_with(tmp_path, *kinds), {variable: ":0"}) == window


def test_no_window(tmp_path: Path) -> None:
    with refused(KgptError, "display window") as caught:
        find_window(qemu_with(tmp_path, "gtk"), {"DISPLAY": ""})
    assert "kgpt screenshot" in caught.value.hint
    with refused(ToolMissing, "qemu window gtk sdl") as caught:
        find_window(qemu_with(tmp_path, "curses"), {"DISPLAY": ":0"})
    assert "apt-get install qemu-system-gui" in caught.value.hint
