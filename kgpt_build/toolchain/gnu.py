"""The system's gcc and the linker of GNU binutils; for another architecture than this machine's, those of its name."""

import re

from kgpt_build.arch import Arch, of_host, runs_here
from kgpt_build.toolchain.program import Program


class Gcc(Program):
    """gcc; where this name runs clang, it is refused."""

    purpose = "the compiler of --toolchain gcc"
    identity = re.compile(r"\A\S*gcc[^\n]*?(\d+(?:\.\d+)+)[^\n]*\n.*Free Software Foundation", re.DOTALL)
    minimum = (12,)

    def __init__(self, arch: Arch | None = None) -> None:
        super().__init__()
        arch = arch or of_host()
        self.name = f"{_prefix(arch)}gcc"
        self.install = arch.gnu_install if _prefix(arch) else "apt-get install gcc"


class GnuLd(Program):
    """ld of GNU binutils; another linker of this name is refused."""

    purpose = "the linker of --toolchain gcc"
    identity = re.compile(r"GNU ld [^\n]*?(\d+(?:\.\d+)+)")
    minimum = (2, 38)

    def __init__(self, arch: Arch | None = None) -> None:
        super().__init__()
        arch = arch or of_host()
        self.name = f"{_prefix(arch)}ld"
        self.install = arch.gnu_install if _prefix(arch) else "apt-get install binutils"


def _prefix(arch: Arch) -> str:
    return "" if runs_here(arch) else arch.gnu_prefix
