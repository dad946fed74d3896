"""The screen read back, `kgpt screenshot`, and keys pressed in the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from boots import Boot, Kgpt, see

from kgpt_build.events import Sample, Stats
from kgpt_build.vm.screen import Screen

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_vga_text_shows_what_the_serial_port_says(boot: Boot, machine: str) -> None:
    guest = boot("samples=4 seed=5", machine=machine)
    guest.expect(r"^kgpt> $")
    samples = [line for line in guest.console.splitlines() if line.startswith("sample")]

    def shown(screen: Screen) -> bool:
        return screen.unknown == 0 and [line for line in screen.lines if line.startswith("sample")] == samples

    see(guest, shown)  # QEMU draws VGA text now and then, not at once


KEYS = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 -=[];'`\\,./ _+{}:\"~|<>? !@#$%^&*()"


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_every_key_arrives_on_the_screen(boot: Boot, machine: str) -> None:
    """Faster than the keyboard's queue of 16 bytes would hold them; edited, taken back, sent, stopped."""
    guest = boot("mode=shell", machine=machine, serial=False)
    guest.expect_event("shell")
    guest.press(KEYS)
    shown = see(guest, lambda screen: screen.text.endswith(KEYS))
    assert shown.text.endswith("kgpt> " + KEYS)
    guest.press("\x15generatx\x7fe\x1b[D\x1b[D\x1b[H\x1b[F ka\n")
    guest.machine.expect_event(Sample, 60, lambda sample: sample.text.startswith("ka"))
    guest.press("\x1b[A\x7f\x7fzo\n")
    guest.machine.expect_event(Sample, 60, lambda sample: sample.text.startswith("zo"))
    guest.press("set samples 100000\ngenerate\n")
    guest.expect_event("sample", index=30)
    guest.press("\x03")
    guest.machine.expect_event(Stats, 60, lambda stats: 30 < stats.samples < 100_000)
    shown = see(guest, lambda screen: "stopped after" in screen.text)
    assert "kgpt: stopped after " in shown.text
    guest.machine.type_text("\x04")
    assert guest.wait().ok


def test_a_machine_without_a_screen(boot: Boot) -> None:
    from kgpt_build.errors import KgptError

    guest = boot("samples=1", machine="microvm")
    guest.expect(r"^kgpt> $")
    with pytest.raises(KgptError, match="screendump"):
        guest.machine.picture()


def test_screenshot_writes_a_picture(kgpt: Kgpt, kernel: Path, tmp_path: Path) -> None:
    done = kgpt("screenshot", kernel, "-o", "screen.png", "--text", "--accel", "tcg", "--cmdline", "samples=3")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "screen.png").read_bytes().startswith(PNG)
    assert "sample  3: " in done.stdout
    assert "kgpt>\n" in done.stdout
    assert done.stdout.splitlines()[-1].startswith(" default | ")  # the status line
    assert [path.name for path in tmp_path.iterdir()] == ["screen.png"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-o", "x.jpg"], 2, "x.jpg is neither a .png nor a .ppm"),
        ([], 2, "nothing to do with the picture"),
        (["-o", "x.png", "--resolution", "huge"], 2, "'huge' is no size of a screen"),
        (["-o", "x.png", "--resolution", "1920x1080"], 2, "only UEFI asks a screen"),
        (["-o", "x.png", "--after", "nothing"], 2, "no event 'nothing'"),
        (["-o", "x.png", "--after", "sample:no"], 2, "no count of events"),
        (["-o", "x.png", "--after", "shell", "--seconds", "1"], 2, "two moments"),
        (["-o", "x.png", "--machine", "microvm"], 2, "microvm has no screen"),
        (["-o", "no/such/folder/x.png", "--after", "ready"], 1, "no/such/folder"),
        (["-o", "x.png", "--cmdline", "exit", "--accel", "tcg"], 5, "the guest ended before the event shell"),
        (["-o", "x.png", "--cmdline", "nokey=1"], 1, "nokey"),
        (["-o", "x.png", "--cmdline", "fault=ud"], 4, "panic: #UD"),
        (["-o", "x.png", "--after", "step", "--timeout", "3"], 124, "no event step within 3 seconds"),
    ],
)
def test_no_picture_is_no_file(
    kgpt: Kgpt, kernel: Path, tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    done = kgpt("screenshot", kernel, *words)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []
