"""Reads the characters of a screen from its pixels. The font is known, so a cell matches exactly or not at all.

The kernel draws text in cells of 8 by 16 pixels times a scale, within the margins of kernel_c/console/pixels.c; the
last row is the status line.
A VGA text screen has 80 by 25 cells of 9 by 16 pixels, in the font of the VGA BIOS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.vm.picture import Picture

WIDTH, HEIGHT = 8, 16
"""Of a glyph, in pixels."""
VGA_CELL, VGA_COLUMNS, VGA_ROWS = 9, 80, 25
_MARGIN_COLUMNS, _MARGIN_ROWS, _TOP, _BAR = 2, 1, HEIGHT // 2, HEIGHT // 4
"""As in kernel_c/console/pixels.c: in cells, then in dots of the font."""
_LEAST_COLUMNS, _LEAST_ROWS = _MARGIN_COLUMNS + 1, _MARGIN_ROWS + 2
UNKNOWN = "\ufffd"
"""The character of a cell that matches no glyph."""
MAX_SCALE = 8

Glyphs = Mapping[int, bytes]
"""Code point -> 16 bytes, a row each, the most significant bit leftmost."""
_Packed = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Screen:
    """The characters of a screen. ``cells``: one string per row, all of the same length. Colours: 0x00RRGGBB."""

    cells: tuple[str, ...]
    foreground: _Packed
    background: _Packed
    scale: int

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The rows without trailing blanks."""
        return tuple(row.rstrip(" ") for row in self.cells)

    @property
    def text(self) -> str:
        """All rows but the last; wrapped rows are joined, so this is the written text without trailing blanks."""
        width = len(self.cells[0]) if self.cells else 0
        return "".join(row if len(row) == width else row + "\n" for row in self.lines[:-1]).rstrip("\n")

    @property
    def status(self) -> str:
        """The last row, which is the status line."""
        return self.lines[-1].strip() if self.lines else ""

    @property
    def unknown(self) -> int:
        """The number of cells that match no glyph."""
        return sum(row.count(UNKNOWN) for row in self.cells)

    @property
    def shown(self) -> int:
        """The number of cells that match a glyph other than the blank."""
        return sum(len(row) - row.count(" ") - row.count(UNKNOWN) for row in self.cells)


def read_pixels(picture: Picture, glyphs: Glyphs) -> Screen:
    """Read a screen of pixels; of all scales, take the one of whose drawn cells the largest share match a glyph.

    A cell of one colour is a blank. A cell with the cursor (lines at its bottom) is matched without these lines.
    Raises KgptError if the picture has no room for a character, a status line and margins.
    """
    if picture.width < _LEAST_COLUMNS * WIDTH or picture.height < _LEAST_ROWS * HEIGHT:
        raise KgptError(f"a picture of {picture.width}x{picture.height} has no room for text")
    packed, font = _packed(picture), _Font(glyphs)
    largest = min(MAX_SCALE, picture.width // WIDTH // _LEAST_COLUMNS, picture.height // HEIGHT // _LEAST_ROWS)
    screens = [_read(_without_margins(packed, scale), font, scale) for scale in range(largest, 0, -1)]
    return max(screens, key=_share)


def _share(screen: Screen) -> tuple[float, int]:
    """Of the cells that match, and of two scales at which all do, how much of the picture they cover. Their number
    alone tells nothing: in large letters are many small blocks.
    """
    drawn = screen.shown + screen.unknown
    return (screen.shown / drawn if drawn else 0.0, screen.scale**2 * screen.shown)


def read_vga_text(picture: Picture, glyphs: Glyphs) -> Screen:
    """Read a VGA text screen of 80 by 25 characters. Raises KgptError for a picture of another size."""
    packed = _packed(picture)
    if packed.shape != (VGA_ROWS * HEIGHT, VGA_COLUMNS * VGA_CELL):
        raise KgptError(f"a picture of {picture.width}x{picture.height} is no VGA text screen")
    # Drop the ninth column: it is a gap, or repeats the eighth column in box drawing characters.
    columns = packed.reshape(VGA_ROWS * HEIGHT, VGA_COLUMNS, VGA_CELL)[:, :, :WIDTH]
    return _read(columns.reshape(VGA_ROWS * HEIGHT, VGA_COLUMNS * WIDTH), _Font(glyphs), 1)


def is_vga_text(picture: Picture) -> bool:
    """Has the picture the size of a VGA text screen?"""
    return (picture.width, picture.height) == (VGA_COLUMNS * VGA_CELL, VGA_ROWS * HEIGHT)


def read_vga_font(rom: bytes) -> dict[int, bytes]:
    """The glyphs of the 8 by 16 font in the VGA BIOS ``rom``, by Unicode code point.

    Raises KgptError if the ROM has no such font: then the machine has no VGA BIOS.
    """
    at = rom.find(_VGA_A)
    start = at - ord("A") * HEIGHT
    if at < 0 or start < 0 or any(rom[start + ord(" ") * HEIGHT :][:HEIGHT]):
        raise KgptError("there is no font in the VGA BIOS", "is the machine one with a VGA card and a BIOS?")
    glyphs: dict[int, bytes] = {}
    for code in (*range(32, 256), *range(1, 32)):  # of equal glyphs, such as blanks, keep the ASCII character
        glyph = rom[start + code * HEIGHT : start + (code + 1) * HEIGHT]
        glyphs.setdefault(ord(_CODE_PAGE_437[code]), glyph)
    return glyphs


_VGA_A = bytes.fromhex("000010386cc6c6fec6c6c6c600000000")
"""The letter A in the font of every VGA BIOS."""
_CODE_PAGE_437 = "\0☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼" + bytes(range(32, 256)).decode("cp437").replace("\x7f", "⌂")


class _Font:
    """Glyphs by their pixels."""

    def __init__(self, glyphs: Glyphs) -> None:
        self._known: dict[bytes, str] = {}
        for code in glyphs:  # of characters that look the same, the first one
            if len(glyphs[code]) != HEIGHT:
                raise ValueError(f"the glyph of {code:#x} has {len(glyphs[code])} rows, not {HEIGHT}")
            self._known.setdefault(bytes(glyphs[code]), chr(code))

    def find(self, bits: bytes) -> str | None:
        """The character with these pixels, if necessary without a cursor."""
        found = self._known.get(bits)
        if found is None and (above := _without_cursor(bits)) != bits:
            found = " " if not any(above) else self._known.get(above)
        return found


def _without_cursor(bits: bytes) -> bytes:
    """The glyph without up to four full lines at its bottom, which are a cursor."""
    return bits[:-4] + bytes(0 if row == 0xFF else row for row in bits[-4:])


def _packed(picture: Picture) -> _Packed:
    return np.asarray(picture.rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32), np.uint32)


