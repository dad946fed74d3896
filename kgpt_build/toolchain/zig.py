"""Zig's C compiler and linker from the PyPI package ``ziglang``: the default, of the same version on every host."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from kgpt_build.errors import ToolMissing
from kgpt_build.toolchain.program import Program


class Zig(Program):
    """The zig of the package ``ziglang``. A zig in PATH is never used: a kernel's bytes depend on the version."""

    name = "zig"
    purpose = "the default compiler and linker"
    pinned = "0.17.0"
    identity = re.compile(r"^(\d+\.\d+\.\d+\S*)$", re.MULTILINE)
    install = f"pip install ziglang=={pinned}"
    version_arguments = ("version",)

    def find(self) -> Path:
        """The binary inside the installed package. Raises ToolMissing."""
        spec = importlib.util.find_spec("ziglang")
        if spec is None or spec.origin is None:
            raise ToolMissing("the Python package ziglang is not installed (the default compiler)", self.install)
        path = Path(spec.origin).parent / "zig"
        if not path.is_file():
            raise ToolMissing(
                f"the Python package ziglang is broken: {path} is not there", f"{self.install} --force-reinstall"
            )
        return path

    def check(self, path: Path, version: str) -> None:
        """Raise ToolMissing unless it is the pinned version."""
        if version != self.pinned:
            raise ToolMissing(f"{path} is version {version}: kernels are built by {self.pinned}", self.install)
