"""The external programs that kgpt runs, one class each, and the toolchains (compiler and linker) for kernels."""

from kgpt_build.toolchain.compilers import DEFAULT, NAMES, Toolchain, get
from kgpt_build.toolchain.debian import AptCache, AptGet, DpkgDeb
from kgpt_build.toolchain.grub import GrubMkimage, GrubModules, Mtools, Xorriso
from kgpt_build.toolchain.make import Make
from kgpt_build.toolchain.program import Program
from kgpt_build.toolchain.qemu import Qemu, QemuUser
from kgpt_build.toolchain.signing import OpenSsl, SbSign

__all__ = [
    "DEFAULT",
    "NAMES",
    "AptCache",
    "AptGet",
    "DpkgDeb",
    "GrubMkimage",
    "GrubModules",
    "Make",
    "Mtools",
    "OpenSsl",
    "Program",
    "Qemu",
    "QemuUser",
    "SbSign",
    "Toolchain",
    "Xorriso",
    "get",
]
