"""The writer: generated text on terminals, on the screen and into pipes."""

from __future__ import annotations

import ctypes
import random
import re
import unicodedata
from collections.abc import Iterable

import pytest
from screen import Format, Screen, build, cell

from kgpt_build.vm.terminal import visible

KERNEL, MODEL, USER, DIM, ERROR = range(5)
_WRITE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t)
_SIGHTS = "one two three, four; fifteen-sixteen (seventeen) écoutez naïve Straße 你好世界 日本語 👋 🇩🇪 e\u0301 a\tb"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build(tmp_path_factory.mktemp("writer"))


class Writer:
    """A writer, and what it wrote."""

    def __init__(
        self, library: ctypes.CDLL, columns: int = 0, *, raw: bool = False, color: bool = False, is_screen: bool = False
    ) -> None:
        self._library, self.written = library, b""

        def write(text: int, n: int) -> None:
            self.written += ctypes.string_at(text, n)

        self._write = _WRITE(write)  # must live as long as the writer
        library.driver_writer(self._write, columns, raw, color, is_screen)

    def say(self, text: str | bytes, voice: int = MODEL) -> None:
        data = text.encode() if isinstance(text, str) else text
        self._library.driver_say(voice, data, ctypes.c_size_t(len(data)))

    def plain(self, text: str) -> None:
        self._library.driver_plain(text.encode(), ctypes.c_size_t(len(text.encode())))

    def notice(self, text: str) -> None:
        self._library.driver_notice(text.encode(), ctypes.c_size_t(len(text)))

    @property
    def text(self) -> str:
        return self.written.decode()


def _width(char: str) -> int:
    if unicodedata.combining(char) or char in "\u200d\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" or "\U0001f1e6" <= char <= "\U0001f1ff" else 1


