"""Reading screens back, with synthetic pictures in a synthetic font; PPM and PNG."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from kgpt_build.errors import KgptError
from kgpt_build.vm.picture import Picture, read_picture, write_picture
from kgpt_build.vm.screen import (
    HEIGHT,
    UNKNOWN,
    WIDTH,
    is_vga_text,
    read_pixels,
    read_vga_font,
    read_vga_text,
)

GREY, BLACK, RED = 0xAAAAAA, 0, 0xAA0000
A = bytes.fromhex("000010386cc6c6fec6c6c6c600000000")


def font() -> dict[int, bytes]:
    """Glyphs of ASCII: A as VGA has it, the others at random, none whose reverse is another."""
    dice = random.Random(5)
    drawn = {code: bytes([0, *dice.randbytes(14), 0]) for code in range(33, 127)}
    return {**drawn, ord(" "): bytes(16), ord("A"): A, ord("_"): bytes(14) + b"\xff\0", 0xE9: bytes([0x18] * 16)}


FONT = font()


def draw(
    rows: list[str],
    *,
    scale: int = 1,
    columns: int = 20,
    width: int = WIDTH,
    colours: tuple[int, int] = (GREY, BLACK),
    reverse: tuple[int, ...] = (),
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Pixels of text; the rows of ``reverse`` are dark on light."""
    cells = np.full((len(rows) * HEIGHT, columns * width), colours[1], np.uint32)
    for y, row in enumerate(rows):
        front, back = colours[::-1] if y in reverse else colours
        for x, character in enumerate(row.ljust(columns)):
            bits = np.unpackbits(np.frombuffer(FONT[ord(character)], np.uint8)).reshape(HEIGHT, WIDTH)
            place = cells[y * HEIGHT : (y + 1) * HEIGHT, x * width : (x + 1) * width]
            place[:] = back
            place[:, :WIDTH][bits == 1] = front
    large = cells.repeat(scale, 0).repeat(scale, 1)
    return np.stack([large >> 16 & 255, large >> 8 & 255, large & 255], 2).astype(np.uint8)


def framed(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], scale: int = 1) -> Picture:
    """A screen of the kernel with these rows of text, the last of which is the status line."""
    cell, height = HEIGHT * scale, len(pixels) + HEIGHT * scale
    frame = np.zeros((height, pixels.shape[1] + 2 * WIDTH * scale, 3), np.uint8)
    inner = frame[:, WIDTH * scale : -WIDTH * scale]
    inner[cell // 2 :][: len(pixels) - cell] = pixels[:-cell]
    inner[height - cell - cell // 4 :][:cell] = pixels[-cell:]
    return Picture(frame)


TEXT = ["kgpt 0.1.0: booted", "", "sample  1: anna", "kgpt> _ {~}"]


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_text_is_read_at_every_scale(scale: int) -> None:
    screen = read_pixels(framed(draw([*TEXT, "status A"], scale=scale, reverse=(4,)), scale), FONT)
    assert screen.scale == scale
    assert screen.lines == (*TEXT, "status A")
    assert screen.text == "\n".join(TEXT)
    assert screen.status == "status A"
    assert screen.unknown == 0


def test_a_line_that_was_wrapped_is_one() -> None:
    screen = read_pixels(framed(draw(["0123456789", "abc", "", "status"], columns=10)), FONT)
    assert screen.text == "0123456789abc"


def test_colours_and_reversed_text() -> None:
    rows = np.vstack([draw(["red A"], colours=(RED, BLACK)), draw(["A" * 20], reverse=(0,))])
    screen = read_pixels(framed(rows), FONT)
    assert screen.lines == ("red A", "A" * 20)
    assert (screen.foreground[0, 0], screen.background[0, 0]) == (RED, BLACK)
    assert (screen.foreground[1, 0], screen.background[1, 0]) == (BLACK, GREY)


def test_pixels_beyond_the_last_cell_do_not_matter() -> None:
    """1366 is no multiple of 8, nor 768 of 32."""
    whole = framed(draw(["AbC", "status"], scale=2), 2).rgb
    height, width = whole.shape[:2]
    pixels = np.zeros((height + 16, width + 6, 3), np.uint8)
    pixels[8 : 8 + height - 40, :width] = whole[:-40]  # half of the rest is above the text
    pixels[-40:, :width] = whole[-40:]
    pixels[-1, -1] = 77
    screen = read_pixels(Picture(pixels), FONT)
    assert (screen.scale, screen.lines) == (2, ("AbC", "status"))


@pytest.mark.parametrize("first", [13, 14, 15])
def test_the_cursor_below_a_character_or_a_blank(first: int) -> None:
    pixels = draw(["Ab", "status"])
    pixels[first:16, 0:WIDTH] = 170
    pixels[first:16, 5 * WIDTH : 6 * WIDTH] = 170
    screen = read_pixels(framed(pixels), {**FONT, ord("_"): bytes(12) + b"\xff\0\0\0"})
    assert screen.lines[0].rstrip() == "Ab"
    assert screen.unknown == 0


def test_a_block_cursor() -> None:
    pixels = draw(["Ab", "status"])
    pixels[:16, WIDTH : 2 * WIDTH] = 170 - pixels[:16, WIDTH : 2 * WIDTH]
    assert read_pixels(framed(pixels), FONT).lines[0] == "Ab"


def test_what_is_no_glyph_is_unknown() -> None:
    pixels = draw(["AbA", "status"])
    pixels[3, WIDTH] ^= 255
    pixels[5, 2 * WIDTH] = (1, 2, 3)  # a third colour
    screen = read_pixels(framed(pixels), FONT)
    assert screen.lines[0] == f"A{UNKNOWN}{UNKNOWN}"
    assert screen.unknown == 2


def test_a_picture_above_the_text_does_not_hide_the_scale() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 320, 3), np.uint8)
    screen = read_pixels(framed(np.vstack([noise, draw(["step 1", "status"], scale=2)]), 2), FONT)
    assert (screen.scale, screen.lines[2:]) == (2, ("step 1", "status"))
    assert set(screen.lines[0]) == {UNKNOWN}


