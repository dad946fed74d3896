"""Disks made up: partition tables, a small exFAT, and file systems of the tools that make them."""

from __future__ import annotations

import os
import struct
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

SECTOR = 512
EXFAT_CLUSTER = 1024
_HEAP, _CLUSTERS, _TABLE = 32, 60, 24
_OWN = 44
"""The first cluster of files that exfat is given."""


def fat(path: Path, files: Mapping[str, bytes], bits: int, kib: int) -> bytes:
    """A FAT of mtools."""
    path.write_bytes(bytes(kib << 10))
    run = {"env": os.environ | {"MTOOLS_SKIP_CHECK": "1", "MTOOLS_NO_VFAT": "0"}, "check": True}
    subprocess.run(
        [
            "mformat",
            "-i",
            path,
            *(["-F"] if bits == 32 else []),
            "-T",
            str(kib * 2),
            "-h",
            "16",
            "-s",
            "32",
            "-c",
            "1",
            "::",
        ],
        **run,
    )  # type: ignore[call-overload]
    for name, data in files.items():
        folders = name.split("/")[:-1]
        for i in range(len(folders)):
            subprocess.run(
                ["mmd", "-D", "s", "-i", path, f"::{'/'.join(folders[: i + 1])}"],
                env=run["env"],
                capture_output=True,
                check=False,
            )  # type: ignore[call-overload]
        subprocess.run(["mcopy", "-i", path, "-", f"::{name}"], input=data, **run)  # type: ignore[call-overload]
    return path.read_bytes()


def ext4(path: Path, tree: Path, kib: int, features: str = "") -> bytes:
    """An ext4 of mke2fs with the files of a folder."""
    words = ["-q", "-F", "-t", "ext4", "-b", "1024", "-N", "32", "-O", features or "64bit", "-d", str(tree), str(path)]
    path.unlink(missing_ok=True)
    subprocess.run(["/usr/sbin/mke2fs", *words, f"{kib}k"], check=True, capture_output=True)
    return path.read_bytes()


def _sum32(data: bytes, skip: Sequence[int] = ()) -> int:
    total = 0
    for i, byte in enumerate(data):
        if i not in skip:
            total = ((total << 31 | total >> 1) + byte) & 0xFFFFFFFF
    return total


