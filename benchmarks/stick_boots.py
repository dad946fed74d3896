"""``python -m benchmarks.stick_boots MODEL``: from QEMU's start to the chat, by kgpt.efi and by GRUB.

Both images hold the same model, lie on an emulated USB stick, and start by OVMF on q35 under TCG, in turn. kgpt.efi is
in the image of ``kgpt image usb``; GRUB's path under UEFI is that of ``kgpt image iso``. The start screen is looked
for in pictures of the display, which takes a tenth of a second each: it was there at the latest at the time printed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.headers.font import readable
from kgpt_build.toolchain.qemu import Qemu
from kgpt_build.vm.firmware import find_firmware
from kgpt_build.vm.qemu.machine import Machine
from kgpt_build.vm.settings import RunSettings

KINDS = {"kgpt.efi": "usb", "GRUB": "iso"}
MARKS = ("kernel", "start screen", "chat")
_KERNEL, _SCREEN, _CHAT = "kgpt .*: booted by", "Type a message and Enter", "Ctrl-D leaves"
_SECONDS = 300.0


def main() -> None:
    """Make both images, boot them in turn, print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stick_boots", description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images = {name: _image(Path(folder), kind, arguments.model) for name, kind in KINDS.items()}
        found: dict[str, list[dict[str, float]]] = {name: [] for name in KINDS}
        for _ in range(arguments.runs):
            for name, image in images.items():
                found[name].append(boot(image))
    print(f"seconds from QEMU's start, median of {arguments.runs}:" + "".join(f"{mark:>14s}" for mark in MARKS))
    for name, boots in found.items():
        figures = "".join(f"{statistics.median(one[mark] for one in boots):14.1f}" for mark in MARKS)
        print(f"  {name:37s}{figures}")
        late = statistics.median(one["start screen"] - one["kernel"] for one in boots)
        print(f"    the kernel's first line to the start screen: at most {late:.2f} s")


def _image(folder: Path, kind: str, model: str) -> Path:
    image = folder / f"k.{kind}"
    words = ["image", kind, model, "-o", str(image), "--timeout", "0", "--cmdline", "ctx=512"]
    subprocess.run([sys.executable, "-m", "kgpt_build", *words], check=True)
    return image


def boot(image: Path) -> dict[str, float]:
    """Seconds from QEMU's start to each of MARKS. Raises KgptError if one does not come."""
    settings = RunSettings(
        image, accel="tcg", machine="q35", memory=1024, medium="usb", firmware=find_firmware("uefi"), timeout=_SECONDS
    )
    start = time.monotonic()
    with Machine(settings, qemu=str(Qemu().find())) as machine:
        machine.console.expect(_KERNEL, _SECONDS)
        found = {"kernel": time.monotonic() - start}
        _see(machine, _SCREEN)
        found["start screen"] = time.monotonic() - start
        machine.console.expect(_CHAT, _SECONDS)
        found["chat"] = time.monotonic() - start
        machine.quit()
    return found


def _see(machine: Machine, text: str) -> None:
    """Return when ``text`` is on the screen."""
    end = time.monotonic() + _SECONDS
    while text not in machine.screen(readable()).text:
        if time.monotonic() > end:
            raise KgptError(f"the screen did not show {text!r}", machine.screen(readable()).text)


if __name__ == "__main__":
    main()
