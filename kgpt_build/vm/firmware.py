"""Finds the firmware of a virtual machine: QEMU's own BIOS, or an installed UEFI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kgpt_build.arch import DEFAULT, Arch
from kgpt_build.errors import ToolMissing, UsageError

BIOS, UEFI = "bios", "uefi"


@dataclass(frozen=True)
class Firmware:
    """Firmware files. ``code`` alone is the whole firmware; with ``variables`` both become flash chips."""

    code: Path
    variables: Path | None = None
    is_uefi: bool = False
    """Is it certainly UEFI? False for a file that the user names."""


def find_firmware(word: str, root: Path = Path("/"), arch: Arch = DEFAULT) -> Firmware | None:
    """The firmware for ``--firmware``: ``bios`` (None: QEMU has its own), ``uefi``, or a path.

    ``root``: the root of the system's files. Raises ToolMissing if no UEFI for ``arch`` is installed, UsageError if
    the named file does not exist.
    """
    if word == BIOS:
        return None
    if word != UEFI:
        path = Path(word)
        if not path.is_file():
            raise UsageError(f"there is no firmware {word}", f"give --firmware {BIOS}, {UEFI}, or the path of a file")
        return Firmware(path)
    for code, variables in arch.uefi.places:
        found = Firmware(root / code, root / Path(code).with_name(variables) if variables else None, True)
        if found.code.is_file() and (found.variables is None or found.variables.is_file()):
            return found
    name, install = arch.uefi.name, arch.uefi.install
    raise ToolMissing(f"there is no UEFI firmware ({name}) on this system", f"install it: {install}")
