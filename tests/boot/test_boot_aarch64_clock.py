"""The time of day under UEFI: with a device tree from a PL031, with ACPI from the firmware's GetTime."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from boots import Boot, need, uefi

from kgpt_build.arch import of_name
from kgpt_build.boot_modules import BootModule
from kgpt_build.file_hash import sha256_of
from kgpt_build.image.contents import Wanted, load_models
from kgpt_build.image.make import ImageSettings, make
from kgpt_build.image.menu import MenuSettings
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.settings import Silent
from kgpt_build.models import NO_MODEL
from kgpt_build.training.corpus import read_corpus
from kgpt_build.vm.disks import Disk

ARCH = of_name("aarch64")
MODEL = Path(__file__).parents[1] / "fuzz" / "shell" / "chat.gguf"
CLOCK = "2031-02-03T04:05:06"


@pytest.fixture(scope="module")
def stick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stick that keeps conversations."""
    need("mtools", "qemu-system-aarch64")
    wanted = Wanted(load_models([MODEL]), read_corpus(None).embedded(), "zig", "chatml", arch=ARCH)
    out = tmp_path_factory.mktemp("stick") / "stick.img"
    return make(ImageSettings("usb", out, wanted, MenuSettings(), memory=1 << 20), Silent()).image


@pytest.mark.parametrize("tables", ["acpi=on", pytest.param("acpi=off", marks=pytest.mark.slow)])
def test_a_conversation_has_its_time(boot_by_uefi: Boot, stick: Path, tables: str) -> None:
    guest = boot_by_uefi(
        "mode=chat max_tokens=3",
        image=build_cached(NO_MODEL, with_efi=True, arch=ARCH),
        firmware=uefi(ARCH),
        modules=(BootModule(MODEL, (f"sha256={sha256_of(MODEL)}",)), BootModule(MODEL.with_suffix(".kgct"))),
        disks=(Disk(stick, "virtio", writable=True),),
        extra=("-machine", tables, "-rtc", f"base={CLOCK}"),
    )
    for line in ("ab", "/save ada", "/load", "/quit"):
        guest.expect("^> $")
        guest.send_line(line)
    assert guest.wait().ok
    assert re.search(r"^ada .* 2031-02-03 04:\d\d UTC$", guest.console, re.MULTILINE), guest.console
