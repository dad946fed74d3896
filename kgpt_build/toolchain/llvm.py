"""The system's clang and its linker lld."""

import re

from kgpt_build.toolchain.program import Program


class Clang(Program):
    """clang."""

    name = "clang"
    purpose = "the compiler of --toolchain clang"
    identity = re.compile(r"clang version (\d+(?:\.\d+)*)")
    minimum = (14,)
    install = "apt-get install clang lld"


class Lld(Program):
    """lld under its Unix name."""

    name = "ld.lld"
    purpose = "the linker of --toolchain clang"
    identity = re.compile(r"LLD (\d+(?:\.\d+)*)")
    minimum = (14,)
    install = "apt-get install lld"
