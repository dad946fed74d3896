"""The screen's terminal and pixels against renderings that Python makes from the font."""

from __future__ import annotations

import ctypes
import random

import numpy as np
import pytest
from screen import Format, Screen, build, cell, corner, in_memory, rendered

RGB = (16, 8, 8, 8, 0, 8)
BGR = (0, 8, 8, 8, 16, 8)
FORMATS = [
    Format(360, 200),
    Format(363, 199, 32, BGR, pad=20),
    Format(352, 208, 32, (8, 8, 16, 8, 24, 8), pad=1),
    Format(360, 200, 32, (20, 10, 10, 10, 0, 10)),
    Format(365, 203, 24, RGB, pad=3),
    Format(360, 200, 24, BGR, pad=7),
    Format(361, 200, 16, (11, 5, 5, 6, 0, 5), pad=2),
    Format(360, 200, 15, (10, 5, 5, 5, 0, 5), pad=5),
]
TEXT = "kgpt> Grüße, ½ «é»\n┌─┐ █▓░ ╔═╗\n" + (
    "\x1b[1;31mred\x1b[44mon blue\x1b[7mback\x1b[0m \x1b[97;103mlight\x1b[m 你\ufffd “it’s”—\n"
)
SMALL = Format(192, 96)  # 22 by 5 characters


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build(tmp_path_factory.mktemp("screen"))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("format", FORMATS, ids=lambda f: f"{f.bpp}-{f.fields[0]}-{f.pad}")
def test_every_format_at_every_scale(library: ctypes.CDLL, format: Format, scale: int) -> None:
    large = Format(format.width * scale, format.height * scale, format.bpp, format.fields, format.pad)
    screen = Screen(library, large, scale)
    assert (screen.columns, screen.rows, screen.scale) == (
        large.width // (8 * scale) - 2,
        large.height // (16 * scale) - 1,
        scale,
    )
    screen.write(TEXT)
    screen.status("status: ½ ready")
    screen.draw()
    cells, cursor = screen.shown()
    assert cursor == (3, 0)
    assert cells[2, :5].tolist() == [cell("r", 9), cell("e", 9), cell("d", 9), cell("o", 9, 4), cell("n", 9, 4)]
    assert cells[2, 15] == cell("l", 15, 11)
    assert cells[3, 0] == cell(" ", 0, 7)  # the cursor
    assert cells[-1, 8] == cell("½", 0, 7)
    assert np.array_equal(screen.memory, rendered(cells, large, scale))


def test_a_large_screen_has_large_letters(library: ctypes.CDLL) -> None:
    sizes = {
        (640, 480): 1,
        (1024, 768): 1,
        (1280, 800): 1,
        (1920, 1080): 2,
        (2560, 1440): 2,
        (3840, 2160): 4,
        (7680, 4320): 8,
        (2560, 1080): 2,
        (3440, 1440): 2,
    }
    for (width, height), scale in sizes.items():
        screen = Screen(library, Format(width, height, 16, (11, 5, 5, 6, 0, 5)), 0)
        assert screen.scale == scale
    assert Screen(library, Format(1080, 1920, 16, (11, 5, 5, 6, 0, 5)), 0).scale == 1  # upright: enough columns
    assert Screen(library, Format(640, 480), 8).scale == 3  # no fewer than 20 columns


@pytest.mark.parametrize(
    "format",
    [Format(360, 200, 8), Format(168, 200), Format(360, 64), Format(360, 200, 24, (20, 8, 8, 8, 0, 8)),
     Format(360, 200, 32, (0, 0, 8, 8, 16, 8)), Format(360, 200, pad=-4)],
)  # fmt: skip
def test_what_cannot_be_drawn_in(library: ctypes.CDLL, format: Format) -> None:
    with pytest.raises(ValueError, match="no such format"):
        Screen(library, format)


def test_only_what_changed_is_drawn(library: ctypes.CDLL) -> None:
    screen = Screen(library, Format(656, 416))
    assert screen.draw() == 80 * 25
    assert screen.draw() == 0
    screen.write("abc")
    assert screen.draw() == 4  # and the cursor
    screen.write("\rabd")
    assert screen.draw() == 1
    screen.write("\n" * 30)
    screen.draw()
    screen.write("\nx\ny")
    assert screen.draw() == 3  # x, y, the cursor: all the other rows were blank and are
    screen.status("s")
    assert screen.draw() == 80


def test_a_flood_of_lines_ends_with_the_last_ones(library: ctypes.CDLL) -> None:
    screen = Screen(library, SMALL)
    screen.status("fixed")
    for i in range(1000):
        screen.write(f"line {i}\n")
        if i % 7 == 0:
            screen.draw()
    screen.draw()
    assert screen.text() == ["line 997", "line 998", "line 999", "", "fixed"]
    assert np.array_equal(screen.memory, rendered(screen.shown()[0], SMALL, 1))


def _rows(first: int, n: int) -> list[str]:
    return [f"line {i}" if i < 3000 else "" for i in range(first, first + n)]


def test_a_thousand_rows_are_kept_and_paged_through(library: ctypes.CDLL) -> None:
    screen = Screen(library, SMALL, kept=1024)
    screen.write("".join(f"line {i}\n" for i in range(3000)))
    height, newest = screen.rows - 1, 3001 - 4
    seen = newest
    assert screen.text()[:height] == _rows(newest, height)
    for _ in range(400):
        screen.page(1)
        seen = max(seen - (height - 1), newest - 1024)
        assert screen.text()[:height] == _rows(seen, height)
    assert seen == newest - 1024
    screen.page(-1)
    assert screen.text()[:height] == _rows(seen + height - 1, height)
    screen.page(0)
    assert screen.text()[:height] == _rows(newest, height)
    screen.page(-1)
    assert screen.text()[:height] == _rows(newest, height)


