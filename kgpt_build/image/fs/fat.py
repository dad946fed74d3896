"""Writes and reads FAT file systems by mtools. The same files and shape give the same bytes.

mtools takes all time stamps from SOURCE_DATE_EPOCH, and allocates files one behind the other.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from kgpt_build import process
from kgpt_build.errors import KgptError
from kgpt_build.image.fs.volumes import DAMAGED, Slice, Source, pieces_of, read_at, size_of
from kgpt_build.media import SECTOR, is_boot_sector
from kgpt_build.sizes import units_of
from kgpt_build.toolchain import Mtools

_LEAST_FAT32 = 65525 + 16  # clusters: fewer mean FAT16, and some systems are off by a few
_LEAST_FAT16 = 4085 + 16
_FAT32_RESERVED = 32
_FAT16_ROOT = 32  # sectors, for 512 entries
_LARGE = 260 << 20  # bytes: Windows uses larger clusters from this size on, too
_HEADS, _TRACK = 255, 63  # the geometry that BIOSes assume for large disks
_SECONDS = 1800.0
_MOST_SAID = 16 << 20  # bytes

_NO_FILES = 'File "::" not found'
_LABEL = re.compile(r" Volume in drive : is (.*?) *$")
_RUN = re.compile(r"<(\d+)(?:-(\d+))?>")  # of clusters, in the output of mshowfat
_FOLDER = re.compile(r"Directory for ::(/.*)$")
# "BOOTX64  EFI    847872 2025-01-01   0:00 ", with the long name at the end if it has one
_ENTRY = re.compile(r"(.{8}) (.{3}) +(<DIR>|\d+) +\d{4}-\d\d-\d\d +\d+:\d\d (?: (.+))?$")


@dataclass(frozen=True)
class Names:
    """Names of a file system: ``label`` has at most 11 characters, ``serial`` 32 bits."""

    label: str
    serial: int


@dataclass(frozen=True)
class Shape:
    """Shape of a file system: ``bits`` is 16 or 32; ``cluster`` and ``total`` are in sectors."""

    bits: int
    cluster: int
    total: int


def shape(files: Mapping[str, Source], *, bits: int, room: int = 0) -> Shape:
    """The shape for ``files`` (path from the root -> bytes, or a file) and ``room`` free bytes."""
    sizes = [size_of(source) for source in files.values()]
    cluster = 1 if bits == 16 or sum(sizes) + room < _LARGE else 8
    folders = {folder for path in files for folder in PurePosixPath(path).parents}
    # One cluster for the names of each file is more than enough.
    used = sum(units_of(size, cluster * SECTOR) for size in [*sizes, room]) + len(files) + len(folders)
    clusters = max(used, _LEAST_FAT32 if bits == 32 else _LEAST_FAT16)
    table = units_of((clusters + 2) * (bits // 8), SECTOR)
    fixed = _FAT32_RESERVED if bits == 32 else 1 + _FAT16_ROOT
    return Shape(bits, cluster, fixed + 2 * table + clusters * cluster)


def write(
    image: Path, start: int, of: Shape, names: Names, tree: Path, epoch: int, files: Mapping[str, Source] | None = None
) -> None:
    """Write the files below the folder ``tree`` to a file system at the sector ``start`` of ``image``.

    Then write the slices among ``files``, which the folder lacks.

    ``image`` and ``tree`` lie in one folder and have plain names: mtools passes names to a shell. The image grows to
    the end of the file system; ``epoch`` is the time of all files. Raises KgptError, OSError.
    """
    with image.open("ab") as file:
        file.truncate((start + of.total) * SECTOR)
    drive = f"{image.name}@@{start * SECTOR}"

    def run(command: str, *words: str) -> None:
        argv: list[str | Path] = [Mtools().find(), "-c", command, "-i", drive, *words]
        process.run(argv, cwd=image.parent, env=_environment(epoch), timeout=_SECONDS)

    kind = ("-F",) if of.bits == 32 else ("-r", str(_FAT16_ROOT))
    run(
        "mformat",
        *(*kind, "-T", str(of.total), "-h", str(_HEADS), "-s", str(_TRACK), "-H", str(start), "-c", str(of.cluster)),
        *("-v", names.label, "-N", f"{names.serial:08x}", "::"),
    )
    below = sorted(path.relative_to(tree) for path in tree.rglob("*"))
    for path in below:
        if (tree / path).is_dir():
            run("mmd", f"::/{path}")
        else:
            run("mcopy", f"{tree.name}/{path}", f"::/{path}")
    for place, source in sorted((files or {}).items(), key=lambda item: item[0]):
        if isinstance(source, Slice):
            process.feed(
                [Mtools().find(), "-c", "mcopy", "-i", drive, "-", f"::{place}"],
                pieces_of(source),
                cwd=image.parent,
                env=_environment(epoch),
            )


class Fat:
    """The file system at the byte ``start`` of ``image``."""

    def __init__(self, image: BinaryIO, start: int) -> None:
        """Raises KgptError if it cannot be read, ToolMissing without mtools."""
        self._mtools = Mtools().require()
        # mtools gets a descriptor instead of the name: it passes names with $ to a shell, and ends them at @@.
        self._drive = f"/proc/{os.getpid()}/fd/{image.fileno()}@@{start}"
        # Without this check mtools would guess a format.
        self._start, self._boot = start, read_at(image, start, SECTOR)
        if not is_boot_sector(self._boot):
            raise KgptError(f"there is no FAT file system at byte {start:,}", DAMAGED)
        lines = self._list(start)
        self.label = next((match[1] for line in lines if (match := _LABEL.match(line))), "")
        self.files = dict(_listed(lines))

    def _list(self, start: int) -> list[str]:
        """The output of mdir for all folders."""
        said = b""
        try:
            for part in self._output("mdir", "-a", "-/", "::"):
                said += part
                if len(said) > _MOST_SAID:
                    raise KgptError("the folders of the partition have no end", DAMAGED)
        except process.CommandFailed as error:
            if _NO_FILES not in error.output:
                raise KgptError(f"the FAT file system at byte {start:,} is damaged", DAMAGED) from error
        return said.decode("utf-8", "replace").split("\n")

    def _output(self, command: str, *words: str) -> Iterator[bytes]:
        return process.stream([self._mtools, "-c", command, "-i", self._drive, *words], env=_environment(0))

    def stream(self, path: str) -> Iterator[bytes]:
        """What can be read of a file. Raises KgptError."""
        try:
            yield from self._output("mtype", f"::{path}")
        except process.CommandFailed as error:
            raise KgptError(f"{path} cannot be read: its place in the partition is damaged", DAMAGED) from error

    def extents(self, path: str) -> list[tuple[int, int]]:
        """Where the clusters of a file lie: runs of bytes in the image, offset and size. Raises KgptError."""
        try:
            said = b"".join(self._output("mshowfat", f"::{path}")).decode("utf-8", "replace")
        except process.CommandFailed as error:
            raise KgptError(f"the place of {path} cannot be read", DAMAGED) from error
        sector, cluster, reserved, tables, short = struct.unpack_from("<HBHB5xH", self._boot, 11)
        table = short or int.from_bytes(self._boot[36:40], "little")
        roots = int.from_bytes(self._boot[17:19], "little") * 32 // sector
        first = self._start + (reserved + tables * table + roots) * sector
        size = cluster * sector
        runs = [(int(run[1]), int(run[2] or run[1])) for run in _RUN.finditer(said)]
        return [(first + (begin - 2) * size, (end - begin + 1) * size) for begin, end in runs]


def _listed(lines: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Path and size of each file in the output of mdir."""
    folder = ""
    for line in lines:
        if match := _FOLDER.match(line):
            folder = match[1].rstrip("/")
        elif (match := _ENTRY.match(line)) and match[3] != "<DIR>":
            base, ending = match[1].rstrip(), match[2].rstrip()
            yield f"{folder}/{match[4] or (f'{base}.{ending}' if ending else base)}", int(match[3])


def _environment(epoch: int) -> dict[str, str]:
    """The environment without the user's settings of mtools."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("MTOOLS")}
    return {
        **others,
        "MTOOLSRC": "/dev/null",
        "MTOOLS_SKIP_CHECK": "1",  # else mtools refuses disks that do not end with a whole track
        "MTOOLS_DATE_STRING": "yyyy-mm-dd",
        "SOURCE_DATE_EPOCH": str(epoch),
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
    }
