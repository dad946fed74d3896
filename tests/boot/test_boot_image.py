"""Images of kgpt image: both kinds, by BIOS and UEFI, as disc, disk and stick; what the menu says; what is refused."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pace
import pytest
from boots import ENVIRONMENT, Boot, Kgpt, need, texts, uefi
from hosted import random_model
from test_boot_lm import QUESTION

from kgpt_build.boot_modules import BootModule, read_files
from kgpt_build.events import Boot as Booted
from kgpt_build.events import Config, Error, Model, Sample
from kgpt_build.image import inspect
from kgpt_build.image.contents import Wanted, load_models
from kgpt_build.image.grub_text import handed_on, split_words
from kgpt_build.image.make import ImageSettings, make
from kgpt_build.image.menu import MenuSettings
from kgpt_build.image.needs import FIRMWARE
from kgpt_build.kernel.settings import Silent
from kgpt_build.models import save_gguf
from kgpt_build.pytest_plugin import Guest
from kgpt_build.settings import quoted
from kgpt_build.training.corpus import read_corpus
from kgpt_build.vm.qemu.machine import Machine
from kgpt_build.vm.settings import RunSettings

WORDS = "samples=3 seed=7 exit"
TINY_LM = Path(__file__).parents[1] / "fuzz" / "shell" / "chat.gguf"
CLOCK = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#define NOW 1000000000 /* in 2001 */
time_t time(time_t *t)
{
    if (t)
        *t = NOW;
    return NOW;
}
int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    (void)zone;
    *t = (struct timeval){NOW, 0};
    return 0;
}
int clock_gettime(clockid_t id, struct timespec *t)
{
    int status = (int)syscall(SYS_clock_gettime, id, t);
    if (id == CLOCK_REALTIME)
        *t = (struct timespec){NOW, 0};
    return status;
}
"""
"""For LD_PRELOAD: a clock that always says the same."""


@dataclass(frozen=True)
class Maker:
    """Makes images in a folder."""

    folder: Path

    def __call__(
        self,
        kind: str,
        *models: Path | None,
        template: str | None = None,
        files: Sequence[Path] = (),
        prefill: str | None = None,
        **menu: object,
    ) -> Path:
        """An image of ``models`` (the default one if there is none); ``menu`` is for MenuSettings."""
        texts = tuple(read_files(files))
        wanted = Wanted(
            load_models(models or [None]), read_corpus(None).embedded(), "zig", template, texts, prefill=prefill
        )
        settings = MenuSettings(**{"timeout": 0, **menu})  # type: ignore[arg-type]
        out = self.folder / f"{len(list(self.folder.iterdir()))}.{kind}"
        return make(ImageSettings(kind, out, wanted, settings), Silent()).image


