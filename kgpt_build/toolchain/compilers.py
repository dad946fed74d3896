"""Toolchains, a compiler with its linker each: the values of `--toolchain`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kgpt_build.arch import Arch, of_host
from kgpt_build.errors import UsageError
from kgpt_build.toolchain.gnu import Gcc, GnuLd
from kgpt_build.toolchain.llvm import Clang, Lld
from kgpt_build.toolchain.program import Program
from kgpt_build.toolchain.zig import Zig

DEFAULT = "zig"


@dataclass(frozen=True)
class Toolchain:
    """A compiler and a linker, with the words that select them within their programs."""

    name: str
    compiler: Program
    linker: Program
    compiler_words: tuple[str, ...] = ()
    linker_words: tuple[str, ...] = ()

    def cc(self) -> list[str]:
        """The command that compiles. Raises ToolMissing."""
        return [str(self.compiler.require()), *self.compiler_words]

    def cc_folder(self) -> Path:
        """The folder of the compiler, which may hold headers of its own (zig). Raises ToolMissing."""
        return self.compiler.require().parent

    def ld(self) -> list[str]:
        """The command that links. Raises ToolMissing."""
        return [str(self.linker.require()), *self.linker_words]

    def versions(self) -> dict[str, str]:
        """Program name -> version. Raises ToolMissing."""
        return {tool.name: tool.version() for tool in (self.compiler, self.linker)}


def _zig() -> Toolchain:
    zig = Zig()
    return Toolchain("zig", zig, zig, ("cc",), ("ld.lld",))


def _gcc(arch: Arch) -> Toolchain:
    # The GNU ld of Debian 12 (2.40) lists addresses (RELR) for x86 only.
    return Toolchain("gcc", Gcc(arch), Lld() if arch.moves_itself else GnuLd(arch))


_MAKERS: dict[str, Callable[[Arch | None], Toolchain]] = {
    "zig": lambda _: _zig(),
    "clang": lambda _: Toolchain("clang", Clang(), Lld()),
    "gcc": lambda arch: _gcc(arch or of_host()),
}
NAMES = tuple(_MAKERS)


def get(name: str, arch: Arch | None = None) -> Toolchain:
    """The toolchain ``name`` for ``arch`` (None: of_host()), without looking for its programs.

    Raises UsageError for an unknown name.
    """
    if name not in _MAKERS:
        raise UsageError(f"there is no toolchain {name!r}", f"choose one of: {', '.join(NAMES)}")
    return _MAKERS[name](arch)
