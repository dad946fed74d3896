"""The firmware of a virtual machine: QEMU's own BIOS, or a UEFI that the system has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kgpt_build.errors import ToolMissing, UsageError

BIOS, UEFI = "bios", "uefi"

INSTALL_UEFI = "Debian, Ubuntu: apt-get install ovmf; Fedora: dnf install edk2-ovmf; Arch: pacman -S edk2-ovmf"


@dataclass(frozen=True)
class Firmware:
    """``code`` alone is the whole firmware; with ``variables`` both are flash chips, as a board has them."""

    code: Path
    variables: Path | None = None
    is_uefi: bool = False
    """Known to be one; of a file that the user names we do not know."""


_PLACES: tuple[tuple[str, str], ...] = (
    # One file first: it needs no copy of its variables. Debian and Ubuntu, then Arch, then openSUSE.
    ("usr/share/ovmf/OVMF.fd", ""),
    ("usr/share/qemu/OVMF.fd", ""),
    ("usr/share/OVMF/OVMF.fd", ""),
    ("usr/share/edk2/x64/OVMF.4m.fd", ""),
    ("usr/share/edk2/x64/OVMF.fd", ""),
    ("usr/share/edk2-ovmf/x64/OVMF.fd", ""),
    ("usr/share/qemu/ovmf-x86_64.bin", ""),
    # Two files: Debian's newer packages, Fedora, Arch; last what QEMU's own sources bring.
    ("usr/share/OVMF/OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
    ("usr/share/OVMF/OVMF_CODE.fd", "OVMF_VARS.fd"),
    ("usr/share/edk2/ovmf/OVMF_CODE.fd", "OVMF_VARS.fd"),
    ("usr/share/edk2/x64/OVMF_CODE.4m.fd", "OVMF_VARS.4m.fd"),
    ("usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "OVMF_VARS.fd"),
    ("usr/share/qemu/edk2-x86_64-code.fd", "edk2-i386-vars.fd"),
    ("usr/local/share/qemu/edk2-x86_64-code.fd", "edk2-i386-vars.fd"),
)


def find_firmware(word: str, root: Path = Path("/")) -> Firmware | None:
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
    for code, variables in _PLACES:
        found = Firmware(root / code, root / Path(code).with_name(variables) if variables else None, True)
        if found.code.is_file() and (found.variables is None or found.variables.is_file()):
            return found
    raise ToolMissing("there is no UEFI firmware (OVMF) on this system", f"install it: {INSTALL_UEFI}")
