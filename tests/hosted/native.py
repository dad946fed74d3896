"""Parts of the engine as a shared object that ctypes can call: the engine's flags, but position-independent."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SELFTEST_DRIVER = ("tests/hosted/selftest_driver.c", "kernel_c/core/test.c")
"""What a library needs besides KG_TESTs for ``selftests``."""

_FLAGS = [
    *("-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-Ikernel_c/include", "-Ikernel_c"),
    *("-ffreestanding", "-fno-builtin", "-fno-strict-aliasing", "-ffp-contract=off", "-fno-math-errno"),
    *("-fPIC", "-nostdlib"),
]

_ISA_FLAGS = {
    "avx2": ["-mavx2", "-mf16c"],
    "avx512": [*("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"), "-mfma"],
    "avxvnni": ["-mavx2", "-mf16c", "-mavxvnni"],
    "clmul": ["-mpclmul", "-msse4.1"],
    "sha": ["-msha", "-mssse3", "-msse4.1"],
}
_ISA_FLAGS["avx512vnni"] = [*_ISA_FLAGS["avx512"], "-mavx512vnni"]

COMPILERS = {
    "zig": [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-musl", "-mcpu=x86_64", "-fno-sanitize=all"],
    "gcc": ["gcc", "-march=x86-64"],
    "clang": ["clang", "-march=x86-64"],
}


def shared_object(
    folder: Path, sources: Sequence[str], compiler: str = "zig", include: Path | None = None
) -> ctypes.CDLL:
    """Compile ``sources`` (paths below the repository's root), with what compilers call on their own, and load them.

    Files whose names end in ``_avx2`` may use AVX2 and F16C, and so on: _ISA_FLAGS. ``include``: generated headers.
    """
    target = folder / f"{Path(sources[0]).stem}-{compiler}.so"
    inputs = ["kernel_c/core/x86/memory.c"]
    for source in sources:
        isa = Path(source).stem.rpartition("_")[2]
        inputs.append(_isa_object(folder, source, compiler, isa) if isa in _ISA_FLAGS else source)
    # Self-tests are found by their section alone, which a linker that collects garbage does not see.
    flags = [*_FLAGS, "-shared", "-Wl,--no-gc-sections", *([f"-I{include}"] if include else [])]
    words = [*COMPILERS[compiler], *flags, *inputs, "-o", str(target)]
    subprocess.run(words, cwd=ROOT, check=True)
    return ctypes.CDLL(str(target))


def _isa_object(folder: Path, source: str, compiler: str, isa: str) -> str:
    target = folder / f"{Path(source).stem}-{compiler}.o"
    words = [*COMPILERS[compiler], *_FLAGS, *_ISA_FLAGS[isa], "-c", source, "-o", str(target)]
    subprocess.run(words, cwd=ROOT, check=True)
    return str(target)


def real_function(library: ctypes.CDLL, name: str, arguments: int = 1) -> ctypes._NamedFuncPointer:
    """A function of ``arguments`` doubles that returns one."""
    function: ctypes._NamedFuncPointer = getattr(library, name)
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_double] * arguments
    return function


def selftests(library: ctypes.CDLL) -> dict[str, str]:
    """Every KG_TEST in the library, and what failed in it ("" if it passed)."""
    name, message = ctypes.create_string_buffer(256), ctypes.create_string_buffer(256)
    library.driver_selftest.restype = ctypes.c_bool
    found: dict[str, str] = {}
    while library.driver_selftest(len(found), name, message):
        found[name.value.decode()] = message.value.decode()
    return found