@pytest.fixture(scope="module")
def image_of(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    need("grub-mkimage", "xorriso", "mtools", "qemu-system-x86_64")
    return Maker(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def iso(image_of: Maker) -> Path:
    return image_of("iso", cmdline=WORDS)


@pytest.fixture(scope="module")
def stick(image_of: Maker) -> Path:
    return image_of("usb", cmdline=WORDS)


@pytest.fixture(scope="module")
def kgpt_names(kernel: Path) -> list[str]:
    """What the same words give without GRUB."""
    with Machine(
        RunSettings(kernel, WORDS, accel="tcg", timeout=pace.limit(120)), qemu="qemu-system-x86_64"
    ) as machine:
        assert machine.wait().ok
        return [event.text for event in machine.events if isinstance(event, Sample)]


@pytest.fixture(scope="module")
def lm_stick(image_of: Maker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    notes = tmp_path_factory.mktemp("files") / "my notes.txt"
    notes.write_text("ab ba\n")
    cmdline = "max_tokens=2"
    return image_of("usb", None, TINY_LM, template="chatml", files=[notes], default="chat-chat", cmdline=cmdline)


def booted(guest: Guest) -> Booted:
    (event,) = [event for event in guest.events if isinstance(event, Booted)]
    return event


@pytest.mark.parametrize(
    ("kind", "medium", "machine"),
    [
        ("iso", "cdrom", "pc"),
        ("iso", "disk", "pc"),
        ("iso", "usb", "q35"),
        ("usb", "disk", "pc"),
        ("usb", "usb", "q35"),
    ],
)
def test_bios(boot: Boot, iso: Path, stick: Path, kgpt_names: list[str], kind: str, medium: str, machine: str) -> None:
    guest = boot(image=iso if kind == "iso" else stick, medium=medium, machine=machine, memory=128)
    end = guest.wait()
    assert end.ok, end
    guest.expect_event("boot", loader="multiboot2", display="1024x768x32")
    assert texts(guest) == kgpt_names


@pytest.mark.parametrize(("kind", "medium"), [("iso", "cdrom"), ("iso", "usb"), ("usb", "usb")])
def test_uefi(boot: Boot, iso: Path, stick: Path, kgpt_names: list[str], kind: str, medium: str) -> None:
    image = iso if kind == "iso" else stick
    guest = boot(image=image, medium=medium, machine="q35", memory=256, firmware=uefi())
    end = guest.wait()
    assert end.ok, end
    assert booted(guest).loader == ("uefi" if kind == "usb" else "multiboot2")
    assert booted(guest).display == "1920x1080x32"  # gfxpayload=keep would leave it without a screen
    assert texts(guest) == kgpt_names


@pytest.mark.parametrize(
    ("card", "display"),
    [
        ("VGA,xres=1920,yres=1080", "1920x1080x32"),
        ("VGA,xres=3840,yres=2160,vgamem_mb=64", "1920x1080x32"),
        ("bochs-display,xres=1024,yres=768", "1920x1080x32"),
    ],
)
def test_uefi_modes(boot: Boot, iso: Path, card: str, display: str) -> None:
    """GRUB's auto is 800x600 here, whatever the menu has."""
    guest = boot(image=iso, medium="cdrom", machine="q35", memory=256, firmware=uefi(), card=card)
    assert guest.wait().ok
    assert booted(guest).display == display


def test_uefi_without_graphics(boot: Boot, iso: Path, kgpt_names: list[str]) -> None:
    """As where the firmware's graphics have no framebuffer: the serial port tells what can be done."""
    guest = boot(image=iso, medium="cdrom", machine="q35", memory=256, firmware=uefi(), card="")
    assert guest.wait().ok
    assert not booted(guest).screen
    guest.expect("kgpt: no screen: the loader gave no framebuffer; in GRUB: insmod all_video, multiboot2; or start by")
    assert texts(guest) == kgpt_names


def without_file(stick: Path, path: str) -> Path:
    """A copy of ``stick`` that lacks a file."""
    copy = stick.with_name(f"without-{Path(path).name}.usb")
    data = stick.read_bytes()
    copy.write_bytes(data)
    start = int.from_bytes(data[446 + 8 : 446 + 12], "little") * 512
    subprocess.run(["mdel", "-i", f"{copy}@@{start}", f"::{path}"], check=True)
    return copy


def test_a_stick_brings_files_for_the_chat(boot: Boot, lm_stick: Path) -> None:
    guest = boot(image=lm_stick, medium="usb", machine="q35", timeout=400)
    guest.expect_event("shell", prompt="> ")
    assert "modules=3" in booted(guest).cmdline
    guest.send_line("/read")
    guest.expect(r"my_notes\.txt +6 bytes")
    guest.send_line("/read my_notes.txt a b")
    guest.expect("my_notes.txt: 6 bytes, SHA-256 as expected")
    guest.expect_event("sample", index=0)
    guest.send_line("/quit")
    assert guest.wait().ok


@pytest.mark.parametrize("missing", ["/models/chat.gguf", "/files/my_notes.txt", "/kgpt/lm.elf"])
def test_grub_starts_nothing_where_a_file_is_missing(boot: Boot, lm_stick: Path, missing: str) -> None:
    """It shows the reason and waits, and boots nothing by itself then; another entry can be chosen."""
    guest = boot(image=without_file(lm_stick, missing), medium="usb", machine="q35", timeout=400)
    guest.expect(f"error: file `{missing}' not found")
    guest.expect("NOT STARTED: a file could not be read into memory")
    guest.expect("Esc goes back to the menu")
    guest.send("\x1b")
    guest.expect("Self-test of language models|chat: generate")
    assert not [event for event in guest.events if isinstance(event, Booted)]


def test_the_menu_of_uefi_says_what_is_missing_or_damaged(boot: Boot, lm_stick: Path) -> None:
    """The reason, then the menu again after a key; another entry starts by its own kernel."""
    broken = without_file(lm_stick, "/files/my_notes.txt")
    data = broken.read_bytes()
    at = data.index(TINY_LM.read_bytes()) + TINY_LM.stat().st_size // 2
    broken.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    guest = boot(image=broken, medium="usb", machine="q35", memory=256, firmware=uefi(), timeout=400)
    guest.expect("NOT STARTED")
    guest.expect(r"/models/chat\.gguf: it is damaged: its SHA-256 is [0-9a-f]{16}\.\.\.,")
    guest.expect("Any key goes back to the menu")
    assert not [event for event in guest.events if isinstance(event, Booted)]
    guest.send(" ")
    guest.expect("Enter: start")
    guest.send("\x1b[F\x1b[A\r")  # the last entry: the self-tests
    guest.expect_event("boot", loader="uefi")


def test_a_kernel_without_the_modules_that_its_entry_loads(boot: Boot, kernel_without_model: Path) -> None:
    """An older menu, or one that somebody has changed, goes on without them."""
    guest = boot(
        "mode=chat modules=2 exit", image=kernel_without_model, modules=(BootModule(TINY_LM.with_suffix(".kgct")),)
    )
    assert guest.wait().exit_code == 1
    (error,) = [event for event in guest.events if isinstance(event, Error)]
    assert error.message.startswith("1 of 2 boot modules are missing: the loader brought ")


def test_without_a_serial_port(boot: Boot, iso: Path, kgpt_names: list[str]) -> None:
    guest = boot(image=iso, medium="cdrom", machine="pc", serial=False)
    assert guest.wait().ok
    assert texts(guest) == kgpt_names


def test_without_a_screen(boot: Boot, iso: Path, kgpt_names: list[str]) -> None:
    """GRUB has nothing to show its menu on but the serial port; the card is there, and nobody can use it."""
    guest = boot(image=iso, medium="cdrom", machine="pc", extra=("-global", "VGA.romfile="))
    assert guest.wait().ok
    assert texts(guest) == kgpt_names


def test_training_and_safe_graphics(boot: Boot, image_of: Maker) -> None:
    """Another entry than the first, and one of the submenu."""
    image = image_of("iso", cmdline="steps=2 batch=2 samples=1 exit", default="safe>safe-train")
    guest = boot(image=image, medium="cdrom", timeout=240)
    assert guest.wait().ok
    guest.expect_event("training", steps=2)
    assert "screen=safe" in booted(guest).cmdline


NASTY = (
    "a \"b\" it's \\ \\\\ \\x41 \\n $HOME ${a} `b` {c} [d] #e ;f &g |h <i> (j) !k ~l *m ?n =o, 'p' \\' \\\" é€ \n\tend"
)


def test_grub_hands_on_what_was_meant(boot: Boot, image_of: Maker, tmp_path: Path) -> None:
    path = tmp_path / "nasty.gguf"
    chars = "".join(sorted({chr(i) for i in range(32, 127)} | set(NASTY)))
    save_gguf(random_model(chars, n_ctx=256, n_embd=8, n_layer=1, n_head=2, n_ff=16), path)
    cmdline = f"prompt={quoted(NASTY)} samples=1 max_tokens=1 seed=3 exit"
    guest = boot(image=image_of("iso", path, cmdline=cmdline), medium="cdrom", timeout=240)
    assert guest.wait().ok
    assert booted(guest).cmdline == handed_on(["mode=generate", *split_words(cmdline)])
    (config,) = [event for event in guest.events if isinstance(event, Config)]
    assert (config.prompt, config.samples, config.seed) == (NASTY, 1, 3)


def test_a_language_model_as_a_module(boot: Boot, image_of: Maker) -> None:
    """A tiny one, with its prefill. Its hash is checked, and a damaged one is refused by name."""
    cmdline = "prompt=ab max_tokens=2 exit"
    image = image_of("usb", None, TINY_LM, template="chatml", prefill="ab ba", default="chat-chat", cmdline=cmdline)
    guest = boot(image=image, medium="usb", machine="q35", timeout=240)
    assert guest.wait().ok, guest.console
    model = guest.expect_event("model")
    assert isinstance(model, Model)
    assert (model.place, model.chat) == ("chat.gguf", "chatml")
    assert "kgpt: chat.gguf: " in guest.console
    assert "modules=3" in booted(guest).cmdline
    assert re.search(r"kgpt: prefill: \d+ tokens, .*: each chat begins with them", guest.console)
    assert [event.system for event in guest.events if isinstance(event, Config)] == ["ab ba"]
    assert (inspect.memory_wanted(image) or 0) > FIRMWARE + 16  # where the kernel begins
    assert "SHA-256 as expected" in guest.console
    assert re.search(r"\[ lm\.elf +\S+ +100% ", guest.console)  # GRUB's progress
    data = image.read_bytes()
    at = data.index(TINY_LM.read_bytes()) + TINY_LM.stat().st_size // 2
    image.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    refused = boot(image=image, medium="usb", machine="q35", timeout=240)
    assert refused.wait().exit_code == 1
    (error,) = [event for event in refused.events if isinstance(event, Error)]
    assert error.message.startswith('the boot module "chat.gguf" is damaged: its SHA-256 is ')
    (problem, *_) = inspect.inspect(image).problems
    assert problem.startswith("/models/chat.gguf is not what was written")


def test_kgpt_image_and_run(kgpt: Kgpt, tmp_path: Path, kgpt_names: list[str]) -> None:
    made = kgpt("image", "usb", "-o", "k.img", "--cmdline", WORDS, "--timeout", "0")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("wrote k.img: ")
    assert {path.name for path in tmp_path.iterdir()} == {"k.img", "k.img.manifest.json"}
    done = kgpt("run", "k.img", "--accel", "tcg", "--timeout", pace.limit(100))
    assert done.returncode == 0, done.stderr
    assert f"sample  1: {kgpt_names[0]}" in done.stdout
    shown = kgpt("inspect", "k.img")
    assert "UEFI from a disk  /EFI/BOOT/BOOTX64.EFI" in shown.stdout


@pytest.mark.parametrize("kind", ["iso", "usb"])
def test_the_same_bytes_elsewhere_and_at_another_time(image_of: Maker, tmp_path: Path, kind: str) -> None:
    """The second one is made in another folder, by a process that takes the present for 2001."""
    need("gcc")
    source, clock = tmp_path / "clock.c", tmp_path / "clock.so"
    source.write_text(CLOCK)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", clock, source], check=True)
    first = image_of(kind, cmdline=WORDS)
    work = tmp_path / "a folder = with \\ spaces"
    work.mkdir()
    words = ("image", kind, "-o", "again", "--cmdline", WORDS, "--timeout", "0")
    environment = {**ENVIRONMENT, "LD_PRELOAD": str(clock), "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    told = [sys.executable, "-c", "import time; print(time.localtime().tm_year)"]
    assert subprocess.run(told, env=environment, capture_output=True, text=True, check=True).stdout == "2001\n"
    subprocess.run([sys.executable, "-m", "kgpt_build", *words], cwd=work, env=environment, check=True)
    assert (work / "again").read_bytes() == first.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("by", ["bios", "uefi"])
def test_smollm2_answers_from_a_stick(boot: Boot, image_of: Maker, smollm2: Path, by: str) -> None:
    cmdline = f'prompt="{QUESTION}" temperature=0 max_tokens=12 ctx=256 exit'
    image = image_of("usb", smollm2, cmdline=cmdline)
    settings = {"firmware": uefi(), "machine": "q35"} if by == "uefi" else {}
    guest = boot(image=image, medium="usb", memory=512, cpus=2, timeout=600, **settings)
    assert guest.wait().ok
    assert "Shakespeare" in texts(guest)[0]
