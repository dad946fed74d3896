"""The system's gcc and the linker of GNU binutils."""

import re

from kgpt_build.toolchain.program import Program


class Gcc(Program):
    """gcc; where this name runs clang, it is refused."""

    name = "gcc"
    purpose = "the compiler of --toolchain gcc"
    identity = re.compile(r"\Agcc[^\n]*?(\d+(?:\.\d+)+)[^\n]*\n.*Free Software Foundation", re.DOTALL)
    minimum = (12,)
    install = "apt-get install gcc"


class GnuLd(Program):
    """ld of GNU binutils; another linker of this name is refused."""

    name = "ld"
    purpose = "the linker of --toolchain gcc"
    identity = re.compile(r"GNU ld [^\n]*?(\d+(?:\.\d+)+)")
    minimum = (2, 38)
    install = "apt-get install binutils"
