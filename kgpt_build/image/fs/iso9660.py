"""Reads discs by pycdlib: ISO 9660 with Rock Ridge names, and the boot entries of El Torito."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from pycdlib import PyCdlib
from pycdlib.pycdlibexception import PyCdlibException

from kgpt_build.errors import KgptError
from kgpt_build.image.fs.volumes import CHUNK, DAMAGED
from kgpt_build.media import DISC_SECTOR

EFI, BIOS = 0xEF, 0x00
_BOOTABLE = 0x88


class Disc:
    """The disc in ``image``. Files have Rock Ridge names; a disc without them, which kgpt never makes, has no files."""

    def __init__(self, image: BinaryIO) -> None:
        """Raises KgptError for a damaged disc."""
        self._iso = PyCdlib()
        self.files: dict[str, int] = {}
        self._starts: dict[int, str] = {}
        with _damage():
            self._iso.open_fp(image)
            self.label = self._iso.pvd.volume_identifier.decode("ascii", "replace").rstrip()
            for path in self._paths():
                record = self._iso.get_record(rr_path=path)
                self.files[path] = record.get_data_length()
                if self.files[path]:
                    self._starts[record.extent_location() * DISC_SECTOR] = path

    def stream(self, path: str) -> Iterator[bytes]:
        """What can be read of a file. Raises KgptError."""
        with _damage(), self._iso.open_file_from_iso(rr_path=path) as file:
            while data := file.read(CHUNK):
                yield data

    def boots(self) -> dict[int, int]:
        """Platform (BIOS, EFI) -> offset in bytes of the code that the first bootable entry loads."""
        catalog = self._iso.eltorito_boot_catalog
        if catalog is None:
            return {}
        entries = [(catalog.validation_entry.platform_id, catalog.initial_entry)]
        entries += [(section.platform_id, entry) for section in catalog.sections for entry in section.section_entries]
        bootable = [(platform, entry) for platform, entry in entries if entry.boot_indicator == _BOOTABLE]
        return {platform: entry.get_rba() * DISC_SECTOR for platform, entry in reversed(bootable)}

    def file_at(self, offset: int) -> str:
        """The path of the file that begins at this offset; empty: none."""
        return self._starts.get(offset, "")

    def _paths(self) -> Iterator[str]:
        if self._iso.has_rock_ridge():
            for folder, _, names in self._iso.walk(rr_path="/"):
                yield from (f"{folder.rstrip('/')}/{name}" for name in names)


@contextmanager
def _damage() -> Iterator[None]:
    """Turn the exceptions of pycdlib for a damaged disc into a KgptError; some are not of its own class."""
    try:
        yield
    except PyCdlibException as error:
        raise KgptError(f"the disc is damaged: {error}", DAMAGED) from error
    except (struct.error, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise KgptError("the disc is damaged, or cut off", DAMAGED) from error
