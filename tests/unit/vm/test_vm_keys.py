"""Text -> keys of a US keyboard."""

from __future__ import annotations

import string

import pytest
from refusals import refused

from kgpt_build.errors import UsageError
from kgpt_build.vm.qemu.keys import keys_of


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("ka 1\n", [("k",), ("a",), ("spc",), ("1",), ("ret",)]),
        ("K?", [("shift", "k"), ("shift", "slash")]),
        ('"~', [("shift", "apostrophe"), ("shift", "grave_accent")]),
        ("\x03\x04\x15", [("ctrl", "c"), ("ctrl", "d"), ("ctrl", "u")]),
        ("\x1b[A\x1b[3~x\x7f\t", [("up",), ("delete",), ("x",), ("backspace",), ("tab",)]),
        ("\x1b", [("esc",)]),
        ("\r", [("ret",)]),
        ("", []),
    ],
)
def test_keys(text: str, keys: list[tuple[str, ...]]) -> None:
    assert list(keys_of(text)) == keys


def test_every_character_of_ascii_has_its_own_stroke() -> None:
    text = string.ascii_letters + string.digits + string.punctuation + " "
    strokes = list(keys_of(text))
    assert len(set(strokes)) == len(strokes) == 95


@pytest.mark.parametrize("text", ["é", "\x00", "\x1c", "\x1b[99~", "\x1b[Q"])
def test_what_has_no_key(text: str) -> None:
    with refused(UsageError, f"US keyboard key {text!r}"):
        list(keys_of(text))
