from __future__ import annotations

import hashlib
import re
import unicodedata

import pytest

from kgpt_build.headers import unicode
from kgpt_build.headers.unicode import ADDED, BLOCK, CLASSES, N_CODES

PYTHONS_VERSION = tuple(int(part) for part in unicodedata.unidata_version.split(".")[:2])


def class_of(char: str) -> str:
    return CLASSES[unicode.classes()[ord(char)]]


def test_classes() -> None:
    assert {char: class_of(char) for char in "aǅʰ你½٣Ⅷ\u0301.$^\0\ud800 \t\n\x85\u00a0\u3000\u0378"} == {
        **dict.fromkeys("aǅʰ你", "letter"),
        **dict.fromkeys("½٣Ⅷ", "number"),
        "\u0301": "mark",
        ".": "punctuation",
        **dict.fromkeys("$^", "symbol"),
        **dict.fromkeys("\0\ud800", "control"),
        **dict.fromkeys(" \t\n\x85\u00a0\u3000", "space"),
        "\u0378": "unassigned",
    }


def test_white_space_is_that_of_regular_expressions() -> None:
    spaces = [chr(code) for code in range(N_CODES) if CLASSES[unicode.classes()[code]] == "space"]
    assert len(spaces) == 25
    assert all(re.fullmatch(r"\s", char) for char in spaces)


@pytest.mark.skipif(PYTHONS_VERSION > unicode.VERSION, reason="this Python knows more characters")
def test_every_python_gives_the_same_classes() -> None:
    digest = hashlib.sha256(unicode.classes()).hexdigest()
    assert digest == "794bc3d0135f3d675d1ad729de933e1d4139a2c1faea2a6462aaecc2fbd68a63"


def test_what_was_added_is_what_python_lacks() -> None:
    categories = {chr(code): category for first, last, category in ADDED for code in range(first, last + 1)}
    assert len(categories) == 5116
    found = {char: unicodedata.category(char)[0] for char in categories}
    if PYTHONS_VERSION == (14, 0):
        assert {unicodedata.category(char) for char in categories} == {"Cn"}
    elif PYTHONS_VERSION >= unicode.VERSION:
        assert found == categories


def test_the_header_says_the_same() -> None:
    header = unicode.text("1.2.3")
    assert header.isascii()
    index, blocks = (re.findall(r"\d+", part) for part in re.findall(r"= \{\n(.*?)\n\};", header, re.DOTALL))
    packed = [int(number) for number in blocks]
    halves = [half for byte in packed for half in (byte & 15, byte >> 4)]
    read = b"".join(bytes(halves[int(number) * BLOCK : (int(number) + 1) * BLOCK]) for number in index)
    assert read == unicode.classes()
    assert len(index) + len(packed) < 24_000  # bytes of the image
