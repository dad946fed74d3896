"""Secure Boot in OVMF and AAVMF: with a key of one's own enrolled, they start what that key signed, nothing else."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pace
import pytest

from kgpt_build.arch import ALL, DEFAULT, Arch
from kgpt_build.cli import invoke
from kgpt_build.errors import ToolMissing
from kgpt_build.kernel.build import build_cached
from kgpt_build.signing import keys
from kgpt_build.signing.keys import read_certificate
from kgpt_build.signing.sign import find_signer, signed
from kgpt_build.vm.firmware import Firmware, find_secure_firmware
from kgpt_build.vm.qemu.argv import qemu_argv
from kgpt_build.vm.qemu.channels import Channels
from kgpt_build.vm.settings import RunSettings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(shutil.which, ("openssl", "sbsign", DEFAULT.qemu.program))),
        reason="openssl, sbsign or QEMU is not installed",
    ),
]

_SECONDS = 240.0


def _firmware(files: keys.KeyFiles, arch: Arch) -> Firmware:
    if not shutil.which(arch.qemu.program):
        pytest.skip(f"{arch.qemu.program} is not installed")
    try:
        return find_secure_firmware(read_certificate(files.certificate), arch=arch)
    except ToolMissing as error:
        pytest.skip(error.message)


def _said(arch: Arch, program: bytes, firmware: Firmware, folder: Path, until: str) -> str:
    """The serial port's text of a machine that boots ``program`` from a FAT disk, up to ``until``."""
    target = folder / "disk" / arch.uefi.program.lstrip("/")
    target.parent.mkdir(parents=True)
    target.write_bytes(program)
    image = Path(f"fat:{folder / 'disk'}")
    settings = RunSettings(image, medium="disk", arch=arch, firmware=firmware, accel="tcg", memory=512, card="")
    return _serial(settings, folder, until)


def _serial(settings: RunSettings, folder: Path, until: str) -> str:
    """The serial port's text of a machine, up to ``until``."""
    out = folder / "serial"
    words = qemu_argv(settings, Channels(f"file,path={out}", "null", ""))
    machine = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + pace.limit(_SECONDS)
        while time.monotonic() < deadline and machine.poll() is None:
            if out.is_file() and until in out.read_text(errors="replace"):
                break
            time.sleep(0.2)
    finally:
        machine.kill()
        machine.wait()
    return out.read_text(errors="replace")


@pytest.mark.parametrize("arch", ALL, ids=lambda arch: arch.name)
def test_only_what_the_own_key_signed_starts(arch: Arch) -> None:
    program = (build_cached(drivers=True, with_efi=True, arch=arch).parent / "kgpt.efi").read_bytes()
    with tempfile.TemporaryDirectory(prefix="kgpt-secure.") as name:  # QEMU's fat: takes no long paths
        folder = Path(name)
        own, other = keys.make(folder / "own", "own"), keys.make(folder / "other", "other")
        firmware = _firmware(own, arch)
        own_signed = signed(program, find_signer(own.key, own.certificate), "kgpt.efi")
        started = _said(arch, own_signed, firmware, folder / "1", "20 samples,")
        assert "booted by uefi" in started
        assert "20 samples," in started
        for number, refused in (("2", program), ("3", signed(program, find_signer(other.key, other.certificate), "x"))):
            text = _said(arch, refused, firmware, folder / number, "Access Denied")
            assert "Access Denied" in text
            assert "booted by" not in text


@pytest.mark.skipif(not shutil.which("mtools"), reason="mtools is not installed")
@pytest.mark.parametrize("arch", ALL, ids=lambda arch: arch.name)
def test_a_signed_stick_starts_a_kernel_of_its_menu(tmp_path: Path, arch: Arch) -> None:
    own, image = keys.make(tmp_path / "own", "own"), tmp_path / "kgpt.img"
    firmware = _firmware(own, arch)
    pair = ("--sign", str(own.key), str(own.certificate))
    if (
        code := invoke(["image", "usb", "default", "--arch", arch.name, *pair, "--timeout", "1", "-o", str(image)])
    ) == ToolMissing.exit_code:
        pytest.skip("GRUB is not installed")
    assert code == 0
    settings = RunSettings(image, medium="usb", arch=arch, firmware=firmware, accel="tcg", memory=512, card="")
    text = _serial(settings, tmp_path, "20 samples,")
    assert "booted by uefi" in text
    assert "20 samples," in text
