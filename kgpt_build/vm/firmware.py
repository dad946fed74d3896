"""Finds the firmware of a virtual machine: QEMU's own BIOS, or an installed UEFI."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from kgpt_build import paths
from kgpt_build.arch import DEFAULT, Arch, SecureUefi
from kgpt_build.errors import KgptError, ToolMissing, UsageError
from kgpt_build.vm.variables import formatted, is_blank, secure_boot_variables, with_variables

BIOS, UEFI = "bios", "uefi"
_CACHED = 8


@dataclass(frozen=True)
class Firmware:
    """Firmware files. ``code`` alone is the whole firmware; with ``variables`` both become flash chips."""

    code: Path
    variables: Path | None = None
    is_uefi: bool = False
    """Is it certainly UEFI? False for a file that the user names."""
    secure: SecureUefi | None = None
    """What Secure Boot asks of the machine; None: it is off."""


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


def find_secure_firmware(certificate: bytes, root: Path = Path("/"), arch: Arch = DEFAULT) -> Firmware:
    """A UEFI with Secure Boot on, which starts only programs that the owner of ``certificate`` (DER) signed.

    Its variables are a file in the cache. Raises ToolMissing if the system has no such UEFI, KgptError.
    """
    if secure := arch.uefi.secure:
        for code, variables in secure.places:
            template = root / Path(code).with_name(variables)
            if (root / code).is_file() and template.is_file():
                return Firmware(root / code, _enrolled(template, secure.block_size, certificate), True, secure)
    raise ToolMissing(
        f"there is no UEFI firmware with Secure Boot ({arch.uefi.name}) on this system",
        f"install it: {arch.uefi.install}",
    )


def _enrolled(template: Path, block_size: int, certificate: bytes) -> Path:
    """The file of variables in the cache: those of ``template``, and the keys."""
    try:
        flash = template.read_bytes()
    except OSError as error:
        raise KgptError(f"cannot read {template}: {error.strerror}", "install the firmware again") from error
    if block_size and is_blank(flash):
        flash = formatted(flash, block_size, str(template))
    data = with_variables(flash, secure_boot_variables(certificate), str(template))
    folder = paths.make_cache_dir("secure-boot")
    path = folder / f"{hashlib.sha256(data).hexdigest()[:32]}.fd"
    with paths.replaced_atomically(path, durable=False) as temporary, temporary.open("wb") as file:
        file.write(data.rstrip(b"\0"))
        file.truncate(len(data))  # a hole: a chip of virt has 64 MiB, of which the firmware uses the first
    paths.prune(list(folder.glob("*.fd")), most=_CACHED, most_bytes=_CACHED * len(data))
    return path
