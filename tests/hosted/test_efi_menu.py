"""The boot menu of kgpt.efi: the file of entries, keys, time, rows, the text of progress."""

from __future__ import annotations

import ctypes

import pytest
from native import shared_object

SOURCES = [
    "tests/hosted/menu_driver.c",
    *(f"kernel_c/loader/{name}.c" for name in ("menu", "menu_file", "menu_rows", "progress")),
    *(f"kernel_c/core/{name}.c" for name in ("error", "format", "parse", "str", "utf8")),
]
NOTHING, DRAW, BOOT = range(3)
UP, DOWN, LEFT, RIGHT, HOME, END, PAGE_UP, PAGE_DOWN, DELETE, F10 = range(0x110000, 0x11000A)
PLAIN, TITLE, CHOSEN, DIM = range(4)
MENU = b"""# a comment
timeout 5
default smol-chat

entry default-generate default: generate
kernel /kgpt/default.efi
words mode=generate
entry smol-chat Smol: chat\r
  words mode=chat modules=2 prompt="a  b"
module /models/smol.gguf smol.gguf sha256=ab
module /models/smol.kgct smol.kgct
"""


class _Text(ctypes.Structure):
    """struct kg_text."""

    _fields_ = (("data", ctypes.c_void_p), ("n", ctypes.c_size_t))

    def __str__(self) -> str:
        return ctypes.string_at(self.data, self.n).decode()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = shared_object(tmp_path_factory.mktemp("menu"), SOURCES)
    for name in ("fault", "words", "row", "progress"):
        getattr(library, f"driver_{name}").restype = ctypes.c_char_p
    for name in ("text", "module"):
        getattr(library, f"driver_{name}").restype = ctypes.POINTER(_Text)
    library.driver_parse.restype = ctypes.c_bool
    library.driver_parse.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_bool]
    library.driver_progress.argtypes = [ctypes.c_uint64] * 3 + [ctypes.c_size_t]
    return library


_kept: list[bytes] = []


def parse(library: ctypes.CDLL, text: bytes, more: bool = False) -> bool:
    _kept.append(text)  # the menu points into it
    return bool(library.driver_parse(text, len(text), more))


@pytest.fixture
def menu(library: ctypes.CDLL) -> ctypes.CDLL:
    assert parse(library, MENU)
    library.driver_open(80, 25)
    return library


def text_of(library: ctypes.CDLL, entry: int, which: int) -> str:
    return str(library.driver_text(entry, which).contents)


def test_a_menu_file(menu: ctypes.CDLL) -> None:
    assert menu.driver_timeout() == 5
    assert [text_of(menu, 0, i) for i in range(4)] == [
        "default-generate",
        "default: generate",
        "/kgpt/default.efi",
        "mode=generate",
    ]
    assert [text_of(menu, 1, i) for i in range(4)] == [
        "smol-chat",
        "Smol: chat",
        "",
        'mode=chat modules=2 prompt="a  b"',
    ]
    assert (menu.driver_modules(0), menu.driver_modules(1)) == (0, 2)
    assert str(menu.driver_module(1, 0, False).contents) == "/models/smol.gguf"
    assert str(menu.driver_module(1, 0, True).contents) == "smol.gguf sha256=ab"


def test_the_menu_of_an_added_model_comes_after_the_others(menu: ctypes.CDLL) -> None:
    assert parse(menu, b"entry new-chat New: chat\nmodule /models/new.gguf\n", more=True)
    assert menu.driver_entries() == 3
    assert str(menu.driver_module(2, 0, True).contents) == "/models/new.gguf"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"timeout 5\nkernal x\n", b"line 2 of menu.cfg: the first word is none of"),
        (b"words mode=chat", b"line 1 of menu.cfg: the line stands before the first entry"),
        (b"timeout 3601", b"timeout wants"),
        (b"timeout", b"timeout wants"),
        (b"entry", b"an entry needs an id"),
        (b"entry a b\nmodule", b"a module needs the path"),
        (b"entry a b\nwords " + b"x" * 4096, b"more than 4095 bytes"),
        (b"entry a\n" * 129, b"line 129 of menu.cfg: the menu has more than 128 entries"),
        (b"entry a\n" + b"module b\n" * 513, b"more than 512 modules"),
        (b"entry a\x07b", b"control character"),
    ],
)
def test_files_that_are_no_menu(library: ctypes.CDLL, text: bytes, message: bytes) -> None:
    assert not parse(library, text)
    assert message in library.driver_fault()


def test_time_starts_the_default_entry(menu: ctypes.CDLL) -> None:
    assert menu.driver_chosen() == 1
    assert b"Starts in 5 s" in menu.driver_row(23)
    assert menu.driver_pass(500) == NOTHING
    assert menu.driver_pass(600) == DRAW
    assert b"Starts in 4 s" in menu.driver_row(23)
    assert menu.driver_pass(5000) == BOOT
    assert menu.driver_words() == b'mode=chat modules=2 prompt="a  b"'


