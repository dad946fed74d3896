"""GNU make, which decides by dependency files what to compile."""

import re

from kgpt_build.toolchain.program import Program


class Make(Program):
    """GNU make."""

    name = "make"
    purpose = "it decides what to compile"
    identity = re.compile(r"GNU Make (\d+(?:\.\d+)*)")
    minimum = (4, 0)
    install = "apt-get install make"