def test_what_is_written_does_not_move_what_is_looked_at(library: ctypes.CDLL) -> None:
    screen = Screen(library, SMALL, kept=20)
    screen.write("".join(f"line {i}\n" for i in range(15)))
    screen.page(1)
    before = screen.text()
    assert before[:-1] == _rows(9, 4)
    screen.status("goes on")
    screen.write("new\n" * 7)
    assert screen.text() == [*before[:-1], "goes on  10 rows back"]
    screen.write("new\n" * 30)  # what was looked at is forgotten
    assert screen.text()[:-1] == ["new"] * 4
    screen.page(0)
    assert screen.text()[:-1] == ["new"] * 3 + [""]
    screen.page(1)
    screen.place(2)  # a picture
    assert screen.text()[2:-1] == ["new", ""]


def test_the_colour_that_is_set_is_the_plain_one(library: ctypes.CDLL) -> None:
    """A panic is red, whatever colour the text before it had."""
    screen = Screen(library, Format(656, 416))
    screen.write("\x1b[36mtyped")
    library.driver_colour(15, 1)
    screen.write("a\x1b[mb\x1b[32;44mc\x1b[39;49md\n")
    screen.draw()
    cells = screen.shown()[0][0]
    assert cells[:9].tolist() == [*(cell(c, 6) for c in "typed"), cell("a", 15, 1), cell("b", 15, 1), cell("c", 2, 4),
                                  cell("d", 15, 1)]  # fmt: skip


def test_a_picture_above_the_text(library: ctypes.CDLL) -> None:
    rng = np.random.default_rng(5)
    for format in (Format(363, 199, 32, BGR, pad=20), Format(365, 203, 24), Format(361, 200, 16, (11, 5, 5, 6, 0, 5))):
        screen = Screen(library, format)
        screen.write("".join(f"{i}\n" for i in range(30)) + "end")
        screen.draw()
        screen.place(4)
        picture = rng.integers(0, 1 << 24, (64, screen.columns * 8), np.uint32)
        screen.draw()
        screen.picture(picture)
        cells, _ = screen.shown()
        expected = rendered(cells, format, 1).reshape(format.height, -1)
        left, top = corner(format, 1)
        image = np.zeros((format.height, format.width), np.uint32)
        image[top : top + 64, left : left + picture.shape[1]] = format.colour(picture)
        expected[top : top + 64] = in_memory(image, format).reshape(format.height, -1)[top : top + 64]
        assert np.array_equal(screen.memory, expected.reshape(-1))
        assert screen.text()[-3:] == ["29", "end", ""]
        screen.place(0)
        screen.draw()
        assert np.array_equal(screen.memory, rendered(screen.shown()[0], format, 1))


def test_broken_utf_8_and_sequences(library: ctypes.CDLL) -> None:
    screen = Screen(library, Format(656, 416))
    for written, seen in {
        b"\xff\xfe a": "�� a",
        b"\xe2\x82x\xf0\x9f\x98\n": "�x�",
        b"\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xe0\x80\x80": "��" + "�" * 3,
        b"\x1b[?25l\x1b[2 q\x1b(Bin\x1b]0;a title\x1b\\side\x1bP1;2q~~\x07": "inside",
        b"\x1b[999999999999Cx\x1b[Hy": "y" + " " * 78 + "x",
        b"\x1b[1;2;3;4;5;6;7;8;9mplain\x1b[38;2;1;31;41mx": "plainx",
        b"\x1b]0;never ended\nnext": "next",
        b"\xc2\x9b31mno\x7f \x00\x07C1": "31mno C1",
    }.items():
        screen.write(b"\x1b[m\x1b[2J\x1b[H" + written)
        rows = [row for row in screen.text() if row]
        assert rows == [seen]


KEYS = [
    b"a",
    b"b",
    b" ",
    "é".encode(),
    b"\x7f",
    b"\x1b[D",
    b"\x1b[C",
    b"\x01",
    b"\x05",
    b"\x17",
    b"\x0b",
    b"\x1b[3~",
    b"\x15",
]
WEIGHTS = [9, 9, 4, 6, 4, 6, 4, 1, 1, 1, 1, 1, 1]
PROMPT = "kgpt> "


@pytest.mark.parametrize("seed", range(20))
def test_a_long_line_is_edited_over_several_rows(library: ctypes.CDLL, seed: int) -> None:
    chance = random.Random(seed)
    screen = Screen(library, Format(176 + 8 * (seed % 5), 16 * 10))
    screen.write("before\n" * chance.randrange(9))
    screen.begin_line(PROMPT.encode())
    for _ in range(300):
        line = ""
        for byte in chance.choices(KEYS, WEIGHTS)[0]:
            _, line, cursor = screen.type(byte)
        if len(PROMPT + line) >= screen.columns * 7:
            _, line, cursor = screen.type(0x15)
        whole, at = PROMPT + line, len(PROMPT) + cursor
        rows = [whole[i : i + screen.columns].rstrip() for i in range(0, len(whole), screen.columns)]
        first = len(_before(screen))
        assert screen.text()[first:-1] == rows + [""] * (screen.rows - 1 - first - len(rows))
        row, column = screen.shown()[1]
        assert (row - first) * screen.columns + column == at
    _, line, _ = screen.type(ord("\r"))
    screen.write("after")
    last = [row for row in screen.text() if row][-1]
    assert last == "after"


def _before(screen: Screen) -> list[str]:
    """The rows above the line that is edited."""
    rows = screen.text()
    starts = [i for i, row in enumerate(rows) if row.startswith(PROMPT.rstrip())]
    return rows[: starts[-1]]
