"""A screen as pixels: QEMU's PPM in, PNG out, without a library for pictures."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError

_PPM = re.compile(rb"P6\s+(?:#[^\n]*\n\s*)*(\d+)\s+(\d+)\s+255\s")


@dataclass(frozen=True)
class Picture:
    """``rgb``: (height, width, 3), 0 to 255."""

    rgb: npt.NDArray[np.uint8]

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.rgb.shape[0])

    def same_as(self, other: Picture | None) -> bool:
        """Not a pixel differs."""
        return other is not None and np.array_equal(self.rgb, other.rgb)


def read_ppm(data: bytes) -> Picture:
    """A binary PPM with one byte a colour. Raises KgptError if it is none, or cut short."""
    header = _PPM.match(data)
    if header is None:
        raise KgptError(f"this is no picture in PPM's binary form: it begins with {data[:16]!r}")
    width, height = int(header[1]), int(header[2])
    pixels = data[header.end() :]
    if len(pixels) != 3 * width * height:
        raise KgptError(f"a picture of {width}x{height} has {3 * width * height} bytes, not {len(pixels)}")
    return Picture(np.frombuffer(pixels, np.uint8).reshape(height, width, 3))


def ppm_bytes(picture: Picture) -> bytes:
    """``picture`` as a binary PPM."""
    return f"P6\n{picture.width} {picture.height}\n255\n".encode() + picture.rgb.tobytes()


def png_bytes(picture: Picture) -> bytes:
    """``picture`` as a PNG: the same pixels give the same bytes. With a palette if it has at most 256 colours."""
    packed = picture.rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    colours, indices = np.unique(packed, return_inverse=True)
    if len(colours) <= 256:
        palette = b"".join(struct.pack(">I", int(colour))[1:] for colour in colours)
        rows = indices.reshape(picture.height, picture.width).astype(np.uint8)
        return _png(picture, rows, kind=3, extra=_chunk(b"PLTE", palette))
    return _png(picture, picture.rgb.reshape(picture.height, -1), kind=2)


def _png(picture: Picture, rows: npt.NDArray[np.uint8], *, kind: int, extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", picture.width, picture.height, 8, kind, 0, 0, 0)
    unfiltered = np.hstack([np.zeros((picture.height, 1), np.uint8), rows])  # each row says: no filter
    data = zlib.compress(unfiltered.tobytes(), 9)
    body = _chunk(b"IHDR", header) + extra + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