def _shown(text: str, columns: int) -> list[str]:
    """What a terminal of ``columns`` shows; fails where it would wrap a line by itself."""
    rows: list[list[str]] = [[]]  # of each column; a wide character's second one is empty
    at = 0
    for char in text:
        row = rows[-1]
        if char == "\n":
            rows.append([])
            at = 0
        elif char == "\b":
            at = max(at - 1, 0)
        elif char == "\t":
            at = (at // 8 + 1) * 8
        elif not _width(char):
            row[at - 1] += char
        else:
            assert at + _width(char) < columns, f"wrapped: {row}"
            row += [" "] * (at + _width(char) - len(row))
            row[at : at + _width(char)] = [char, ""][: _width(char)]
            at += _width(char)
    return ["".join(row).rstrip() for row in rows]


def _cut(chance: random.Random, data: bytes) -> Iterable[bytes]:
    while data:
        n = chance.randint(1, 9)
        yield data[:n]
        data = data[n:]


@pytest.mark.parametrize("columns", [10, 21, 40, 80, 132])
def test_words_stay_whole_however_the_text_comes(library: ctypes.CDLL, columns: int) -> None:
    chance = random.Random(columns)
    words = _SIGHTS.split(" ")
    for _ in range(60):
        lines = [" ".join(chance.choices(words, k=chance.randint(0, 40))) for _ in range(5)]
        text = "\n".join(lines).replace("🇩🇪", "")
        whole = Writer(library, columns)
        whole.say(text)
        rows = _shown(whole.text, columns)
        long = any(sum(map(_width, word)) >= columns for word in text.split())
        if not long and not re.search(r"[你好世界日本語👋]", text):
            assert " ".join(rows).split() == text.split()
        assert "".join("".join(rows).split()) == "".join(text.split())
        cut = Writer(library, columns)
        for piece in _cut(chance, text.encode()):
            cut.say(piece)
        assert cut.written == whole.written


def test_a_line_is_filled_before_the_next_one_begins(library: ctypes.CDLL) -> None:
    for text, rows in {
        "aaaa bbbb cccc": ["aaaa bbbb", "cccc"],
        "aaaa bbbbbb": ["aaaa", "bbbbbb"],
        "aaaa bbbb   cccc": ["aaaa bbbb", "cccc"],
        "aaaa bbbb\n  cccc": ["aaaa bbbb", "  cccc"],
        "aaaa bbbb\n\ncccc\n": ["aaaa bbbb", "", "cccc", ""],
        "a bbbbbbbbbbbb": ["a", "bbbbbbbbb", "bbb"],
        "0123456789abcdefghi": ["012345678", "9abcdefgh", "i"],
        "ab 你好世界": ["ab 你好世", "界"],
        "\tx yz": ["        x", "yz"],
        "abc\r\ndef": ["abc", "def"],
        "abc\rdef": [r"abc\x0ddef"[:9], r"abc\x0ddef"[9:]],
    }.items():
        writer = Writer(library, 10)
        writer.say(text)
        assert _shown(writer.text, 10) == rows, text


def test_each_voice_has_its_colour(library: ctypes.CDLL) -> None:
    voices = (KERNEL, USER, MODEL, DIM, ERROR, KERNEL)
    for is_screen, model in ((False, "\x1b[m"), (True, "\x1b[97m")):
        writer = Writer(library, 80, color=True, is_screen=is_screen)
        for voice in voices:
            writer.say("x", voice)
        assert writer.text == f"x\x1b[36mx{model}x\x1b[90mx\x1b[91mx\x1b[mx"


def test_every_terminal_can_do_it(library: ctypes.CDLL) -> None:
    """Without colours, not one escape sequence."""
    writer = Writer(library, 10)
    writer.say("aaaa bbbbbb", MODEL)
    writer.say("typed", USER)
    assert writer.text == "aaaa bbbb\b\b\b\b    \b\b\b\b\nbbbbbbtyped"


def test_host_and_kernel_show_the_same_characters(library: ctypes.CDLL) -> None:
    for code in [*range(0x3000), 0xFEFF, 0x1F600, 0xE0001]:
        if code not in (0x0A, 0x0D):
            writer = Writer(library)
            writer.say(chr(code))
            assert writer.text == visible(chr(code)), hex(code)


@pytest.mark.parametrize("columns", [0, 80])
def test_control_characters_are_shown(library: ctypes.CDLL, columns: int) -> None:
    hostile = "\x1b[2J\x1b]0;title\x07\x9b31m\x7f\x08\x00\u202eevil\u2066\x85"
    writer = Writer(library, columns)
    writer.say(hostile + "\n")
    assert writer.text == (r"\x1b[2J\x1b]0;title\x07\x9b31m\x7f\x08\x00\u202eevil\u2066\x85" + "\n")
    for code in [*range(0x20), *range(0x7F, 0xA0)]:
        if code not in b"\t\n\r":
            shown = Writer(library, columns)
            shown.say(chr(code))
            assert shown.text == rf"\x{code:02x}"
    broken = Writer(library, columns)
    broken.say(b"\x9b1m\xc3\x1b[1m\xff\xfe\n")
    assert broken.text == "\ufffd1m\ufffd\\x1b[1m\ufffd\ufffd\n"


def test_a_pipe_gets_the_bytes(library: ctypes.CDLL) -> None:
    every = bytes(range(256)) * 3 + b"x" * 300
    writer = Writer(library, 40, raw=True)
    writer.say(every)
    writer.say(every, KERNEL)
    writer.notice("working")
    assert writer.written == every * 2


def test_colours_tell_the_voices_apart(library: ctypes.CDLL) -> None:
    writer = Writer(library, 80, color=True)
    writer.say("kgpt: hello\n", KERNEL)
    writer.say("> ", USER)
    writer.say("hi\x1b[K\n", USER)  # the line editor's own sequences
    writer.say("Hello", MODEL)
    writer.say("!\n", MODEL)
    writer.say("> ", USER)
    writer.plain("panic\n")
    assert writer.text == "kgpt: hello\n\x1b[36m> hi\x1b[K\n\x1b[mHello!\n\x1b[36m> \x1b[mpanic\n"


def test_a_notice_vanishes(library: ctypes.CDLL) -> None:
    writer = Writer(library, 30)
    writer.say("text: ")
    for notice in ("reading 1 of 99", "reading 98 of 99"):
        writer.notice(notice)
        assert _shown(writer.text, 30)[-1] == "text: " + notice
    writer.say("more")
    assert _shown(writer.text, 30)[-1] == "text: more"
    before = writer.written
    writer.notice("longer than what is left of it")  # there is no room
    assert writer.written == before
    unknown = Writer(library, 0)
    unknown.notice("working")
    assert unknown.written == b""


@pytest.mark.parametrize("seed", range(8))
def test_the_kernels_own_screen(library: ctypes.CDLL, seed: int) -> None:
    """Every character takes one cell there, and the screen itself never wraps."""
    chance = random.Random(seed)
    screen = Screen(library, Format(8 * chance.choice([22, 33, 82]), 16 * 41))
    words = [word for word in _SIGHTS.split() if "\u0301" not in word]
    text = " ".join(chance.choices(words, k=60))
    sink = Writer(library, screen.columns, color=True, is_screen=True)
    sink.say("> typed\n", USER)
    for piece in _cut(chance, text.encode()):
        sink.say(piece)
    screen.write(sink.written)
    cells, _ = screen.shown()
    assert cells[0, 2] == cell("t", 6)
    assert cells[1, 0] == cell(text[0], 15)
    assert "".join("".join(screen.text()[1:]).split()) == "".join(text.split())
    assert all(len(row) < screen.columns for row in screen.text())
