"""``python -m benchmarks.screen``: measure the lines per second that the screen can draw, hosted and in QEMU."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.c_library import FLAGS, ZIG, PixelFormat
from benchmarks.machine import machine_line
from kgpt_build.headers import font
from kgpt_build.kernel.build import build_cached
from kgpt_build.toolchain.qemu import Qemu
from kgpt_build.vm.qemu.argv import qemu_argv
from kgpt_build.vm.qemu.channels import Channels
from kgpt_build.vm.settings import RunSettings

ROOT = Path(__file__).parents[1]
SOURCES = (
    "benchmarks/screen_driver.c",
    *(f"kernel_c/console/{name}.c" for name in ("font", "pixels", "terminal")),
    *(f"kernel_c/core/{name}.c" for name in ("arena", "arena_count", "format", "str", "utf8")),
    "kernel_c/core/x86/memory.c",
)
SIZES = ((1024, 768, 32), (1920, 1080, 32), (1920, 1080, 24), (3840, 2160, 32))
LINE = b"the quick brown fox jumps over the lazy dog, and then does it again for as long as anybody looks at it\n"
SECONDS = 2.0
LINES = 20_000
MODES = ("text", "1024x768x32", "1920x1080x32")


class _Result(ctypes.Structure):
    """struct result of screen_driver.c."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("lines", "drawings", "drawing_ticks")]


def main() -> None:
    """Print both tables."""
    print(f"on {machine_line()}")
    with tempfile.TemporaryDirectory(prefix="kgpt-screen-") as folder:
        _hosted(Path(folder))
        _in_qemu(Path(folder))


def _hosted(folder: Path) -> None:
    (folder / font.NAME).write_text(font.text("benchmark"), encoding="ascii")
    library_file = folder / "screen.so"
    words = [*ZIG, *FLAGS, f"-I{folder}", "-Ikernel_c/include", "-shared", *SOURCES, "-o", str(library_file)]
    subprocess.run(words, cwd=ROOT, check=True)
    library = ctypes.CDLL(str(library_file))
    library.driver_flood.restype, library.driver_ticks.restype = _Result, ctypes.c_uint64
    before, start = library.driver_ticks(), time.monotonic()
    time.sleep(0.2)
    hz = int((library.driver_ticks() - before) / (time.monotonic() - start))
    print(f"{'a flood of lines, drawn in ordinary memory':46s} lines/s   ms a drawing")
    for width, height, bpp in SIZES:
        pitch = width * bpp // 8
        memory, cells = np.zeros(pitch * height, np.uint8), np.zeros(width * height // 64, np.uint32)
        numbers = PixelFormat(pitch, width, height, bpp, 16, 8, 8, 8, 0, 8)
        places = (ctypes.c_void_p(array.ctypes.data) for array in (memory, cells))
        ticks = ctypes.c_uint64(int(SECONDS * hz))
        found = library.driver_flood(
            ctypes.byref(numbers), *places, LINE, ctypes.c_size_t(len(LINE)), ticks, ctypes.c_uint64(hz)
        )
        drawing = found.drawing_ticks / found.drawings / hz
        print(f"  {f'{width}x{height}x{bpp}':42s} {found.lines / SECONDS:9,.0f} {drawing * 1000:14.2f}")


def _in_qemu(folder: Path) -> None:
    """Measure the CPU time of QEMU, minus that of a boot with one line. The machine has no serial port."""
    kernel = build_cached()
    print(f"{'names of one letter in QEMU (TCG), BIOS, GRUB':46s} lines/s   s of processor for {LINES:,}")
    for mode in ("no screen", *MODES):
        one, many = (_boot(folder, kernel, mode, lines) for lines in (1, LINES))
        print(f"  {mode:42s} {LINES / (many - one):9,.0f} {many - one:14.2f}")


def _boot(folder: Path, kernel: Path, mode: str, lines: int) -> float:
    grub = folder / "disc" / "boot" / "grub"
    grub.mkdir(parents=True, exist_ok=True)
    (folder / "disc" / "kernel.elf").write_bytes(kernel.read_bytes())
    wish = "text" if mode == "no screen" else mode
    entry = f"multiboot2 /kernel.elf samples={lines} max_tokens=1 exit\n set gfxpayload={wish}\n boot\n"
    (grub / "grub.cfg").write_text(f"set timeout=0\ninsmod all_video\nmenuentry kgpt {{\n {entry}}}\n")
    disc = folder / "screen.iso"
    subprocess.run(["grub-mkrescue", "-o", disc, folder / "disc"], check=True, capture_output=True)
    card = "" if mode == "no screen" else "VGA"
    settings = RunSettings(disc, medium="cdrom", accel="tcg", machine="pc", memory=256, serial=False, card=card)
    channels = Channels(serial="null", events="file,path=/dev/null", qmp=None)
    argv = qemu_argv(settings, channels, qemu=str(Qemu().find()))
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
