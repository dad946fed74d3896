"""The screen of a real boot, read back: pixels from GRUB under BIOS and UEFI, VGA text, and panics on both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from boots import STAYS, Boot, grub_disc, see, texts, uefi

from kgpt_build.headers.font import readable
from kgpt_build.pytest_plugin import Guest
from kgpt_build.vm.screen import Screen

WORDS = "samples=60 seed=7"
LIGHT_GREY, DIM, RED, WHITE = 0xB8BEC6, 0x868E98, 0xA61E1E, 0xFFFFFF


def screen_with(guest: Guest, text: str, status: str = "") -> Screen:
    """What is on its screen once ``text`` and its ``status`` line are, and it rests: see boots.see."""
    before: list[Screen] = []

    def rests(screen: Screen) -> bool:
        same = bool(before) and before[-1].cells == screen.cells
        before.append(screen)
        return same and text in "\n".join(screen.lines) and status in screen.status

    return see(guest, rests)


def is_near(colour: np.uint32, wanted: int) -> bool:
    """VGA has six bits a channel, and a small format of pixels five."""
    return all(abs((int(colour) >> shift & 0xFF) - (wanted >> shift & 0xFF)) < 8 for shift in (0, 8, 16))


def check_prompt(guest: Guest, columns: int, rows: int) -> Screen:
    """The shell waits, and the screen shows the end of what the serial port got."""
    guest.expect(r"^kgpt> $")
    screen = screen_with(guest, "\nkgpt>", "default")
    assert (len(screen.cells[0]), len(screen.cells)) == (columns, rows)
    printed = [line.rstrip() for line in guest.console.splitlines()][-(rows - 1) :]
    assert list(screen.lines[:-1]) == printed + [""] * (rows - 1 - len(printed))
    assert is_near(screen.foreground[0, 0], LIGHT_GREY)
    assert is_near(screen.background[0, 0], 0)
    assert is_near(screen.background[-1, -1], LIGHT_GREY)  # the status line, to its end
    return screen


@pytest.mark.parametrize(
    ("mode", "columns", "rows"), [("1024x768x32", 126, 47), ("640x480x24", 78, 29), ("800x600x16", 98, 36)]
)
def test_pixels_under_a_bios(boot: Boot, kernel: Path, tmp_path: Path, mode: str, columns: int, rows: int) -> None:
    disc = grub_disc(tmp_path, kernel, "multiboot2", WORDS, mode)
    guest = boot(image=disc, medium="cdrom", machine="pc")
    screen = check_prompt(guest, columns, rows)
    assert screen.scale == 1


def test_pixels_under_uefi(boot: Boot, kernel: Path, tmp_path: Path) -> None:
    disc = grub_disc(tmp_path, kernel, "multiboot2", f"{WORDS} scale=2", "1280x1024x32")
    guest = boot(image=disc, medium="cdrom", machine="q35", memory=256, firmware=uefi())
    screen = check_prompt(guest, 78, 31)
    assert screen.scale == 2


def test_grub_leaves_text_where_there_are_no_pixels(boot: Boot, kernel: Path, tmp_path: Path) -> None:
    disc = grub_disc(tmp_path, kernel, "multiboot2", WORDS, "text")
    check_prompt(boot(image=disc, medium="cdrom", machine="pc"), 80, 25)


def test_a_long_line_on_the_screen(boot: Boot) -> None:
    guest = boot("samples=1", machine="pc", serial=True)
    guest.expect(r"^kgpt> $")
    guest.send("0123456789" * 12 + "\x1b[D" * 50 + "here" + "\x1b[C" * 3 + "\x7f")
    guest.expect(r"here0123")
    guest.send("\x05.\x01\r")
    guest.expect(r"unknown command")
    whole = "kgpt> " + "0123456789" * 7 + "here01" + "3456789" + "0123456789" * 4 + "."
    lines = [line for line in screen_with(guest, "unknown command").lines if line]
    at = next(i for i, line in enumerate(lines) if line.startswith("kgpt> 0123"))
    assert lines[at : at + 2] == [whole[:80], whole[80:]]
    assert lines[at + 2 : at + 4] == ["kgpt: unknown command", f'"{"0123456789" * 6}0123"']  # a word is kept whole


def test_a_screen_alone(boot: Boot) -> None:
    guest = boot("samples=3 seed=7", machine="pc", serial=False)
    guest.expect_event("stats")
    names = texts(guest)
    guest.expect_event("shell")
    assert [line.split(": ")[1] for line in screen_with(guest, "\nkgpt>").lines if line.startswith("sample")] == names


def test_a_screen_switched_off_stays_dark(boot: Boot) -> None:
    guest = boot("samples=3 screen=off", machine="pc")
    guest.expect(r"^kgpt> $")
    assert guest.machine.screen(readable()).shown == 0


def check_panic(guest: Guest, message: str) -> None:
    """It ended in a panic, which is on the screen in white on red, as the serial port got it."""
    guest.expect(r"^kgpt: back-trace: .*\n")
    screen = screen_with(guest, "\nkgpt: back-trace: 0x")
    at = next(i for i, line in enumerate(screen.lines) if line.startswith("kgpt: panic:"))
    assert message in screen.lines[at]
    assert is_near(screen.foreground[at, 0], WHITE)
    assert is_near(screen.background[at, 0], RED)


def test_a_panic_in_vga_text(boot: Boot) -> None:
    check_panic(boot("fault=ud", machine="pc", extra=STAYS), "#UD (invalid opcode)")


def test_a_panic_in_pixels(boot: Boot, kernel: Path, tmp_path: Path) -> None:
    disc = grub_disc(tmp_path, kernel, "multiboot2", "fault=null", "1024x768x32")
    check_panic(boot(image=disc, medium="cdrom", machine="pc", extra=STAYS), "#PF (page fault: null pointer)")


def test_a_panic_in_drawing_is_told_elsewhere(boot: Boot) -> None:
    guest = boot("fault=screen", machine="pc")
    end = guest.wait()
    assert (end.kind, end.exit_code) == ("failed", 4)
    assert "draw_vga" in end.message
    assert guest.console.count("kgpt: panic: #PF (page fault)") == 1
    guest.expect(r"^kgpt: back-trace: .*\n$")


@pytest.mark.parametrize("mode", ["text", "1024x768x32"])
def test_a_panic_before_there_is_memory(boot: Boot, kernel: Path, tmp_path: Path, mode: str) -> None:
    then = "  insmod mmap\n  cutmem 1M 4G\n"
    disc = grub_disc(tmp_path, kernel, "multiboot2", "exit", mode, then=then)
    check_panic(
        boot(image=disc, medium="cdrom", machine="pc", extra=STAYS),
        "the loader reported no usable memory above 1 MiB",
    )
