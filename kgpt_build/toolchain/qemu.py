"""QEMU, which boots kernels and images."""

import re

from kgpt_build.arch import DEFAULT, Arch
from kgpt_build.toolchain.program import Program


class Qemu(Program):
    """The program of QEMU for machines of ``arch``."""

    purpose = "it boots the kernel"
    identity = re.compile(r"QEMU emulator version (\d+(?:\.\d+)*)")
    minimum = (6, 2)

    def __init__(self, arch: Arch = DEFAULT) -> None:
        super().__init__()
        self.name = arch.qemu.program
        self.install = arch.qemu.install


class QemuUser(Program):
    """The program of QEMU that runs programs for Linux on ``arch``."""

    purpose = "it runs programs of another processor"
    identity = re.compile(r"qemu-\w+ version (\d+(?:\.\d+)*)")
    minimum = (6, 2)

    def __init__(self, arch: Arch) -> None:
        super().__init__()
        self.name = arch.user_emulator.program
        self.install = arch.user_emulator.install
