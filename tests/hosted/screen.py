"""The kernel's screen without its hardware, through tests/hosted/screen_driver.c, and what it should look like."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from native import shared_object

from benchmarks.c_library import PixelFormat
from kgpt_build.headers import font

SOURCES = [
    "tests/hosted/screen_driver.c",
    *(f"kernel_c/console/{name}.c" for name in ("font", "pixels", "terminal", "writer")),
    *(f"kernel_c/app/shell/{name}.c" for name in ("lineedit", "lineedit_draw", "lineedit_history")),
    *(f"kernel_c/core/{name}.c" for name in ("arena", "arena_count", "format", "str", "utf8")),
]
COLOURS = (
    *(0x000000, 0xA61E1E, 0x7CB86A, 0xD7A65F, 0x2F5FA8, 0xBC8FC9, 0x63B8C6, 0xB8BEC6),
    *(0x868E98, 0xFF8078, 0xA5DC8C, 0xFFD27A, 0x84AEFF, 0xDDB0F2, 0x92E2EC, 0xFFFFFF),
)
"""Those of kgpt/palette.h, in ANSI's order."""
UNTOUCHED = 0xE7
NOTHING = 0xFFFFFFFF
"""What the terminal takes for no cell: the rows of a picture."""

Words = npt.NDArray[np.uint32]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Format:
    """Pixels in memory: ``fields`` are position and size, in bits, of red, green and blue; ``pad`` bytes end a line."""

    width: int
    height: int
    bpp: int = 32
    fields: tuple[int, ...] = (16, 8, 8, 8, 0, 8)
    pad: int = 0

    @property
    def bytes(self) -> int:
        """Of a pixel."""
        return (self.bpp + 7) // 8

    @property
    def pitch(self) -> int:
        """Bytes of a line."""
        return self.width * self.bytes + self.pad

    def colour(self, rgb: Words) -> Words:
        """Pixels of 0x00RRGGBB in this format."""
        out = np.zeros_like(rgb)
        for shift, position, size in zip((16, 8, 0), self.fields[::2], self.fields[1::2], strict=True):
            value = rgb >> np.uint32(shift) & np.uint32(0xFF)
            scaled = value >> np.uint32(8 - size) if size < 8 else value << np.uint32(size - 8)
            out |= scaled << np.uint32(position)
        return out


class Screen:
    """A terminal drawn into memory, which keeps ``kept`` rows that have scrolled away."""

    def __init__(self, library: ctypes.CDLL, format: Format, scale: int = 1, kept: int = 0) -> None:
        self._library, self.format = library, format
        self.memory: Bytes = np.full(format.pitch * format.height, UNTOUCHED, np.uint8)
        numbers = PixelFormat(format.pitch, format.width, format.height, format.bpp, *format.fields)
        library.driver_pixels.restype = ctypes.c_bool
        if not library.driver_pixels(ctypes.byref(numbers), _at(self.memory), scale):
            raise ValueError("no such format")
        size = (ctypes.c_uint32 * 3)()
        library.driver_size(size)
        self.columns, self.rows, self.scale = size
        self._cells = np.zeros((2 * self.rows + kept) * self.columns, np.uint32)
        library.driver_terminal(_at(self._cells), ctypes.c_size_t(self._cells.size), self.columns, self.rows)

    def write(self, text: str | bytes) -> None:
        """Print ``text``."""
        data = text.encode() if isinstance(text, str) else text
        self._library.driver_write(data, ctypes.c_size_t(len(data)))

    def status(self, text: str) -> None:
        """Show ``text`` in the last row."""
        self._library.driver_status(text.encode(), ctypes.c_size_t(len(text.encode())))

    def place(self, top: int) -> None:
        """Leave the first ``top`` rows alone."""
        self._library.driver_place(top)

    def page(self, pages: int) -> None:
        """A page up (1), a page down (-1), or the newest rows (0)."""
        self._library.driver_page(pages)

    def draw(self) -> int:
        """Bring it into memory; the number of cells that were drawn."""
        return int(self._library.driver_draw())

    def draw_cells(self, row: int, column: int, cells: Words) -> None:
        """Bring these ``cells`` into memory, past the terminal."""
        self._library.driver_cells(row, column, _at(cells), len(cells))

    def picture(self, pixels: Words) -> None:
        """Show ``pixels``, 0x00RRGGBB."""
        height, width = pixels.shape
        self._library.driver_picture(_at(pixels), ctypes.c_size_t(width), width, height)

    def shown(self) -> tuple[Words, tuple[int, int]]:
        """The cells that it shows, (rows, columns), with the cursor swapped; and the cursor's row and column."""
        cells, cursor = np.zeros((self.rows, self.columns), np.uint32), (ctypes.c_uint32 * 2)()
        self._library.driver_shown(_at(cells), cursor)
        cells[cells == NOTHING] = cell(" ")
        return cells, (cursor[0], cursor[1])

    def text(self) -> list[str]:
        """What can be read, row by row, without spaces at the ends."""
        return ["".join(chr(cell & 0x1FFFFF) for cell in row).rstrip() for row in self.shown()[0].tolist()]

    def type(self, byte: int) -> tuple[int, str, int]:
        """A byte for the line editor: its answer, its line, and the cursor, in characters of the line."""
        line, cursor = ctypes.create_string_buffer(4096), ctypes.c_uint32()
        answer = self._library.driver_type(ctypes.c_uint8(byte), line, ctypes.byref(cursor))
        return int(answer), line.value.decode(), len(line.value[: cursor.value].decode())

    def begin_line(self, prompt: bytes) -> None:
        """Start the line editor."""
        self._prompt = prompt  # the editor keeps only where it is
        self._library.driver_edit(prompt)