def _without_margins(packed: _Packed, scale: int) -> _Packed:
    """The rows of text, then the status line."""
    height, width = packed.shape
    columns, rows = width // (WIDTH * scale) - _MARGIN_COLUMNS, height // (HEIGHT * scale) - _MARGIN_ROWS
    left = (width - columns * WIDTH * scale) // 2 & ~7
    top = (height - (rows * HEIGHT + 2 * _BAR - _TOP) * scale) // 2
    text = packed[top:][: (rows - 1) * HEIGHT * scale]
    status = packed[height - (HEIGHT + _BAR) * scale :][: HEIGHT * scale]
    return np.vstack([text, status])[:, left : left + columns * WIDTH * scale]


def _read(packed: _Packed, font: _Font, scale: int) -> Screen:
    rows, columns = packed.shape[0] // (HEIGHT * scale), packed.shape[1] // (WIDTH * scale)
    used = packed[: rows * HEIGHT * scale, : columns * WIDTH * scale]
    blocks = used.reshape(rows, HEIGHT, scale, columns, WIDTH, scale)
    corners = blocks[:, :, :1, :, :, :1]
    sharp = (blocks == corners).all(axis=(1, 2, 4, 5))
    cells = corners.reshape(rows, HEIGHT, columns, WIDTH).transpose(0, 2, 1, 3).reshape(rows, columns, HEIGHT * WIDTH)
    low, high = cells.min(axis=2), cells.max(axis=2)
    is_high = cells == high[:, :, None]
    sharp &= (is_high | (cells == low[:, :, None])).all(axis=2)
    bits = np.packbits(is_high, axis=2)
    foreground, background = high.copy(), low.copy()
    text = []
    for row in range(rows):
        characters = []
        for column in range(columns):
            if not sharp[row, column]:
                characters.append(UNKNOWN)
            elif low[row, column] == high[row, column]:
                characters.append(" ")
            else:
                character, reversed_ = _look_up(font, bits[row, column].tobytes())
                characters.append(character)
                if reversed_:
                    foreground[row, column], background[row, column] = low[row, column], high[row, column]
        text.append("".join(characters))
    return Screen(tuple(text), foreground, background, scale)


def _look_up(font: _Font, bits: bytes) -> tuple[str, bool]:
    """The character, and whether it is dark on light."""
    found = font.find(bits)
    if found is not None:
        return found, False
    found = font.find(bytes(0xFF ^ row for row in bits))
    return (UNKNOWN, False) if found is None else (found, True)
