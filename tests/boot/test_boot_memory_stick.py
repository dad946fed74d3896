"""Conversations kept on a stick: they come back after a reboot, by any controller, and no other byte of it changes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from boots import Boot, need
from refusals import lacks

from kgpt_build.boot_modules import BootModule
from kgpt_build.cli import invoke
from kgpt_build.events import Logits, Sample
from kgpt_build.file_hash import sha256_of
from kgpt_build.image import manifest
from kgpt_build.image.contents import Wanted, load_models
from kgpt_build.image.inspect import file_runs
from kgpt_build.image.make import LOG, MEMORY, ImageSettings, make
from kgpt_build.image.menu import MenuSettings
from kgpt_build.kernel.settings import Silent
from kgpt_build.memory import log_text, read_store
from kgpt_build.pytest_plugin import Guest
from kgpt_build.training.corpus import read_corpus
from kgpt_build.vm.disks import Disk

MODEL = Path(__file__).parents[1] / "fuzz" / "shell" / "chat.gguf"
WORDS = "max_tokens=3 logits"
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("grub-mkimage", "mtools", "qemu-system-x86_64")
    wanted = Wanted(load_models([MODEL]), read_corpus(None).embedded(), "zig", "chatml")
    out = tmp_path_factory.mktemp("stick") / "stick.img"
    menu = MenuSettings(timeout=0, default="chat-chat", cmdline=WORDS)
    return make(ImageSettings("usb", out, wanted, menu, memory=MEGABYTE), Silent()).image


@pytest.fixture
def stick(made: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "stick.img"
    copy.write_bytes(made.read_bytes())
    manifest.beside(copy).write_bytes(manifest.beside(made).read_bytes())
    return copy


def memory_of(stick: Path) -> tuple[int, int]:
    with stick.open("rb") as image:
        (run,) = file_runs(image, MEMORY)
    return run


def assert_nothing_else_changed(stick: Path, made: Path) -> None:
    at, size = memory_of(stick)
    now, before = stick.read_bytes(), made.read_bytes()
    assert now != before
    assert now[:at] == before[:at]
    assert now[at + size :] == before[at + size :]


@dataclass(frozen=True)
class Chat:
    """A kernel with the model as a boot module, and the stick as a disk."""

    boot: Boot
    kernel: Path

    def says(self, *typed: str, disks: tuple[Disk, ...] = (), words: str = WORDS, clock: str = "utc") -> Guest:
        modules = (BootModule(MODEL, (f"sha256={sha256_of(MODEL)}",)), BootModule(MODEL.with_suffix(".kgct")))
        machine = {"machine": "q35", "memory": 256, "extra": ("-rtc", f"base={clock}")}
        guest = self.boot(f"mode=chat {words}", self.kernel, modules=modules, disks=disks, **machine)
        return talk(guest, *typed)


@pytest.fixture
def chat(boot: Boot, kernel_without_model: Path) -> Chat:
    return Chat(boot, kernel_without_model)


def talk(guest: Guest, *typed: str) -> Guest:
    guest.expect_event("shell", prompt="> ")
    for line in (*typed, "/quit"):
        guest.expect("^> $")
        guest.send_line(line)
    assert guest.wait().ok
    return guest


def bits(guest: Guest) -> tuple[str, list[str]]:
    """The last reply, and the logits of its tokens."""
    last = [event for event in guest.events if isinstance(event, Sample)][-1]
    return last.text, [e.f32 for e in guest.events if isinstance(e, Logits) and e.sample == last.index]


@pytest.mark.parametrize(("first", "second"), [("virtio", "nvme"), ("usb", "ahci")])
def test_kept_by_one_controller_and_continued_by_another(
    chat: Chat, stick: Path, made: Path, first: str, second: str
) -> None:
    whole = chat.says("ab", "ba")
    clock, disk = "2031-02-03T04:05:06", Disk(stick, first, writable=True)
    kept = chat.says("ab", "/save ada", disks=(disk,), clock=clock)
    assert "ada is kept: " in kept.console
    disk, dead = Disk(stick, second, writable=True), "2001-01-01"
    after = chat.says("/load ada", "ba", "/save eve", "/load", disks=(disk,), words="logits", clock=dead)
    assert not lacks(after.console, "ada goes on: eve is kept: 2 kept")
    assert re.search(r"^ada .* 2031-02-03 04:\d\d UTC$", after.console, re.MULTILINE)
    assert bits(after) == bits(whole)
    assert_nothing_else_changed(stick, made)
    at, size = memory_of(stick)
    times = [(record.name, record.kept) for record in read_store(stick.read_bytes()[at : at + size]).records]
    assert times[1] == ("eve", None), "a clock of 2001 is believed"
    assert times[0][1] is not None
    assert timedelta(0) <= times[0][1] - datetime.fromisoformat(f"{clock}Z") < timedelta(hours=1)


@pytest.mark.parametrize("medium", ["disk", "usb"])
def test_a_stick_that_boots_keeps(
    boot: Boot, stick: Path, made: Path, capsys: pytest.CaptureFixture[str], medium: str
) -> None:
    """GRUB boots it behind AHCI or xHCI; then the host lists, exports and imports."""
    machine = {"image": stick, "medium": medium, "machine": "q35", "keeps": True, "timeout": 400}
    talk(boot(**machine), "/set log on", "ab", "/save ada")
    with stick.open("rb") as image:
        ((at, size),) = file_runs(image, LOG)
    stick_bytes = bytearray(stick.read_bytes())
    assert not lacks(log_text(bytes(stick_bytes[at : at + size])), "seed > ab")
    stick_bytes[at : at + size] = made.read_bytes()[at : at + size]  # so that the rest can be compared
    stick.write_bytes(stick_bytes)
    after = talk(boot(**machine), "/load ada", "/history", "/forget none")
    assert not lacks(after.console, "ada goes on: ab")
    assert_nothing_else_changed(stick, made)
    raw = stick.with_name("raw")
    assert invoke(["memory", "export", str(stick), "ada", "--raw", "-o", str(raw)]) == 0
    assert invoke(["memory", "import", str(stick), "eve", str(raw)]) == 0
    capsys.readouterr()
    assert invoke(["memory", "ls", str(stick)]) == 0
    assert not lacks(capsys.readouterr().out, "ada eve conversation are free")
    assert_nothing_else_changed(stick, made)
    at, size = memory_of(stick)
    records = read_store(stick.read_bytes()[at : at + size]).records
    assert [record.data for record in records] == [raw.read_bytes()] * 2
    assert invoke(["inspect", str(stick)]) == 0  # what it keeps is no damage


def test_two_memories_and_a_disk_that_is_left_alone(chat: Chat, stick: Path) -> None:
    copy = stick.with_name("copy.img")
    copy.write_bytes(stick.read_bytes())
    two = (Disk(stick, "ahci", writable=True), Disk(copy, "virtio", writable=True))
    assert "has two of them" in chat.says("ab", "/save ada", disks=two).console
    assert stick.read_bytes() == copy.read_bytes()
    done = chat.says("ab", "/save a", disks=(Disk(stick, "virtio"),))
    assert "the memory is read-only" in done.console
    off = chat.says("ab", "/save a", disks=(Disk(stick, "virtio", writable=True),), words=f"{WORDS} disk=off")
    assert "(disk=off)" in off.console