def test_a_blank_screen_and_one_that_is_too_small() -> None:
    assert read_pixels(Picture(np.zeros((480, 640, 3), np.uint8)), FONT).text == ""
    with refused(KgptError, "picture 7x16 text"):
        read_pixels(Picture(np.zeros((16, 7, 3), np.uint8)), FONT)


def vga_rom() -> bytes:
    """A BIOS with FONT where the code page has these characters, somewhere in it."""
    glyphs = [
        FONT.get(code, bytes([code, 0x3C] * 8)) if 32 <= code < 127 else bytes([code, 0x3C] * 8) for code in range(256)
    ]
    glyphs[0] = glyphs[255] = bytes(16)
    return b"\x55\xaa" + bytes(1001) + b"".join(glyphs) + bytes(99)


def test_vga_text() -> None:
    rows = ["A line", *[""] * 23, "status"]
    glyphs = read_vga_font(vga_rom())
    assert glyphs[ord("A")] == A
    assert glyphs[ord("é")] == bytes([0x82, 0x3C] * 8)
    assert glyphs[ord("☺")] == bytes([1, 0x3C] * 8)
    picture = Picture(draw(rows, columns=80, width=9))
    assert is_vga_text(picture)
    screen = read_vga_text(picture, glyphs)
    assert (screen.text, screen.status) == ("A line", "status")
    with refused(KgptError, "picture 640x480 VGA text"):
        read_vga_text(Picture(np.zeros((480, 640, 3), np.uint8)), glyphs)


@pytest.mark.parametrize("rom", [b"", b"\xff" * 4096, A + bytes(4096), b"\xff" * 1040 + A + bytes(4096)])
def test_no_font_in_the_bios(rom: bytes) -> None:
    with refused(KgptError, "font VGA BIOS"):
        read_vga_font(rom)


@pytest.mark.parametrize("name", ["a.png", "a.ppm", "a.PNG"])
def test_pictures_there_and_back(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (60, 32, 3), np.uint8)
    for pixels in (draw(TEXT), noise):
        write_picture(tmp_path / name, Picture(pixels))
        data = (tmp_path / name).read_bytes()
        assert data.startswith(b"P6" if name.endswith("ppm") else b"\x89PNG")
        assert read_picture(data).same_as(Picture(pixels))


def test_a_picture_that_is_none() -> None:
    assert read_picture(b"P6\n# a comment\n1 1 255\nabc").rgb.tolist() == [[[97, 98, 99]]]
    for wrong in (b"", b"GIF89a", b"P6\n2 1\n255\nabc"):
        with pytest.raises(KgptError):
            read_picture(wrong)
