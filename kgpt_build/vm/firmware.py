"""The firmware of a virtual machine: QEMU's own BIOS, or a UEFI that the system has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kgpt_build.arch import DEFAULT, Arch
from kgpt_build.errors import ToolMissing, UsageError

BIOS, UEFI = "bios", "uefi"


@dataclass(frozen=True)
class Firmware:
    """``code`` alone is the whole firmware; with ``variables`` both are flash chips, as a board has them."""

    code: Path
    variables: Path | None = None
    is_uefi: bool = False
    """Known to be one; of a file that the user names we do not know."""


def find_firmware(word: str, root: Path = Path("/"), arch: Arch = DEFAULT) -> Firmware | None:
    """What ``--firmware`` names: ``bios`` (None: QEMU has it), ``uefi``, or a path.

    ``root``: where the system's files are looked for. Raises ToolMissing if the system has no UEFI, UsageError for a
    file that is not there.
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
