"""QEMU, the machine that kernels boot in."""

import re

from kgpt_build.toolchain.program import Program


class Qemu(Program):
    """qemu-system-x86_64."""

    name = "qemu-system-x86_64"
    purpose = "it boots the kernel"
    identity = re.compile(r"QEMU emulator version (\d+(?:\.\d+)*)")
    minimum = (6, 2)
    install = "apt-get install qemu-system-x86"
