"""Parts of the engine as a shared object that ctypes can call: the engine's flags, but position-independent."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

_FLAGS = [
    *("-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-Ikernel_c/include"),
    *("-ffreestanding", "-fno-builtin", "-fno-strict-aliasing", "-ffp-contract=off", "-fno-math-errno"),
    *("-fPIC", "-nostdlib"),
]

COMPILERS = {
    "zig": [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-musl", "-mcpu=x86_64", "-fno-sanitize=all"],
    "gcc": ["gcc", "-march=x86-64"],
    "clang": ["clang", "-march=x86-64"],
}


def shared_object(folder: Path, sources: Sequence[str], compiler: str = "zig") -> ctypes.CDLL:
    """Compile ``sources`` (paths below the repository's root), with what compilers call on their own, and load them.

    Files whose names end in ``_avx2`` may use AVX2.
    """
    target = folder / f"{Path(sources[0]).stem}-{compiler}.so"
    inputs = ["kernel_c/core/memory.c"]
    for source in sources:
        inputs.append(_avx2_object(folder, source, compiler) if source.endswith("_avx2.c") else source)
    subprocess.run([*COMPILERS[compiler], *_FLAGS, "-shared", *inputs, "-o", str(target)], cwd=ROOT, check=True)
    return ctypes.CDLL(str(target))


def _avx2_object(folder: Path, source: str, compiler: str) -> str:
    target = folder / f"{Path(source).stem}-{compiler}.o"
    words = [*COMPILERS[compiler], *_FLAGS, "-mavx2", "-c", source, "-o", str(target)]
    subprocess.run(words, cwd=ROOT, check=True)
    return str(target)


def real_function(library: ctypes.CDLL, name: str, arguments: int = 1) -> ctypes._NamedFuncPointer:
    """A function of ``arguments`` doubles that returns one."""
    function: ctypes._NamedFuncPointer = getattr(library, name)
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_double] * arguments
    return function