def test_any_key_stops_the_clock(menu: ctypes.CDLL) -> None:
    assert menu.driver_press(ord("x")) == DRAW
    assert menu.driver_pass(100_000) == NOTHING
    assert b"Enter: start" in menu.driver_row(23)


def test_arrows_go_round_and_enter_starts(menu: ctypes.CDLL) -> None:
    for key, chosen in ((DOWN, 2), (DOWN, 0), (UP, 2), (HOME, 0), (END, 2), (PAGE_UP, 0), (PAGE_DOWN, 2), (UP, 1)):
        assert menu.driver_press(key) == DRAW
        assert menu.driver_chosen() == chosen
        assert menu.driver_look(3 + chosen) == CHOSEN
    assert menu.driver_press(UP) == DRAW
    assert menu.driver_press(13) == BOOT
    assert menu.driver_words() == b"mode=generate"


def test_safe_graphics(menu: ctypes.CDLL) -> None:
    assert b"[ ] safe graphics" in menu.driver_row(5)
    menu.driver_press(END)
    assert menu.driver_press(13) == DRAW
    assert b"[x] safe graphics" in menu.driver_row(5)
    assert menu.driver_press(13) == BOOT
    assert menu.driver_words() == b"mode=generate screen=safe"


def test_the_default_entry_with_safe_graphics(library: ctypes.CDLL) -> None:
    assert parse(library, b"timeout 0\ndefault safe>safe-b\nentry a A\nentry b B\nwords w\n")
    library.driver_open(80, 25)
    assert library.driver_pass(0) == BOOT
    assert library.driver_words() == b"w screen=safe"


def test_words_are_edited(menu: ctypes.CDLL) -> None:
    menu.driver_press(HOME)
    menu.driver_press(ord("e"))
    for char in " seed=7é€":
        menu.driver_press(ord(char))
    assert menu.driver_words() == "mode=generate seed=7é€".encode()
    menu.driver_press(8)
    menu.driver_press(LEFT)
    menu.driver_press(DELETE)
    menu.driver_press(DELETE)
    menu.driver_press(HOME)
    menu.driver_press(RIGHT)
    menu.driver_press(ord("X"))
    assert menu.driver_words() == b"mXode=generate seed=7"
    assert b"mX|ode=generate" in menu.driver_row(5)
    assert menu.driver_press(27) == DRAW
    assert menu.driver_press(F10) == BOOT
    assert menu.driver_words() == b"mode=generate"


def test_edited_words_start(menu: ctypes.CDLL) -> None:
    menu.driver_press(ord("e"))
    menu.driver_press(ord("x"))
    assert menu.driver_press(13) == BOOT
    assert menu.driver_words().endswith(b"x")


def test_words_have_a_most(library: ctypes.CDLL) -> None:
    assert parse(library, b"entry a\nwords " + b"x" * 4095)
    library.driver_open(80, 25)
    library.driver_press(ord("e"))
    library.driver_press(ord("y"))
    assert library.driver_words() == b"x" * 4095


def test_many_entries_scroll(library: ctypes.CDLL) -> None:
    assert parse(library, b"".join(b"entry e%d Title %d\n" % (i, i) for i in range(100)))
    library.driver_open(80, 25)
    library.driver_press(UP)
    assert library.driver_look(21) == CHOSEN
    assert b"Title 99" in library.driver_row(20)
    library.driver_press(HOME)
    assert b"Title 0" in library.driver_row(3)


def test_rows_are_no_wider_than_the_screen(menu: ctypes.CDLL) -> None:
    parse(menu, b"entry a " + "ü".encode() * 300)
    menu.driver_open(40, 10)
    for _ in range(2):
        assert all(len(menu.driver_row(row).decode()) <= 40 for row in range(10))
        menu.driver_press(ord("e"))


def test_progress(library: ctypes.CDLL) -> None:
    assert library.driver_progress(0, 98_000_000, 0, 80) == b"[" + b"." * 32 + b"]   0 %, 0 of 98 MB"
    assert library.driver_progress(0, 24_992, 0, 80).endswith(b"   0 %, 0 of 25 KB")
    assert library.driver_progress(24_992, 24_992, 0, 80).endswith(b" 100 %, 25 of 25 KB")
    assert library.driver_progress(1_000_001, 1_000_001, 0, 80).endswith(b" 100 %, 2 of 2 MB")
    text = library.driver_progress(49_000_000, 98_000_000, 2000, 80)
    assert text.endswith(b" 50 %, 49 of 98 MB, 24.5 MB/s, 0:02 left")
    assert 15 <= text.count(b"#") <= 16
    assert library.driver_progress(5 << 30, 5 << 30, 1000, 80).startswith(b"[" + b"#" * 32 + b"] 100 %")
    assert library.driver_progress(0, 0, 0, 80).startswith(b"[" + b"#" * 32 + b"] 100 %")
