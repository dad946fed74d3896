"""A kernel and its boot modules for a loader of Linux kernels: an image without ELF headers, and one archive.

The archive is cpio's format newc. The name of a file in it is the line of a boot module: its path, and its words
(kernel_c/platform/boot/tree/initrd.c). NULs behind the name bring the content to the start of a page.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kgpt_build.boot_modules import BootModule
from kgpt_build.errors import KgptError
from kgpt_build.media import ELF_MAGIC
from kgpt_build.paths import write_errors
from kgpt_build.plain_names import temporary_root
from kgpt_build.sizes import rounded_up
from kgpt_build.vm.settings import RunSettings

_HEADER = 110
_PAGE = 4096
_MOST = (1 << 32) - 1
_LOAD = 1  # PT_LOAD
_COPY = 1 << 22


@contextmanager
def linux_files(settings: RunSettings, *, keep: bool = False) -> Iterator[RunSettings]:
    """``settings`` with the files that the loader takes, for the time of the block; with ``keep`` the files stay.

    Settings of other loaders, or of an image that is none, remain as they are. Raises KgptError.
    """
    if not settings.arch.boots_linux_images or settings.medium != "kernel" or settings.efi_folder:
        yield settings
        return
    with write_errors("a temporary file"):
        folder = Path(tempfile.mkdtemp(prefix="kgpt-", dir=temporary_root()))
    try:
        image, initrd = folder / "kernel", folder / "modules"
        with write_errors(str(folder)):
            is_elf = write_image(settings.image, image)
            if settings.modules:
                write_archive(settings.modules, initrd)
        yield dataclasses.replace(
            settings, image=image if is_elf else settings.image, initrd=initrd if settings.modules else None
        )
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def write_image(kernel: Path, to: Path) -> bool:
    """Write what is loaded of the ELF file ``kernel``: one range of its bytes. False: it is no ELF file.

    Raises KgptError for a damaged one, OSError.
    """
    with kernel.open("rb") as source:
        header = source.read(64)
        if header[: len(ELF_MAGIC)] != ELF_MAGIC:
            return False
        start, end = _loaded_range(source, header, kernel)
        source.seek(start)
        with to.open("wb") as target:
            _copy(source, target, end - start, kernel)
    return True


def _loaded_range(source: BinaryIO, header: bytes, kernel: Path) -> tuple[int, int]:
    (offset,) = struct.unpack_from("<Q", header.ljust(64, b"\0"), 32)
    size, count = struct.unpack_from("<2H", header.ljust(64, b"\0"), 54)
    source.seek(offset)
    table = source.read(size * count)
    loads = []
    for at in range(0, len(table) - 55, size or 56):
        (kind,) = struct.unpack_from("<I", table, at)
        begin, _, _, length = struct.unpack_from("<4Q", table, at + 8)
        if kind == _LOAD:
            loads.append((begin, begin + length))
    if not loads:
        raise KgptError(f"{kernel}: damaged ELF file: nothing of it is loaded", "build it again with kgpt build")
    return min(loads)[0], max(end for _, end in loads)


def write_archive(modules: Sequence[BootModule], to: Path) -> None:
    """Write the archive of ``modules``. Raises KgptError for a file that does not fit the format, OSError."""
    with to.open("wb") as target:
        for number, module in enumerate(modules, 1):
            size = module.path.stat().st_size
            if size > _MOST:
                raise KgptError(
                    f"{module.path} has {size:,} bytes: a boot module of this loader has less than 4 GiB",
                    "build a kernel of the model: kgpt build",
                )
            _write_entry(target, number, os.fsencode(module.line), size)
            with module.path.open("rb") as source:
                _copy(source, target, size, module.path)
        _write_entry(target, 0, b"TRAILER!!!", 0)


def _write_entry(target: BinaryIO, number: int, name: bytes, size: int) -> None:
    """The header of a file and its name; content of at least a page begins a page."""
    begin = rounded_up(target.tell(), 4)
    content = rounded_up(begin + _HEADER + len(name) + 1, _PAGE if size else 4)
    name_size = content - begin - _HEADER
    mode = 0o100644 if size or number else 0
    fields = (number, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0)
    target.write(bytes(begin - target.tell()))
    target.write(b"070701" + b"".join(b"%08x" % field for field in fields))
    target.write(name.ljust(name_size, b"\0"))


def _copy(source: BinaryIO, target: BinaryIO, size: int, path: Path) -> None:
    while size:
        piece = source.read(min(size, _COPY))
        if not piece:
            raise KgptError(f"{path} ends early", "is something writing to it?")
        target.write(piece)
        size -= len(piece)
