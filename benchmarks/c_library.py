"""A part of the engine as a shared library for tests and measurements in Python: how it is compiled and carved."""

from __future__ import annotations

import ctypes
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.c_error import Error

KERNEL = Path(__file__).parents[1] / "kernel_c"
SHARED = (  # what every such library needs
    *(f"core/{name}.c" for name in ("arena", "arena_count", "error", "format", "str", "utf8")),
    *("core/x86/cpu.c", "ops/x86/isa.c"),
    *(f"math/{name}.c" for name in ("dmath", "dmath_trig", "math", "random")),
)
FLAGS = shlex.split(
    "-std=gnu11 -O2 -g -Wall -Wextra -Werror -fno-strict-aliasing -ffp-contract=off -fno-math-errno "
    "-fno-omit-frame-pointer -fno-optimize-sibling-calls -ffreestanding -fno-builtin -fno-stack-protector -fPIC"
)
ISA_FLAGS = {
    "_avx2": shlex.split("-mavx2 -mfma"),
    "_avx512": shlex.split("-mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512"),
}
ISAS = ("c", "avx2", "avx512")
ZIG = (sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-musl", "-mcpu=x86_64", "-fno-sanitize=all")


class Arena(ctypes.Structure):
    """struct kg_arena."""

    _fields_ = [
        ("base", ctypes.c_void_p),
        *((name, ctypes.c_size_t) for name in ("size", "used", "peak", "dirty")),
        ("counts", ctypes.c_bool),
    ]


class PixelFormat(ctypes.Structure):
    """struct kg_pixel_format."""

    _fields_ = [
        *((name, ctypes.c_uint32) for name in ("pitch", "width", "height")),
        *((name, ctypes.c_uint8) for name in ("bpp", "red", "red_size", "green", "green_size", "blue", "blue_size")),
    ]


class Refused(Exception):
    """A function of the library failed: its message and its hint."""


def build_library(
    folder: Path,
    name: str,
    sources: Sequence[str],
    drivers: Sequence[str] = (),
    compiler: Sequence[str] = ZIG,
    extra: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """Compile lib``name``.so into ``folder``, with the kernel's flags.

    ``sources`` are paths in kernel_c, ``drivers`` files of benchmarks; ``extra``: flags by stem of a file's name.
    """
    objects = []
    paths = [KERNEL / source for source in (*sources, *SHARED)]
    paths += [KERNEL.parent / "benchmarks" / driver for driver in ("cpu_driver.c", *drivers)]
    for path in paths:
        target = folder / f"{path.stem}.o"
        suffix = next((suffix for suffix in ISA_FLAGS if path.stem.endswith(suffix)), "")
        flags = [*FLAGS, *ISA_FLAGS.get(suffix, []), *(extra or {}).get(path.stem, [])]
        includes = (f"-I{KERNEL / 'include'}", f"-I{KERNEL}")
        subprocess.run([*compiler, *flags, *includes, "-c", str(path), "-o", str(target)], check=True)
        objects.append(str(target))
    library = folder / f"lib{name}.so"
    subprocess.run([*compiler, "-shared", "-nostdlib", "-o", str(library), *objects], check=True)
    return library


class Carved:
    """An object of the library with its memory: ``handle`` is what ``carve`` returns for an arena."""

    def __init__(self, c: ctypes.CDLL, carve: Callable[[object], int]) -> None:
        c.kg_arena_counting.restype = Arena
        counted = c.kg_arena_counting()
        carve(ctypes.byref(counted))
        self.memory = np.zeros(counted.used + 64, dtype=np.uint8)
        self.arena = Arena()
        c.kg_arena_init(
            ctypes.byref(self.arena), ctypes.c_void_p(self.memory.ctypes.data), ctypes.c_size_t(len(self.memory))
        )
        self.handle = ctypes.c_void_p(carve(ctypes.byref(self.arena)))


@contextmanager
def checked() -> Iterator[tuple[Error, list[int]]]:
    """An error for the library to fill, and a list for statuses. Raises Refused if one is not 0."""
    error, statuses = Error(), list[int]()
    yield error, statuses
    if any(statuses):
        raise Refused(f"{error.message.decode()}; {error.hint.decode()}")
