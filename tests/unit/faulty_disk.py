"""A disk in memory that fails in the ways in which sticks do, and images to put on it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

from kgpt_build.flash.writer import Image
from kgpt_build.image import manifest


class FaultyDisk:
    """Holds ``real`` bytes and says ``size``.

    ``beyond`` is what comes of writes past the real end: ``wrap`` puts them at the beginning again, ``drop`` forgets
    them, ``fail`` is an error. ``at_write`` is called with the offset and the number of each write before it is done,
    and ``at_read`` the same; either may raise. ``spoil`` maps an offset to the bits that turn over in what is read.
    """

    def __init__(self, size: int, real: int | None = None, beyond: str = "fail", fill: bytes = b"\xff") -> None:
        self.size = size
        self.real = size if real is None else real
        self.beyond = beyond
        self.data = bytearray(fill * (self.real // len(fill)))
        self.writes: list[tuple[int, int]] = []
        self.reads = 0
        self.settled = 0
        self.unsettled: list[tuple[int, bytes]] = []
        """Of each write that a power cut may still undo: its offset, and what was there before."""
        self.plugged = True
        self.at_write: Callable[[int, int], None] = lambda offset, number: None
        self.at_read: Callable[[int, int], None] = lambda offset, number: None
        self.spoil: dict[int, int] = {}

    def write(self, offset: int, data: bytes) -> None:
        assert offset + len(data) <= self.size, "a write past the end that the disk says it has"
        self.at_write(offset, len(self.writes))
        self.writes.append((offset, len(data)))
        if self.beyond == "fail" and offset + len(data) > self.real:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        for at in range(0, len(data), 512):
            piece, place = data[at : at + 512], offset + at
            if place >= self.real:
                if self.beyond == "drop":
                    continue
                place %= self.real
            self.unsettled.append((place, bytes(self.data[place : place + len(piece)])))
            self.data[place : place + len(piece)] = piece

    def cut_power(self) -> None:
        """Of what was written since the last flush only the newest sector is kept: a disk writes in any order."""
        for place, before in reversed(self.unsettled[:-1]):
            self.data[place : place + len(before)] = before
        self.unsettled.clear()

    def read(self, offset: int, length: int) -> bytes:
        assert self.settled, "it reads what may be in memory only"
        self.at_read(offset, self.reads)
        self.reads += 1
        found = bytearray()
        for place in range(offset, offset + length, 512):
            count = min(512, offset + length - place)
            if place < self.real or self.beyond == "wrap":
                found += self.data[place % self.real : place % self.real + count]
            else:
                found += bytes(count)
        for place, bits in self.spoil.items():
            if offset <= place < offset + length:
                found[place - offset] ^= bits
        return bytes(found)

    def settle(self) -> None:
        self.settled += 1
        self.unsettled.clear()

    def present(self) -> bool:
        return self.plugged


class Heard:
    """Progress, remembered."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.amounts: list[tuple[int, int]] = []

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def amount(self, done: int, total: int) -> None:
        self.amounts.append((done, total))


def image_file(path: Path, size: int, seed: int = 1) -> Image:
    """A file that passes for an image of a stick: a boot sector, and then noise with some blank pages in it."""
    chance = random.Random(seed)
    data = bytearray(chance.randbytes(size))
    for at in range(0, size, 64 * 1024):
        data[at + 4096 : at + 12288] = bytes(len(data[at + 4096 : at + 12288]))
    data[440:510] = bytes(70)
    data[510:512] = b"\x55\xaa"
    path.write_bytes(data)
    return Image(path, size, hashlib.sha256(data).hexdigest())


def describe(path: Path, **changes: object) -> None:
    """Put a manifest beside the image ``path``."""
    data = path.read_bytes()
    image = {"file": path.name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), **changes}
    manifest.beside(path).write_text(json.dumps({"format": manifest.FORMAT, "image": image}))