def build(folder: Path, compiler: str = "zig") -> ctypes.CDLL:
    """Compile the library."""
    (folder / font.NAME).write_text(font.text("test"), encoding="ascii")
    return shared_object(folder, SOURCES, compiler, include=folder)


def cell(char: str, ink: int = 7, paper: int = 0) -> int:
    """A cell as the terminal has it."""
    return ord(char) | ink << 24 | paper << 28


def rendered(cells: Words, format: Format, scale: int) -> Bytes:
    """The memory of a screen that shows ``cells`` (rows, columns): the text with its margins, the bar at the bottom."""
    rows, columns = cells.shape
    every = font.glyphs()
    dots = np.array([[list(every[_shown(code)]) for code in row] for row in _codes(cells)])
    bits = np.unpackbits(dots.astype(np.uint8)[..., None], axis=-1)  # rows, columns, 16, 8
    palette = format.colour(np.array(COLOURS, np.uint32))
    ink, paper = palette[cells >> 24 & 15], palette[cells >> 28]
    small = np.where(bits == 1, ink[..., None, None], paper[..., None, None]).transpose(0, 2, 1, 3)
    whole = small.reshape(rows * 16, columns * 8).repeat(scale, 0).repeat(scale, 1).astype(np.uint32)
    left, top = corner(format, scale)
    image = np.zeros((format.height, format.width), np.uint32)
    text = whole[: -16 * scale]
    image[top : top + len(text), left : left + columns * 8 * scale] = text
    papers = np.pad(paper[-1].repeat(8 * scale), (left, 0), "edge")
    image[-24 * scale :] = np.pad(papers, (0, format.width - len(papers)), "edge")
    image[-20 * scale : -4 * scale, left : left + columns * 8 * scale] = whole[-16 * scale :]
    return in_memory(image, format)


def corner(format: Format, scale: int) -> tuple[int, int]:
    """The first pixel of the text, by the words of docs/platform.md: x and y."""
    columns, rows = format.width // (8 * scale) - 2, format.height // (16 * scale) - 1
    free = format.height - ((rows - 1) * 16 + 24) * scale
    return (format.width - columns * 8 * scale) // 2 // 8 * 8, (free + 8 * scale) // 2


def in_memory(pixels: Words, format: Format) -> Bytes:
    """The memory of a screen with ``pixels``, as the format has them, in its upper left corner."""
    image = np.zeros((format.height, format.width), np.uint32)
    image[: pixels.shape[0], : pixels.shape[1]] = pixels
    memory = np.full((format.height, format.pitch), UNTOUCHED, np.uint8)
    little = image[..., None].view(np.uint8)[..., : format.bytes]
    memory[:, : format.width * format.bytes] = little.reshape(format.height, -1)
    return memory.reshape(-1)


def _shown(code: int) -> int:
    like = font.ALIKE.get(code, code)
    return like if like in font.glyphs() else font.REPLACEMENT


def _codes(cells: Words) -> Sequence[Sequence[int]]:
    codes: list[list[int]] = (cells & np.uint32(0x1FFFFF)).tolist()
    return codes


def _at(array: npt.NDArray[np.uint8] | Words) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
