"""The screen read back, `kgpt screenshot`, and keys pressed in the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from boots import STAYS, Boot, Kgpt, need, see, uefi

from kgpt_build import __version__
from kgpt_build.boot_modules import BootModule
from kgpt_build.cli.check.screenshot import card_of
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


def test_the_start_screen_comes_before_the_model(boot: Boot, kernel_without_model: Path, tmp_path: Path) -> None:
    """Name, model, and what to type; the model is opened afterwards, and here it is none."""
    model = tmp_path / "broken.gguf"
    model.write_bytes(b"GGUF" + bytes(60))
    modules = (BootModule(model),)
    guest = boot("mode=chat", image=kernel_without_model, machine="pc", memory=256, modules=modules, extra=STAYS)
    shown = see(guest, lambda screen: "hint: supported" in screen.text)
    rows = [line for line in shown.lines if line.strip()]
    heading = next(i for i, line in enumerate(rows) if f"kgpt {__version__}" in line)
    assert "Model: broken.gguf" in rows[heading + 1]
    assert "Type a message and Enter; /help lists the commands" in rows[heading + 2]
    assert next(i for i, line in enumerate(rows) if "GGUF version 0 is not supported" in line) > heading + 2


@pytest.mark.slow
def test_the_menu_of_a_stick_at_3840x2160(boot: Boot, kgpt: Kgpt, tmp_path: Path) -> None:
    """OVMF starts in the size that the display prefers; a dot of the font is 4 by 4 pixels then."""
    need("grub-mkimage", "mtools")
    made = kgpt("image", "usb", "default", "-o", "stick.img", "--timeout", "3600")
    assert made.returncode == 0, made.stderr
    card, image = card_of("3840x2160"), tmp_path / "stick.img"
    guest = boot(image=image, medium="usb", machine="q35", memory=512, firmware=uefi(), card=card)
    shown = see(guest, lambda screen: "Starts in" in screen.status, 120)
    assert guest.machine.picture().rgb.shape[:2] == (2160, 3840)
    assert "a language model without an operating system" in shown.text
    assert shown.lines[5] == "  default: generate"
