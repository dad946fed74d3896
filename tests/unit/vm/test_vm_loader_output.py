"""What a boot loader draws is held back; what is said after it, and errors, are not."""

from __future__ import annotations

import pytest

from kgpt_build.vm.loader_output import LoaderOutput

MENU = b"\x1b[2JGNU GRUB  version 2.06\x1b[3;2H+-----+\x1b[4;2H|*default: generate   \x1b[22;1H  The highlighted"
BANNER = b"kgpt 0.1.0: booted by multiboot2, 511 MB of memory\n"


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    "said", [BANNER, b"error: file `/x' not found.\r\n", b"kgpt: NOT STARTED: a file could not be read into memory."]
)
def test_it_opens_where_somebody_speaks(size: int, said: bytes) -> None:
    """However the bytes come; all that follows passes."""
    loader, data = LoaderOutput(expected=True), MENU + b"[ default.elf 100% ]" + said + b"more"
    shown = b"".join(loader.feed(data[at : at + size]) for at in range(0, len(data), size))
    assert shown == said + b"more"
    assert loader.tail() == ""


def test_without_a_loader_everything_passes() -> None:
    loader = LoaderOutput(expected=False)
    assert loader.feed(MENU) == MENU
    assert loader.tail() == ""


def test_a_key_shows_what_was_held() -> None:
    loader = LoaderOutput(expected=True)
    assert loader.feed(MENU) == b""
    assert loader.open() == MENU
    assert loader.open() == b""
    assert loader.feed(b"more") == b"more"


def test_what_was_never_shown_can_be_told_at_the_end() -> None:
    loader = LoaderOutput(expected=True)
    loader.feed(MENU)
    assert loader.tail().splitlines() == ["GNU GRUB", "version 2.06", "*default: generate", "The highlighted"]