def exfat_set(name: str, first: int, size: int, *, contiguous: bool, valid: int, directory: bool = False) -> bytes:
    """The entries of a file."""
    units = name.encode("utf-16-le")
    parts = [units[i : i + 30].ljust(30, b"\0") for i in range(0, len(units), 30)]
    head = struct.pack(
        "<BBHHHIIIBBBBB7x", 0x85, 1 + len(parts), 0, 0x10 if directory else 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0
    )
    flags = 3 if contiguous else 1
    stream = struct.pack("<BBBBHHQIIQ", 0xC0, flags, 0, len(units) // 2, 0, 0, valid, 0, first, size)
    whole = bytearray(head + stream + b"".join(b"\xc1\0" + part for part in parts))
    total = 0
    for i, byte in enumerate(whole):
        if i not in (2, 3):
            total = ((total << 15 | total >> 1) + byte) & 0xFFFF
    struct.pack_into("<H", whole, 2, total)
    return bytes(whole)


def exfat(files: Mapping[str, bytes] | None = None) -> bytearray:
    """An exFAT with a chained file, a contiguous one with an unwritten end, a folder, and ``files`` in one piece."""
    image = bytearray((_HEAP + _CLUSTERS * 2) * SECTOR)
    sectors = len(image) // SECTOR
    boot = bytearray(SECTOR)
    boot[:11] = b"\xeb\x76\x90EXFAT   "
    struct.pack_into(
        "<QQIIIIIIHHBBBBB", boot, 64, 0, sectors, _TABLE, 1, _HEAP, _CLUSTERS, 4, 1, 0x100, 0, 9, 1, 1, 0x80, 0
    )
    boot[510:] = b"\x55\xaa"
    image[:SECTOR] = boot
    for i in range(1, 9):
        image[i * SECTOR + 508 : (i + 1) * SECTOR] = b"\0\0\x55\xaa"
    total = _sum32(bytes(image[: 11 * SECTOR]), (106, 107, 112))
    image[11 * SECTOR : 12 * SECTOR] = struct.pack("<I", total) * 128
    table = {0: 0xFFFFFFF8, 1: 0xFFFFFFFF, 4: 0xFFFFFFFF, 10: 20, 20: 21, 21: 12, 12: 0xFFFFFFFF, 40: 0xFFFFFFFF}
    for cluster, following in table.items():
        struct.pack_into("<I", image, _TABLE * SECTOR + 4 * cluster, following)

    def put(cluster: int, data: bytes) -> None:
        at = _HEAP * SECTOR + (cluster - 2) * EXFAT_CLUSTER
        image[at : at + len(data)] = data

    data = exfat_data()
    for i, cluster in enumerate((10, 20, 21, 12)):
        put(cluster, data[i * EXFAT_CLUSTER : (i + 1) * EXFAT_CLUSTER])
    put(30, data[:1500].ljust(3072, b"?"))
    put(40, exfat_set("inner", 10, 100, contiguous=False, valid=100))
    sets, cluster = b"", _OWN
    for name, content in (files or {}).items():
        sets += exfat_set(name, cluster, len(content), contiguous=True, valid=len(content))
        put(cluster, content)
        cluster += -(-len(content) // EXFAT_CLUSTER)
    assert cluster <= _CLUSTERS + 2, "the files do not fit"
    put(4, _root() + sets)
    return image


def _root() -> bytes:
    """The root folder's entries."""
    return (
        exfat_set("a chained file.gguf", 10, 3500, contiguous=False, valid=3500)
        + exfat_set("Größe 😀.bin", 30, 2500, contiguous=True, valid=1500)
        + exfat_set("folder", 40, EXFAT_CLUSTER, contiguous=False, valid=EXFAT_CLUSTER, directory=True)
    )


def exfat_data() -> bytes:
    """What its files begin with."""
    return bytes(i * 7 % 251 for i in range(3500))


def _mbr(entries: Sequence[tuple[int, int, int]]) -> bytes:
    rows = b"".join(struct.pack("<B3xB3xII", 0, *entry) for entry in entries)
    return bytes(446) + rows.ljust(64, b"\0") + b"\x55\xaa"


def mbr(parts: Sequence[bytes]) -> bytes:
    """A disk with a primary partition, and the others as logical ones."""
    table = [(0x0C, 64, len(parts[0]) // SECTOR)]
    body = bytearray(parts[0])
    start = extended = 64 + len(body) // SECTOR
    chain = bytearray()
    for i, part in enumerate(parts[1:], 1):
        n = len(part) // SECTOR
        after = start - extended + 1 + n
        following = [(0x05, after, n)] if i + 1 < len(parts) else []
        chain += _mbr([(0x83, 1, n), *following]) + part
        start += 1 + n
    table.append((0x0F, extended, len(chain) // SECTOR))
    return _mbr(table) + bytes(63 * SECTOR) + body + chain


def gpt(parts: Sequence[tuple[str, bytes]]) -> bytearray:
    """A disk with a GPT at its start and at its end."""
    start, rows, body = 64, bytearray(), bytearray()
    for i, (name, data) in enumerate(parts):
        n = len(data) // SECTOR
        rows += bytes([1 + i]) * 16 + bytes([0x80 + i]) * 16 + struct.pack("<QQQ", start, start + n - 1, 0)
        rows += name.encode("utf-16-le").ljust(72, b"\0")
        body += data
        start += n
    rows = rows.ljust(128 * 128, b"\0")
    sectors = start + 33

    def header(own: int, other: int, table: int) -> bytes:
        fields = [own, other, 34, sectors - 34, b"\x42" * 16, table, 128, 128, zlib.crc32(rows)]
        text = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, *fields)
        return (text[:16] + struct.pack("<I", zlib.crc32(text)) + text[20:]).ljust(SECTOR, b"\0")

    head = _mbr([(0xEE, 1, sectors - 1)]) + header(1, sectors - 1, 2) + rows
    return bytearray(head.ljust(64 * SECTOR, b"\0") + body + rows + header(sectors - 1, 1, sectors - 33))
