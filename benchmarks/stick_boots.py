"""``python -m benchmarks.stick_boots MODEL``: from QEMU's start to the chat, by kgpt.efi and by GRUB.

Both images hold the same model, lie on an emulated USB stick, and start by OVMF on q35 under TCG, in turn. kgpt.efi is
in the image of ``kgpt image usb``; GRUB's path under UEFI is that of ``kgpt image iso``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kgpt_build.toolchain.qemu import Qemu

KINDS = {"kgpt.efi": "usb", "GRUB": "iso"}
MARKS = {"kernel": b": booted by", "chat": b"Ctrl-D leaves"}
_SECONDS = 300.0
_FIRMWARE = Path("/usr/share/ovmf/OVMF.fd")


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
    print(f"seconds from QEMU's start, median of {arguments.runs}:   kernel   chat")
    for name, boots in found.items():
        print(f"  {name:10s}" + "".join(f"{statistics.median(one[mark] for one in boots):9.1f}" for mark in MARKS))


def _image(folder: Path, kind: str, model: str) -> Path:
    image = folder / f"k.{kind}"
    words = ["image", kind, model, "-o", str(image), "--timeout", "0", "--cmdline", "ctx=512"]
    subprocess.run([sys.executable, "-m", "kgpt_build", *words], check=True)
    return image


def boot(image: Path) -> dict[str, float]:
    """Seconds until each of MARKS is on the serial port. Raises RuntimeError if one does not come."""
    argv = [
        *(str(Qemu().find()), "-machine", "q35", "-m", "1024", "-cpu", "max", "-accel", "tcg", "-display", "none"),
        *("-bios", str(_FIRMWARE), "-net", "none", "-serial", "stdio", "-monitor", "none"),
        *("-drive", f"if=none,id=s,format=raw,snapshot=on,file={image}"),
        *("-device", "qemu-xhci", "-device", "usb-storage,drive=s"),
    ]
    start, seen, found = time.monotonic(), b"", dict[str, float]()
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while len(found) < len(MARKS) and time.monotonic() - start < _SECONDS:
            if not (chunk := os.read(process.stdout.fileno(), 65536)):
                break
            seen += chunk
            for mark, text in MARKS.items():
                begin = 0 if mark == "kernel" else max(seen.find(MARKS["kernel"]), 0)
                if mark not in found and ("kernel" in found or mark == "kernel") and seen.find(text, begin) >= 0:
                    found[mark] = time.monotonic() - start
        process.kill()
    if len(found) < len(MARKS):
        raise RuntimeError(f"{image.name}: it did not reach the chat: {seen[-300:]!r}")
    return found


if __name__ == "__main__":
    main()
