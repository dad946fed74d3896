"""Layouts of keyboards: each key against xkb-data, dead keys against libX11, and what they do beside other keys."""

from __future__ import annotations

import ctypes
import re
import string
from pathlib import Path

import pytest
from keyboard_decoder import Keyboard, load
from keyboards import ALTS, CAPS, CHARACTERS, CTRLS, FUNCTIONS, MOVES, PAD, SHIFTS, SPECIAL, Key
from xkb import Layout, composed

from kgpt_build.settings import options

NAMES = {"uk": "gb", "de": "de", "fr": "fr", "es": "es"}
"""Of a layout: xkb's name."""
DEAD = {"dead_grave": "`", "dead_acute": "´", "dead_circumflex": "^", "dead_diaeresis": "¨"}
"""The accent of a dead key by itself."""
SPACE = next(key for key in SPECIAL if key.name == "space")
ISO = next(key for key in SPECIAL if key.name == "102nd")
KEYS = (*CHARACTERS, ISO)
SHIFT, ALT_GR = SHIFTS[0], ALTS[1]
ELSEWHERE = {("uk", "`"): "¦"}
"""Layout and key with AltGr: BS 4822 has a broken bar, xkb-data a bar."""
THIRD = {
    "uk": "¦€",
    "de": "²³{[]}\\@€~|µ",
    "fr": "~#{[|`\\^@]}€¤",
    "es": "\\|@#~¬€[]{}",
}
"""What stands on the keys for AltGr, from left to right."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return load(tmp_path_factory.mktemp("layouts"))


@pytest.fixture(params=NAMES)
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def keyboard(library: ctypes.CDLL, layout: str) -> Keyboard:
    return Keyboard(library, 1, layout=layout)


def typed(keyboard: Keyboard, key: Key, *held: Key) -> str:
    """A character, or the accent of a dead key, which a space ends."""
    return keyboard.text(key, *held) or keyboard.text(SPACE)


def test_each_name_of_the_option_is_a_layout(library: ctypes.CDLL) -> None:
    assert options()["keymap"].names == ("us", *NAMES)
    text = (Path(__file__).parents[2] / "kernel_c/console/layouts.def").read_text(encoding="utf-8")
    assert re.findall(r'^KG_LAYOUT\("(\w+)"', text, re.MULTILINE) == list(NAMES)
    for name in NAMES:
        Keyboard(library, 1, layout=name)


def test_each_key_types_what_xkb_says(keyboard: Keyboard, layout: str) -> None:
    xkb = Layout(NAMES[layout])
    for key in KEYS:
        for level, held in ((0, ()), (1, (SHIFT,))):
            name = xkb.typed(key.set1, level)
            assert typed(keyboard, key, *held) == DEAD.get(name, name), (key, level)


def test_the_third_character_of_a_key(keyboard: Keyboard, layout: str) -> None:
    """Other keys ignore AltGr, which one holds a little too long."""
    xkb, third = Layout(NAMES[layout]), ""
    for key in KEYS:
        plain, with_alt_gr = typed(keyboard, key), typed(keyboard, key, ALT_GR)
        if with_alt_gr != plain:
            name = xkb.typed(key.set1, 2)
            assert with_alt_gr == ELSEWHERE.get((layout, key.plain), DEAD.get(name, name)), key
            third += with_alt_gr
    assert sorted(third) == sorted(THIRD[layout])


def test_all_of_ascii_can_be_typed(keyboard: Keyboard) -> None:
    ways = ((), (SHIFT,), (ALT_GR,))
    found = {typed(keyboard, key, *held) for key in (*KEYS, SPACE) for held in ways}
    assert set(string.printable) - set(string.whitespace) | {" "} <= found


def dead_keys(keyboard: Keyboard) -> dict[str, tuple[Key, tuple[Key, ...]]]:
    """Of each accent that a dead key has: the key, and what is held with it."""
    found: dict[str, tuple[Key, tuple[Key, ...]]] = {}
    for key in KEYS:
        for held in ((), (SHIFT,)):
            if not keyboard.text(key, *held):
                found[keyboard.text(SPACE)] = (key, held)
    return found


def letters(keyboard: Keyboard) -> dict[str, tuple[Key, tuple[Key, ...]]]:
    return {
        keyboard.text(key, *held): (key, held)
        for key in KEYS
        for held in ((), (SHIFT,))
        if keyboard.text(key, *held).isascii() and keyboard.text(key, *held).isalpha()
    }


def test_dead_keys(keyboard: Keyboard, layout: str) -> None:
    dead = dead_keys(keyboard)
    assert "".join(sorted(dead)) == {"uk": "", "de": "^`´", "fr": "^¨", "es": "^`¨´"}[layout]
    for name, accent in DEAD.items():
        if accent not in dead:
            continue
        table = composed(name)
        for letter, (key, held) in letters(keyboard).items():
            assert keyboard.text(dead[accent][0], *dead[accent][1]) == ""
            joined = keyboard.text(key, *held)
            known = table.get(letter, "")
            assert joined in (known, accent + letter), (name, letter)
            if letter in "aeiouAEIOU":
                assert joined == known, (name, letter)
        key, held = dead[accent]
        assert keyboard.text(key, *held) + keyboard.text(key, *held) == accent
        assert keyboard.text(key, *held) + keyboard.text(FUNCTIONS[0]) == "\x1bOP"
        assert keyboard.text(key, *held) + keyboard.text(MOVES[0]) == "\x1b[H"
        assert keyboard.text(key, *held) + keyboard.text(PAD[-1], SHIFT) == "5"
        assert keyboard.text(key, *held) + keyboard.text(SPECIAL[3]) == "\r"
        assert keyboard.text(key, *held) + keyboard.stroke(CTRLS[0]) + keyboard.text(SPACE) == accent
        assert keyboard.down(*held, key, key, key) == ""  # it is held, and repeats
        assert keyboard.up(key, *held) + keyboard.text(SPACE) == accent


def test_caps_lock_and_letters(keyboard: Keyboard, layout: str) -> None:
    """Letters with accents, too; not ß, which has no capital on its key."""
    plain = {key: (typed(keyboard, key), typed(keyboard, key, SHIFT)) for key in KEYS}
    keyboard.stroke(CAPS)
    for key, (small, large) in plain.items():
        is_letter = small.isalpha() and small.upper() == large
        assert typed(keyboard, key) == (large if is_letter else small), key
        assert typed(keyboard, key, SHIFT) == (small if is_letter else large), key
    turned = {
        small for small, large in plain.values() if not small.isascii() and small.isalpha() and small.upper() == large
    }
    assert turned == {"uk": set(), "de": set("äöü"), "fr": set(), "es": set("ñç")}[layout]


def test_ctrl_and_alt_take_the_letter_of_the_layout(keyboard: Keyboard) -> None:
    for letter, (key, held) in letters(keyboard).items():
        assert keyboard.stroke(key, CTRLS[0], *held) == chr(ord(letter) & 0x1F)
        assert keyboard.stroke(key, ALTS[0], *held) == "\x1b" + letter


def test_ctrl_alt_del_with_either_alt(keyboard: Keyboard) -> None:
    for alt in ALTS:
        assert keyboard.stroke(MOVES[-1], CTRLS[0], alt) == ""
        assert keyboard.state.restart
        keyboard.state.restart = 0


def test_the_layout_stays_when_the_other_set_is_noticed(library: ctypes.CDLL) -> None:
    keyboard = Keyboard(library, 2, 1, layout="de")
    keyboard.stroke(CHARACTERS[13])
    assert keyboard.state.set == 2
    assert keyboard.text(CHARACTERS[18]) == "z"
