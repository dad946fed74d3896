"""An external program: its path, its version, and the command that installs it.

A program of the same name that is another one, too old, or broken is refused: a tool that half works costs more time
than a missing one.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from kgpt_build import process
from kgpt_build.errors import KgptError, ToolMissing

_VERSION_SECONDS = 30.0  # enough for zig from a cold disk; a slower program is broken


class Program:
    """One program. Subclasses define its name, its identification, and its installation."""

    name = ""
    """The file to find in PATH."""
    purpose = ""
    """Its purpose, for messages and `kgpt doctor`."""
    identity = re.compile(r"$^")
    """Matches the program's `--version`; group 1 is the version."""
    pinned = ""
    """The only accepted version, whose output does not depend on its path; empty: any version from ``minimum`` on."""
    minimum: tuple[int, ...] = ()
    """The oldest version that works."""
    install = ""
    """The command that installs it."""
    version_arguments: tuple[str, ...] = ("--version",)

    def __init__(self) -> None:
        self._version: str | None = None

    def find(self) -> Path:
        """The program's path. Raises ToolMissing."""
        found = shutil.which(self.name)
        if found is None:
            raise ToolMissing(f"{self.name} is not there ({self.purpose})", self.install)
        return Path(found)

    def version(self) -> str:
        """The version, such as ``14.0.6``. Raises ToolMissing for a missing, broken, different or too old program."""
        if self._version is None:
            self._version = self._ask()
        return self._version

    def require(self) -> Path:
        """The path of the program, after checking its version. Raises ToolMissing."""
        self.version()
        return self.find()

    def check(self, path: Path, version: str) -> None:
        """Raise ToolMissing if ``version`` cannot be used."""
        if version_tuple(version) < self.minimum:
            oldest = ".".join(map(str, self.minimum))
            raise ToolMissing(f"{path} is version {version}: {oldest} or newer is needed", self.install)

    def _ask(self) -> str:
        path = self.find()
        try:
            output = process.run([path, *self.version_arguments], timeout=_VERSION_SECONDS).output
        except KgptError as error:
            said = getattr(error, "output", "").strip().splitlines()
            reason = said[-1] if said else error.message
            raise ToolMissing(f"{path} does not work: {reason}", self.install) from error
        match = self.identity.search(output)
        if match is None:
            said = output.strip().splitlines() or ["nothing"]
            raise ToolMissing(f"{path} is not {self.name}: asked for its version it says: {said[0]}", self.install)
        self.check(path, match[1])
        return match[1]


def version_tuple(version: str) -> tuple[int, ...]:
    """``"14.0.6"`` -> ``(14, 0, 6)``, without a suffix behind the numbers."""
    return tuple(int(number) for number in re.findall(r"\d+", version.split("-")[0]))
