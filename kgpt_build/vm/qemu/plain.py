"""Gives the files of a machine names without characters that QEMU interprets."""

from __future__ import annotations

import dataclasses

from kgpt_build.plain_names import plain_name
from kgpt_build.vm.settings import RunSettings


def with_plain_names(settings: RunSettings) -> RunSettings:
    """``settings`` with a plain path for each file: no part of a name becomes an option, or a word for the kernel.

    QEMU passes the paths of kernel and modules as the first words of their command lines. Raises KgptError.
    """
    firmware = settings.firmware
    if firmware is not None:
        variables = plain_name(firmware.variables) if firmware.variables else None
        firmware = dataclasses.replace(firmware, code=plain_name(firmware.code), variables=variables)
    return dataclasses.replace(
        settings,
        image=plain_name(settings.image),
        initrd=plain_name(settings.initrd) if settings.initrd else None,
        modules=tuple(dataclasses.replace(module, path=plain_name(module.path)) for module in settings.modules),
        firmware=firmware,
        store=settings.store and plain_name(settings.store),
        efi_folder=plain_name(settings.efi_folder) if settings.efi_folder else None,
    )
