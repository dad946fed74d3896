"""GRUB, xorriso and mtools, which make images."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from kgpt_build.arch import GrubPlatform
from kgpt_build.errors import ToolMissing
from kgpt_build.toolchain.program import Program

_FOLDERS = ("/usr/lib/grub", "/usr/local/lib/grub", "/usr/lib64/grub", "/usr/share/grub2", "/usr/share/grub")


class GrubMkimage(Program):
    """grub-mkimage, which some distributions call grub2-mkimage."""

    name = "grub-mkimage"
    purpose = "it makes the boot loader of kgpt image"
    identity = re.compile(r"\(GRUB\) (\d+\.\d+\S*)")
    minimum = (2, 4)
    install = "apt-get install grub-common"

    def find(self) -> Path:
        """The program's path. Raises ToolMissing."""
        other = shutil.which("grub2-mkimage")
        return Path(other) if other and not shutil.which(self.name) else super().find()


class Xorriso(Program):
    """xorriso; since 1.5.0 the identifiers in its GPT are reproducible."""

    name = "xorriso"
    purpose = "it writes the images of kgpt image iso"
    identity = re.compile(r"xorriso (\d+(?:\.\d+)+)")
    minimum = (1, 5)
    install = "apt-get install xorriso"


class Mtools(Program):
    """mtools: one program; -c selects the command.

    Older versions stamp folders with the current time, and cannot handle files over 2 GiB.
    """

    name = "mtools"
    purpose = "it writes and reads the FAT partitions of kgpt image"
    identity = re.compile(r"\(GNU mtools\) (\d+(?:\.\d+)+)")
    minimum = (4, 0, 23)
    install = "apt-get install mtools"


class GrubModules(Program):
    """GRUB's modules for one kind of firmware: a folder, not a program."""

    def __init__(self, platform: GrubPlatform) -> None:
        super().__init__()
        self.platform = platform
        self.name = f"grub {platform.name}"
        self.purpose = f"GRUB for {platform.firmware}, for kgpt image"
        self.install = f"apt-get install {platform.package}"

    def find(self) -> Path:
        """The folder. Raises ToolMissing."""
        for folder in _FOLDERS:
            if (path := Path(folder, self.platform.name, "moddep.lst")).is_file():
                return path.parent
        raise ToolMissing(f"GRUB has no {self.platform.name} ({self.purpose})", self.install)

    def _ask(self) -> str:
        """A hash of two files that change with each version: the modules have no version of their own."""
        folder = self.find()
        try:
            parts = [(folder / name).read_bytes() for name in ("moddep.lst", "kernel.img")]
        except OSError as error:
            raise ToolMissing(f"{folder} is not whole: {error.filename} cannot be read", self.install) from error
        return hashlib.sha256(b"".join(parts)).hexdigest()[:12]
