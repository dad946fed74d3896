"""What kind of thing a file is to a machine that boots it: told by its content, whatever its name."""

from __future__ import annotations

from pathlib import Path

_ISO_9660 = (0x8001, b"CD001")
_PARTITIONS, _PARTITION_SIZE = 446, 16
_BOOT_SIGNATURE = (510, b"\x55\xaa")
_SECTOR = 512


def medium_of(image: Path) -> str:
    """``cdrom`` for an ISO 9660 image, ``usb`` for that of a partitioned disk, else ``kernel``.

    An ISO that is also a disk (a hybrid) is a cdrom: as a stick it starts the same. Raises OSError.
    """
    with image.open("rb") as file:
        first = file.read(_SECTOR)
        file.seek(_ISO_9660[0])
        if file.read(len(_ISO_9660[1])) == _ISO_9660[1]:
            return "cdrom"
    return "usb" if _is_partitioned(first) else "kernel"


def _is_partitioned(sector: bytes) -> bool:
    """A boot sector with a table of partitions that makes sense: other files may have its last two bytes by chance."""
    at, signature = _BOOT_SIGNATURE
    if sector[at:] != signature:
        return False
    table = [sector[at : at + _PARTITION_SIZE] for at in range(_PARTITIONS, _PARTITIONS + 4 * _PARTITION_SIZE, 16)]
    # Of each entry the first byte is 0 or 0x80, active, and the fifth the type, 0 for none.
    return all(entry[0] in (0, 0x80) for entry in table) and any(entry[4] for entry in table)
