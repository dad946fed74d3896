"""The keyboard decoder: every key, with every modifier, in both sets of scan codes."""

from __future__ import annotations

import ctypes

import pytest
from keyboard_decoder import Keyboard, load
from keyboards import (
    ALL,
    ALTS,
    BREAK,
    CAPS,
    CHARACTERS,
    CTRLS,
    MOVES,
    NUM,
    PAD,
    PAUSE,
    PRINT,
    SCROLL,
    SHIFTS,
    SILENT,
    SPECIAL,
    Key,
)

SETS = [1, 2]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return load(tmp_path_factory.mktemp("keyboard"))


@pytest.fixture(params=SETS, ids=["set1", "set2"])
def keyboard(request: pytest.FixtureRequest, library: ctypes.CDLL) -> Keyboard:
    return Keyboard(library, request.param)


def test_the_tables_name_each_code_once() -> None:
    for code_set in SETS:
        codes = [key.down(code_set) for key in (*ALL, *SHIFTS, *CTRLS, *ALTS, CAPS, NUM, SCROLL)]
        assert (
            len(set(codes)) == len(codes) == 104
        )  # the keys of such a keyboard and SysRq and 102nd, less Pause and Print


def test_every_key(keyboard: Keyboard) -> None:
    for key in ALL:
        assert keyboard.stroke(key) == key.plain, key
        for shift in SHIFTS:
            assert keyboard.stroke(key, shift) == key.shifted, key
        assert keyboard.stroke(key, *SHIFTS) == key.shifted, key
    assert not keyboard.state.held


@pytest.mark.parametrize("key", [key for key in (*PAD, *MOVES) if key.set1 == 0x53], ids=str)
def test_ctrl_alt_del_types_nothing(keyboard: Keyboard, key: Key) -> None:
    for ctrl in CTRLS:
        for alt in ALTS:
            assert keyboard.stroke(key, ctrl, alt) == ""
            assert keyboard.state.restart
            keyboard.state.restart = 0
        keyboard.stroke(key, ctrl)
    assert not keyboard.state.restart


def test_caps_lock_turns_letters_round(keyboard: Keyboard) -> None:
    assert keyboard.stroke(CAPS) == ""
    assert keyboard.state.locks == 4
    for key in ALL:
        letter = key.plain.isascii() and key.plain.isalpha()
        assert keyboard.stroke(key) == (key.shifted if letter else key.plain), key
        assert keyboard.stroke(key, SHIFTS[0]) == (key.plain if letter else key.shifted), key
    keyboard.stroke(CAPS)
    assert keyboard.stroke(CHARACTERS[13]) == "q"


def test_num_lock_turns_the_pad_round(keyboard: Keyboard) -> None:
    keyboard.stroke(NUM)
    assert keyboard.state.locks == 2
    for key in ALL:
        turned = key in PAD
        assert keyboard.stroke(key) == (key.shifted if turned else key.plain), key
        assert keyboard.stroke(key, SHIFTS[1]) == (key.plain if turned else key.shifted), key
    assert keyboard.stroke(SCROLL) == ""
    assert keyboard.state.locks == 3


@pytest.mark.parametrize("ctrl", CTRLS)
def test_ctrl(keyboard: Keyboard, ctrl: Key) -> None:
    for key in CHARACTERS:
        if key.plain.isalpha() or key.plain in "[]\\":
            control = chr(ord(key.plain) & 0x1F)
            assert keyboard.stroke(key, ctrl) == control
            assert keyboard.stroke(key, ctrl, SHIFTS[0]) == control
        else:
            assert keyboard.stroke(key, ctrl) == key.plain
    assert keyboard.stroke(Key("2", 0x03, 0x1E), ctrl, SHIFTS[0]) == "\0"  # Ctrl-@
    for key in (*SPECIAL, *MOVES):
        assert keyboard.stroke(key, ctrl) == key.plain


