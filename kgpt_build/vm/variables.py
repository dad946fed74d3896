"""Writes variables of UEFI into the flash image of a virtual firmware, so that a machine starts with Secure Boot on.

The layout is that of EDK II (MdeModulePkg/Include/Guid/VariableFormat.h): a firmware volume holds a store,
and the store a chain of authenticated variables up to the first free (0xFF) bytes.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from kgpt_build.errors import KgptError
from kgpt_build.signing.signature_list import certificate_list

GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
"""EFI_GLOBAL_VARIABLE."""
_DATABASE = uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
_SWITCH = uuid.UUID("f0a30bc7-af08-4556-99c4-001009c93a44")  # gEfiSecureBootEnableDisableGuid
_STORE = uuid.UUID("aaf32c78-947b-439a-a180-2e144ec37792")  # gEfiAuthenticatedVariableGuid
_KEPT = 0x03  # non-volatile, for boot services
_AUTHENTICATED = 0x27  # also at run time, and written with a time stamp and a signature
_YEAR = 2025
_FILE_SYSTEM = uuid.UUID("fff12b8d-7696-4c8b-a985-2747075b4f50")  # gEfiSystemNvDataFvGuid
_VOLUME = struct.Struct("<16x16xQ4sIH")  # FvLength, signature, attributes, HeaderLength
_NEW_VOLUME = struct.Struct("<16x16sQ4sIHHHBBIIII")  # the same, check sum, and one run of blocks
_AREAS = 3  # variables, the log of writes that a power cut may interrupt, spare
_ATTRIBUTES = 0xE36  # EFI_FVB2_*: can be read and written, sticky, mapped, erased bytes are 1, weak alignment
_REVISION = 2
_STORE_HEADER = struct.Struct("<16sIBB6x")
_HEADER = struct.Struct("<HBBIQHBBBBBBIhBBIII16s")
_START, _ADDED = 0x55AA, 0x3F
_FORMATTED, _HEALTHY = 0x5A, 0xFE


@dataclass(frozen=True)
class Variable:
    """A variable of UEFI."""

    name: str
    vendor: uuid.UUID
    attributes: int
    data: bytes


def secure_boot_variables(certificate: bytes) -> tuple[Variable, ...]:
    """The variables of a machine that starts only what the owner of ``certificate`` (DER) signed.

    The certificate is platform key (PK), key exchange key (KEK), and the only entry of the signature database (db).
    """
    trusted = certificate_list(certificate)
    return (
        Variable("PK", GLOBAL, _AUTHENTICATED, trusted),
        Variable("KEK", GLOBAL, _AUTHENTICATED, trusted),
        Variable("db", _DATABASE, _AUTHENTICATED, trusted),
        Variable("SecureBootEnable", _SWITCH, _KEPT, b"\1"),
    )


def with_variables(flash: bytes, variables: Sequence[Variable], where: str) -> bytes:
    """The flash image ``flash`` with ``variables`` behind those in it; ``where`` names it in messages.

    Raises KgptError if it is no store of authenticated variables, is damaged, or has no room.
    """
    begin, end = _free_space(flash, where)
    added = b"".join(_aligned(_encoded(variable)) for variable in variables)
    if begin + len(added) > end:
        raise KgptError(
            f"{where} has no room for the variables of Secure Boot", "use the template that the firmware ships"
        )
    return flash[:begin] + added + flash[begin + len(added) :]


def is_blank(flash: bytes) -> bool:
    """Does the flash chip hold nothing? Firmware formats such a chip at its first start."""
    return flash in (bytes(len(flash)), b"\xff" * len(flash))


def formatted(flash: bytes, block_size: int, where: str) -> bytes:
    """The blank chip ``flash`` with an empty store of variables, as firmware formats it. Raises KgptError.

    ``block_size``: of the store with its headers, and of the two areas behind it that make writes atomic. The
    firmware writes the header of its log itself.
    """
    size = _AREAS * block_size
    if size > len(flash):
        raise KgptError(f"{where} is too small for the variables of a UEFI", "install the firmware again")
    fields = (_FILE_SYSTEM.bytes_le, size, b"_FVH", _ATTRIBUTES, _NEW_VOLUME.size)
    blocks = (_REVISION, len(flash) // block_size, block_size, 0, 0)  # of the whole chip, as EDK II counts them
    halves = struct.unpack(f"<{_NEW_VOLUME.size // 2}H", _NEW_VOLUME.pack(*fields, 0, 0, 0, *blocks))
    volume = _NEW_VOLUME.pack(*fields, -sum(halves) & 0xFFFF, 0, 0, *blocks)
    store = _STORE_HEADER.pack(_STORE.bytes_le, block_size - len(volume), _FORMATTED, _HEALTHY)
    return (volume + store).ljust(size, b"\xff") + flash[size:]


def _free_space(flash: bytes, where: str) -> tuple[int, int]:
    """Begin and end of the free bytes of the store. Raises KgptError."""
    fault = KgptError(f"{where} holds no variables of a UEFI with Secure Boot", "install the firmware again")
    if len(flash) < _VOLUME.size:
        raise fault
    length, mark, _, header = _VOLUME.unpack_from(flash)
    if mark != b"_FVH" or length > len(flash) or header + _STORE_HEADER.size > length:
        raise fault
    guid, size, form, state = _STORE_HEADER.unpack_from(flash, header)
    end = header + size
    if guid != _STORE.bytes_le or (form, state) != (_FORMATTED, _HEALTHY) or end > length:
        raise fault
    place = header + _STORE_HEADER.size
    while place + _HEADER.size <= end and flash[place : place + 2] == _START.to_bytes(2, "little"):
        name_size, data_size = struct.unpack_from("<II", flash, place + 36)
        place += len(_aligned(bytes(_HEADER.size))) + _padded(name_size + data_size)
        if place > end:
            raise fault
    return place, end


def _encoded(variable: Variable) -> bytes:
    name = variable.name.encode("utf-16-le") + b"\0\0"
    time = (_YEAR, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)
    sizes = (0, len(name), len(variable.data), variable.vendor.bytes_le)
    return _HEADER.pack(_START, _ADDED, 0, variable.attributes, 0, *time, *sizes) + name + variable.data


def _padded(size: int) -> int:
    return (size + 3) & ~3


def _aligned(data: bytes) -> bytes:
    return data.ljust(_padded(len(data)), b"\xff")
