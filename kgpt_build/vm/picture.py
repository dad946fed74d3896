"""A screen as pixels: read from QEMU's screendump, written as PNG or PPM."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from kgpt_build.errors import KgptError
from kgpt_build.paths import write_atomically


@dataclass(frozen=True)
class Picture:
    """A picture: ``rgb`` is (height, width, 3), 0 to 255."""

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
        """Are all pixels equal?"""
        return other is not None and np.array_equal(self.rgb, other.rgb)


def read_picture(data: bytes) -> Picture:
    """Read a PPM or PNG. Raises KgptError for other or incomplete data."""
    try:
        with Image.open(io.BytesIO(data), formats=("PPM", "PNG")) as image:
            return Picture(np.asarray(image.convert("RGB")))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise KgptError(f"this is no picture, or a damaged one: {error}", "take it again") from error


def write_picture(path: Path, picture: Picture) -> None:
    """Write a PNG if ``path`` ends with .png, else a PPM, atomically. Raises KgptError."""
    out = io.BytesIO()
    Image.fromarray(picture.rgb).save(out, "PNG" if path.suffix.lower() == ".png" else "PPM", optimize=True)
    write_atomically(path, out.getvalue())