@pytest.mark.parametrize("alt", ALTS)
def test_alt_is_an_escape_before_it(keyboard: Keyboard, alt: Key) -> None:
    for key in (*CHARACTERS, *SPECIAL):
        assert keyboard.stroke(key, alt) == "\x1b" + key.plain
    for key in MOVES:
        assert keyboard.stroke(key, alt) == key.plain
    assert keyboard.stroke(CHARACTERS[13], alt, CTRLS[0]) == "\x1b\x11"
    assert [keyboard.stroke(key, alt) for key in SILENT] == [""] * len(SILENT)


def test_one_of_two_shifts_is_let_go(keyboard: Keyboard) -> None:
    key = CHARACTERS[13]
    keyboard.down(*SHIFTS)
    keyboard.up(SHIFTS[0])
    assert keyboard.stroke(key) == "Q"
    keyboard.up(SHIFTS[1])
    assert keyboard.stroke(key) == "q"


def test_keys_that_are_held_repeat(keyboard: Keyboard) -> None:
    assert keyboard.down(CHARACTERS[13], CHARACTERS[13], CHARACTERS[13]) == "qqq"
    keyboard.down(SHIFTS[0], SHIFTS[0])
    assert keyboard.down(CHARACTERS[13]) == "Q"
    keyboard.up(SHIFTS[0])
    keyboard.down(CAPS, CAPS, CAPS)
    assert keyboard.state.locks == 4
    keyboard.up(CAPS)
    keyboard.down(CAPS)
    assert keyboard.state.locks == 0


def test_pause_and_print_type_nothing_and_break_is_ctrl_c(keyboard: Keyboard) -> None:
    assert keyboard.feed(PAUSE[keyboard.code_set]) == ""
    assert keyboard.feed(PRINT[keyboard.code_set]) == ""
    keyboard.down(CTRLS[0])
    assert keyboard.feed(BREAK[keyboard.code_set]) == "\x03"
    keyboard.up(CTRLS[0])
    assert keyboard.stroke(CHARACTERS[13]) == "q"
    assert keyboard.state.locks == 0


def test_shifts_that_nobody_holds(keyboard: Keyboard) -> None:
    """Around cursor keys, with Shift or Num Lock, keyboards pretend that a shift goes down or up."""
    pretended = [Key(shift.name, shift.set1, shift.set2, extended=True) for shift in SHIFTS]
    for shift in pretended:
        assert keyboard.stroke(CHARACTERS[13], shift) == "q"
        keyboard.down(SHIFTS[0])
        assert keyboard.up(shift) + keyboard.down(MOVES[0]) + keyboard.up(MOVES[0]) + keyboard.down(shift) == "\x1b[H"
        assert keyboard.stroke(CHARACTERS[13]) == "Q"
        keyboard.up(SHIFTS[0])


@pytest.mark.parametrize("lost", [0x00, 0xFF])
def test_lost_keys_leave_no_modifier_behind(keyboard: Keyboard, lost: int) -> None:
    keyboard.down(CTRLS[0], SHIFTS[0], ALTS[1])
    assert keyboard.feed(bytes([lost])) == ""
    assert keyboard.stroke(CHARACTERS[13]) == "q"


def test_the_other_set_is_noticed_when_the_first_key_goes_up(library: ctypes.CDLL) -> None:
    for code_set, guess in ((1, 2), (2, 1)):
        for first in CHARACTERS:
            if guess == 2 and first.up(1) in (b"\x83", b"\x84"):
                continue  # F7 and SysRq of set 2; the next key tells
            keyboard = Keyboard(library, code_set, guess)
            keyboard.down(first)  # may type something else
            assert keyboard.up(first) == ""
            assert keyboard.state.set == code_set
            assert [keyboard.stroke(key) for key in CHARACTERS] == [key.plain for key in CHARACTERS]


def test_a_keyboard_that_is_plugged_in_says_so(library: ctypes.CDLL) -> None:
    keyboard = Keyboard(library, 2)
    assert keyboard.feed(b"\xaa") == ""
    assert keyboard.state.set == 2
    assert keyboard.stroke(CHARACTERS[13]) == "q"


def test_a_japanese_key_does_not_look_like_the_other_set(library: ctypes.CDLL) -> None:
    keyboard = Keyboard(library, 1)
    assert keyboard.feed(b"\x70\xf0\x1e\x9e") == "a"
    assert keyboard.state.set == 1
